"""Which services are there at this moment, and how is each of them reached?

Most are written in the settings. A dialect may bring others: what one service says of itself names them, or what its callers
are given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from gateway.core.mounts import Mounts
from gateway.core.paths import Steps
from gateway.core.principal import Principal
from gateway.core.service import Description, Service
from gateway.core.sites import Site
from gateway.core.upstream import Carrier, Upstream
from gateway.learned import Learned


class Connected(Upstream, Carrier, Protocol):
    """The connections to one service."""

    @property
    def beside(self) -> Upstream:
        """The same for questions of the gate's own."""

    def narrow(self, concurrency: int) -> None:
        """Let no more requests be at the service at once than so many."""

    async def close(self) -> None:
        """End them all."""


Link = TypeVar("Link", bound=Connected)


class Follower(Protocol):
    """Who asks the services what they offer."""

    def add(self, service: Service, upstream: Upstream) -> None:
        """One more, or one that has changed."""

    def drop(self, name: str) -> None:
        """One is no more."""

    def publish(self) -> None:
        """Have it known."""


class Estate(Generic[Link]):
    """The services by their qualified names, the connections to them, and the paths that lead to them.

    `services` and `upstreams` change while the gate runs: whoever needs them reads them each time.
    """

    def __init__(
        self,
        services: Iterable[Service],
        sites: Mapping[str, Site],
        *,
        connect: Callable[[Service], Link],
        fit: Callable[[Service], Service],
        stamp: Callable[[Service], None],
        saw: Callable[[Principal, str], None],
        folder: Path,
    ) -> None:
        """`sites` are by the entry of the settings that brings them; `folder` is where it is kept what is learned.

        `fit` gives a service as this process has it (its share of the calls at once); `stamp` is told of each one that comes,
        and `saw` which principal was shown which datastack.
        """
        self.services: dict[str, Service] = {one.qualified: one for one in services}
        self.upstreams: dict[str, Link] = {name: connect(one) for name, one in self.services.items()}
        self.sites = sites
        self._connect = connect
        self._fit = fit
        self._stamp = stamp
        self._saw = saw
        self._learned = {entry: Learned(folder / f"{entry}.json") for entry in sites}
        self._mounts: list[tuple[Mounts, Callable[[Service], bool]]] = []
        self._retiring: set[asyncio.Task[None]] = set()
        for one in self.services.values():
            stamp(one)

    # --- where they are reached

    def mounts(self, own: Service | None = None, doors: Iterable[str] = ()) -> Mounts:
        """The paths of all services, or of those that share a port with this one; they go on to be right.

        `doors` are paths of the gate's own among them.
        """

        def carried(one: Service) -> bool:
            return own is None or one is own or (bool(own.entry) and one.entry == own.entry)

        below = None if own is None else own.mount or f"/{own.name}"
        made = Mounts(filter(carried, self.services.values()), below, doors)
        self._mounts.append((made, carried))
        return made

    def site(self, service: Service) -> Site | None:
        """What is to be said of the service beyond itself, if anything is."""
        return self.sites.get(service.entry) if service.entry else None

    # --- which there are

    def described(self, service: Service, description: Description, follower: Follower) -> None:
        """Know the services that this one says there are; the follower asks them from then on."""
        if description.concurrency is not None and not service.concurrency_said:
            wanted = self._fit(replace(service, concurrency=description.concurrency))
            self.upstreams[service.qualified].narrow(wanted.concurrency)
        site = self.site(service)
        if site is None or not site.is_guide(service):
            return
        datastacks = description.datastacks
        if datastacks is None:
            self._learned[service.entry].poll()
            datastacks = self._learned[service.entry].records
        self._bring(service.entry, site, datastacks, follower)

    def learn(self, service: Service, inner: Steps, body: bytes, who: Principal, follower: Follower) -> None:
        """Know what a caller was given: a record tells of a datastack where the gate itself may not ask for it."""
        site = self.site(service)
        name = None if site is None else site.told_in(service, "GET", inner)
        record = None if site is None or name is None else site.learned(body)
        if site is None or name is None or record is None or service.has_token:
            return
        learned = self._learned[service.entry]
        if learned.put(name, record):
            self._bring(service.entry, site, learned.records, follower)
            follower.publish()
        self._saw(who, site.label(name))

    def poll(self, follower: Follower) -> None:
        """Know what other workers have learned."""
        for entry, learned in self._learned.items():
            guides = (one for one in self.services.values() if one.entry == entry)
            if learned.poll() and not any(one.has_token for one in guides):
                self._bring(entry, self.sites[entry], learned.records, follower)
                follower.publish()

    def _bring(
        self, entry: str, site: Site, datastacks: Mapping[str, Mapping[str, Any] | None], follower: Follower
    ) -> None:
        before = {
            name: one
            for name, one in self.services.items()
            if one.entry == entry and one.datastack is not None
        }
        others = {one.datastack for one in self.services.values() if one.datastack and one.entry != entry}
        wanted = site.brings(datastacks, before, others)
        for name in before.keys() - wanted.keys():
            follower.drop(name)
            self._drop(before[name])
        for name, one in wanted.items():
            if before.get(name) is not one:
                fitted = self._fit(one)
                follower.add(fitted, self._put(fitted).beside)

    def _put(self, service: Service) -> Link:
        before = self.services.get(service.qualified)
        if before is not None:
            self._drop(before)
        link = self._connect(service)
        self.services[service.qualified] = service
        self.upstreams[service.qualified] = link
        self._stamp(service)
        for mounts, carried in self._mounts:
            if carried(service):
                mounts.put(service)
        return link

    def _drop(self, service: Service) -> None:
        for mounts, carried in self._mounts:
            if carried(service):
                mounts.drop(service)
        self.services.pop(service.qualified, None)
        link = self.upstreams.pop(service.qualified, None)
        if link is not None:
            loop = asyncio.get_running_loop()
            task = loop.create_task(_retire(link, service.timeout), name="connections that are no more used")
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def close(self) -> None:
        """End the connections to all services."""
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        await asyncio.gather(*(link.close() for link in self.upstreams.values()))


async def _retire(link: Connected, seconds: float) -> None:
    """Let the calls under way end first."""
    try:
        await asyncio.sleep(seconds)
    finally:
        await link.close()
