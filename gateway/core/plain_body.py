"""What is a body without its coding, so that it can be read?"""

from __future__ import annotations

import zlib
from typing import Final

from gateway.core.http_fields import values
from gateway.core.reply import Fields

LARGEST: Final = 16 << 20
"""Bytes of a body that is read whole before it goes on, coded or not."""

_GZIP: Final = frozenset((b"gzip", b"x-gzip"))


def codings(fields: Fields) -> list[bytes]:
    """The codings of a body, in the order in which they were applied."""
    said = [
        one.strip(b" \t").lower()
        for value in values(fields, b"content-encoding")
        for one in value.split(b",")
    ]
    return [one for one in said if one not in (b"", b"identity")]


def can_be_plain(fields: Fields) -> bool:
    """Whether the codings of a body are known here."""
    return _GZIP.issuperset(codings(fields))


def plain(fields: Fields, body: bytes) -> bytes:
    """The body without its coding. Raises ValueError for one that is not known, or does not hold."""
    for coding in reversed(codings(fields)):
        if coding not in _GZIP:
            raise ValueError(f"its coding is {coding[:40]!r}, though none was asked for")
        body = _inflated(body)
    return body


def _inflated(body: bytes) -> bytes:
    inflating = zlib.decompressobj(wbits=31)
    try:
        found = inflating.decompress(body, LARGEST)
    except zlib.error as error:
        raise ValueError("it is not compressed as it says") from error
    if not inflating.eof:
        raise ValueError("it is cut, or too large")
    return found
