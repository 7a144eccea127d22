"""Is it better to wait for what somebody else is fetching, or to fetch it too?

Most can be read while it comes, once it has begun (`doors.answer_stream`). Of the rest who waits gets nothing until it is
whole, but sooner than if both fetch it at the same time. So what will be whole soon is waited for, and what takes long is
not, as soon as that can be told.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

UNSEEN: Final = 5.0
"""Seconds to wait while nobody knows whether it will be stored, or how long it is."""
SOON: Final = 15.0
"""Seconds until it is whole beyond which it is not waited for."""
MOST: Final = 30.0
"""Seconds from its beginning for which it is waited for at most."""
_TELLS: Final = 1.0
"""Seconds of an answer by which its pace is told."""
_LEAST: Final = 0.25


class Coming(Struct, frozen=True):
    """An answer on its way that will be stored: since when (on the monotonic clock), and how many bytes of how many are here.

    `length` is None where it is not said.
    """

    began: float
    length: int | None
    received: int


def patience(coming: Coming | None, waited: float, now: float, unseen: float = UNSEEN) -> float:
    """For how many seconds more to wait before this is asked again; none of them = do not wait any longer.

    `waited` is for how many it was waited for; one that has not begun is waited for so many, `unseen`.
    """
    if coming is None:
        return unseen - waited
    passed = now - coming.began
    waited = min(waited, passed)
    if coming.length is None:
        return UNSEEN - waited
    if passed < _TELLS:
        return min(_TELLS - passed, MOST - waited)
    left = passed * (coming.length - coming.received) / max(1, coming.received)
    return 0.0 if left > SOON else min(max(left, _LEAST), MOST - waited)
