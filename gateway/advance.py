"""What is charged before it is asked for, so that who calls often is not charged call by call?"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.quotas import Quota


class Advance:
    """Calls and bytes that are charged already, for somebody who calls often: what is left of them is given back.

    They come back within `most` nanoseconds anyhow, so that nobody waits longer than that for what others hold in advance;
    after that time, or when anything else is charged, they are given back as if they had never been drawn.
    """

    __slots__ = ("_moment", "calls", "drawn", "most", "since", "size", "told", "until")

    def __init__(self, most: int) -> None:
        self.most = most
        self.calls = self.size = 0
        self.since = self.until = 0.0
        """In seconds since 1970: when a call was last charged by itself, and until when the others are good."""
        self.told = b""
        self._moment = 0
        self.drawn: list[tuple[Quota, int, bool]] = []
        """What they were charged to, by row; whether it counts bytes. Nothing once it was given back."""

    def draw(
        self, moment: int, calls: int, size: int, rated: Sequence[Quota], sized: Sequence[Quota]
    ) -> None:
        """Charge them."""
        self.calls, self.size, self._moment = calls, size, moment
        self.drawn = [(quota, quota.meter.at, False) for quota in rated]
        self.drawn += [(quota, quota.meter.at, True) for quota in sized]
        for quota, at, by_size in self.drawn:
            time = quota.rate.time_of(size) if by_size else calls * quota.one
            quota.kept[at] = max(quota.kept[at], moment) + time

    def give_back(self) -> None:
        """Take back what is left."""
        for quota, at, by_size in self.drawn:
            meter = quota.meter
            if at != meter.at or meter.keys[at] != meter.key:
                continue  # somebody else has the row, with what is owed there
            time = quota.rate.time_of(self.size) if by_size else self.calls * quota.one
            quota.kept[at] = max(self._moment, quota.kept[at] - time)
        self.calls = self.size = 0
        self.drawn = []
