"""A miss asks the farther tiers before it makes a trip; what a write has ended comes out of none."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace
from relays import READ, RULE, WRITE, Lab

from gateway.core.cache_status import cache_status
from gateway.core.call import Demand
from gateway.core.keys import key as key_of
from gateway.core.method import CacheRule, Method, RpcBinding
from gateway.core.reply import Whole
from gateway.core.verdict import Extent, Hit, HttpHead, Miss, Stale
from tests.tiers.own_generations import OwnGenerations

ROOT = Path(__file__).parents[2]
LARGE = Method("jobs.all", "jobs", RpcBinding("all"), safe=True, cache=CacheRule(fresh=30, share="everyone"))


@pytest.fixture
async def labs(tmp_path):
    made: list[Lab] = []

    def lab(**how) -> Lab:
        made.append(Lab(tmp_path, **how))
        return made[-1]

    yield lab
    for one in made:
        await one.close()


async def test_another_worker_answers_from_the_disk_what_one_has_stored(labs):
    one, other = labs(), labs()
    first = await one.answer()
    await one.stored()
    second = await other.answer()
    assert (first.body, second.body) == (Whole(b"1"), Whole(b"1"))
    assert isinstance(second.verdict, Hit)
    assert second.verdict.tier == "disk"
    assert cache_status(second, other.disk.now) == 'labgate; hit; ttl=30; detail="disk"'
    assert (one.trips, other.trips) == (1, 0)


async def test_what_the_disk_had_is_in_memory_from_then_on(labs):
    one, other = labs(), labs()
    await one.answer()
    await one.stored()
    await other.answer()
    at_hand = other.relay.at_hand(other.call(), other.disk.now)
    assert at_hand is not None
    assert at_hand.verdict.tier == ""


@pytest.mark.parametrize("size", [1, 5000, 70_000, 2 << 20])
async def test_memory_and_disk_give_the_same_reply_but_for_the_tiers_name(labs, size):
    one, other = labs(memory=64 << 20), labs(memory=64 << 20)
    one.value = b'"' + b"x" * size + b'"'
    await one.answer(LARGE)
    await one.stored()
    near = await one.answer(LARGE)
    far = await other.answer(LARGE)
    assert (near.kind, near.body) == (far.kind, far.body)
    assert (near.verdict.tier, far.verdict.tier) == ("", "disk")
    assert other.trips == 0


async def test_what_a_trip_has_brought_meanwhile_is_not_replaced_by_what_a_tier_had(labs):
    one, other = labs(), labs()
    await one.answer()
    await one.stored()
    other.value = b"2"
    miss = other.relay.judge(other.call(), other.disk.now)
    await other.answer(demand=Demand(max_age=-1.0))  # it ends before the tier has answered
    newer = other.memory.get(miss.key)
    other.memory.put(miss.key, replace(newer, stored=newer.stored + 1))
    await other.shelves.settle()
    one.shelves.put(one.memory.get(miss.key))
    await one.stored()
    assert (await other.relay.store.from_afar(miss.key))[0].body == b"1"
    assert other.memory.get(miss.key).body == b"2"


async def test_equal_calls_share_the_look_into_the_tiers(labs):
    one, other = labs(), labs()
    await one.answer()
    await one.stored()
    replies = await asyncio.gather(*(other.answer() for _ in range(20)))
    assert {reply.body for reply in replies} == {Whole(b"1")}
    assert all(isinstance(reply.verdict, Hit) and not reply.collapsed for reply in replies)
    assert other.disk.tier.counts["hits"] == 1
    assert other.trips == 0


async def test_who_wants_it_fresh_is_not_given_what_others_get_from_a_tier(labs):
    one, other = labs(), labs()
    await one.answer()
    await one.stored()
    other.value = b"2"
    plain, fresh, young, old = await asyncio.gather(
        other.answer(),
        other.answer(demand=Demand(max_age=-1.0)),
        other.answer(demand=Demand(max_age=1.0)),
        other.answer(demand=Demand(max_age=1000.0)),
    )
    assert fresh.body.data == b"2"
    # The others may be given what it has brought, where the tier takes its time.
    assert {reply.body.data for reply in (plain, young, old)} <= {b"1", b"2"}
    other.disk.now += 10
    other.memory.drop(key_of(other.call(), RULE))
    assert (await other.answer(demand=Demand(max_age=1.0))).body == Whole(b"2")


async def test_a_stale_entry_of_a_tier_answers_while_one_refresh_runs(labs):
    one, other = labs(), labs()
    await one.answer()
    await one.stored()
    other.disk.now += 40
    other.value = b"2"
    stale = await other.answer()
    assert isinstance(stale.verdict, Stale)
    assert stale.body == Whole(b"1")
    await other.flights.settle(5.0)
    assert other.trips == 1
    assert (await other.answer()).body == Whole(b"2")


async def test_what_a_write_has_ended_comes_out_of_no_tier_in_any_worker(labs):
    one, other, third = labs(), labs(), labs()
    await one.answer()
    await one.stored()
    await other.answer(WRITE)
    third.value = b"2"
    after = await third.answer()
    assert isinstance(after.verdict, Miss)
    assert after.body == Whole(b"2")


async def test_nothing_is_asked_of_a_tier_for_what_no_rule_stores_or_the_cache_is_off(labs):
    one, other = labs(), labs()
    await one.answer()
    await one.stored()
    await other.answer(Method("jobs.peek", "jobs", RpcBinding("peek"), safe=True))
    other.relay.switches.cache = False
    await other.answer()
    assert other.disk.tier.counts["hits"] + other.disk.tier.counts["misses"] == 0
    assert other.trips == 2


async def test_a_reply_never_waits_for_a_tier_to_store_it(labs):
    lab = labs()
    held = asyncio.Event()

    async def slow(entry):
        await held.wait()
        return True

    lab.disk.tier.put = slow
    assert (await lab.answer()).stored
    held.set()


# --- through a mount


async def test_a_mounts_reply_in_a_file_is_kept_and_recalled_as_a_file(labs):
    one, other = labs(), labs()
    verdict = one.relay.judge(one.call(LARGE), one.disk.now)
    spool = one.relay.store.spool(verdict.rule.max_size)
    body = bytes(range(256)) * 8192 * 2
    for at in range(0, len(body), 100_000):
        assert spool.write(body[at : at + 100_000])
    sealed = await spool.seal()
    assert isinstance(sealed, Extent)
    head = HttpHead(200, b"OK", ((b"X-Odd", b"\xff"),))
    assert one.relay.keep(verdict, head, sealed)
    await one.stored()
    miss = other.relay.judge(other.call(LARGE), other.disk.now)
    assert other.relay.afar.may_have(miss)
    hit = await other.relay.afar.recall(miss, other.disk.now)
    assert isinstance(hit, Hit)
    assert hit.entry.head == head
    assert await other.shelves.body(hit.entry) == body
    assert hit.entry.extent is not None
    assert len(other.memory) == 0


async def test_a_reply_larger_than_its_rule_allows_is_kept_in_no_tier(labs):
    lab = labs()
    rule = CacheRule(fresh=30, max_size=100)
    method = Method("jobs.few", "jobs", RpcBinding("few"), safe=True, cache=rule)
    verdict = lab.relay.judge(lab.call(method), lab.disk.now)
    assert not lab.relay.store.spool(verdict.rule.max_size).write(bytes(101))
    assert not lab.relay.keep(verdict, HttpHead(200, b"OK", ()), bytes(101))


# --- a read starts, a write ends, the read is stored


class Blind(OwnGenerations):
    """Generations as they would be if there were none."""

    def bump(self, *groups):
        pass


async def read_around_a_write(lab: Lab) -> tuple[bytes, type]:
    """A read leaves, a write ends, the read's answer comes and is stored; then it is read once more."""
    lab.open.clear()
    reading = asyncio.ensure_future(lab.answer())
    await lab.asked.wait()
    lab.value = b"2"  # the write happens at the service
    lab.relay.writes.ended((WRITE,))
    lab.open.set()
    assert (await reading).body == Whole(b"1")
    await lab.stored()
    again = await lab.answer()
    return again.body.data, type(again.verdict)


