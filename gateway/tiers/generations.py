"""What has ended since a stored reply's trip began?"""

from __future__ import annotations

from array import array
from functools import cache, lru_cache
from zlib import crc32

SLOTS = 4096
"""Counters that names hash to. Two names that meet in one only cost each other a few misses."""


class LocalGenerations:
    """The epoch and the generation counters of one process."""

    def __init__(self) -> None:
        self._epoch = 0
        self._counters = array("Q", bytes(8 * SLOTS))
        self.changes = 0
        """Rises with everything that ends: as long as it stays, what was read before still agrees."""

    @property
    def epoch(self) -> int:
        """The number that policies, revocations and reloads raise."""
        return self._epoch

    def advance(self) -> None:
        """Raise the epoch: every entry and flight from before is void."""
        self._epoch += 1
        self.changes += 1

    def sync(self) -> None:
        """Nothing of this outlives the process, and no entry that it speaks of does."""

    def read(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """The counters of these names, now."""
        counters = self._counters
        return tuple([counters[slot] for slot in slots(names)])

    def bump(self, names: tuple[str, ...]) -> None:
        """End the present generation of each name."""
        for slot in set(slots(names)):
            self._counters[slot] += 1
        self.changes += 1


@lru_cache(65536)
def slots(names: tuple[str, ...]) -> tuple[int, ...]:
    """The counters that the names hash to, the same in every process."""
    return tuple(crc32(name.encode()) % SLOTS for name in names)


@cache
def slot_names() -> tuple[str, ...]:
    """A name for each slot that hashes to it, for those who know slots alone: generations are ended by names."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < SLOTS:
        name = f"slot:{number}"
        found.setdefault(slots.__wrapped__((name,))[0], name)
        number += 1
    return tuple(found[slot] for slot in range(SLOTS))
