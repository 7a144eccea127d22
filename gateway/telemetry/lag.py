"""How late does the event loop do what is due? Whatever blocks it keeps every caller waiting by as much."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from typing import Final

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the buckets, in seconds."""

_EVERY: Final = 0.1
"""Seconds from one look to the next."""


class Lag:
    """Asks to be woken again and again, and counts by how much it is woken too late."""

    def __init__(self, loop: asyncio.AbstractEventLoop, every: float = _EVERY) -> None:
        self._loop = loop
        self._every = every
        self.buckets = [0] * (len(BOUNDS) + 1)
        """How many times it was late by at most so much, and more than by the bound before; the last has no bound."""
        self.seconds = 0.0
        """By how much in all."""
        self._due = loop.time() + every
        self._timer = loop.call_at(self._due, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        late = max(0.0, now - self._due)
        self.buckets[bisect_left(BOUNDS, late)] += 1
        self.seconds += late
        # From now on: a loop that was held up once is late once.
        self._due = now + self._every
        self._timer = self._loop.call_at(self._due, self._look)

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def read(self) -> tuple[tuple[float, ...], list[int], float]:
        """Bounds, counts and sum, for whoever publishes them."""
        return BOUNDS, list(self.buckets), self.seconds
