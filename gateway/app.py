"""How do the parts become a gate? This is the only file that knows them all; it owns the clock and what is open."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import math
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from aiohttp import ClientSession, DummyCookieJar, TCPConnector

from gateway import assembly, overseers, trust
from gateway.core.claims import LOCAL
from gateway.core.intake.aliases import with_aliases
from gateway.core.principal import Principal
from gateway.core.service import Description, Service
from gateway.core.switches import Wish
from gateway.core.vouching import bearer_of
from gateway.dialects.cave.site import sites as cave_sites
from gateway.discovery import Discovery
from gateway.doors.cookies import CookieOwners
from gateway.doors.explain import Explainer
from gateway.estate import Estate
from gateway.flights import Flights
from gateway.identity.identities import Identities
from gateway.identity.introductions import Introductions
from gateway.identity.links import Links
from gateway.identity.passport import Passports
from gateway.identity.shared_ledger import shared_ledger
from gateway.identity.state import prepare
from gateway.limiter import Limiter
from gateway.meters import Meters
from gateway.relay import Relay
from gateway.routes import dialects, routes
from gateway.settings import Settings
from gateway.shared_discovery import SharedDiscovery
from gateway.storage import Storage
from gateway.succession import Succession
from gateway.telemetry.lately import Lately
from gateway.telemetry.logs import access_log
from gateway.telemetry.metrics import Metrics
from gateway.telling import VERSION, Telling
from gateway.tiers.memory import MemoryTier
from gateway.tls import Secured
from gateway.upstreams.health import HealthChecks
from gateway.upstreams.replicas import HttpUpstream
from gateway.wire.resolving import Resolver
from gateway.wire.server import Server
from gateway.wire.tls import keep_live
from gateway.withdrawn import Withdrawn
from gateway.withdrawn_elsewhere import SharedWithdrawn
from gateway.withholding import Withholding
from gateway.workers.alone import Alone
from gateway.workers.member import Member

log = logging.getLogger("labgate")

LOOK = 0.25
"""Seconds from one look for withdrawn credentials to the next."""
FORGET = 60.0
"""Seconds after which what the lanes remember is forgotten: they hold credentials as they were sent."""


class Gate(Succession, Telling):
    """A running gate: its parts, and the two things that can be asked of it from outside, `status` and `drain`."""

    def __init__(
        self,
        settings: Settings,
        stack: AsyncExitStack,
        member: Member | Alone,
        before: Gate | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`member` is this process's word to the other workers; `before` is the gate whose place this one is to take.

        What it knows goes on to be known: entries in memory, outcomes of calls, what callers have had. `wall` is the clock
        that everything is judged by, in seconds since 1970.
        """
        self.settings = settings
        self.member = member
        self.wall = wall
        self.monotonic = asyncio.get_running_loop().time
        self.started = self.wall()
        self.leaving = self.draining = False
        self.stack = stack
        self.before: Gate | None = before
        self.tier = MemoryTier(settings.cache.memory) if before is None else before.tier
        self.flights = Flights()
        self.switches = member.switches
        self.withdrawn = Withdrawn(settings.state_dir)
        self.links = Links(settings.state_dir, self.wall)
        self.outcomes = (
            assembly.outcomes(settings, self.monotonic, self.wall) if before is None else before.outcomes
        )
        stack.callback(self._close_outcomes)
        self.meters: Meters | None = None if before is None else before.meters
        log = access_log(settings.telemetry.access_log, sys.stderr.buffer)
        if log is not None:
            stack.callback(log.flush)
        self.metrics = Metrics(log, self.wall)
        self.recent = Lately(self.monotonic()) if before is None else before.recent
        self.servers: list[Server] = []
        self.named_servers: dict[str, Server] = {}
        self.address = self.operator_address = ("", 0)
        self.service_addresses: dict[str, tuple[str, int]] = {}
        self.bound: dict[str, tuple[str, int]] = {}
        if before is not None:
            self.started = before.started
            self.address, self.operator_address = before.address, before.operator_address
            self.bound = before.bound
        self.cookies = CookieOwners(member.own, None if before is None else before.cookies)
        self.succeeded = asyncio.Event()
        """Another gate has taken this one's place."""
        self.hurried = asyncio.Event()
        """The process is about to end."""
        self._joined_before = self.outcomes.joined

    async def open(self) -> None:
        """Start every part; the gate takes calls once this returns, whatever its upstreams do."""
        self.secured = Secured(self.settings)
        connector = TCPConnector(resolver=Resolver())
        session = await self.stack.enter_async_context(
            ClientSession(connector=connector, cookie_jar=DummyCookieJar())
        )
        await self._know_callers(session)
        await self._store()
        self.policies = assembly.policies(self.settings)
        self._ask_services()
        self._carry_calls(session)
        if self.before is not None:
            await self.discovery.remember(self.before.discovery)
        self._tell()
        self._withhold()
        self.member.serve(self)
        await self.stack.enter_async_context(self.discovery)
        self.storage.agree(self.discovery)
        self._check_health()
        self._watch()
        await self.open_doors()

    async def _know_callers(self, session: ClientSession) -> None:
        """Who is calling, and how services are told of them."""
        self.identities = await self.stack.enter_async_context(
            Identities.open(
                state_dir=self.settings.state_dir,
                local_tokens=self.settings.identity.local_tokens,
                keys=[key.get_secret_value() for key in self.settings.identity.signing_keys],
                trusted=trust.trusted(self.settings),
                vouching=trust.vouching(self.settings),
                showing=trust.showing(self.settings),
                session=session,
                now=self.wall(),
            )
        )
        self._record(session)
        self.usage = self._keep_usage()
        self.metrics.slow = self.settings.telemetry.slow or math.inf
        prepare(self.settings.state_dir)
        signing = self.identities.signing
        self.introductions = Introductions(
            self._bearer,
            None if signing is None else Passports(signing, self._issuer),
            trust.accounts(self.settings),
            trust.exchanges(self.settings),
            session,
            self.wall,
        )
        self.stack.push_async_callback(self.introductions.close)

    async def _store(self) -> None:
        """Where entries live, and what they must still agree with."""
        self.storage = storage = Storage(self.settings, self.stack, self.wall, self.monotonic)
        ledger = partial(
            shared_ledger,
            self.settings.state_dir,
            self.wall,
            local_tokens=self.settings.identity.local_tokens,
            signing=self.identities.signing,
        )
        await storage.open(ledger, SharedWithdrawn(self.withdrawn))
        self.local, self.generations, self.shelves = storage.local, storage.generations, storage.shelves
        self.disk, self.redis = storage.disk, storage.redis
        if self.redis is not None:
            self.redis.publish(self.metrics)
            self._agree_on_outcomes()

    def _agree_on_outcomes(self) -> None:
        """Make no call with a key that another gate makes, or has made."""
        if self.redis is None or self.settings.cache.redis is None:
            return
        others = self.redis.outcomes(self.settings.cache.redis.secret())
        self.stack.push_async_callback(others.close)
        self.outcomes.others = others

    def _ask_services(self) -> None:
        """Which services there are, and who asks them what they offer."""
        self.estate = self._estate(self.local.id)
        secret = assembly.id_secret(self.settings, self.local.id)
        spoken = dialects(self.origin, self.wall, secret)
        discovery: Callable[..., Discovery] = Discovery
        if isinstance(self.member, Member):
            discovery = partial(SharedDiscovery, colleagues=self.member)
        self.discovery = discovery(
            self.estate.services.values(),
            spoken,
            {name: one.beside for name, one in self.estate.upstreams.items()},
            release=VERSION,
            keeps=assembly.keeps_outcomes(self.settings),
            monotonic=self.monotonic,
            on_change=lambda catalog: self.relay.rebind(
                catalog, routes(catalog, spoken, self.estate.upstreams)
            ),
            on_described=self._described,
            with_token=self._with_token,
            agreement=self.storage.agreement(secret),
        )

    def _carry_calls(self, session: ClientSession) -> None:
        """The relay, and who has a say in what it carries out."""
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
            marks=self.storage.marks,
            introducer=self.introductions,
            accounts=self._limiter(),
            auditor=overseers.auditor(self.settings, self.metrics, self.wall, self.stack),
            decider=overseers.decider(self.settings, session, self.metrics, self.wall, self.stack),
        )
        self.explainer = Explainer(
            self.relay, self.wall, self.relay.afar.recall if self.shelves.tiers else None
        )

    def _limiter(self) -> Limiter | None:
        """What calls are charged to, where the settings limit anybody; a gate that comes after knows what callers had."""
        if not assembly.limits(self.settings):
            return None
        if self.meters is None:
            self.meters = overseers.meters(self.settings, self.member.place)
        return overseers.limiter(self.settings, self.meters, self.redis, self.stack)

    def _withhold(self) -> None:
        """Keep from callers what operators have withdrawn."""
        self.withholding = Withholding(
            self.withdrawn, self.switches, self.estate.upstreams, self.discovery.withhold, self.wall
        )
        if self.redis is not None:
            self.withholding.told = self.redis.tell
        self.withholding.heed()

    def _watch(self) -> None:
        """Look out for what others do: who withdraws credentials, who renews certificates."""
        watch = asyncio.create_task(self._watch_credentials(), name="watch over credentials")
        self.stack.callback(watch.cancel)
        if live := self.secured.live:
            keeping = asyncio.create_task(keep_live(live), name="watch over certificates")
            self.stack.callback(keeping.cancel)

    def _estate(self, secret: bytes) -> Estate[HttpUpstream]:
        """The services that the settings name, and those that others of them bring."""
        redis = self.settings.cache.redis
        here = assembly.stamps(self.settings, secret)
        everywhere = {} if redis is None else assembly.stamps(self.settings, redis.secret())

        def stamp(service: Service) -> None:
            self.storage.stamps[service.qualified] = assembly.stamp(service, here)
            if everywhere:
                self.storage.stamps_for_replicas[service.qualified] = assembly.stamp(service, everywhere)

        def fit(service: Service) -> Service:
            return assembly.shared(service, *self.member.place)

        named = tuple(map(with_aliases, assembly.services(self.settings)))
        sites = cave_sites(named, assembly.local_servers(self.settings))
        brought = (part for site in sites.values() for part in site.parts())
        estate = Estate(
            [fit(one) for one in (*(one for one in named if one.name not in sites), *brought)],
            sites,
            connect=partial(self.secured.connect, turned=self._turned),
            fit=fit,
            stamp=stamp,
            saw=self.policies.saw,
            folder=self.settings.state_dir / "datastacks",
        )
        self.stack.push_async_callback(estate.close)
        return estate

    def origin(self) -> str:
        """The origin that callers use, as far as the settings or the listener tell."""
        public = self.settings.public_url
        if public is not None:
            return public.origin
        host, port = self.address
        if not port:  # a Unix-domain socket, which no URL names
            return "http://localhost"
        scheme = "http" if self.settings.tls is None else "https"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def _issuer(self) -> str:
        """Who the gate says it is, in what it signs for services."""
        public = self.settings.public_url
        return LOCAL if public is None else public.origin

    async def _with_token(self, service: Service) -> Service:
        """A service with the gate's own token as it is now."""
        if not service.granted:
            return service
        return dataclasses.replace(service, token=await self.introductions.own_token(service))

    def _bearer(self, service: Service, principal: Principal) -> str | None:
        link = None
        if service.bearer == "linked" and not principal.anonymous:
            link = self.links.get(principal, service.entry or service.qualified)
        return bearer_of(service, principal, None if link is None else link.token)

    def _described(self, service: Service, description: Description) -> None:
        self.estate.described(service, description, self.discovery)

    def _check_health(self) -> None:
        """Ask the replicas how they are, where the settings say what to ask."""
        checks = HealthChecks(self.estate.upstreams, lambda: self.member.leads, self.member.tell_health)
        task = asyncio.create_task(checks.run(), name="health checks")

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self.stack.push_async_callback(end)

    def checked(self, service: str, sick: Sequence[bool]) -> None:
        """Another worker has asked the replicas of a service how they are."""
        upstream = self.estate.upstreams.get(service)
        if upstream is not None:
            upstream.checked(sick)

    def _turned(self, service: str, why: str | None) -> None:
        """A service is left alone from now on, or asked again."""
        self.discovery.turned(service, why, self.monotonic())

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
            self.withholding.heed()
            self.estate.poll(self.discovery)
            if not self.draining and not self.succeeded.is_set():
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

    # doors

    def patience(self) -> float:
        """For how many seconds a new connection is left to other workers, which have fewer."""
        return self.member.patience(self.parts.connections)

    # what the other workers say

    def switched(self, wish: Wish) -> None:
        """Act on switches that were changed."""
        for service in wish.cordon:
            self.withholding.mark(service)
        self._set_lanes()

    def owned(self, name: bytes, service: str) -> None:
        """Another worker has seen a service set a cookie."""
        self.cookies.learn(name, service)


@asynccontextmanager
async def running(
    settings: Settings,
    member: Member | Alone | None = None,
    before: Gate | None = None,
    wall: Callable[[], float] = time.time,
) -> AsyncIterator[Gate]:
    """A gate by these settings, from the first listener to the last closed socket; `member` where it is one of several.

    One that comes after another has no listeners until it takes over.
    """
    async with AsyncExitStack() as stack:
        gate = Gate(settings, stack, member or Alone(), before, wall)
        del before  # it ends, and this frame does not
        await gate.open()
        try:
            yield gate
        finally:
            await gate.drain()
