"""When is what was counted of each method a thing of the last minutes? Every half minute, and once more when the gate ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
from msgspec import Struct, convert, to_builtins

from gateway.core.faults import Unavailable
from gateway.core.method_times import WIDTH, Times, Wish, together, told
from gateway.telemetry.lately import Lately, due
from gateway.telemetry.method_times import MethodTimes


class Said(Struct, frozen=True):
    """What one process knows: of how many seconds, and the cells of each name as bytes of base64."""

    seconds: float
    names: list[str]
    cells: bytes


class MethodBook:
    """The times of methods that this process has counted, and how they come to be those of all workers."""

    def __init__(
        self,
        times: MethodTimes,
        gather: Callable[[], None],
        lately: Lately,
        all_say: Callable[[float], Awaitable[Sequence[Any]]],
        monotonic: Callable[[], float],
    ) -> None:
        """`gather` has counted what lanes have answered; `all_say` has every worker `say`."""
        self._times = times
        self._gather = gather
        self._lately = lately
        self._all_say = all_say
        self._monotonic = monotonic

    async def run(self) -> None:
        """End one span after the other, until it is cancelled."""
        while True:
            await asyncio.sleep(due(self._monotonic()))
            self.turn()

    def turn(self) -> None:
        """A span ends."""
        self._gather()
        self._lately.add(self._times.take(), self._monotonic())

    async def say(self, seconds: float) -> dict[str, Any]:
        """What this process knows of so many last seconds, for the others."""
        self._gather()
        known, parts = self._lately.over(seconds, self._times.told(), self._monotonic())
        # Of thousands of methods it takes a while, in which calls are to be answered.
        return await asyncio.to_thread(_said, known, parts)

    async def told(self, seconds: float, wish: Wish) -> dict[str, Any]:
        """The rows of the whole gate that somebody wants to see, and of how many seconds they are. Raises `Unavailable`."""
        known = [convert(one, Said) for one in await self._all_say(seconds)]
        if not known:
            raise Unavailable("no worker says what it has counted: try again")
        found = await asyncio.to_thread(_told, known, wish)
        return {"seconds": round(max(one.seconds for one in known), 1), **found}


def _said(seconds: float, parts: Sequence[Times]) -> dict[str, Any]:
    times = together(parts)
    said: dict[str, Any] = to_builtins(Said(seconds, list(times.names), times.cells.tobytes()))
    return said


def _told(known: Sequence[Said], wish: Wish) -> dict[str, Any]:
    each = [Times(one.names, np.frombuffer(one.cells).reshape(-1, WIDTH)) for one in known]
    return told(together(each), wish)
