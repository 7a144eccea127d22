"""The same laws as of one relay, for two workers that share the file of generations and the disk, and are restarted."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule
from relay_machine import Machine

from gateway.core.catalog import Catalog
from gateway.core.policy import Policies, Policy
from gateway.core.ports import Route
from gateway.core.service import Service
from gateway.flights import Flights
from gateway.relay import Relay
from gateway.tiers.disk import DiskTier
from gateway.tiers.memory import MemoryTier
from gateway.tiers.shared_generations import SharedGenerations
from gateway.tiers.shelves import Shelves


class Worker:
    """One process's parts; the folder is everybody's."""

    def __init__(self, machine, state):
        self.flights = Flights()
        self.tier = MemoryTier(6000)
        self.generations = SharedGenerations(state / "generations")
        self.disk = DiskTier(
            state / "cache",
            1 << 20,
            self.generations,
            {},
            wall=lambda: machine.now,
            monotonic=lambda: machine.now,
        )
        self.shelves = Shelves((self.disk,), self.disk.spools)
        self.relay = Relay(
            SimpleNamespace(missing=lambda *_: False, suspect=lambda *_: False),
            Policies([Policy(("group:lab",), ("jobs.*",))]),
            self.tier,
            self.generations,
            self.flights,
            wall=lambda: machine.now,
            monotonic=machine.loop.time,
            far=self.shelves,
        )
        service = Service("jobs", "scripted", ("http://127.0.0.1:1",), timeout=1000.0)
        self.relay.rebind(Catalog(), {"jobs": Route(service, machine, "/", None)})

    async def end(self):
        await self.flights.settle(1.0)
        await self.shelves.settle()
        await self.disk.close()
        self.generations.close()


class Workers(Machine):
    """Two workers; whoever calls, calls the present one."""

    async def build(self):
        self.state = Path(tempfile.mkdtemp())
        self.workers = [Worker(self, self.state) for _ in range(2)]
        self.at(0)

    def at(self, which):
        self.present = which
        worker = self.workers[which]
        self.relay, self.tier, self.flights = worker.relay, worker.tier, worker.flights
        self.generations = worker.generations

    def turn(self):
        """Let everything go on that can, in the threads too."""
        self.done(self.quiet())
        super().turn()

    async def quiet(self):
        calm = 0
        while calm < 12:
            await asyncio.sleep(0)
            busy = any(
                worker.shelves._under_way or worker.disk._readers.waiting or worker.disk._writers.waiting
                for worker in self.workers
            )
            calm = 0 if busy else calm + 1

    @rule(which=st.sampled_from([0, 1]))
    def go_to(self, which):
        self.at(which)

    @rule()
    def restart(self):
        """What is under way ends, and the present worker begins anew, with an empty memory."""
        self.answer_all("result")
        self.done(self.workers[self.present].end())
        self.workers[self.present] = Worker(self, self.state)
        self.at(self.present)
        self.turn()

    def teardown(self):
        self.answer_all("result")
        for worker in self.workers:
            self.done(worker.end())
            assert worker.disk.counts["corrupt"] == 0
        self.loop.close()
        shutil.rmtree(self.state)


Workers.TestCase.settings = settings(max_examples=40, stateful_step_count=40)
TestWhateverHappensInTwoWorkers = Workers.TestCase
