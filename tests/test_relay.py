"""The path of a call: admitted before anything else, answered from memory where that is right."""

import asyncio
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from gateway.core.call import Call, Demand, Params
from gateway.core.catalog import Catalog
from gateway.core.faults import DeadlineExceeded, Forbidden, InternalFault, UpstreamUnreachable
from gateway.core.method import CacheRule, Method, RpcBinding
from gateway.core.policy import Policies, Policy
from gateway.core.ports import Route
from gateway.core.principal import Principal
from gateway.core.reply import Reply, Whole
from gateway.core.service import Service
from gateway.core.verdict import Hit, Miss, Pass, Stale
from gateway.flights import Flights
from gateway.relay import Relay
from gateway.tiers.memory import MemoryTier
from tests.tiers.own_generations import OwnGenerations

ALICE = Principal(subject="alice", issuer="labgate", groups=("lab",))
BOB = Principal(subject="bob", issuer="labgate", groups=("lab",))
MALLORY = Principal(subject="mallory", issuer="labgate")
RULE = CacheRule(fresh=30, stale=60, tags=("jobs",))
READ = Method("jobs.get", "jobs", RpcBinding("get"), safe=True, cache=RULE)
SHARED = Method("jobs.all", "jobs", RpcBinding("all"), safe=True, cache=CacheRule(fresh=30, share="everyone"))
PLAIN = Method("jobs.peek", "jobs", RpcBinding("peek"), safe=True)
WRITE = Method("jobs.set", "jobs", RpcBinding("set"), invalidates=("jobs",))


class Scripted:
    """A dialect whose answers are told by the test; it counts the trips."""

    kind = "scripted"

    def __init__(self) -> None:
        self.trips: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.outcome: Exception | None = None
        self.kind_of_reply = "result"

    async def perform(self, call, service, address, upstream):
        self.trips.append(call.method.name)
        number = len(self.trips)
        await self.gate.wait()
        if self.outcome is not None:
            raise self.outcome
        body = b'{"code":-32601,"message":"gone"}' if self.kind_of_reply == "error" else b"%d" % number
        return Reply(self.kind_of_reply, Whole(body), Pass("trip"))


