"""What has ended since a stored reply's trip began?"""

from __future__ import annotations

from functools import cache, lru_cache
from zlib import crc32

SLOTS = 4096
"""Counters that names hash to. Two names that meet in one only cost each other a few misses."""


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
