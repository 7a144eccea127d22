"""How is a listing kept? As pieces that pages are cut from without looking into them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgpack

from gateway.core.intake.entries import entry_of
from gateway.core.intake.wire import UnreadableError, pack, unpack

MOST: Final = 1_000_000


def listing_packed(answer: bytes) -> bytes:
    """What is kept of a service's answer to `/v1/info`: version, metadata, and each entry as callers are told of it.

    Raises UnreadableError.
    """
    said = unpack(answer)
    if not isinstance(said, dict) or not isinstance(said.get("sources"), list):
        raise UnreadableError("it lists no sources")
    entries = [entry_of(one).said for one in said["sources"][:MOST]]
    return packed(said.get("version"), said.get("metadata") or {}, entries)


def packed(version: Any, metadata: Any, entries: Iterable[Any]) -> bytes:
    """What is kept of a catalog."""
    return pack([pack(version), pack(metadata), [pack(one) for one in entries]])


class Listing:
    """A catalog as it was at one moment, its entries in the service's order."""

    def __init__(self, packed: bytes) -> None:
        self._version: bytes
        self._metadata: bytes
        self._entries: list[bytes]
        self._version, self._metadata, self._entries = unpack(packed)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def version(self) -> Any:
        """The version of the service, as it says it."""
        return unpack(self._version)

    @property
    def metadata(self) -> Any:
        """What the catalog says of itself."""
        return unpack(self._metadata)

    def entries(self, size: int | None, offset: int) -> list[Any]:
        """The entries of a page, all without a size."""
        return [unpack(one) for one in self._page(size, offset)]

    def page(self, size: int | None, offset: int) -> bytes:
        """The answer to `/v1/info`, with the entries of a page."""
        entries = self._page(size, offset)
        packer = msgpack.Packer()
        head = packer.pack_map_header(4) + pack("version") + self._version + pack("sources")
        tail = pack("length") + pack(len(self._entries)) + pack("metadata") + self._metadata
        return b"".join((head, packer.pack_array_header(len(entries)), *entries, tail))

    def _page(self, size: int | None, offset: int) -> list[bytes]:
        return self._entries if size is None else self._entries[offset : offset + size]
