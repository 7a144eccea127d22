"""How long have the calls of each method taken in the last minutes? What was counted in each half minute, until it is too old."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from msgspec import Struct

from gateway.core.method_times import Times

SPAN: Final = 30.0
"""Seconds that are counted together."""
KEPT: Final = 900.0
"""Seconds after which they are forgotten."""
MOST_ROWS: Final = 60_000
"""Rows that are kept, of a method in a span; where more methods are called all the time, fewer minutes are known."""


class _Span(Struct, frozen=True):
    ended: float
    times: Times


class Lately:
    """The last minutes of one process, however many gates it has had meanwhile."""

    def __init__(self, now: float, most: int = MOST_ROWS) -> None:
        """`now`, here and below, is in seconds of any clock that is never set."""
        self._most = most
        self._since = now
        self._rows = 0
        self._spans: deque[_Span] = deque()

    def add(self, times: Times, now: float) -> None:
        """What was counted in the span that ends now."""
        if times.names:
            # Counts of half a minute are exact in half the room.
            self._spans.append(_Span(now, Times(times.names, times.cells.astype(np.float32))))
            self._rows += len(times.names)
        while self._spans and (self._spans[0].ended <= now - KEPT or self._rows > self._most):
            oldest = self._spans.popleft()
            self._rows -= len(oldest.times.names)
            self._since = oldest.ended

    def over(self, seconds: float, present: Times, now: float) -> tuple[float, list[Times]]:
        """What is known of so many last seconds, and of how many it is; `present` is what was counted since the last span ended.

        Spans are taken whole, so it may be a little more than was asked for; it is less where less is known.
        """
        began = max(self._since, (now - seconds) // SPAN * SPAN)
        return now - began, [*(one.times for one in self._spans if one.ended > began), present]


def due(now: float) -> float:
    """In how many seconds the present span ends; it does so at the same moments in all processes of a host."""
    return SPAN - now % SPAN
