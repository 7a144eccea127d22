"""How do the parts become a gate? This is the only file that knows them all; it owns the clock and what is open."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import metadata
from typing import Any

from aiohttp import ClientSession, DummyCookieJar
from msgspec import to_builtins

from gateway import assembly
from gateway.core.catalog import Catalog
from gateway.core.ports import Dialect, Route
from gateway.core.service import Service
from gateway.dialects.jsonrpc import JsonRpcDialect
from gateway.dialects.listed import ListedDialect
from gateway.dialects.openapi import OpenApiDialect
from gateway.discovery import Discovery, Health
from gateway.doors.health import HealthDoor, ReadyDoor
from gateway.doors.lists import ListDoor
from gateway.doors.operator import MetricsDoor, RefreshDoor, StatusDoor
from gateway.doors.plain import PlainDoor
from gateway.doors.reception import Place, Reception
from gateway.doors.rpc import RpcDoor, RpcLimits
from gateway.flights import Flights
from gateway.identity.challenge import www_authenticate
from gateway.identity.identities import Identities, Trusted
from gateway.relay import Relay
from gateway.settings import Settings
from gateway.telemetry.logs import access_log
from gateway.telemetry.metrics import Metrics
from gateway.tiers.generations import LocalGenerations
from gateway.tiers.memory import MemoryTier
from gateway.upstreams.replicas import HttpUpstream
from gateway.wire.server import Limits, Server

log = logging.getLogger("labgate")

VERSION = metadata.version("labgate-gateway")
_READ = ("GET", "HEAD")
LOOK = 0.25
"""Seconds from one look for withdrawn credentials to the next."""


class Gate:
    """A running gate: its parts, and the two things that can be asked of it from outside, `status` and `drain`."""

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        self.settings = settings
        self.wall = time.time
        self.monotonic = asyncio.get_running_loop().time
        self.started = self.wall()
        self.draining = False
        self._stack = stack
        self.tier = MemoryTier(settings.cache.memory)
        self.generations = LocalGenerations()
        self.flights = Flights()
        self.metrics = Metrics(access_log(settings.telemetry.access_log, sys.stderr.buffer), self.wall)
        self.servers: list[Server] = []

    async def open(self) -> None:
        """Start every part; the gate takes calls once this returns, whatever its upstreams do."""
        services = assembly.services(self.settings)
        session = await self._stack.enter_async_context(ClientSession(cookie_jar=DummyCookieJar()))
        self.upstreams = {service.qualified: self._upstream(service) for service in services}
        self.identities = await self._stack.enter_async_context(
            Identities.open(
                state_dir=self.settings.state_dir,
                local_tokens=self.settings.identity.local_tokens,
                keys=[key.get_secret_value() for key in self.settings.identity.signing_keys],
                trusted=[Trusted(*pair) for pair in assembly.issuers(self.settings)],
                session=session,
                now=self.wall(),
            )
        )
        jsonrpc = JsonRpcDialect()
        # In this order they are asked where a service's dialect is `auto`.
        dialects: Mapping[str, Dialect] = {
            "jsonrpc": jsonrpc,
            "openapi": OpenApiDialect(),
            "listed": ListedDialect(jsonrpc),
        }
        self.discovery = Discovery(
            services,
            dialects,
            self.upstreams,
            release=VERSION,
            monotonic=self.monotonic,
            on_change=lambda catalog: self.relay.rebind(catalog, self._routes(catalog, dialects)),
        )
        self.relay = Relay(
            self.discovery,
            assembly.policies(self.settings),
            self.tier,
            self.generations,
            self.flights,
            wall=self.wall,
            monotonic=self.monotonic,
        )
        self._gauges()
        await self._stack.enter_async_context(self.discovery)
        watch = asyncio.create_task(self._watch_credentials(), name="watch over credentials")
        self._stack.callback(watch.cancel)
        self.address = await self._listen(
            self._public(), self.settings.listen.host, self.settings.listen.port
        )
        operator = self.settings.operator.listen
        self.operator_address = await self._listen(self._operator(), operator.host, operator.port)

    def _upstream(self, service: Service) -> HttpUpstream:
        upstream = HttpUpstream(service)
        self._stack.push_async_callback(upstream.close)
        return upstream

    def _routes(self, catalog: Catalog, dialects: Mapping[str, Dialect]) -> dict[str, Route]:
        """How each service that has described itself is called."""
        return {
            name: Route(
                offer.service, dialects[offer.dialect], offer.description.address, self.upstreams[name]
            )
            for name in self.upstreams
            if (offer := catalog.offer(name)) is not None and offer.description is not None
        }

    async def _watch_credentials(self) -> None:
        """A revoked token ends the epoch: what was decided under the old one no longer holds anywhere."""
        while True:
            await asyncio.sleep(LOOK)
            if self.identities.changed(self.wall()):
                self.generations.advance()
                log.info("a credential was withdrawn: the epoch is now %d", self.generations.epoch)

    # doors

    def _public(self) -> dict[str, list[Place]]:
        limits = self.settings.limits
        rpc = RpcDoor(
            self.relay,
            RpcLimits(body=limits.body, batch=limits.batch, depth=limits.depth),
            self.metrics,
            wall=self.wall,
            monotonic=self.monotonic,
        )
        calls = Place("rpc", rpc, ("POST", "QUERY"))
        plain = PlainDoor(self.relay, self.metrics, wall=self.wall, monotonic=self.monotonic)
        return {
            "/rpc": [calls],
            "/rpc/": [calls, Place("plain", plain, _READ)],
            "/openrpc.json": [Place("lists", ListDoor(), _READ)],
            "/-/healthy": [Place("health", HealthDoor(), _READ, open=True)],
            "/-/ready": [Place("health", ReadyDoor(self._ready), _READ, open=True)],
        }

    def _operator(self) -> dict[str, list[Place]]:
        return self._public() | {
            "/-/metrics": [Place("operator", MetricsDoor(self.metrics.text), _READ, operators=True)],
            "/-/status": [Place("operator", StatusDoor(self.status), _READ, operators=True)],
            "/-/refresh": [Place("operator", RefreshDoor(self.discovery.refresh), ("POST",), operators=True)],
        }

    async def _listen(self, places: Mapping[str, list[Place]], host: str, port: int) -> tuple[str, int]:
        reception = Reception(
            places,
            self.relay,
            self.identities,
            self.metrics,
            anonymous=self.settings.identity.anonymous,
            hosts=self.settings.hosts,
            draining=lambda: self.draining,
            wall=self.wall,
            challenge=www_authenticate,
        )
        limits = self.settings.limits
        server = Server(
            reception.receive,
            Limits(
                header_bytes=limits.header_bytes,
                header_seconds=limits.header_seconds,
                idle_seconds=limits.idle_seconds,
                connections=limits.connections,
            ),
            clock=self.wall,
        )
        self._stack.push_async_callback(server.close)
        self.servers.append(server)
        return await server.start(host, port)

    def _ready(self) -> bool:
        return not self.draining

    # numbers

    def _gauges(self) -> None:
        read = self.metrics.gauge
        read("cache_bytes", "Bytes that entries take in memory.", lambda: float(self.tier.bytes))
        read("cache_entries", "Entries in memory.", lambda: float(len(self.tier)))
        read("flights", "Trips to upstreams under way.", lambda: float(len(self.flights)))
        read(
            "connections",
            "Connections of callers.",
            lambda: float(sum(one.connections for one in self.servers)),
        )

    def status(self) -> dict[str, Any]:
        """What the operator sees: no secret is any part of it."""
        return {
            "version": VERSION,
            "uptime_seconds": round(self.wall() - self.started),
            "draining": self.draining,
            "catalog": {"version": self.relay.catalog.version, "warnings": self.relay.catalog.warnings},
            "services": {name: self._health(one) for name, one in self.discovery.health().items()},
            "cache": {
                "bytes": self.tier.bytes,
                "entries": len(self.tier),
                "limit": self.settings.cache.memory,
                "calls": self.metrics.outcomes(),
            },
            "flights": len(self.flights),
            "connections": sum(server.connections for server in self.servers),
        }

    def _health(self, health: Health) -> dict[str, Any]:
        def ago(moment: float | None) -> float | None:
            return None if moment is None else round(self.monotonic() - moment, 1)

        told: dict[str, Any] = to_builtins(health)
        return told | {"since": ago(health.since), "asked": ago(health.asked)}

    # the end

    async def drain(self) -> None:
        """Take no more calls, let those under way end, at most `shutdown_seconds`; writes come before reads."""
        self.draining = True
        patience = self.settings.shutdown_seconds
        await asyncio.gather(*(server.drain(patience) for server in self.servers))
        lost = await self.flights.settle(patience)
        if lost:
            log.warning("ended %d calls that did not end by themselves", lost)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Gate]:
    """A gate by these settings, from the first listener to the last closed socket."""
    async with AsyncExitStack() as stack:
        gate = Gate(settings, stack)
        await gate.open()
        try:
            yield gate
        finally:
            await gate.drain()
