"""A relay with memory and a disk, whose upstream the test holds back and whose value it sets."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

from disks import Disk

from gateway.core.call import Call, Demand, Params
from gateway.core.catalog import Catalog
from gateway.core.method import CacheRule, Method, RpcBinding
from gateway.core.policy import Policies, Policy
from gateway.core.ports import Route
from gateway.core.principal import Principal
from gateway.core.reply import Reply, Whole
from gateway.core.service import Service
from gateway.core.verdict import Pass
from gateway.flights import Flights
from gateway.relay import Relay
from gateway.tiers.memory import MemoryTier
from gateway.tiers.shelves import Shelves

ALICE = Principal(subject="alice", issuer="labgate", groups=("lab",))
RULE = CacheRule(fresh=30, stale=60, share="everyone", tags=("jobs",))
READ = Method("jobs.get", "jobs", RpcBinding("get"), safe=True, cache=RULE)
PLAIN = Method("jobs.peek", "jobs", RpcBinding("peek"), safe=True)
WRITE = Method("jobs.set", "jobs", RpcBinding("set"), invalidates=("jobs",))


class Lab:
    """One worker: its relay, its memory, its place at the shared disk, and the service behind it."""

    def __init__(self, state: Path, *, generations=None, memory: int = 1 << 20) -> None:
        self.disk = Disk(state)
        self.trips = 0
        self.value = b"1"
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()
        self.flights = Flights()
        self.shelves = Shelves((self.disk.tier,), self.disk.tier.spools)
        self.memory = MemoryTier(memory)
        self.generations = generations or self.disk.generations
        self.relay = Relay(
            SimpleNamespace(missing=lambda *_: False, suspect=lambda *_: False),
            Policies([Policy(("group:lab",), ("jobs.*",))]),
            self.memory,
            self.generations,
            self.flights,
            wall=lambda: self.disk.now,
            monotonic=asyncio.get_running_loop().time,
            far=self.shelves,
        )
        service = Service("jobs", "scripted", ("http://127.0.0.1:1",), timeout=5.0)
        self.relay.rebind(Catalog(), {"jobs": Route(service, self, "/", None)})

    kind = "scripted"

    async def perform(self, call, service, address, upstream):
        self.trips += 1
        value = self.value  # what is read is read now, however long the answer takes
        self.asked.set()
        await self.open.wait()
        return Reply("result", Whole(value), Pass("trip"))

    def call(self, method=READ, raw=b"[]", *, demand=None, wait=30.0) -> Call:
        deadline = asyncio.get_running_loop().time() + wait
        return Call("r", ALICE, method, Params(raw), deadline, demand or Demand())

    async def answer(self, method=READ, raw=b"[]", **how) -> Reply:
        return await self.relay.answer(self.call(method, raw, **how))

    async def stored(self) -> None:
        """What was to be stored is."""
        await self.shelves.settle()
        self.disk.now += 2  # so that others look again whether there is anything

    async def close(self) -> None:
        self.open.set()
        await self.flights.settle(1.0)
        await self.shelves.settle()
        await self.disk.close()
