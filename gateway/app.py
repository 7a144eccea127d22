"""How do the parts become a gate? This is the only file that knows them all; it owns the clock and what is open."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession, DummyCookieJar

from gateway import assembly
from gateway.core.assembling import Inbound
from gateway.core.catalog import Catalog
from gateway.core.ports import Dialect, Generations, Route
from gateway.core.principal import Principal
from gateway.core.service import Description, Service
from gateway.core.sums import Family
from gateway.core.switches import Wish
from gateway.core.vouching import bearer_of
from gateway.dialects.cave import CaveDialect
from gateway.dialects.cave.site import sites as cave_sites
from gateway.dialects.dvid import DvidDialect
from gateway.dialects.intake import IntakeDialect
from gateway.dialects.intake.aliases import with_aliases
from gateway.dialects.jsonrpc import JsonRpcDialect
from gateway.dialects.listed import ListedDialect
from gateway.dialects.openapi import OpenApiDialect
from gateway.discovery import Discovery
from gateway.doors.cookies import CookieOwners
from gateway.doors.explain import Explainer
from gateway.doorways import Doorways
from gateway.estate import Estate
from gateway.flights import Flights
from gateway.holdings import Holdings
from gateway.identity.identities import Identities, Trusted
from gateway.identity.introspection import Terms
from gateway.identity.links import Links
from gateway.identity.shared_ledger import shared_ledger
from gateway.outcomes import Outcomes
from gateway.relay import Relay
from gateway.settings import Settings
from gateway.shared_discovery import SharedDiscovery
from gateway.status import Status, publish_worker
from gateway.telemetry.logs import access_log
from gateway.telemetry.memory import resident
from gateway.telemetry.metrics import Metrics, rendered
from gateway.tiers.disk import DiskTier
from gateway.tiers.leads import HostLeads, Leads
from gateway.tiers.memory import MemoryTier
from gateway.tiers.pending_writes import PendingWrites
from gateway.tiers.shared_generations import SharedGenerations
from gateway.tiers.shelves import Shelves
from gateway.tls import Secured
from gateway.upstreams.replicas import HttpUpstream
from gateway.wire.server import Server
from gateway.wire.tls import keep_live
from gateway.workers.alone import Alone
from gateway.workers.member import Member

if TYPE_CHECKING:
    from gateway.tiers.redis import RedisTier

log = logging.getLogger("labgate")

VERSION = metadata.version("labgate-gateway")
_READ = ("GET", "HEAD")
_CALL = ("POST", "QUERY")
LOOK = 0.25
"""Seconds from one look for withdrawn credentials to the next."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""What a program on this machine calls it."""
FORGET = 60.0
"""Seconds after which what the lanes remember is forgotten: they hold credentials as they were sent."""


