"""How do all workers know the same of the services, though only one of them asks?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol

from gateway.core.faults import Unavailable
from gateway.core.listing import Change, Listing
from gateway.core.service import Description, Service
from gateway.core.told import Told, offer_of, read, told, written
from gateway.core.upstream import Upstream
from gateway.discovery import Discovery
from gateway.watch import Watch, listing_of

_PATIENCE: Final = 15.0
"""Seconds that the first catalog waits for the worker that asks the services."""
_MOST_EARLY: Final = 10_000
_LARGE: Final = 256 * 1024
"""Characters of a description that is read in a thread."""

log = logging.getLogger(__name__)


class Colleagues(Protocol):
    """The other workers."""

    @property
    def leads(self) -> bool:
        """Whether it is here that the services are asked."""

    async def listen(self, listener: Any) -> None:
        """Let this hear what they say, first what they have said before."""

    async def announce(self, one: Told) -> None:
        """Tell them; returns when they know."""

    def begun(self) -> None:
        """Tell them that every service was asked once."""

    def nudge(self, service: str, reason: str) -> None:
        """Tell the leader that a service is not as we know it."""

    async def refresh(self, service: str | None) -> Mapping[str, Change]:
        """Have the leader ask again."""


class SharedDiscovery(Discovery):
    """Discovery in one of several workers: the one that leads asks, and tells the others what it heard.

    So a service is asked as often as by one process, and the catalogs are the same in all.
    """

    def __init__(self, *args: Any, colleagues: Colleagues, **options: Any) -> None:
        """As `Discovery`."""
        super().__init__(*args, **options)
        self._colleagues = colleagues
        self._enough = asyncio.Event()
        self._hearing = asyncio.Lock()
        self._descriptions: dict[str, Description | None] = {}
        """What the others know of each service."""
        self._early: dict[str, Told] = {}
        """What was heard of services before that which brings them."""
        self._heard: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Returns with the first catalog: of what the services answered, or of what the leader tells."""
        await self._colleagues.listen(self)
        if self._colleagues.leads and not self._tasks:
            await super().start()
            self._colleagues.begun()
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._enough.wait()
        except TimeoutError:
            log.warning("starting with what other workers have told so far of the services")
        self._is_public = True
        self._publish()

    def missing(self, service: str, now: float) -> bool:
        """As `Discovery.missing`; the leader is told."""
        return self._nudged(super().missing(service, now), service, "missing")

    def suspect(self, service: str, now: float) -> bool:
        """As `Discovery.suspect`; the leader is told."""
        return self._nudged(super().suspect(service, now), service, "suspect")

    def _nudged(self, was: bool, service: str, reason: str) -> bool:
        if was and not self._tasks:
            self._colleagues.nudge(service, reason)
        return was

    async def refresh(self, service: str | None = None) -> Mapping[str, Change]:
        """As `Discovery.refresh`; all workers know the outcome when it returns."""
        if self._tasks:
            return await super().refresh(service)
        if service is not None and service not in self._watches:
            raise LookupError(f"no service is called {service}")
        return await self._colleagues.refresh(service)

    # --- from the other workers --------------------------------------------------------------------------

    async def hear(self, one: Told) -> None:
        """Know of a service what the leader was answered."""
        watch = self._watches.get(one.service)
        if self._tasks:
            return
        if watch is None:
            if len(self._early) < _MOST_EARLY or one.service in self._early:
                self._early[one.service] = one.after(self._early.get(one.service))
            return
        async with self._hearing:
            description = watch.offer.description
            if not one.same:
                description = await _description(one.description)
            listing = await listing_of(offer_of(one, watch.service, description), watch.listing)
            self._note(watch, listing, one.why)
        watch.settled.set()
        if all(each.settled.is_set() for each in self._watches.values()):
            self._enough.set()

    def add(self, service: Service, upstream: Upstream) -> None:
        """As `Discovery.add`; what was heard of it before is known then."""
        super().add(service, upstream)
        early = self._early.pop(service.qualified, None)
        if early is not None:
            task = asyncio.create_task(self.hear(early), name=f"what was heard of {service.qualified}")
            self._heard.add(task)
            task.add_done_callback(self._heard.discard)

    def begun(self) -> None:
        """The leader waits no longer for services that are slow to answer, nor do we."""
        self._enough.set()

    def lead(self) -> None:
        """Ask the services from now on: who did so before has ended."""
        if not self._tasks and not self._over:
            log.info("this worker asks the services from now on")
            self._follow_all()
        self._enough.set()

    def nudged(self, service: str, reason: str) -> None:
        """Another worker has reason to have the service asked early."""
        now = self._monotonic()
        self.missing(service, now) if reason == "missing" else self.suspect(service, now)

    def _report(self, before: Listing, after: Listing, change: Change | None) -> None:
        # What all know is logged by the one who asked.
        if self._tasks:
            super()._report(before, after, change)

    # --- to the other workers ----------------------------------------------------------------------------

    async def _tell(self, watch: Watch, why: str | None) -> None:
        name, description = watch.service.qualified, watch.offer.description
        same = name in self._descriptions and self._descriptions[name] is description
        text = None
        if not same and description is not None:
            text = await asyncio.to_thread(written, description)
        one = told(watch.offer, why, text, same=same)
        try:
            await self._colleagues.announce(one)
            self._descriptions[name] = description
        except Unavailable:
            pass  # We are going down.


async def _description(text: str | None) -> Description | None:
    if text is None or len(text) < _LARGE:
        return None if text is None else read(text)
    return await asyncio.to_thread(read, text)
