"""Which doors are there for callers, and which lead to services?"""

from __future__ import annotations

import asyncio
from typing import Final

import orjson

from gateway import assembly
from gateway.core.intake.aliases import other_paths
from gateway.core.paths import Steps
from gateway.core.principal import Principal
from gateway.core.service import Service
from gateway.core.vouching import told_of
from gateway.door_parts import DoorParts
from gateway.doors.health import HealthDoor, ReadyDoor
from gateway.doors.links import LinksDoor
from gateway.doors.lists import openapi_list, openrpc_list
from gateway.doors.mount import MountDoor
from gateway.doors.mount_tools import MountLimits, MountTools
from gateway.doors.plain import BelowRpc, PlainDoor
from gateway.doors.reception import WEBSOCKET, Place
from gateway.doors.resource import FOR_ANY_PAGE, KEYS, METADATA, KeysDoor, ResourceDoor
from gateway.doors.sockets import SocketDoor, Sockets
from gateway.doors.sources import INFO, SOURCE, SourcesDoor, refused_as_intake
from gateway.doors.whoami import WhoamiDoor
from gateway.source_entries import source_entries

_READ: Final = ("GET", "HEAD")
_CALL: Final = ("POST", "QUERY")


class CallerDoors(DoorParts):
    """The doors that callers meet."""

    def _mount_door(self, own: Service | None = None) -> MountDoor:
        """The door to what is mounted, or to the one service of a port of its own."""
        limits = self.settings.limits
        public = self.settings.public_url
        tools = MountTools(
            relay=self.relay,
            entrance=self.entrance if own is None else self.entrances.of_port(own) or self.entrance,
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

    def _learn(self, service: Service, inner: Steps, body: bytes, who: Principal) -> None:
        self.estate.learn(service, inner, body, who, self.discovery)

    def _vouch(self, credential: str | None, principal: Principal) -> bytes | None:
        """What is said of a token's owner: by who vouches for it, or of one of the gate's own."""
        if credential is None or principal.anonymous:
            return None
        found = self.identities.vouched(credential, self.wall())
        said = {} if found is None else found[1].said
        return orjson.dumps(said or told_of(principal))

    # --- by their addresses

    def _public(self) -> dict[str, list[Place]]:
        public_url, most, rpc = self.settings.public_url, self._rpc_limits, self.rpc_door()
        plain = PlainDoor(
            self.relay,
            most,
            self.metrics,
            wall=self.wall,
            monotonic=self.monotonic,
            once=self._once_desk,
        )
        below = Place("rpc", BelowRpc(rpc, plain), _CALL)
        links = self._linking()
        return {
            "/rpc": [Place("rpc", rpc, _CALL), Place("rpc", SocketDoor(self.sockets), (WEBSOCKET,))],
            "/rpc/": [below, Place("plain", plain, _READ)],
            "/openrpc.json": [Place("lists", openrpc_list(), _READ)],
            "/openapi.json": [Place("lists", openapi_list(public_url.text if public_url else None), _READ)],
            "/-/healthy": [Place("health", HealthDoor(), _READ, open=True)],
            "/-/ready": [Place("health", ReadyDoor(lambda: not self.leaving), _READ, open=True)],
            "/-/links": [Place("links", links, _READ)],
            "/-/links/": [Place("links", links, (*_READ, "PUT", "DELETE"), changes=True)],
            "/-/whoami": [Place("whoami", WhoamiDoor(self.relay, self.wall), _READ)],
            **self._told_to_all(),
        }

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

    def _told_to_all(self) -> dict[str, list[Place]]:
        """What is open to everybody: where tokens come from, and the gate's public keys."""
        identity = self.settings.identity
        servers = assembly.authorization_servers(self.settings)
        logins = assembly.logins(self.settings)
        own = ("/rpc", "/mcp") if self.settings.mcp.enabled else ("/rpc",)
        door = ResourceDoor(self._origin_of, servers, identity.scopes, own, self.estate.mounts(), logins)
        resource = [Place("resource", door, _READ, open=True, cors=FOR_ANY_PAGE)]
        keys = [Place("keys", KeysDoor(self.identities.public_keys), _READ, open=True, cors=FOR_ANY_PAGE)]
        return {METADATA: resource, f"{METADATA}/**": resource, KEYS: keys}

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

    def _source_paths(self) -> tuple[str, ...]:
        """Where the gate is a catalog server itself."""
        section = self.settings.sources
        return () if section is None else (section.mount, *other_paths(section.mount))

    # --- WebSockets

    def _open_sockets(self) -> None:
        """Have somebody look after the WebSockets of all listeners."""
        self.sockets = Sockets(
            self.relay,
            self.rpc_door(),
            self.metrics,
            most=self.settings.limits.message,
            leaving=self._leaving,
            generations=self.generations.read,
            monotonic=self.monotonic,
        )
        looking = asyncio.create_task(self.sockets.run(), name="look after WebSockets")
        self.stack.callback(looking.cancel)
        self.metrics.gauge(
            "websockets", "Open WebSockets at /rpc.", (), lambda: [((), float(len(self.sockets)))]
        )

    def _leaving(self) -> str | None:
        if self.draining or self.hurried.is_set():
            return "The gate is going down: connect again in a moment."
        return "The gate has new settings: connect again." if self.succeeded.is_set() else None
