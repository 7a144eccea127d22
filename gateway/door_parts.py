"""Which parts of a gate do its doors lead to?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from gateway.core.forwarded import Proxies
from gateway.core.ports import Generations
from gateway.core.switches import Switches
from gateway.discovery import Discovery
from gateway.doors.asked import Asked
from gateway.doors.cookies import CookieOwners
from gateway.doors.entrance import Entrance
from gateway.doors.explain import Explainer
from gateway.doors.rpc import RpcDoor, RpcLimits
from gateway.doors.rpc_once import OnceDesk
from gateway.doors.sockets import Sockets
from gateway.entrances import Entrances
from gateway.estate import Estate
from gateway.flights import Flights
from gateway.identity.certificates import CertificatePrincipals
from gateway.identity.identities import Identities
from gateway.identity.links import Links
from gateway.outcomes import Outcomes
from gateway.relay import Relay
from gateway.settings import Settings
from gateway.telemetry.method_book import MethodBook
from gateway.telemetry.metrics import Metrics
from gateway.tiers.memory import MemoryTier
from gateway.tiers.shared_generations import SharedGenerations
from gateway.tiers.shelves import Shelves
from gateway.tls import Secured
from gateway.upstreams.replicas import HttpUpstream
from gateway.usage import UsageBook
from gateway.wire.crowd import Crowd
from gateway.wire.server import Server
from gateway.withholding import Withholding
from gateway.workers.alone import Alone
from gateway.workers.member import Member

if TYPE_CHECKING:
    from gateway.tiers.redis import RedisTier


class DoorParts:
    """The parts of a gate that its doors need; `Gate` has them."""

    settings: Settings
    member: Member | Alone
    stack: AsyncExitStack
    wall: Callable[[], float]
    monotonic: Callable[[], float]
    leaving: bool
    draining: bool
    succeeded: asyncio.Event
    hurried: asyncio.Event
    switches: Switches
    withholding: Withholding
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
    flights: Flights
    usage: UsageBook | None
    method_book: MethodBook
    links: Links
    secured: Secured
    certificates: CertificatePrincipals | None
    cookies: CookieOwners
    sockets: Sockets
    servers: list[Server]
    named_servers: dict[str, Server]
    bound: dict[str, tuple[str, int]]
    """Where each listener is, by its name."""
    before: Any
    """The gate whose place this one is to take, which has the listeners; None where there is none."""
    address: tuple[str, int]
    operator_address: tuple[str, int]
    service_addresses: dict[str, tuple[str, int]]
    crowd: Crowd
    entrances: Entrances
    entrance: Entrance
    proxies: Proxies

    def origin(self) -> str:
        """The origin that callers use, as far as the settings or the listener tell."""
        raise NotImplementedError

    async def rendered_metrics(self) -> bytes:
        """The numbers of all workers, as metrics are asked for."""
        raise NotImplementedError

    @property
    def _rpc_limits(self) -> RpcLimits:
        limits = self.settings.limits
        return RpcLimits(body=limits.body, batch=limits.batch, depth=limits.depth)

    @property
    def _once_desk(self) -> OnceDesk:
        return OnceDesk(self.outcomes, self.flights.adopt)

    def rpc_door(self) -> RpcDoor:
        """The door of calls."""
        return RpcDoor(
            self.relay,
            self._rpc_limits,
            self.metrics,
            wall=self.wall,
            monotonic=self.monotonic,
            explain=self.explainer.own,
            once=self._once_desk,
        )

    def _origin_of(self, asked: Asked) -> str:
        """The origin by which the caller of a request reaches the gate."""
        public, request = self.settings.public_url, asked.request
        if public is not None:
            return public.origin
        proxies = Proxies(self.settings.trusted_proxies)
        host = request.host.encode("latin-1", "replace")
        way = proxies.way(
            tuple(request.raw_headers), request.remote or "", request.scheme.encode("ascii"), host
        )
        return f"{way.scheme.decode('latin-1')}://{way.host.decode('latin-1')}"
