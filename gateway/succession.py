"""How does a gate end: by itself, or because another takes its place?"""

from __future__ import annotations

import asyncio
import logging

from gateway import assembly
from gateway.doorways import Doorways
from gateway.storage import Storage

log = logging.getLogger("labgate")


class Succession(Doorways):
    """The end of a gate, and its beginning in the place of another; `Gate` has the parts."""

    before: Succession | None
    storage: Storage

    def _forget_lanes(self) -> None:
        for server in self.servers:
            server.lanes.clear()

    def _close_outcomes(self) -> None:
        """Begin no further call, unless they are another gate's: the one's that takes over, or that was not taken over."""
        if self.before is None and not self.succeeded.is_set():
            self.outcomes.close()

    def take_over(self) -> None:
        """Take the place of the gate before: its sockets and its connections, in one moment for all callers.

        What memory holds of services that are set otherwise now is void.
        """
        before, self.before = self.before, None
        if before is None:
            return
        stamps = self.storage.stamps
        changed = sorted(name for name, one in before.storage.stamps.items() if stamps.get(name) != one)
        self.local.bump(tuple(f"service:{name}" for name in changed))
        self.tier.resize(self.settings.cache.memory)
        self.outcomes.rebind(assembly.outcome_bounds(self.settings))
        shared = self.member.sockets is not None
        for name, server in self.named_servers.items():
            server.succeed(before.named_servers[name], self.patience if shared else None)
        before.succeeded.set()

    async def retire(self) -> None:
        """Bring to its end what was begun before another gate took this one's place.

        Streams and WebSockets go on for at most `reload.drain`, and no longer than `shutdown_seconds` once the process ends.
        """
        await self.discovery.close()
        patience = self.settings.reload.drain
        retiring = asyncio.gather(*(server.retire(patience) for server in self.servers))
        hurried = asyncio.ensure_future(self.hurried.wait())
        await asyncio.wait((retiring, hurried), return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        patience = self.settings.shutdown_seconds
        if not retiring.done():
            await asyncio.gather(*(server.drain(patience) for server in self.servers))
        await retiring
        await self._settle_flights(patience)
        # What they remember leads back to this gate in ways that the collector does not see.
        self._forget_lanes()

    async def drain(self) -> None:
        """Be not ready for `notice_seconds`, then take no more calls, and let those under way end, at most `shutdown_seconds`."""
        if self.succeeded.is_set():
            await self.retire()
            return
        if self.before is not None:
            return  # it never took a call
        self.leaving = True
        # A balancer hears that this gate is not ready, and sends the next calls elsewhere, while all that it sends are taken.
        await asyncio.sleep(self.settings.notice_seconds)
        self.draining = True
        self.member.absent()
        patience = self.settings.shutdown_seconds
        await asyncio.gather(*(server.drain(patience) for server in self.servers))
        await self._settle_flights(patience)

    async def _settle_flights(self, patience: float) -> None:
        lost = await self.flights.settle(patience)
        if lost:
            log.warning("ended %d calls that did not end by themselves", lost)