class Gate(Doorways):
    """A running gate: its parts, and the two things that can be asked of it from outside, `status` and `drain`."""

    def __init__(self, settings: Settings, stack: AsyncExitStack, member: Member | Alone) -> None:
        """`member` is this process's word to the other workers."""
        self.settings = settings
        self.member = member
        self.wall = time.time
        self.monotonic = asyncio.get_running_loop().time
        self.started = self.wall()
        self.draining = False
        self.stack = stack
        self.tier = MemoryTier(settings.cache.memory)
        self.disk: DiskTier | None = None
        self.redis: RedisTier | None = None
        self.flights = Flights()
        self.switches = member.switches
        style = settings.telemetry.access_log
        shared = settings.state_dir / "outcomes" if settings.workers > 1 else None
        self.links = Links(settings.state_dir, self.wall)
        self.outcomes = Outcomes(self.monotonic, self.wall, shared)
        self.metrics = Metrics(None if style == "off" else access_log(style, sys.stderr.buffer), self.wall)
        self.servers: list[Server] = []
        self.address = self.operator_address = ("", 0)
        self.service_addresses: dict[str, tuple[str, int]] = {}
        self.cookies = CookieOwners(member.own)

    async def open(self) -> None:
        """Start every part; the gate takes calls once this returns, whatever its upstreams do."""
        self.secured = Secured(self.settings)
        session = await self.stack.enter_async_context(ClientSession(cookie_jar=DummyCookieJar()))
        self.identities = await self.stack.enter_async_context(
            Identities.open(
                state_dir=self.settings.state_dir,
                local_tokens=self.settings.identity.local_tokens,
                keys=[key.get_secret_value() for key in self.settings.identity.signing_keys],
                trusted=[Trusted(*pair) for pair in assembly.issuers(self.settings)],
                vouching=_vouching(self.settings),
                session=session,
                now=self.wall(),
            )
        )
        self.local = local = SharedGenerations(self.settings.state_dir / "generations")
        self.stack.callback(local.close)
        self.generations: Generations = local
        self.stamps: dict[str, bytes] = {}
        self.stamps_for_replicas: dict[str, bytes] = {}
        await self._share()
        marks = self._pending_writes()
        self.shelves = self._shelves()
        self.policies = assembly.policies(self.settings)
        self.estate = self._estate(local.id)
        secret = assembly.id_secret(self.settings, local.id)
        dialects = _dialects(self._origin, self.wall, secret)
        discovery: Callable[..., Discovery] = Discovery
        if isinstance(self.member, Member):
            discovery = partial(SharedDiscovery, colleagues=self.member)
        self.discovery = discovery(
            self.estate.services.values(),
            dialects,
            self.estate.upstreams,
            release=VERSION,
            monotonic=self.monotonic,
            on_change=lambda catalog: self.relay.rebind(catalog, self._routes(catalog, dialects)),
            on_described=self._described,
        )
        self.relay: Relay = Relay(
            self.discovery,
            self.policies,
            self.tier,
            self.generations,
            self.flights,
            wall=self.wall,
            monotonic=self.monotonic,
            switches=self.switches,
            far=self.shelves if self.shelves.tiers else None,
            marks=marks,
            bearer=self._bearer,
        )
        self.explainer = Explainer(
            self.relay, self.wall, self.relay.afar.recall if self.shelves.tiers else None
        )
        self.holdings = Holdings(
            self.tier,
            self.generations,
            self.metrics.by_method,
            {tier.name: tier.status for tier in (self.disk, self.redis) if tier is not None},
        )
        self.parts = Status(
            assembly.listeners(self.settings),
            self.discovery,
            self.estate.services,
            self.estate.upstreams,
            self.switches,
            self.servers,
        )
        self._publish()
        self.member.serve(self)
        await self.stack.enter_async_context(self.discovery)
        watch = asyncio.create_task(self._watch_credentials(), name="watch over credentials")
        self.stack.callback(watch.cancel)
        if live := self.secured.live:
            keeping = asyncio.create_task(keep_live(live), name="watch over certificates")
            self.stack.callback(keeping.cancel)
        await self.open_doors()

    async def _share(self) -> None:
        """With a Redis, what ends here ends on every replica, and what ends there ends here."""
        redis = self.settings.cache.redis
        if redis is None:
            return
        # Only a gate that has replicas waits for these to be imported.
        from gateway.tiers.redis import Options, shared_by_replicas
        from gateway.tiers.redis_link import Place

        options = Options(Place(**redis.place()), redis.prefix, redis.timeout, redis.max_size)
        folder = self.settings.state_dir
        shared = await self.stack.enter_async_context(
            shared_by_replicas(
                options,
                self.generations,
                state=folder / "bumps",
                wall=self.wall,
                monotonic=self.monotonic,
                under=self.stamps_for_replicas,
                ledger=shared_ledger(folder, local_tokens=self.settings.identity.local_tokens),
            )
        )
        self.generations, self.redis = shared.generations, shared.tier
        self.redis.publish(self.metrics)

    def _pending_writes(self) -> PendingWrites | None:
        """Where writes under way are noted; what killed processes have left there ends now."""
        try:
            marks = PendingWrites(self.settings.state_dir / "writes")
            self.stack.callback(marks.close)
            marks.end_left_over(self.generations.bump)
        except OSError as error:
            log.warning("it is not noted which writes are under way: %s", error.strerror)
            return None
        return marks

    def _estate(self, secret: bytes) -> Estate[HttpUpstream]:
        """The services that the settings name, and those that others of them bring."""
        redis = self.settings.cache.redis
        here = assembly.stamps(self.settings, secret)
        everywhere = {} if redis is None else assembly.stamps(self.settings, redis.secret())

        def stamp(service: Service) -> None:
            self.stamps[service.qualified] = assembly.stamp(service, here)
            if everywhere:
                self.stamps_for_replicas[service.qualified] = assembly.stamp(service, everywhere)

        def fit(service: Service) -> Service:
            return assembly.shared(service, *self.member.place)

        named = tuple(map(with_aliases, assembly.services(self.settings)))
        sites = cave_sites(named, assembly.local_servers(self.settings))
        brought = (part for site in sites.values() for part in site.parts())
        estate = Estate(
            [fit(one) for one in (*(one for one in named if one.name not in sites), *brought)],
            sites,
            connect=self.secured.connect,
            fit=fit,
            stamp=stamp,
            saw=self.policies.saw,
            folder=self.settings.state_dir / "datastacks",
        )
        self.stack.push_async_callback(estate.close)
        return estate

    def _origin(self) -> str:
        """The origin that callers use, as far as the settings or the listener tell."""
        public = self.settings.public_url
        if public is not None:
            return public.origin
        host, port = self.address
        scheme = "http" if self.settings.tls is None else "https"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def _bearer(self, service: Service, principal: Principal) -> str | None:
        link = None
        if service.bearer == "linked" and not principal.anonymous:
            link = self.links.get(principal, service.entry or service.qualified)
        return bearer_of(service, principal, None if link is None else link.token)

    def _described(self, service: Service, description: Description) -> None:
        self.estate.described(service, description, self.discovery)

    def _shelves(self) -> Shelves:
        """The farther tiers, nearest first: those that the settings name and that can be had."""
        disk = self._disk()
        tiers = [tier for tier in (disk, self.redis) if tier is not None]
        shelves = Shelves(tiers, disk.spools if disk is not None else None, leads=self._leads())
        self.stack.push_async_callback(shelves.settle)
        return shelves

    def _leads(self) -> list[Leads]:
        """Those with whom is agreed on who goes for what is stored: the other workers, then the replicas."""
        found: list[Leads] = []
        if self.disk is not None and self.settings.workers > 1:
            try:
                host = HostLeads(self.settings.state_dir / "leads")
            except OSError as error:
                log.warning("workers do not wait for each other's trips: %s", error.strerror)
            else:
                self.stack.callback(host.close)
                found.append(host)
        if self.redis is not None:
            found.append(self.redis.leads)
        return found

    def _disk(self) -> DiskTier | None:
        wanted = self.settings.cache.disk
        if wanted is None or not wanted.size:
            return None
        folder = wanted.path or self.settings.state_dir / "cache"
        try:
            disk = DiskTier(
                folder, wanted.size, self.local, self.stamps, wall=self.wall, monotonic=self.monotonic
            )
        except OSError as error:
            log.warning("there is no disk tier: %s (%s)", error.strerror, folder)
            return None
        self.disk = disk
        self.stack.push_async_callback(disk.close)
        disk.start()
        return disk

    def _routes(self, catalog: Catalog, dialects: Mapping[str, Dialect]) -> dict[str, Route]:
        """How each service that has described itself is called."""
        return {
            name: Route(
                offer.service,
                dialects[offer.dialect],
                offer.description.address,
                upstream,
                upstream,
                dialect if isinstance(dialect := dialects[offer.dialect], Inbound) else None,
            )
            for name, upstream in self.estate.upstreams.items()
            if (offer := catalog.offer(name)) is not None and offer.description is not None
        }

    async def _watch_credentials(self) -> None:
        """A revoked token ends the epoch: what was decided under the old one no longer holds anywhere."""
        forget = self.monotonic() + FORGET
        while True:
            await asyncio.sleep(LOOK)
            if self.monotonic() > forget:
                # Credentials that nobody uses any more stay nowhere for long.
                self._forget_lanes()
                forget = self.monotonic() + FORGET
            self._set_lanes()
            self.estate.poll(self.discovery)
            if not self.draining:
                self.patience()  # Others go by what was noted last.
            if self.identities.changed(self.wall()):
                self.generations.advance()
                self._forget_lanes()
                log.info("a credential was withdrawn: the epoch is now %d", self.generations.epoch)

    def _set_lanes(self) -> None:
        for server in self.servers:
            server.lanes.switch(self.switches.lanes)
        if not self.switches.lanes:
            self._forget_lanes()

    def _forget_lanes(self) -> None:
        for server in self.servers:
            server.lanes.clear()

    # doors

    def patience(self) -> float:
        """For how many seconds a new connection is left to other workers, which have fewer."""
        return self.member.patience(self.parts.connections)

    # what the other workers say

    def switched(self, wish: Wish) -> None:
        """Act on switches that were changed."""
        for service in wish.cordon:
            self.discovery.withhold(service, self.switches.why(service))
        self._set_lanes()

    def owned(self, name: bytes, service: str) -> None:
        """Another worker has seen a service set a cookie."""
        self.cookies.learn(name, service)

    # numbers

    def _publish(self) -> None:
        gauge = self.metrics.gauge
        gauge("build_info", "The version that runs.", ("version",), lambda: [((VERSION,), 1.0)], alike=True)
        if (disk := self.disk) is not None:
            gauge(
                "disk_bytes",
                "Bytes that entries take on the disk.",
                (),
                lambda: [((), float(disk.used))],
                alike=True,
            )
            gauge("disk_entries", "Entries on the disk.", (), lambda: [((), float(len(disk)))], alike=True)
            text = "What was asked of the disk, and what became of it."
            self.metrics.counter("disk_events", text, ("event",), disk.events)
        text = "Repeated calls that were answered with what came of the first."
        self.metrics.counter("repeats_joined", text, (), lambda: [((), float(self.outcomes.joined))])
        gauge("flights", "Trips to upstreams under way.", (), lambda: [((), float(len(self.flights)))])
        text = "When the certificate that a setting names ends, in seconds since 1970."
        gauge("certificate_ends", text, ("setting",), self.secured.ends, alike=True)
        self.holdings.publish(self.metrics)
        publish_worker(self.metrics, self.member.place[0], lambda: self.parts.connections, resident)
        self.parts.publish(self.metrics)

    def status(self) -> dict[str, Any]:
        """What the operator sees: no secret is any part of it."""
        return {
            "version": VERSION,
            "uptime_seconds": round(self.wall() - self.started),
            "draining": self.draining,
            "switches": self.switches.shown(self.estate.upstreams),
            "catalog": {"version": self.relay.catalog.version, "warnings": self.relay.catalog.warnings},
            "services": self.parts.services(self.wall(), self.monotonic()),
            "cache": {
                "bytes": self.tier.bytes,
                "entries": len(self.tier),
                "limit": self.settings.cache.memory,
                "calls": self.metrics.outcomes(),
                **self.holdings.told(),
            },
            "flights": len(self.flights),
            "connections": self.parts.connections,
            "heads": self.parts.heads(),
            "workers": [self._row()],
        }

    def _row(self) -> dict[str, Any]:
        """This process among the workers."""
        return {
            "worker": self.member.place[0],
            "pid": os.getpid(),
            "up_seconds": round(self.wall() - self.started),
            "asks": self.member.leads,
            "calls": sum(self.metrics.outcomes().values()),
            "connections": self.parts.connections,
            "memory": resident(),
            "catalog": self.relay.catalog.version,
        }

    def numbers(self) -> Sequence[Family]:
        """What this process has counted."""
        return self.metrics.families()

    async def rendered_metrics(self) -> bytes:
        """The numbers of all workers, as metrics are asked for."""
        return rendered(await self.member.numbers())

    # the end

    async def drain(self) -> None:
        """Take no more calls, let those under way end, at most `shutdown_seconds`; writes come before reads."""
        self.draining = True
        self.member.absent()
        patience = self.settings.shutdown_seconds
        await asyncio.gather(*(server.drain(patience) for server in self.servers))
        lost = await self.flights.settle(patience)
        if lost:
            log.warning("ended %d calls that did not end by themselves", lost)


