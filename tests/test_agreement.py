"""Laws of gates that agree on what a service offers while the Redis between them comes and goes."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from gateway import agreement as agreements
from gateway.agreement import Agreement
from gateway.core.agreeing import FIRST_HOLD
from gateway.core.service import Description, Service
from gateway.tiers.redis_offers import Seen, digest_of

LAB = Service("lab", "jsonrpc", ("http://lab.example",))
OLD, NEW = "1", "2"
"""Versions that it says of itself."""


@dataclass
class Redis:
    """What all gates see of it."""

    there: bool = True
    takes: bool = True
    clock: float = 1000.0
    agreed: object = None
    raw: bytes = b""
    texts: dict = field(default_factory=dict)

    async def seen(self):
        await asyncio.sleep(0)
        one = Seen(self.agreed, self.raw, 0, False)
        return ({"01": one} if self.raw else {}) if self.there else None

    async def text(self, name, digest):
        return self.texts.get(digest) if self.there else None

    async def agree(self, name, before, agreed, text):
        await asyncio.sleep(0)
        if not (self.there and self.takes and before == self.raw):
            return False
        self.agreed, self.raw = agreed, b"%d" % (int(self.raw or b"0") + 1)
        self.texts[agreed.digest] = text
        return True

    async def keep(self, name):
        return self.there

    async def now(self):
        return self.clock if self.there else None


class Gate:
    """One that asks the service as `Discovery` does, and advertises what comes of it."""

    def __init__(self, redis):
        self.agreement = Agreement(redis, {"lab": b"\x01"}, digest_of)
        self.asks = True
        self.service = OLD
        """What it would be answered."""
        self.shown = None
        self.asked = 0
        self._asking = set()

    async def ask(self, force=False):
        self.asked += 1
        heard = Description((), "rpc.discover", "/api", self.service)
        description, _ = await self.agreement.settle(LAB, heard, "jsonrpc", force=force)
        self.shown = description.version

    def adopt(self, service, description, dialect):
        self.shown = description.version

    def nudge(self, service):
        task = asyncio.create_task(self.ask())
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)


@asynccontextmanager
async def gates(redis, count=2):
    """Gates that look at each other, and have asked the service once."""
    found = [Gate(redis) for _ in range(count)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.agreement.run(one)) for one in found]
        for one in found:
            await one.ask()
        yield found
        for task in tasks:
            task.cancel()


async def shown(gates, version):
    """Returns when all of them advertise this one."""
    async with asyncio.timeout(30):
        while any(one.shown != version for one in gates):
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """They look more often than every half second."""
    monkeypatch.setattr(agreements, "LOOK", 0.01)


@pytest.mark.parametrize("gone", [0.0, FIRST_HOLD + 1])
async def test_what_was_heard_while_redis_was_away_all_advertise_when_it_is_back(gone):
    redis = Redis()
    async with gates(redis) as (one, other):
        redis.there = False
        other.service = NEW
        await other.ask()
        await asyncio.sleep(0.05)
        assert (one.shown, other.shown) == (OLD, NEW)
        redis.there, redis.clock = True, redis.clock + gone
        await shown((one, other), NEW)


async def test_what_an_operator_asked_for_while_redis_was_away_counts_though_it_had_been_given_up():
    redis = Redis()
    async with gates(redis) as (one, other):
        one.service = NEW
        await one.ask()
        await shown((one, other), NEW)
        redis.there = False
        await other.ask(force=True)
        assert other.shown == OLD
        redis.there = True
        await shown((one, other), OLD)


async def test_what_had_been_given_up_and_was_heard_without_an_operator_does_not_come_back():
    redis = Redis()
    async with gates(redis) as (one, other):
        one.service = NEW
        await one.ask()
        await shown((one, other), NEW)
        redis.there = False
        await other.ask()
        assert other.shown == OLD
        redis.there = True
        await shown((one, other), NEW)


async def test_gates_whose_redis_has_forgotten_agree_anew():
    redis = Redis()
    async with gates(redis) as (one, other):
        redis.agreed, redis.raw = None, b""
        redis.texts.clear()
        async with asyncio.timeout(30):
            while not redis.texts:
                await asyncio.sleep(0.01)
        assert [one.shown, other.shown] == [OLD, OLD]


async def test_a_redis_that_takes_nothing_does_not_have_the_service_asked_at_every_look():
    redis = Redis(takes=False)
    async with gates(redis, 1) as (one,):
        await asyncio.sleep(0.3)
        assert one.shown == OLD
        assert one.asked == 2
        redis.takes = True
        await one.ask()
        assert redis.agreed is not None