async def test_no_answer_that_left_before_a_write_ended_is_served_after_it_in_one_worker(labs):
    assert await read_around_a_write(labs()) == (b"2", Miss)


async def test_without_generations_it_would_be(labs):
    assert await read_around_a_write(labs(generations=Blind())) == (b"1", Hit)


READER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, "tests/tiers")
import relays
async def main():
    lab = relays.Lab(Path(sys.argv[1]))
    lab.open.clear()
    reading = asyncio.ensure_future(lab.answer())
    await lab.asked.wait()
    print("asked", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    lab.open.set()
    reply = await reading
    await lab.close()
    print(reply.body.data.decode(), reply.stored, flush=True)
asyncio.run(main())
"""


@pytest.mark.parametrize("ends", ["while the read is on its way", "before the read leaves"])
async def test_no_answer_that_left_before_a_write_ended_is_served_after_it_by_another_process(
    labs, tmp_path, ends
):
    here = labs()
    if ends == "before the read leaves":
        here.relay.writes.ended((WRITE,))
    process = subprocess.Popen(
        [sys.executable, "-c", READER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == b"asked\n"
        here.value = b"2"
        if ends == "while the read is on its way":
            here.relay.writes.ended((WRITE,))
        told, _ = await asyncio.to_thread(process.communicate, b"go\n")
    finally:
        process.kill()
        process.communicate()
    assert told == b"1 True\n"  # it was stored, under the generations of before
    assert len(here.disk.files()) == 1
    again = await here.answer(READ)
    expected = (b"2", Miss) if ends == "while the read is on its way" else (b"1", Hit)
    assert (again.body.data, type(again.verdict)) == expected
