"""How long did the last calls take, and when is one late among them?"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from math import ceil
from typing import Final

KEPT: Final = 256
"""Calls that are remembered."""
ENOUGH: Final = 20
"""Calls before it is known what is usual."""


class Latency:
    """The seconds that the last calls took."""

    def __init__(self) -> None:
        self._lasted: deque[float] = deque()
        self._sorted: list[float] = []

    def note(self, seconds: float) -> None:
        """One more has been answered."""
        if len(self._lasted) == KEPT:
            oldest = self._lasted.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]
        self._lasted.append(seconds)
        insort(self._sorted, seconds)

    def quantile(self, part: float) -> float | None:
        """The seconds within which this part of them was answered (0.95: all but the slowest twentieth); None if too few are known."""
        known = self._sorted
        return known[ceil(part * len(known)) - 1] if len(known) >= ENOUGH else None
