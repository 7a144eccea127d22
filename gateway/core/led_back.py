"""How are the addresses in a body led elsewhere, while every other byte of it stays?

A body is cut into its texts and the rest, not decoded: what has no such address in it comes out as it went in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final

Lead = Callable[[bytes], bytes | None]
"""Where an address (UTF-8) leads instead; None for a text that is none, or that stays."""

_JSON: Final = frozenset((b"application/json", b"text/json"))
_MSGPACK: Final = frozenset((b"application/msgpack", b"application/x-msgpack", b"application/vnd.msgpack"))

# It finds a text without an end, too: else each quote in it would be tried as the beginning of one.
_text = re.compile(rb'"(?:[^"\\]++|\\.)*+("?)', re.DOTALL)
_may_be_address = re.compile(rb"[hH\\]")

# What is one byte alone or has a known number of bytes after it, and short texts that are no addresses.
_short = b"".join(rb"|\x%02x[^hH].{%d}" % (0xA0 + length, length - 1) for length in range(1, 32))
_plain = re.compile(
    rb"(?:[\x00-\xa0\xc0\xc2\xc3\xe0-\xff]++"
    rb"|[\xcc\xd0].|[\xcd\xd1\xdc\xde\xd4]..|[\xca\xce\xd2\xdd\xdf].{4}|[\xcb\xcf\xd3].{8}"
    rb"|\xd5.{3}|\xd6.{5}|\xd7.{9}|\xd8.{17}" + _short + rb")*+",
    re.DOTALL,
)
_LENGTHS: Final = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_EXTENSIONS: Final = frozenset((0xC7, 0xC8, 0xC9))
_TEXTS: Final = frozenset((0xD9, 0xDA, 0xDB))
_WINDOW: Final = 64 << 10


def media_type(value: bytes) -> bytes:
    """A Content-Type, or an item of an Accept, in lower case and without its parameters."""
    return value.partition(b";")[0].strip(b" \t").lower()


def is_json(kind: bytes) -> bool:
    """Whether bodies of this media type are JSON."""
    return kind in _JSON or kind.endswith(b"+json")


def is_msgpack(kind: bytes) -> bool:
    """Whether bodies of this media type are msgpack."""
    return kind in _MSGPACK or kind.endswith(b"+msgpack")


def can_be_led(kind: bytes) -> bool:
    """Whether the addresses in bodies of this media type can be found."""
    return is_json(kind) or is_msgpack(kind)


def names_any(body: bytes, hosts: frozenset[bytes]) -> bool:
    """Whether any of these hosts (in lower case) stands in the bytes, in whichever case."""
    lower = body.lower()
    return any(host in lower for host in hosts)


def json_led(body: bytes, lead: Lead) -> bytes:
    """JSON whose texts that are addresses lead elsewhere, names of members too.

    Raises ValueError where it cannot be told what its texts are: one has no end, or cannot be read.
    """
    if b"\0" in body:
        raise ValueError("it is no JSON in UTF-8")
    made: list[bytes] = []
    done = 0
    for found in _text.finditer(body):
        if not found[1]:
            raise ValueError("it is cut within a text")
        if not _may_be_address.match(body, found.start() + 1):
            continue
        new = _json_text_led(found[0], lead)
        if new is not None:
            made += (body[done : found.start()], new)
            done = found.end()
    made.append(body[done:])
    return b"".join(made) if done else body


def _json_text_led(written: bytes, lead: Lead) -> bytes | None:
    """A text with its quotes, as it leads elsewhere; None where it stays."""
    if b"\\" in written:
        text: str = json.loads(written.decode("utf-8", "surrogateescape"), strict=False)
        new = lead(text.encode("utf-8", "surrogatepass"))
    else:
        new = lead(written[1:-1])
    return None if new is None else json.dumps(new.decode("utf-8", "surrogatepass")).encode()


def msgpack_led(body: bytes, lead: Lead) -> bytes:
    """Msgpack whose texts that are addresses lead elsewhere, keys of maps too; binary data and extensions stay.

    Raises ValueError where it cannot be told what its texts are.
    """
    made: list[bytes] = []
    at = done = 0
    end = len(body)
    while (at := _end_of_plain(body, at)) < end:
        start, stop = _framed(body, at)
        if stop > end:
            raise ValueError("it is cut")
        code = body[at]
        if (code < 0xC0 or code in _TEXTS) and body[start : start + 1] in (b"h", b"H"):
            new = lead(body[start:stop])
            if new is not None:
                made += (body[done:at], _length_of_text(code, len(new)), new)
                done = stop
        at = stop
    made.append(body[done:])
    return b"".join(made) if done else body


def _end_of_plain(body: bytes, at: int) -> int:
    """Where the next text or binary begins; other threads have their turn meanwhile."""
    while (found := _plain.match(body, at, at + _WINDOW)) is not None and found.end() > at:
        at = found.end()
    return at


def _framed(body: bytes, at: int) -> tuple[int, int]:
    """Where the content of what has its length in front begins and ends; that may be beyond the body."""
    code = body[at]
    if 0xA0 <= code < 0xC0:
        return at + 1, at + 1 + code - 0xA0
    size = _LENGTHS.get(code)
    if size is None or at + 1 + size > len(body):
        raise ValueError("it is cut, or no msgpack")
    start = at + 1 + size
    length = int.from_bytes(body[at + 1 : start], "big")
    return start, start + length + (code in _EXTENSIONS)


def _length_of_text(code: int, length: int) -> bytes:
    """What stands before a text of this length; its kind stays as long as it suffices."""
    if code < 0xC0 and length < 32:
        return bytes((0xA0 + length,))
    if code <= 0xD9 and length < 1 << 8:
        return bytes((0xD9, length))
    if code <= 0xDA and length < 1 << 16:
        return b"\xda" + length.to_bytes(2, "big")
    return b"\xdb" + length.to_bytes(4, "big")
