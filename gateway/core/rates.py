"""How often may something happen? The generic cell rate algorithm (ITU-T I.371), which keeps one number.

That number is the moment at which everything that was spent is there again; in the past, or 0, it says nothing. Moments are
whole nanoseconds since 1970, so that nothing is lost by rounding, and several processes can read and write them as one.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import force_setattr

SECOND: Final = 1_000_000_000
"""Nanoseconds."""


class Rate(Struct, frozen=True, gc=False):
    """So many (`count`) in so many `seconds`, coming back evenly, of which `burst` may be spent at once.

    `span` is how many nanoseconds it takes until the whole burst is there again, `window` those of the seconds, and `one`
    those until one is.
    """

    count: int
    seconds: int
    burst: int
    span: int = 0
    window: int = 0
    one: int = 0

    def __post_init__(self) -> None:
        force_setattr(self, "window", self.seconds * SECOND)
        force_setattr(self, "span", self.burst * self.window // self.count)
        force_setattr(self, "one", self.window // self.count)

    def time_of(self, cost: int) -> int:
        """How many nanoseconds it takes until this much is there again."""
        return cost * self.window // self.count


def settled(rate: Rate, due: int, now: int) -> int:
    """What is kept, where it makes sense: a clock that was set back leaves nobody without their calls for long."""
    most = now + rate.span
    return min(most, due)


def wait(rate: Rate, due: int, cost: int, now: int) -> float:
    """After how many seconds this much can be spent; what is more than a burst never can, and is told the whole of it."""
    owed = settled(rate, due, now) - now
    missing = max(0, owed) + rate.time_of(min(cost, rate.burst)) - rate.span
    return max(0, missing) / SECOND


# --- what is charged when it has happened already


MOST_OWED: Final = 24
"""Windows for which somebody may be in debt: who took much at once waits, and a clock that was set back is forgotten."""


def add(rate: Rate, due: int, cost: int, now: int) -> int:
    """What is kept when this much was had, however little was left."""
    return now + min(_owed(rate, due, now) + rate.time_of(cost), MOST_OWED * rate.span)


def overdrawn(rate: Rate, due: int, now: int) -> bool:
    """Whether as much again was had as there ever is at once: what is under way ends then."""
    return _owed(rate, due, now) >= 2 * rate.span


def until_room(rate: Rate, due: int, now: int) -> float:
    """After how many seconds something is left again."""
    return max(0, _owed(rate, due, now) - rate.span + 1) / SECOND


def _owed(rate: Rate, due: int, now: int) -> int:
    owed = due - now
    most = MOST_OWED * rate.span
    return 0 if owed < 0 else min(most, owed)