class World:
    """A relay with its clock and its scripted upstream."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.dialect = Scripted()
        self.heard: list[tuple[str, str]] = []
        service = Service("jobs", "scripted", ("http://127.0.0.1:1",), timeout=5.0)
        watcher = SimpleNamespace(
            missing=lambda name, _: self.heard.append(("missing", name)),
            suspect=lambda name, _: self.heard.append(("suspect", name)),
        )
        self.flights = Flights()
        self.generations = OwnGenerations()
        self.relay = Relay(
            watcher,
            Policies([Policy(("group:lab",), ("jobs.*",))]),
            MemoryTier(1 << 20),
            self.generations,
            self.flights,
            wall=lambda: self.now,
            monotonic=asyncio.get_running_loop().time,
        )
        self.relay.rebind(Catalog(), {"jobs": Route(service, self.dialect, "/", None)})

    def call(self, method, raw=b"[]", *, principal=ALICE, wait=60.0, demand=None):
        deadline = asyncio.get_running_loop().time() + wait
        return Call("r", principal, method, Params(raw), deadline, demand or Demand())

    async def answer(self, method, raw=b"[]", **how):
        return await self.relay.answer(self.call(method, raw, **how))


@pytest.fixture
async def world():
    world = World()
    yield world
    world.dialect.gate.set()
    await world.flights.settle(1.0)


async def test_a_repeat_is_answered_from_memory_without_a_trip(world):
    first, second = await world.answer(READ), await world.answer(READ)
    assert (first.body, second.body) == (Whole(b"1"), Whole(b"1"))
    assert first.stored
    assert isinstance(first.verdict, Miss)
    assert isinstance(second.verdict, Hit)
    assert world.dialect.trips == ["jobs.get"]


async def test_a_hit_passes_the_same_checks_as_a_miss(world):
    await world.answer(SHARED)
    for principal in (MALLORY, replace(ALICE, groups=())):
        with pytest.raises(Forbidden):
            world.relay.at_hand(world.call(SHARED, principal=principal), world.now)
    assert world.dialect.trips == ["jobs.all"]


async def test_entries_belong_to_their_principal_unless_the_rule_shares_them(world):
    await world.answer(READ)
    await world.answer(READ, principal=BOB)
    await world.answer(SHARED)
    shared = await world.answer(SHARED, principal=BOB)
    assert world.dialect.trips == ["jobs.get", "jobs.get", "jobs.all"]
    assert isinstance(shared.verdict, Hit)


async def test_equal_safe_calls_share_one_trip_even_without_a_rule(world):
    world.dialect.gate.clear()
    waiting = [asyncio.ensure_future(world.answer(PLAIN)) for _ in range(5)]
    await asyncio.sleep(0.01)
    world.dialect.gate.set()
    replies = await asyncio.gather(*waiting)
    assert world.dialect.trips == ["jobs.peek"]
    assert [reply.collapsed for reply in replies].count(False) == 1
    assert not any(reply.stored for reply in replies)
    await world.answer(PLAIN)
    assert len(world.dialect.trips) == 2


async def test_unsafe_calls_are_never_shared_nor_stored(world):
    world.dialect.gate.clear()
    waiting = [asyncio.ensure_future(world.answer(WRITE)) for _ in range(3)]
    await asyncio.sleep(0.01)
    world.dialect.gate.set()
    replies = await asyncio.gather(*waiting)
    assert world.dialect.trips == ["jobs.set"] * 3
    assert all(reply.verdict == Pass("unsafe") for reply in replies)


@pytest.mark.parametrize("outcome", [None, UpstreamUnreachable("gone"), DeadlineExceeded("late")])
async def test_a_declared_write_ends_its_tags_however_it_ends(world, outcome):
    await world.answer(READ)
    world.dialect.outcome = outcome
    ended = await asyncio.gather(world.answer(WRITE), return_exceptions=True)
    assert isinstance(ended[0], Reply if outcome is None else type(outcome))
    world.dialect.outcome = None
    after = await world.answer(READ)
    assert after.verdict.why == "invalidated"


async def test_a_write_whose_caller_has_gone_still_runs_and_still_ends_its_tags(world):
    await world.answer(READ)
    world.dialect.gate.clear()
    caller = asyncio.ensure_future(world.answer(WRITE))
    await asyncio.sleep(0.01)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    world.dialect.gate.set()
    await world.flights.settle(1.0)
    assert (await world.answer(READ)).verdict.why == "invalidated"


async def test_no_answer_that_left_before_a_write_ended_is_stored_or_joined_after_it(world):
    world.dialect.gate.clear()
    early = asyncio.ensure_future(world.answer(READ))
    await asyncio.sleep(0.01)
    world.generations.bump(("tag:jobs",))  # a write ends while the read is on its way
    late = asyncio.ensure_future(world.answer(READ))
    await asyncio.sleep(0.01)
    assert world.dialect.trips == ["jobs.get", "jobs.get"]
    world.dialect.gate.set()
    assert (await early).body != (await late).body
    again = await world.answer(READ)
    assert again.body == (await late).body
    assert world.dialect.trips == ["jobs.get", "jobs.get"]


async def test_a_stale_entry_answers_while_one_refresh_runs(world):
    await world.answer(READ)
    world.now += 45
    world.dialect.gate.clear()
    replies = [await world.answer(READ) for _ in range(3)]
    assert all(isinstance(reply.verdict, Stale) and reply.body == Whole(b"1") for reply in replies)
    world.dialect.gate.set()
    await world.flights.settle(1.0)
    assert world.dialect.trips == ["jobs.get", "jobs.get"]
    assert (await world.answer(READ)).body == Whole(b"2")


async def test_a_stale_entry_answers_while_the_upstream_is_down(world):
    await world.answer(READ)
    world.now += 45
    world.dialect.outcome = UpstreamUnreachable("gone")
    assert (await world.answer(READ)).body == Whole(b"1")
    await world.flights.settle(1.0)
    assert (await world.answer(READ)).body == Whole(b"1")
    world.now += 60
    with pytest.raises(UpstreamUnreachable):
        await world.answer(READ)


async def test_a_caller_who_wants_it_fresh_gets_a_trip_and_leaves_its_reply_for_others(world):
    await world.answer(READ)
    fresh = await world.answer(READ, demand=Demand(max_age=-1.0))
    assert fresh.body == Whole(b"2")
    assert (await world.answer(READ)).body == Whole(b"2")


async def test_an_upstream_error_is_a_reply_that_is_not_stored_and_a_missing_method_is_reported(world):
    world.dialect.kind_of_reply = "error"
    first = await world.answer(READ)
    assert (first.kind, first.stored) == ("error", False)
    await world.answer(READ)
    assert len(world.dialect.trips) == 2
    assert world.heard == [("missing", "jobs"), ("missing", "jobs")]


async def test_an_unreachable_upstream_is_reported(world):
    world.dialect.outcome = UpstreamUnreachable("gone")
    with pytest.raises(UpstreamUnreachable):
        await world.answer(READ)
    assert world.heard == [("suspect", "jobs")]


async def test_a_mistake_of_ours_is_an_internal_fault_that_tells_nothing(world, caplog):
    world.dialect.outcome = ZeroDivisionError("secret")
    with pytest.raises(InternalFault) as told:
        await world.answer(READ)
    assert "secret" not in told.value.message
    assert "secret" in caplog.text


async def test_a_short_deadline_of_the_first_caller_does_not_end_the_trip_of_the_others(world):
    world.dialect.gate.clear()
    patient_first = asyncio.ensure_future(world.answer(READ, wait=0.01))
    await asyncio.sleep(0)
    patient = asyncio.ensure_future(world.answer(READ))
    with pytest.raises(DeadlineExceeded):
        await patient_first
    world.dialect.gate.set()
    assert (await patient).body == Whole(b"1")
    assert world.dialect.trips == ["jobs.get"]


async def test_raising_the_epoch_voids_every_entry(world):
    await world.answer(READ)
    world.generations.advance()
    assert (await world.answer(READ)).verdict.why == "invalidated"


async def test_who_waits_for_a_trip_that_takes_too_long_makes_one_within_the_time_that_is_left(world):
    world.dialect.gate.clear()
    first = asyncio.create_task(world.answer(SHARED, wait=600.0))
    await asyncio.sleep(0)
    second = asyncio.create_task(world.answer(SHARED, principal=BOB, wait=0.2))
    while len(world.dialect.trips) < 2:
        await asyncio.sleep(0.001)
    assert not second.done()
    world.dialect.gate.set()
    assert (await second).body == Whole(b"2")
    assert (await first).body == Whole(b"1")


async def test_the_failure_of_a_trip_is_its_own_callers_and_the_others_go_by_themselves(world):
    world.dialect.gate.clear()
    first = asyncio.create_task(world.answer(SHARED))
    others = [asyncio.create_task(world.answer(SHARED, principal=BOB)) for _ in range(3)]
    while not world.dialect.trips:
        await asyncio.sleep(0)
    assert world.dialect.trips == ["jobs.all"]
    world.dialect.outcome = UpstreamUnreachable("away")
    world.dialect.gate.set()
    with pytest.raises(UpstreamUnreachable):
        await first
    world.dialect.outcome = None
    for other in others:
        outcome = await asyncio.gather(other, return_exceptions=True)
        assert isinstance(outcome[0], Reply | UpstreamUnreachable)
    assert len(world.dialect.trips) == 4
