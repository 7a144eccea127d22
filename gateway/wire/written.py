"""How is the head of an answer written, byte for byte as it was given?"""

from __future__ import annotations

import re
from secrets import token_hex
from typing import Final

from gateway.core.reply import Fields
from gateway.wire.refusal import PHRASES, Refusal, refusal_parts

_STATUS_LINES: Final = {
    status: b"HTTP/1.1 %d %b\r\n" % (status, phrase) for status, phrase in PHRASES.items() if status >= 200
}
_NO_CONTENT: Final = 204

_OWN_FIELDS = re.compile(rb"\r\n(date|content-length|transfer-encoding|connection):")


def written_head(
    status: int,
    reason: bytes | None,
    fields: Fields,
    *,
    date: bytes,
    framing: bytes,
    connection: bytes,
    bodiless: bool = False,
) -> bytes:
    """The head's bytes: status line, `fields` as they are, then the lines that are the connection's to say.

    `date`, `framing` and `connection` are whole lines with CRLF, or nothing; `date` is left out if the fields
    have one, and so is `framing` if an answer without body (`bodiless`) says the length of the one it has not.
    `reason` None is the phrase of RFC 9110. ValueError for a CR, LF or NUL in the fields or the reason, and for
    fields that say where the message ends: the text names no value.
    """
    line = _STATUS_LINES.get(status) if reason is None else None
    if line is None:
        if not 200 <= status <= 999:
            raise ValueError(f"{status} is no status of a final answer")
        line = b"HTTP/1.1 %d %b\r\n" % (status, reason or b"")
    head = line + b"".join([b"%b: %b\r\n" % field for field in fields])
    lines = len(fields) + 1
    if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\0" in head:
        raise ValueError("a field or the reason phrase of an answer holds CR, LF or NUL")
    own = _OWN_FIELDS.findall(head.lower())
    if own:
        if b"transfer-encoding" in own or b"connection" in own:
            raise ValueError("Transfer-Encoding and Connection are written by the connection")
        if b"content-length" in own:
            if not bodiless or status == _NO_CONTENT:
                raise ValueError(
                    "Content-Length is written by the connection, unless there is no body to count"
                )
            framing = b""
        if b"date" in own:
            date = b""
    return b"%b%b%b%b\r\n" % (head, date, framing, connection)


def passed_head(status: int, reason: bytes | None, fields: Fields, date: bytes) -> bytes:
    """The head of an answer that is passed on, without the lines that frame it and the empty line at its end.

    `fields` stand as they are, Content-Length too; `date` is the Date line, left out if they have one. Raises ValueError
    for a CR, LF or NUL in them.
    """
    if reason is None:
        line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
    else:
        line = b"HTTP/1.1 %d %b\r\n" % (status, reason)
    head = line + b"".join([b"%b: %b\r\n" % field for field in fields])
    lines = len(fields) + 1
    if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\0" in head:
        raise ValueError("a field or the reason phrase of an answer holds CR, LF or NUL")
    return head if any(len(name) == 4 and name.lower() == b"date" for name, _ in fields) else head + date


def written_refusal(refusal: Refusal, date: bytes) -> bytes:
    """The whole answer that refuses a head; `date` is the Date line. It names a request id of its own."""
    status, fields, body = refusal_parts(refusal, token_hex(8))
    framing = b"Content-Length: %d\r\n" % len(body)
    head = written_head(status, None, fields, date=date, framing=framing, connection=b"Connection: close\r\n")
    return head + body