def _vouching(settings: Settings) -> list[Terms]:
    """Who is asked about tokens that say nothing of themselves."""
    return [
        Terms(one.url.text.rstrip("/"), one.fresh, one.negative, one.stale, one.stand_in)
        for one in settings.identity.introspection
    ]


def _dialects(public: Callable[[], str], wall: Callable[[], float], secret: bytes) -> Mapping[str, Dialect]:
    """The dialects, in the order in which they are asked where a service's is `auto`; `public` is the origin of callers.

    `secret` is known to this gate and its replicas alone.
    """
    jsonrpc, openapi = JsonRpcDialect(), OpenApiDialect()
    return {
        "jsonrpc": jsonrpc,
        "openapi": openapi,
        "dvid": DvidDialect(wall),
        "intake": IntakeDialect(secret),
        "listed": ListedDialect(jsonrpc, openapi),
        "cave": CaveDialect(openapi, public),
    }


@asynccontextmanager
async def running(settings: Settings, member: Member | None = None) -> AsyncIterator[Gate]:
    """A gate by these settings, from the first listener to the last closed socket; `member` where it is one of several."""
    async with AsyncExitStack() as stack:
        gate = Gate(settings, stack, member or Alone())
        await gate.open()
        try:
            yield gate
        finally:
            await gate.drain()
