"""Which entries are at hand in this process?"""

from __future__ import annotations

from cachetools import LRUCache

from gateway.core.verdict import Entry

SHARE = 4
"""One entry takes at most a quarter of the tier, so that a single large reply cannot empty it."""


class MemoryTier:
    """Entries in memory, bounded in bytes; the least recently used ones go first."""

    def __init__(self, size: int) -> None:
        """`size`: how many bytes keys, bodies and their overhead may take; 0 stores nothing."""
        self._entries: LRUCache[bytes, Entry] = LRUCache(size, getsizeof=_size)
        self._largest = size // SHARE

    def get(self, key: bytes) -> Entry | None:
        """The entry under the key."""
        try:  # one look-up; the mapping's own `get` makes two
            return self._entries[key]
        except KeyError:
            return None

    def put(self, key: bytes, entry: Entry) -> bool:
        """Store the entry; False if it is larger than one entry may be."""
        if entry.size > self._largest:
            self._entries.pop(key, None)
            return False
        self._entries[key] = entry
        return True

    def drop(self, key: bytes) -> None:
        """Forget the key."""
        self._entries.pop(key, None)

    @property
    def bytes(self) -> int:
        """The bytes taken."""
        return int(self._entries.currsize)

    def __len__(self) -> int:
        return len(self._entries)


def _size(entry: Entry) -> int:
    return entry.size
