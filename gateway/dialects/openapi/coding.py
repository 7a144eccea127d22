"""What is the body of an answer without its content coding?"""

from __future__ import annotations

import zlib
from typing import Final

from gateway.core.upstream import Answer

_GZIP: Final = 16 + zlib.MAX_WBITS


class UnreadableCodingError(ValueError):
    """The body cannot be decoded; `too_large` says that it is only too large."""

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large


def field(answer: Answer, name: bytes) -> str:
    """The value of the first field of this name (in lower case), empty when there is none."""
    return next((value for key, value in answer.fields if key.lower() == name), b"").decode("latin-1").strip()


def plain(answer: Answer, most: int) -> bytes:
    """The body as it was before it was coded (RFC 9110 section 8.4), at most `most` bytes of it.

    Codings are never asked for, and gzip and deflate are read nevertheless. Raises UnreadableCodingError.
    """
    coding = field(answer, b"content-encoding").lower()
    if coding in ("", "identity") or not answer.body:
        return answer.body
    if coding in ("gzip", "x-gzip"):
        return _inflated(answer.body, _GZIP, most)
    if coding == "deflate":
        # Some send the bare format (RFC 1951) for what should be in zlib's (RFC 1950).
        is_wrapped = answer.body[0] & 0x0F == 8 and int.from_bytes(answer.body[:2], "big") % 31 == 0
        return _inflated(answer.body, zlib.MAX_WBITS if is_wrapped else -zlib.MAX_WBITS, most)
    raise UnreadableCodingError("a content coding that was not asked for")


def _inflated(data: bytes, window: int, most: int) -> bytes:
    parts: list[bytes] = []
    room = most
    while data:
        decoder = zlib.decompressobj(window)
        try:
            part = decoder.decompress(data, room + 1)
        except zlib.error:
            raise UnreadableCodingError("a content coding that is broken") from None
        if len(part) > room:
            raise UnreadableCodingError(f"more than {most} bytes", too_large=True)
        if not decoder.eof:
            raise UnreadableCodingError("a content coding that ends too early")
        parts.append(part)
        room -= len(part)
        data = decoder.unused_data if window == _GZIP else b""
    return b"".join(parts)
