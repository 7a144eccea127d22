"""Which doors are there, at which addresses, and who is let in? The second half of `app`: what callers meet of its parts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import orjson

from gateway import assembly
from gateway.assembly import CALLERS, OPERATORS
from gateway.core.catalog import Catalog
from gateway.core.forwarded import Proxies
from gateway.core.paths import Steps
from gateway.core.ports import Generations
from gateway.core.principal import Principal
from gateway.core.service import Service
from gateway.core.shares import share
from gateway.core.switches import Switches
from gateway.core.vouching import told_of
from gateway.discovery import Discovery
from gateway.doors.cache_admin import CacheDoor, EntriesDoor, PurgeDoor
from gateway.doors.cookies import CookieOwners
from gateway.doors.entrance import Entrance
from gateway.doors.explain import ExplainDoor, Explainer, MountExplainer
from gateway.doors.front import FrontDoor
from gateway.doors.health import HealthDoor, ReadyDoor
from gateway.doors.links import LinksDoor
from gateway.doors.lists import openapi_list, openrpc_list
from gateway.doors.mount import MountDoor
from gateway.doors.mount_tools import MountLimits, MountTools
from gateway.doors.operator import MetricsDoor, RefreshDoor, StatusDoor, SwitchesDoor
from gateway.doors.plain import BelowRpc, PlainDoor
from gateway.doors.reception import Place, Reception
from gateway.doors.rpc import RpcDoor, RpcLimits
from gateway.doors.rpc_lane import RpcLane
from gateway.doors.whoami import WhoamiDoor
from gateway.estate import Estate
from gateway.identity.certificates import CertificatePrincipals
from gateway.identity.challenge import www_authenticate
from gateway.identity.identities import Identities
from gateway.identity.links import Links
from gateway.outcomes import Outcomes
from gateway.relay import Relay
from gateway.settings import Address, Settings
from gateway.telemetry.metrics import Metrics
from gateway.tiers.memory import MemoryTier
from gateway.tiers.shelves import Shelves
from gateway.tls import Secured
from gateway.upstreams.replicas import HttpUpstream
from gateway.wire.server import Limits, Server
from gateway.workers.alone import Alone
from gateway.workers.member import Member

if TYPE_CHECKING:
    from gateway.tiers.redis import RedisTier


_READ = ("GET", "HEAD")
_CALL = ("POST", "QUERY")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""What a program on this machine calls it."""


