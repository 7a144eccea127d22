"""Which doors are there, at which addresses, and who is let in? The second half of `app`: what callers meet of its parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

import orjson

from gateway import assembly
from gateway.assembly import CALLERS, OPERATORS
from gateway.core.catalog import Catalog
from gateway.core.forwarded import Proxies
from gateway.core.intake.aliases import other_paths
from gateway.core.paths import Steps
from gateway.core.ports import Generations
from gateway.core.principal import Principal
from gateway.core.service import Service
from gateway.core.switches import Switches
from gateway.core.vouching import told_of
from gateway.descriptors import raised
from gateway.discovery import Discovery
from gateway.doors.asked import Asked
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
from gateway.doors.resource import KEYS, METADATA, KeysDoor, ResourceDoor
from gateway.doors.rpc import RpcDoor, RpcLimits
from gateway.doors.rpc_lane import RpcLane
from gateway.doors.sources import INFO, SOURCE, SourcesDoor, refused_as_intake
from gateway.doors.whoami import WhoamiDoor
from gateway.estate import Estate
from gateway.identity.challenge import www_authenticate
from gateway.identity.identities import Identities
from gateway.identity.links import Links
from gateway.outcomes import Outcomes
from gateway.relay import Relay
from gateway.settings import Address, Settings
from gateway.source_entries import source_entries
from gateway.telemetry.metrics import Metrics
from gateway.tiers.memory import MemoryTier
from gateway.tiers.shared_generations import SharedGenerations
from gateway.tiers.shelves import Shelves
from gateway.upstreams.replicas import HttpUpstream
from gateway.wire.crowd import Crowd
from gateway.wire.limits import Limits
from gateway.wire.server import Server
from gateway.workers.alone import Alone
from gateway.workers.listeners import open_all
from gateway.workers.member import Member

if TYPE_CHECKING:
    from gateway.tiers.redis import RedisTier


_READ = ("GET", "HEAD")
_CALL = ("POST", "QUERY")
OPERATORS_CONNECTIONS = 200
"""Connections to the operator's door, of each worker."""
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
    local: SharedGenerations
    identities: Identities
    estate: Estate[HttpUpstream]
    discovery: Discovery
    relay: Relay
    explainer: Explainer
    metrics: Metrics
    outcomes: Outcomes
    links: Links
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
        self._callers_limits = Limits(**assembly.caller_limits(self.settings, self.member.place, raised()))
        # Operators have room of their own: they come when everything else is taken.
        most = min(OPERATORS_CONNECTIONS, self._callers_limits.connections)
        self._operators_limits = dataclasses.replace(
            self._callers_limits, connections=most, connections_per_address=0
        )
        self.crowd = Crowd(self._callers_limits, Proxies(self.settings.trusted_proxies).trusts)
        self.entrance = self._entrance(self.settings.hosts)
        self.proxies = Proxies(self.settings.trusted_proxies)
        addresses = assembly.addresses(self.settings)
        places = self._public() | self._sources()
        self.address = await self._listen(places, addresses, CALLERS, self._mount_door())
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
            challenge=partial(www_authenticate, scopes=self.settings.identity.scopes),
            token_name=assembly.token_name(self.settings),
            nobody=nobody,
            token_fields=assembly.token_fields(self.settings),
        )

    def _operators_entrance(self) -> Entrance:
        """Who is let in to operate: nobody by a cookie, and under no name that a page could have made its own."""
        listen = self.settings.operator.listen
        hosts: Collection[str] = ()
        if self.settings.hosts or listen.is_loopback:
            own = f"[{listen.host}]" if ":" in listen.host else listen.host
            hosts = (*self.settings.hosts, *LOOPBACK, own)
        return Entrance(
            self.identities,
            anonymous=self.settings.identity.anonymous,
            hosts=hosts,
            draining=lambda: self.draining,
            wall=self.wall,
            challenge=www_authenticate,
        )

    def _entrance_of(self, own: Service | None) -> Entrance:
        nobody = None if own is None else assembly.port_principals(self.settings).get(own.qualified)
        if nobody is None:
            return self.entrance
        # A page could have its own name lead to this machine.
        return self._entrance(self.settings.hosts or LOOPBACK, nobody)

    def _mount_door(self, own: Service | None = None) -> MountDoor:
        """The door to what is mounted, or to the one service of a port of its own."""
        limits = self.settings.limits
        public = self.settings.public_url
        tools = MountTools(
            relay=self.relay,
            entrance=self._entrance_of(own),
            observer=self.metrics,
            proxies=self.proxies,
            cookies=self.cookies,
            limits=MountLimits(limits.body, limits.batch, limits.depth),
            pseudonym=self.member.pseudonym,
            public_origin=public.origin.encode() if public is not None and own is None else None,
            wall=self.wall,
            outcomes=self.outcomes,
            site=self.estate.site,
            learn=self._learn,
            own_port=own is not None,
            vouch=self._vouch if any(one.stand_in for one in self.settings.identity.introspection) else None,
        )
        mounts = self.estate.mounts(own, self._source_paths() if own is None else ())
        return MountDoor(tools, self.estate.upstreams, mounts, own=own)

    def _source_paths(self) -> tuple[str, ...]:
        """Where the gate is a catalog server itself."""
        section = self.settings.sources
        return () if section is None else (section.mount, *other_paths(section.mount))

    def _sources(self) -> dict[str, list[Place]]:
        if self.settings.sources is None:
            return {}
        door = SourcesDoor(
            source_entries(self.settings),
            assembly.id_secret(self.settings, self.local.id),
            self.relay,
            self.metrics,
            wall=self.wall,
            monotonic=self.monotonic,
        )
        verbs = {INFO: ("GET",), SOURCE: ("GET", "POST")}
        return {
            path.rstrip("/") + own: [Place("sources", door, taken, refused=refused_as_intake)]
            for path in self._source_paths()
            for own, taken in verbs.items()
        }

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
            "/-/links/": [Place("links", links, (*_READ, "PUT", "DELETE"), changes=True)],
            "/-/whoami": [Place("whoami", WhoamiDoor(self.relay), _READ)],
            **self._told_to_all(),
        }

    def _told_to_all(self) -> dict[str, list[Place]]:
        """What is open to everybody: where tokens come from, and the gate's public keys."""
        identity = self.settings.identity
        servers = assembly.authorization_servers(self.settings)
        door = ResourceDoor(self._origin_of, servers, identity.scopes, ("/rpc",), self.estate.mounts())
        resource = [Place("resource", door, _READ, open=True)]
        keys = KeysDoor(self.identities.public_keys)
        return {METADATA: resource, f"{METADATA}/**": resource, KEYS: [Place("keys", keys, _READ, open=True)]}

    def _origin_of(self, asked: Asked) -> str:
        """The origin by which the caller of a request reaches the gate."""
        public, request = self.settings.public_url, asked.request
        if public is not None:
            return public.origin
        proxies = Proxies(self.settings.trusted_proxies)
        host = request.host.encode("latin-1", "replace")
        way = proxies.way(tuple(request.raw_headers), request.remote or "", b"http", host)
        return f"{way.scheme.decode('latin-1')}://{way.host.decode('latin-1')}"

    def _operator(self) -> dict[str, list[Place]]:
        switches = SwitchesDoor(self.switches, self.estate.upstreams, self.member.switch, self.wall)
        mounts = MountExplainer(self.relay, self.explainer, self._mount_door(), self.wall)
        explain = ExplainDoor(self.explainer, mounts, self.wall)
        return self._public() | {
            "/-/explain": [Place("operator", explain, ("POST",), operators=True)],
            **self._cache_places(),
            "/-/metrics": [Place("operator", MetricsDoor(self.rendered_metrics), _READ, operators=True)],
            "/-/status": [Place("operator", StatusDoor(self.member.status), _READ, operators=True)],
            "/-/refresh": [
                Place(
                    "operator", RefreshDoor(self.discovery.refresh), ("POST",), operators=True, changes=True
                )
            ],
            "/-/switches": [Place("operator", switches, (*_READ, "POST"), operators=True, changes=True)],
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
            "/-/cache/purge": [Place("operator", purge, ("POST",), operators=True, changes=True)],
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
        operators = name == OPERATORS
        entrance = self._operators_entrance() if operators else self.entrance
        pseudonym, origin = self.member.pseudonym, self._origin_of
        reception = Reception(
            places, self.relay, entrance, self.metrics, pseudonym, origin, self.proxies, guarded=operators
        )
        lane = RpcLane(
            self.rpc_door(),
            self.relay,
            entrance,
            self.metrics,
            self._rpc_limits,
            pseudonym=self.member.pseudonym,
            proxies=self.proxies,
            wall=self.wall,
        )
        limits = self._operators_limits if operators else self._callers_limits
        server = Server(
            reception.receive,
            limits,
            clock=self.wall,
            # Every request of operators' passes the reception: it is there that pages are told apart.
            host=None if operators else FrontDoor(lane if "/rpc" in places else None, mounts),
            crowd=None if operators else self.crowd,
        )
        self.stack.push_async_callback(server.close)
        self.servers.append(server)
        if self.member.sockets is None:
            own = await open_all({name: (addresses[name].host, addresses[name].port)})
            bound = [server.listen(one) for one in own[name]]
        else:
            bound = [server.listen(one, self.patience) for one in self.member.sockets[name]]
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
        said = {} if found is None else found[1].said
        return orjson.dumps(said or told_of(principal))

    def _learn(self, service: Service, inner: Steps, body: bytes, who: Principal) -> None:
        self.estate.learn(service, inner, body, who, self.discovery)
