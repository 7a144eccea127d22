"""Which trips to upstreams are under way, and who waits for them?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from typing import Any, TypeVar

from gateway.core.faults import DeadlineExceeded, Unavailable
from gateway.core.reply import Reply
from gateway.core.tracing import Traced, current

_Result = TypeVar("_Result")


def late(service: str, **extra: bool) -> DeadlineExceeded:
    """What is said to whom an answer comes too late."""
    named = f"The service {service!r}" if service else "The service"
    return DeadlineExceeded(f"{named} did not answer within the call's time.", **extra)


class Flight:
    """One trip. It belongs to `Flights`, never to the task of a caller."""

    def __init__(self, task: asyncio.Task[Reply], *, safe: bool, service: str) -> None:
        self._task = task
        self._safe = safe
        self._service = service
        self._waiting = 0
        self.ending = False
        self.trace = current.get()
        """What is recorded of the call that it was begun for."""

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for it."""
        return self._waiting > 0

    async def join(self, deadline: float) -> Reply:
        """Wait for the trip's reply, at most until `deadline` (the loop's time).

        Raises the trip's fault, `DeadlineExceeded`, or `Unavailable` when the gate ends it. The last caller to leave a safe trip ends it: it was made for them alone. One that may change
        something goes on to its own deadline whoever waits.
        """
        loop = asyncio.get_running_loop()
        self._waiting += 1
        try:
            done, _ = await asyncio.wait((self._task,), timeout=max(0.0, deadline - loop.time()))
        finally:
            self._waiting -= 1
            if self._safe and not self._waiting and not self._task.done():
                self.ending = True
                self._task.cancel()
        if not done:
            extra = {} if self._safe else {"maybe_executed": True}
            raise late(self._service, **extra)
        if self._task.cancelled():
            raise Unavailable("The gate is going down; call again in a moment.", retry_after=1)
        return self._task.result()


class Solo:
    """A trip that one caller carries through without a task; others may wait for what it brings."""

    trace: Traced | None = None
    """Nothing of it is recorded."""

    def __init__(self) -> None:
        self.ending = False
        self._landed: asyncio.Future[Reply | None] | None = None

    @property
    def awaited(self) -> bool:
        """Whether somebody else waits for it."""
        return self._landed is not None and not self._landed.done()

    async def join(self, deadline: float) -> Reply | None:
        """What it brings, None if that is nothing to be shared, or nothing until `deadline` (the loop's time)."""
        loop = asyncio.get_running_loop()
        if self._landed is None:
            self._landed = loop.create_future()
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.shield(self._landed)
        except TimeoutError:
            return None

    def land(self, reply: Reply | None) -> None:
        """It has ended."""
        self.ending = True
        if self._landed is not None and not self._landed.done():
            self._landed.set_result(reply)


class Flights:
    """The trips under way. Equal calls of safe methods share one; all end with the app."""

    def __init__(self) -> None:
        self._shared: dict[Hashable, Flight | Solo] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self.begun = self.joined = 0
        """Trips so far, and calls that were answered by somebody else's."""

    def find(self, key: Hashable) -> Flight | Solo | None:
        """The trip that calls with this key share. The key holds the generations: after a write, none is joined."""
        flight = self._shared.get(key)
        return None if flight is None or flight.ending else flight

    def shared(self) -> tuple[Hashable, ...]:
        """The keys of the trips that others may join."""
        return tuple(self._shared)

    def start(
        self,
        fly: Callable[[], Coroutine[Any, Any, Reply]],
        *,
        key: Hashable | None = None,
        safe: bool = False,
        service: str = "",
        ended: Callable[[], None] | None = None,
    ) -> Flight:
        """Begin a trip to the service; with a `key` other calls may join it. `ended` is called when it is over, however it ends."""
        self.begun += 1
        task = asyncio.get_running_loop().create_task(fly())
        flight = Flight(task, safe=safe, service=service)
        self._tasks.add(task)
        if key is not None:
            self._shared[key] = flight
        task.add_done_callback(lambda done: self._end(done, key, flight))
        if ended is not None:
            task.add_done_callback(lambda _: ended())
        return flight

    def adopt(self, work: Coroutine[Any, Any, _Result]) -> asyncio.Task[_Result]:
        """Do work around trips that goes on whoever waits for it, and ends with the app."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._let_go)
        return task

    def _let_go(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, so that a trip nobody waits for ends in silence

    def solo(self, key: Hashable | None) -> Solo:
        """Begin a trip that the caller carries through by himself; with a `key` others may wait for it."""
        self.begun += 1
        flight = Solo()
        if key is not None:
            self._shared[key] = flight
        return flight

    def landed(self, key: Hashable | None, flight: Solo, reply: Reply | None) -> None:
        """Such a trip has ended; `reply` is what can be shared of it."""
        if key is not None and self._shared.get(key) is flight:
            del self._shared[key]
        flight.land(reply)

    def _end(self, task: asyncio.Task[Reply], key: Hashable | None, flight: Flight) -> None:
        if key is not None and self._shared.get(key) is flight:
            del self._shared[key]
        self._let_go(task)

    def __len__(self) -> int:
        return len(self._tasks)

    async def settle(self, patience: float) -> int:
        """Wait for the trips under way, at most `patience` seconds; end the rest and return how many they were."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=patience)
        rest = set(self._tasks)
        for task in rest:
            task.cancel()
        for task in rest:
            with suppress(asyncio.CancelledError, Exception):
                await task
        return len(rest)
