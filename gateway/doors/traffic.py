"""What goes on? `GET /-/traffic`: counts of all workers, for whoever looks again in a moment and takes the difference."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from gateway.core.sums import Family
from gateway.core.traffic import told_traffic
from gateway.doors.asked import Asked
from gateway.doors.operators_json import json_answer
from gateway.wire.answer import Answer


class TrafficDoor:
    """The same numbers as the metrics', few enough to be asked for every other second."""

    def __init__(self, numbers: Callable[[], Awaitable[Sequence[Family]]], wall: Callable[[], float]) -> None:
        """`numbers` are those of the whole gate, however many processes it is; `wall` tells seconds since 1970."""
        self._numbers = numbers
        self._wall = wall

    async def answer(self, asked: Asked) -> Answer:
        """The counts, now."""
        return json_answer(told_traffic(await self._numbers(), self._wall()))