class Doorways:
    """The doors of a gate, and the listeners that lead to them; `Gate` has the parts, and opens them last."""

    settings: Settings
    member: Member | Alone
    stack: AsyncExitStack
    wall: Callable[[], float]
    monotonic: Callable[[], float]
    draining: bool
    switches: Switches
    tier: MemoryTier
    redis: RedisTier | None
    shelves: Shelves
    generations: Generations
    identities: Identities
    estate: Estate[HttpUpstream]
    discovery: Discovery
    relay: Relay
    explainer: Explainer
    metrics: Metrics
    outcomes: Outcomes
    links: Links
    secured: Secured
    certificates: CertificatePrincipals | None
    cookies: CookieOwners
    servers: list[Server]
    address: tuple[str, int]
    operator_address: tuple[str, int]
    service_addresses: dict[str, tuple[str, int]]

    def patience(self) -> float:
        """For how many seconds a new connection is left to other workers, which have fewer."""
        raise NotImplementedError

    async def rendered_metrics(self) -> bytes:
        """The numbers of all workers, as metrics are asked for."""
        raise NotImplementedError

    async def open_doors(self) -> None:
        """Listen: for callers, for operators, and for the services with a port of their own."""
        rules = assembly.certificate_names(self.settings)
        self.certificates = None if rules is None else CertificatePrincipals(rules)
        self.entrance = self._entrance(self.settings.hosts)
        addresses = assembly.addresses(self.settings)
        self.address = await self._listen(self._public(), addresses, CALLERS, self._mount_door())
        self.operator_address = await self._listen(self._operator(), addresses, OPERATORS)
        for name in assembly.listeners(self.settings):
            door = self._mount_door(self.estate.services[name])
            self.service_addresses[name] = await self._listen({}, addresses, name, door)

    def _entrance(self, hosts: Collection[str], nobody: Principal | None = None) -> Entrance:
        """Who is let in; `nobody` is who comes without a token to a port that says so."""
        return Entrance(
            self.identities,
            anonymous=self.settings.identity.anonymous,
            hosts=hosts,
            draining=lambda: self.draining,
            wall=self.wall,
            challenge=www_authenticate,
            token_name=b"middle_auth_token" if self.settings.identity.introspection else None,
            nobody=nobody,
            token_fields=assembly.token_fields(self.settings),
            certificates=self.certificates,
        )

    def _entrance_of(self, own: Service | None) -> Entrance:
        nobody = None if own is None else assembly.port_principals(self.settings).get(own.qualified)
        if nobody is None:
            return self.entrance
        # A page could have its own name lead to this machine; elsewhere nobody comes without a certificate.
        near = assembly.listeners(self.settings)[own.qualified].is_loopback if own is not None else True
        return self._entrance(self.settings.hosts or (LOOPBACK if near else ()), nobody)

    def _mount_door(self, own: Service | None = None) -> MountDoor:
        """The door to what is mounted, or to the one service of a port of its own."""
        limits = self.settings.limits
        public = self.settings.public_url
        tools = MountTools(
            relay=self.relay,
            entrance=self._entrance_of(own),
            observer=self.metrics,
            proxies=Proxies(self.settings.trusted_proxies),
            cookies=self.cookies,
            limits=MountLimits(limits.body, limits.batch, limits.depth),
            pseudonym=self.member.pseudonym,
            public_origin=public.origin.encode() if public is not None and own is None else None,
            wall=self.wall,
            outcomes=self.outcomes,
            site=self.estate.site,
            learn=self._learn,
            vouch=self._vouch if any(one.stand_in for one in self.settings.identity.introspection) else None,
        )
        return MountDoor(tools, self.estate.upstreams, self.estate.mounts(own), own=own)

    @property
    def _rpc_limits(self) -> RpcLimits:
        limits = self.settings.limits
        return RpcLimits(body=limits.body, batch=limits.batch, depth=limits.depth)

    def rpc_door(self) -> RpcDoor:
        return RpcDoor(
            self.relay,
            self._rpc_limits,
            self.metrics,
            wall=self.wall,
            monotonic=self.monotonic,
            explain=self.explainer.own,
        )

    def _public(self) -> dict[str, list[Place]]:
        public_url, most, rpc = self.settings.public_url, self._rpc_limits, self.rpc_door()
        plain = PlainDoor(self.relay, most, self.metrics, wall=self.wall, monotonic=self.monotonic)
        below = Place("rpc", BelowRpc(rpc, plain), _CALL)
        links = self._linking()
        return {
            "/rpc": [Place("rpc", rpc, _CALL)],
            "/rpc/": [below, Place("plain", plain, _READ)],
            "/openrpc.json": [Place("lists", openrpc_list(), _READ)],
            "/openapi.json": [Place("lists", openapi_list(public_url.text if public_url else None), _READ)],
            "/-/healthy": [Place("health", HealthDoor(), _READ, open=True)],
            "/-/ready": [Place("health", ReadyDoor(lambda: not self.draining), _READ, open=True)],
            "/-/links": [Place("links", links, _READ)],
            "/-/links/": [Place("links", links, (*_READ, "PUT", "DELETE"))],
            "/-/whoami": [Place("whoami", WhoamiDoor(), _READ)],
        }

    def _operator(self) -> dict[str, list[Place]]:
        switches = SwitchesDoor(self.switches, self.estate.upstreams, self.member.switch, self.wall)
        mounts = MountExplainer(self.relay, self.explainer, self._mount_door(), self.wall)
        explain = ExplainDoor(self.explainer, mounts, self.wall)
        return self._public() | {
            "/-/explain": [Place("operator", explain, ("POST",), operators=True)],
            **self._cache_places(),
            "/-/metrics": [Place("operator", MetricsDoor(self.rendered_metrics), _READ, operators=True)],
            "/-/status": [Place("operator", StatusDoor(self.member.status), _READ, operators=True)],
            "/-/refresh": [Place("operator", RefreshDoor(self.discovery.refresh), ("POST",), operators=True)],
            "/-/switches": [Place("operator", switches, (*_READ, "POST"), operators=True)],
        }

    def _cache_places(self) -> dict[str, list[Place]]:
        """Where operators look into the cache, and have it forget."""

        def catalog() -> Catalog:
            return self.relay.catalog

        entries = EntriesDoor(self.tier, self.generations, catalog, self.wall)
        alone = isinstance(self.member, Alone) and self.redis is None
        purge = PurgeDoor(
            self.tier,
            self.generations,
            catalog,
            self._may_come,
            far=self.shelves.tiers,
            alone=alone,
        )
        return {
            "/-/cache": [Place("operator", CacheDoor(self.member.status), _READ, operators=True)],
            "/-/cache/entries": [Place("operator", entries, _READ, operators=True)],
            "/-/cache/purge": [Place("operator", purge, ("POST",), operators=True)],
        }

    def _may_come(self, key: bytes) -> bool:
        """Whether an entry may still come under this key that was made before now."""
        return self.shelves.storing > 0 or self.relay.flies(key)

    async def _listen(
        self,
        places: Mapping[str, list[Place]],
        addresses: Mapping[str, Address],
        name: str,
        mounts: MountDoor | None = None,
    ) -> tuple[str, int]:
        """Listen at the address of this name, or on the sockets of it that all workers share."""
        reception = Reception(places, self.relay, self.entrance, self.metrics, self.member.pseudonym)
        lane = RpcLane(
            self.rpc_door(),
            self.relay,
            self.entrance,
            self.metrics,
            self._rpc_limits,
            pseudonym=self.member.pseudonym,
            wall=self.wall,
        )
        limits = self.settings.limits
        server = Server(
            reception.receive,
            Limits(
                header_bytes=limits.header_bytes,
                header_seconds=limits.header_seconds,
                idle_seconds=limits.idle_seconds,
                connections=share(limits.connections, *self.member.place),
            ),
            clock=self.wall,
            host=FrontDoor(lane if "/rpc" in places else None, mounts),
            tls=self.secured.listener(name),
            by_certificate=self.certificates is not None and self.secured.asks(name),
        )
        self.stack.push_async_callback(server.close)
        self.servers.append(server)
        if self.member.sockets is None:
            return await server.start(addresses[name].host, addresses[name].port)
        bound = [server.share(one, self.patience) for one in self.member.sockets[name]]
        return bound[0]

    def _linking(self) -> LinksDoor:
        def services() -> dict[str, str]:
            found = self.estate.services.values()
            return {one.entry or one.qualified: one.vouches for one in found if one.bearer == "linked"}

        async def verify(token: str, vouches: str) -> None:
            await self.identities.vouch(token, vouches, self.wall())

        def changed(name: str) -> None:
            found = (one for one in self.estate.services.values() if name in (one.entry, one.qualified))
            self.generations.bump(tuple(f"service:{one.qualified}" for one in found))

        return LinksDoor(self.links, services, verify, changed)

    def _vouch(self, credential: str | None, principal: Principal) -> bytes | None:
        """What is said of a token's owner: by who vouches for it, or of one of the gate's own."""
        if credential is None or principal.anonymous:
            return None
        found = self.identities.vouched(credential, self.wall())
        return orjson.dumps(told_of(principal) if found is None else found[1].said)

    def _learn(self, service: Service, inner: Steps, body: bytes, who: Principal) -> None:
        self.estate.learn(service, inner, body, who, self.discovery)
