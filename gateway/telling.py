"""What does a running gate tell of itself: to operators in words, to collectors in numbers and spans?"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from secrets import token_bytes
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession

from gateway import assembly
from gateway.core.sources import warnings as source_warnings
from gateway.core.sums import Family
from gateway.core.tracing import Tracer
from gateway.core.usage import Uses
from gateway.doorways import Doorways
from gateway.holdings import Holdings
from gateway.source_entries import source_entries
from gateway.status import Status, publish_worker
from gateway.telemetry.families import rendered
from gateway.telemetry.lag import Lag
from gateway.telemetry.lately import Lately
from gateway.telemetry.memory import resident
from gateway.telemetry.method_book import MethodBook
from gateway.telemetry.otlp import Exporter
from gateway.telemetry.usage_store import UsageStore
from gateway.usage import UsageBook

if TYPE_CHECKING:
    from gateway.tiers.disk import DiskTier

VERSION = metadata.version("labgate-gateway")


class Telling(Doorways):
    """What is told of a gate's parts; `Gate` has them."""

    started: float
    disk: DiskTier | None
    recent: Lately
    _joined_before: int
    """How many repeats had been joined when this gate began: the gate before may have left it its outcomes."""

    def _tell(self) -> None:
        """What operators are told of the parts, in words and in numbers."""
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
        self.method_book = self._keep_times()
        self._publish()

    def _record(self, session: ClientSession) -> None:
        """Have some requests recorded, step by step, where the settings say where that goes."""
        telemetry = self.settings.telemetry
        wanted, continues = telemetry.otlp, telemetry.traceparent == "from_callers"
        if wanted is None:
            self.metrics.tracer = Tracer(None, 0.0, time.time_ns, token_bytes, continues=continues)
            return
        resource: dict[str, str | int] = {
            "service.name": wanted.service,
            "service.version": VERSION,
            "service.instance.id": f"{self.member.pseudonym.decode('ascii')}/{self.member.place[0]}",
            "process.pid": os.getpid(),
        }
        headers = {name: value.get_secret_value() for name, value in wanted.headers.items()}
        exporter = Exporter(wanted.endpoint, resource, session, headers)
        self.metrics.tracer = Tracer(
            exporter.take, wanted.sample, time.time_ns, token_bytes, continues=continues
        )
        self.stack.push_async_callback(exporter.close)
        exporter.start()
        text = "Spans by what became of them: the collector took them, or they were too many, or it did not take them."
        self.metrics.counter("spans", text, ("event",), exporter.events)
        text = "Spans that wait to be sent to the collector."
        self.metrics.gauge("spans_waiting", text, (), lambda: [((), float(exporter.waiting))])

    def _keep_usage(self) -> UsageBook | None:
        """Have it written down who uses what, where the settings say so."""
        wanted = self.settings.telemetry.usage
        if wanted is None:
            return None
        uses = self.metrics.uses = Uses()
        store = UsageStore(self.settings.state_dir / "usage.sqlite", wanted.keep)
        book = UsageBook(uses, self.metrics.gather, store, self.wall)
        self.stack.push_async_callback(book.write)
        writing = asyncio.create_task(book.run(), name="who uses what")
        self.stack.callback(writing.cancel)
        text = "How often it could not be written down who uses what."
        self.metrics.counter("usage_failures", text, (), lambda: [((), float(book.failed))])
        return book

    def _keep_times(self) -> MethodBook:
        """Have what is counted of each method become what is known of the last minutes."""
        book = MethodBook(
            self.metrics.times, self.metrics.gather, self.recent, self.member.lately, self.monotonic
        )
        turning = asyncio.create_task(book.run(), name="times of methods")
        self.stack.callback(book.turn)
        self.stack.callback(turning.cancel)
        return book

    async def lately(self, seconds: float) -> Mapping[str, Any]:
        """What this process has counted of each method in so many last seconds."""
        return await self.method_book.say(seconds)

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
        self.metrics.counter(
            "repeats_joined", text, (), lambda: [((), float(self.outcomes.joined - self._joined_before))]
        )
        gauge("flights", "Trips to upstreams under way.", (), lambda: [((), float(len(self.flights)))])
        self.metrics.counter(
            "flights_begun", "Trips that calls have made.", (), lambda: [((), float(self.flights.begun))]
        )
        text = "Calls that were answered by what somebody else's trip brought."
        self.metrics.counter("flights_joined", text, (), lambda: [((), float(self.flights.joined))])
        verdicts, text = (
            self.identities.verdicts,
            "Credentials that were looked at, by kind and by what was found.",
        )
        self.metrics.counter(
            "credentials", text, ("kind", "outcome"), lambda: [(at, float(n)) for at, n in verdicts.items()]
        )
        text = "Processor time of the gate's processes, in seconds."
        self.metrics.counter("process_cpu_seconds", text, (), lambda: [((), time.process_time())])
        lag = Lag(asyncio.get_running_loop())
        self.stack.callback(lag.stop)
        text = "By how much the event loop did late what was due: nobody is answered meanwhile."
        self.metrics.histogram("event_loop_lag_seconds", text, lag.read)
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
            "draining": self.leaving,
            "switches": self.switches.shown(self.estate.upstreams),
            "catalog": {"version": self.relay.catalog.version, "warnings": self._warnings()},
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

    def _warnings(self) -> tuple[str, ...]:
        """What the operator should know of rules and sources that come to nothing."""
        catalog = self.relay.catalog
        return (*catalog.warnings, *source_warnings(source_entries(self.settings), catalog))

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
        return await asyncio.to_thread(rendered, await self.member.numbers())
