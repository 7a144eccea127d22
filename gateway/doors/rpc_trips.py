"""How do the calls of one batch go to their upstreams, without a task for each?"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextvars import copy_context
from typing import Any, Final

from gateway.core.call import Call
from gateway.core.faults import InternalFault
from gateway.doors.part import Part
from gateway.doors.rpc_trip import RpcTrip
from gateway.relay import Relay

log = logging.getLogger("labgate.doors")

PULSE: Final = 1.0
"""Seconds between two looks at which trips have taken too long; calls that have little time go by tasks."""


class RpcTrips:
    """The calls of one batch under way, at most so many at a time.

    A usual call is a trip by itself, as a call that came alone is; one that takes more goes by a task.
    """

    def __init__(
        self,
        relay: Relay,
        most: int,
        obtain: Callable[[Part, Call], Coroutine[Any, Any, None]],
        observe: Callable[[Part, float], None],
        suits: Callable[[Part, Call], bool],
    ) -> None:
        """`obtain` has the relay carry a call out, and counts it; `observe` counts one that was carried out here.

        `suits` says of which calls nothing speaks against a trip.
        """
        self._relay = relay
        self._most = most
        self._obtain = obtain
        self._observe = observe
        self._suits = suits
        self._loop = asyncio.get_running_loop()
        # An answer comes in the context of its connection, and the next call leaves then.
        self._context = copy_context()
        self._over = self._loop.create_future()
        self._waiting: deque[tuple[Part, Call]] = deque()
        self._trips: dict[Part, RpcTrip] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._going = False

    async def carry(self, calls: Iterable[tuple[Part, Call]]) -> None:
        """Carry all of them out; each part has its reply or fault then. Raises the mistake of one that fails by a mistake."""
        self._waiting.extend(calls)
        self._timer = self._loop.call_later(PULSE, self._check)
        self._go_on()
        try:
            await self._over
        finally:
            self._timer.cancel()
            await self._leave()

    def _go_on(self) -> None:
        """Begin as many as there is room for."""
        if self._going:  # a trip may end while it begins
            return
        self._going = True
        while self._waiting and self._under_way < self._most:
            self._begin(*self._waiting.popleft())
        self._going = False
        if not self._under_way and not self._over.done():
            self._over.set_result(None)

    def _begin(self, part: Part, call: Call) -> None:
        self._under_way += 1
        trip = None
        try:
            if self._suits(part, call):
                trip = RpcTrip.begin(self._relay, self._loop, call, part, self._arrived)
        except Exception:  # in the middle of somebody else's answer, maybe, who is not to blame
            log.exception("call failed by a mistake of the gate's", extra={"request_id": call.id})
            part.fault = InternalFault("The gate made a mistake; its log tells more, under this request id.")
            self._arrived(part, 0.0)
            return
        if trip is None:
            task = self._loop.create_task(self._obtain(part, call), context=self._context)
            self._tasks.add(task)
            task.add_done_callback(self._obtained)
        elif not trip.told:
            self._trips[part] = trip

    def _arrived(self, part: Part, seconds: float) -> None:
        self._trips.pop(part, None)
        self._observe(part, seconds)
        self._under_way -= 1
        self._go_on()

    def _obtained(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._under_way -= 1
        mistake = None if task.cancelled() else task.exception()
        if mistake is not None and not self._over.done():
            self._waiting.clear()
            self._over.set_exception(mistake)
        self._go_on()

    def _check(self) -> None:
        now = self._loop.time()
        for trip in list(self._trips.values()):
            trip.check(now)
        self._timer = self._loop.call_later(PULSE, self._check)

    async def _leave(self) -> None:
        """Nobody waits any more: end what is under way, unless others wait for it."""
        self._waiting.clear()
        trips, self._trips = self._trips, {}
        for trip in trips.values():
            trip.leave()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
