"""Which tiers does a gate have, and with whom does it share what is stored and what ends?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from gateway.agreement import Agreement, Learner
from gateway.core.ports import Generations
from gateway.settings import Settings
from gateway.tiers.disk import DiskTier
from gateway.tiers.leads import HostLeads, Leads
from gateway.tiers.pending_writes import PendingWrites
from gateway.tiers.shared_generations import SharedGenerations
from gateway.tiers.shelves import Shelves

if TYPE_CHECKING:
    from gateway.tiers.redis import RedisTier
    from gateway.tiers.redis_exchange import Ledger, Withdrawals

log = logging.getLogger("labgate")


class Storage:
    """The tiers of one gate, and the generations that their entries must agree with.

    `local` are the generations of this host, `generations` those that count: the same, or those of all replicas. `stamps`
    stand for the settings of each service, by its qualified name, on this host and among replicas; whoever connects to
    services fills them. `marks` is where writes under way are noted, None where that cannot be.
    """

    def __init__(
        self,
        settings: Settings,
        stack: AsyncExitStack,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """`stack` closes what is opened here."""
        self._settings = settings
        self._stack = stack
        self._wall = wall
        self._monotonic = monotonic
        self.local = SharedGenerations(settings.state_dir / "generations")
        stack.callback(self.local.close)
        self.generations: Generations = self.local
        self.stamps: dict[str, bytes] = {}
        self.stamps_for_replicas: dict[str, bytes] = {}
        self.disk: DiskTier | None = None
        self.redis: RedisTier | None = None
        self._agreement: Agreement | None = None

    async def open(self, ledger: Callable[[], Ledger | None], withdrawals: Withdrawals | None = None) -> None:
        """Open what the settings name and can be had; `ledger` makes what replicas tell each other of tokens, `withdrawals` of services."""
        await self._share(ledger, withdrawals)
        self.marks = self._pending_writes()
        self.shelves = self._shelves()

    async def _share(self, ledger: Callable[[], Ledger | None], withdrawals: Withdrawals | None) -> None:
        """With a Redis, what ends here ends on every replica, and what ends there ends here."""
        redis = self._settings.cache.redis
        if redis is None:
            return
        # Only a gate that has replicas waits for these to be imported.
        from gateway.tiers.redis import Options
        from gateway.tiers.redis_link import Place
        from gateway.tiers.redis_shared import shared_by_replicas

        options = Options(Place(**redis.place()), redis.prefix, redis.timeout, redis.max_size)
        folder = self._settings.state_dir
        shared = await self._stack.enter_async_context(
            shared_by_replicas(
                options,
                self.generations,
                state=folder / "bumps",
                wall=self._wall,
                monotonic=self._monotonic,
                under=self.stamps_for_replicas,
                ledger=ledger(),
                withdrawals=withdrawals,
            )
        )
        self.generations, self.redis = shared.generations, shared.tier

    def agreement(self, secret: bytes) -> Agreement | None:
        """What replicas agree on of what services offer, signed with what they have in common; None without any."""
        if self.redis is not None:
            from gateway.tiers.redis_offers import digest_of

            self._agreement = Agreement(self.redis.offers(secret), self.stamps_for_replicas, digest_of)
        return self._agreement

    def agree(self, learner: Learner) -> None:
        """Have this, which knows the services, take over what replicas agree on."""
        if self._agreement is not None:
            task = asyncio.create_task(self._agreement.run(learner), name="agree with replicas")
            self._stack.callback(task.cancel)

    def _pending_writes(self) -> PendingWrites | None:
        """Where writes under way are noted; what killed processes have left there ends now."""
        try:
            marks = PendingWrites(self._settings.state_dir / "writes")
            self._stack.callback(marks.close)
            marks.end_left_over(self.generations.bump)
        except OSError as error:
            log.warning("it is not noted which writes are under way: %s", error.strerror)
            return None
        return marks

    def _shelves(self) -> Shelves:
        """The farther tiers, nearest first: those that the settings name and that can be had."""
        disk = self._disk()
        tiers = [tier for tier in (disk, self.redis) if tier is not None]
        shelves = Shelves(tiers, disk.spools if disk is not None else None, leads=self._leads())
        self._stack.push_async_callback(shelves.settle)
        return shelves

    def _leads(self) -> list[Leads]:
        """Those with whom is agreed on who goes for what is stored: the other workers, then the replicas."""
        found: list[Leads] = []
        if self.disk is not None and self._settings.workers > 1:
            try:
                host = HostLeads(self._settings.state_dir / "leads")
            except OSError as error:
                log.warning("workers do not wait for each other's trips: %s", error.strerror)
            else:
                self._stack.callback(host.close)
                found.append(host)
        if self.redis is not None:
            found.append(self.redis.leads)
        return found

    def _disk(self) -> DiskTier | None:
        wanted = self._settings.cache.disk
        if wanted is None or not wanted.size:
            return None
        folder = wanted.path or self._settings.state_dir / "cache"
        try:
            disk = DiskTier(
                folder, wanted.size, self.local, self.stamps, wall=self._wall, monotonic=self._monotonic
            )
        except OSError as error:
            log.warning("there is no disk tier: %s (%s)", error.strerror, folder)
            return None
        self.disk = disk
        self._stack.push_async_callback(disk.close)
        disk.start()
        return disk
