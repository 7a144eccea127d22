"""Is a worker that has ended started again, and how soon?"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class Rule(Struct, frozen=True):
    """When it is too much; all in seconds, but `most`, which counts.

    A worker that lived for `settled` is started again at once. One that ended sooner waits `first`, then twice as
    long each time, at most `longest`; after `most` such ends within `within` it is not started any more.
    """

    settled: float = 10.0
    first: float = 0.1
    longest: float = 10.0
    most: int = 10
    within: float = 120.0


class Life(Struct, frozen=True):
    """One worker's life, from when to when (seconds of one clock)."""

    began: float
    ended: float

    def was_short(self, rule: Rule) -> bool:
        """Whether it ended before it was of any use."""
        return self.ended - self.began < rule.settled


class Again(Struct, frozen=True):
    """Start another one after so many seconds."""

    after: float


class GiveUp(Struct, frozen=True):
    """Start none any more: so many ended too soon."""

    deaths: int


def decide(lives: Sequence[Life], now: float, rule: Rule) -> Again | GiveUp:
    """What follows the last of these lives, which stand in their order."""
    deaths = [one for one in lives if one.was_short(rule) and now - one.ended <= rule.within]
    if len(deaths) >= rule.most:
        return GiveUp(len(deaths))
    row = 0
    for one in reversed(lives):
        if not one.was_short(rule):
            break
        row += 1
    return Again(0.0 if row == 0 else min(rule.first * 2.0 ** min(row - 1, 32), rule.longest))
