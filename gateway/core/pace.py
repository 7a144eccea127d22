"""How fast does a queue move, and would what waits before a call outlast its time?"""

from __future__ import annotations

import math
from typing import Final

_WEIGHT: Final = 0.125
"""Of what was seen last, as for a round trip's time in RFC 6298: one slow turn alone refuses nobody."""
_LONGEST: Final = 60.0


def smoothed(gap: float | None, seen: float) -> float:
    """The seconds from one turn's passing to the next: what was known of them, and what was seen now."""
    return seen if gap is None else gap + _WEIGHT * (seen - gap)


def too_late_by(before: int, gap: float | None, left: float) -> float | None:
    """By how many seconds a turn comes too late that passes to `before` others first; None where it does not, or may not."""
    if gap is None:
        return None
    late = before * gap - left
    return late if late > 0 else None


def retry_after(late: float) -> int:
    """After how many whole seconds the same call would have its turn in time, if the queue shrinks until then."""
    return max(1, math.ceil(min(late, _LONGEST)))
