"""How long did things take? Counted by buckets that never change, so that those of several processes can be added."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)  # fmt: skip
"""Upper bounds of the buckets, in seconds."""


class Durations:
    """How many things took how long. `buckets` has one more than there are bounds, for what took longer than all of them."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        """All of them together."""

    def note(self, seconds: float) -> None:
        """One more."""
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    @property
    def count(self) -> int:
        """How many they were."""
        return sum(self.buckets)

    def read(self) -> tuple[Sequence[float], Sequence[int], float]:
        """Bounds, counts and sum, for whoever publishes them."""
        return BOUNDS, list(self.buckets), self.seconds
