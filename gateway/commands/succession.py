"""How does one gate take another's place in the same process, so that no caller notices?

The next one is made beside the one that takes calls: it asks the services, opens its tiers, and has no listener. When it is
whole it takes the sockets and the connections over in one moment, and the one before brings to its end what it has begun.
If the next one cannot be made, nothing has happened.
"""

from __future__ import annotations

import asyncio
import logging

from gateway.app import Gate, running
from gateway.commands.pauses import let_go
from gateway.settings import Settings
from gateway.workers.alone import Alone
from gateway.workers.member import Member

log = logging.getLogger("labgate")


class Tenure:
    """One gate's time, in a task of its own: what a gate has opened is closed where it was opened."""

    def __init__(self, settings: Settings, member: Member | Alone, before: Gate | None) -> None:
        self._opened: asyncio.Future[Gate] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self.task = asyncio.create_task(self._live(settings, member, before), name="a gate's time")

    async def gate(self) -> Gate:
        """The gate, once it is whole. Raises what keeps it from being so."""
        await asyncio.wait((self._opened, self.task), return_when=asyncio.FIRST_COMPLETED)
        if not self._opened.done():
            await self.task
        return self._opened.result()

    @property
    def entries(self) -> int:
        """How many entries the gate has in memory."""
        return len(self._opened.result().tier) if self._opened.done() else 0

    @property
    def is_over(self) -> bool:
        """Whether it was told to end."""
        return self._over.is_set()

    def end(self, *, soon: bool = False) -> None:
        """Let it end; `soon` = the process does, too."""
        self._over.set()
        if soon and self._opened.done():
            self._opened.result().hurried.set()

    async def _live(self, settings: Settings, member: Member | Alone, before: Gate | None) -> None:
        try:
            opening = running(settings, member, before)
            del before  # it ends, and this frame does not
            async with opening as gate:
                self._opened.set_result(gate)
                await self._over.wait()
        finally:
            if isinstance(member, Alone):
                member.leave()
            else:
                await member.leave()


class Succession:
    """The gate that takes calls in this process, the one that is to take its place, and those before that still end."""

    def __init__(self) -> None:
        self._present: Tenure | None = None
        self._next: Tenure | None = None
        self._past: set[Tenure] = set()

    async def begin(self, settings: Settings, member: Member | Alone) -> Gate:
        """The first gate. Raises what keeps it from being opened."""
        tenure = Tenure(settings, member, None)
        gate = await tenure.gate()
        self._present = tenure
        return gate

    async def prepare(self, settings: Settings, member: Member | Alone) -> None:
        """Make the next gate, which takes no calls yet. Raises what keeps it from being made."""
        if self._present is None or self._next is not None:
            raise RuntimeError("there is a next gate already, or none before it")
        self._next = tenure = Tenure(settings, member, await self._present.gate())
        try:
            await tenure.gate()
        except BaseException:
            self._next = None
            tenure.task.cancel()
            raise

    async def commit(self) -> None:
        """Let the next gate take the present one's place."""
        tenure, before = self._next, self._present
        if tenure is None or before is None:
            return
        gate = await tenure.gate()
        gate.take_over()
        self._present, self._next = tenure, None
        self._past.add(before)
        before.task.add_done_callback(lambda done: self._ended(before, done))
        before.end()

    async def drop(self) -> None:
        """Have no next gate: the present one stays."""
        tenure, self._next = self._next, None
        if tenure is not None:
            tenure.end()
            await asyncio.gather(tenure.task, return_exceptions=True)

    @property
    def ending(self) -> int:
        """How many gates before the present one still bring something to its end."""
        return len(self._past)

    async def end(self) -> None:
        """End all of them, in order; the process ends next."""
        await self.drop()
        tenures = [*self._past] + ([self._present] if self._present is not None else [])
        for tenure in tenures:
            tenure.end(soon=True)
        done = await asyncio.gather(*(tenure.task for tenure in tenures), return_exceptions=True)
        for failure in done:
            if isinstance(failure, Exception):
                raise failure

    def _let_go(self) -> None:
        if self._present is not None and not self._present.is_over:
            let_go(self._present.entries)

    def _ended(self, tenure: Tenure, task: asyncio.Task[None]) -> None:
        self._past.discard(tenure)
        asyncio.get_running_loop().call_soon(self._let_go)
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.error("a gate that had been succeeded did not end well", exc_info=failure)
