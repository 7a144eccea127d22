"""Does a body have the checksum that its reply names (RFC 9530 and RFC 3230)?"""

from __future__ import annotations

import base64
import binascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from labgate._beginning import Headers

_KNOWN = {"sha-512": "sha512", "sha-256": "sha256"}  # the strongest first


class Digest:
    """A checksum that was named, and what has been read towards it."""

    def __init__(self, algorithm: str, expected: bytes) -> None:
        import hashlib

        self.algorithm = algorithm
        self._expected = expected
        self._hash: Any = hashlib.new(_KNOWN[algorithm])

    def add(self, data: bytes | memoryview) -> None:
        """The next bytes."""
        self._hash.update(data)

    def holds(self) -> bool:
        """True when what was read has the checksum."""
        return bool(self._hash.digest() == self._expected)


def of_content(headers: Headers) -> Digest | None:
    """The checksum of the bytes of this very reply."""
    return _digest(headers.getall("Content-Digest"))


def of_whole(headers: Headers) -> Digest | None:
    """The checksum of the whole file, of which a reply may carry a part."""
    return _digest(headers.getall("Repr-Digest")) or _digest(headers.getall("Digest"))


def _digest(values: Iterable[str]) -> Digest | None:
    named = {}
    for member in ",".join(values).split(","):
        name, _, text = member.partition("=")
        named[name.strip().lower()] = text.partition(";")[0].strip().strip(":")
    for algorithm in _KNOWN:
        if algorithm in named:
            try:
                return Digest(algorithm, base64.b64decode(named[algorithm], validate=True))
            except binascii.Error:
                return None  # no checksum that can be checked
    return None
