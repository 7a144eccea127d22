"""How is a request to an upstream put into bytes?"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.core.reply import Fields

_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~]+")


def request_head(
    verb: str, target: str, host: bytes, fields: Fields, *, more: bytes = b"", length: int | None = None
) -> bytes:
    """The head of an HTTP/1.1 request (RFC 9112 sections 3 to 6); names and values stand in it as given.

    `more` are lines from `field_lines`. `length` is that of the body in bytes, None when there is none. No field
    may frame the message: Host and Content-Length are written here, Transfer-Encoding is never. Raises ValueError
    for what would end a line too early.
    """
    line = f"{verb} {target}".encode("ascii")
    if not _LINE.fullmatch(line):
        raise ValueError("the verb or the target of a request holds what no request line can hold")
    return b"%b HTTP/1.1\r\nHost: %b\r\n%b%b%b\r\n" % (
        line,
        host,
        field_lines(fields),
        more,
        b"" if length is None else b"Content-Length: %d\r\n" % length,
    )


def field_lines(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Each field as a line of its own. Raises ValueError if one holds a line break or a NUL (RFC 9110 section 5.5)."""
    lines = [b"%b: %b\r\n" % field for field in fields]
    text = b"".join(lines)
    if text.count(b"\n") != len(lines) or text.count(b"\r") != len(lines) or b"\0" in text:
        raise ValueError("a field of a request holds a line break or a NUL")
    return text
