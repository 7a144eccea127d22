"""Which of several descriptions that gates have heard of one service is the one that all of them advertise?

While a service is upgraded, one of its replicas after the other, it describes itself now in the new way and now in the old one.
So a description that was given up is not taken again for a while, and for longer each time, unless an operator asks.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

FIRST_HOLD: Final = 300.0
"""Seconds for which a description that was given up is not taken again: a rolling upgrade is over then."""
LONGEST_HOLD: Final = 3600.0
MOST_PAST: Final = 8


class Past(Struct, frozen=True, array_like=True):
    """A description that was given up: when, by the clock of Redis, and for how many seconds it is not taken again."""

    digest: str
    at: float
    hold: float


class Agreed(Struct, frozen=True, array_like=True):
    """The description that all gates advertise, by its digest, and those before it, the latest first."""

    digest: str
    past: tuple[Past, ...] = ()


def proposed(agreed: Agreed | None, heard: str, now: float, *, force: bool = False) -> Agreed | None:
    """What is to be agreed on after this was heard; None if what is agreed stands.

    `force` = an operator asked: then what was heard counts, whatever was before.
    """
    if agreed is None:
        return Agreed(heard)
    if heard == agreed.digest:
        return None
    known = {one.digest: one for one in agreed.past}
    before = known.get(heard)
    if before is not None and not force and now - before.at < before.hold:
        return None
    hold = FIRST_HOLD
    if agreed.digest in known:
        hold = min(LONGEST_HOLD, 2 * known[agreed.digest].hold)
    others = (one for one in agreed.past if one.digest != agreed.digest)
    return Agreed(heard, (Past(agreed.digest, now, hold), *others)[:MOST_PAST])
