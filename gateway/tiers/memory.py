"""Which entries are at hand in this process?"""

from __future__ import annotations

from collections import OrderedDict
from itertools import chain, islice

from gateway.core.verdict import Entry

SHARE = 4
"""One entry takes at most a quarter of the tier, so that a single large reply cannot empty it."""

PINNED = 2
"""Pinned entries are kept before others in at most half of the tier."""


class MemoryTier:
    """Entries in memory, bounded in bytes; the least recently used ones go first, pinned ones after all others.

    Pinned entries beyond half of the tier are treated like any others, the least recently used ones first.
    """

    def __init__(self, size: int) -> None:
        """`size`: how many bytes keys, bodies and their overhead may take; 0 stores nothing."""
        self._others: OrderedDict[bytes, Entry] = OrderedDict()
        self._pinned: OrderedDict[bytes, Entry] = OrderedDict()
        self._taken = 0
        self._taken_by_pinned = 0
        self.limit = size
        self.largest = size // SHARE
        """Bytes that one entry may take."""

    def resize(self, size: int) -> None:
        """Take so many bytes at most from now on; what is beyond is forgotten."""
        self.limit = size
        self.largest = size // SHARE
        while self._taken_by_pinned > self.limit // PINNED:
            self._unpin_one()
        while self._taken > self.limit:
            self._taken -= self._others.popitem(last=False)[1].size

    def get(self, key: bytes) -> Entry | None:
        """The entry under the key, which was used just now by that."""
        others = self._others
        try:
            entry = others[key]
        except KeyError:
            return self._get_pinned(key)
        others.move_to_end(key)
        return entry

    def _get_pinned(self, key: bytes) -> Entry | None:
        entry = self._pinned.get(key)
        if entry is not None:
            self._pinned.move_to_end(key)
        return entry

    def peek(self, key: bytes) -> Entry | None:
        """The entry under the key, without using it."""
        return self._others.get(key) or self._pinned.get(key)

    def put(self, key: bytes, entry: Entry) -> bool:
        """Store the entry; False if it is larger than one entry may be."""
        self.forget(key)
        size = entry.size
        if size > self.largest:
            return False
        self._taken += size
        if entry.pin:
            self._pinned[key] = entry
            self._taken_by_pinned += size
            while self._taken_by_pinned > self.limit // PINNED:
                self._unpin_one()
        else:
            self._others[key] = entry
        while self._taken > self.limit:
            # There is one: what is pinned takes no more than half.
            self._taken -= self._others.popitem(last=False)[1].size
        return True

    def _unpin_one(self) -> None:
        key, entry = self._pinned.popitem(last=False)
        self._taken_by_pinned -= entry.size
        self._others[key] = entry

    def drop(self, key: bytes) -> None:
        """Forget the key."""
        self.forget(key)

    def forget(self, key: bytes) -> bool:
        """Forget the key; whether there was something under it."""
        entry = self._others.pop(key, None)
        if entry is None:
            entry = self._pinned.pop(key, None)
            if entry is None:
                return False
            self._taken_by_pinned -= entry.size
        self._taken -= entry.size
        return True

    def shed(self, count: int) -> None:
        """Forget so many entries, pinned ones first, those first that were not used for the longest time."""
        for entries in (self._pinned, self._others):
            for key in list(islice(entries, count)):
                self.forget(key)
                count -= 1

    def recent(self, most: int | None = None) -> list[Entry]:
        """The entries as they are now, at most so many: pinned ones before others, those used last before those before."""
        return list(islice(chain(reversed(self._pinned.values()), reversed(self._others.values())), most))

    @property
    def bytes(self) -> int:
        """The bytes taken."""
        return self._taken

    @property
    def pinned_bytes(self) -> int:
        """The bytes that pinned entries take."""
        return self._taken_by_pinned

    def __len__(self) -> int:
        return len(self._others) + len(self._pinned)
