"""Two gates and a real Redis: what somebody was let have at one of them is left at neither."""

import asyncio
import random
import time
from contextlib import asynccontextmanager

import pytest
from redis_servers import replica, serving, there, until

from gateway.core.faults import RateLimited
from gateway.core.limits import Limit, Named
from gateway.core.principal import Principal
from gateway.core.rates import Rate
from gateway.limiter import Limiter
from gateway.meters import Meters

ADA, BOB = Principal("ada", "labgate"), Principal("bob", "labgate")
DAY = 86_400
FIFTY = Named("policy-1", Limit(rate=Rate(50, DAY, 50), bytes=Rate(5000, DAY, 5000)))
QUICK = Named("policy-1", Limit(rate=Rate(200, 1, 20)))


class Gate:
    """One of several gates: its limiter, and who tells the others."""

    def __init__(self, shared, limit, secret=b"secret"):
        self.shared = shared
        self.limits = shared.tier.limits(secret)
        self.limiter = Limiter({0: limit}, Meters(), self.limits.book)

    def account(self, who=ADA):
        return self.limiter.account(who, "", (0,))

    def call(self, who=ADA, times=1):
        """How many of so many calls are let in."""
        let_in = 0
        for _ in range(times):
            try:
                self.account(who).charge(time.time())
            except RateLimited:
                break
            let_in += 1
        return let_in

    def left(self, who=ADA):
        items = self.account(who).items(time.time())[1]
        return [int(item.split(b"r=")[1].split(b";")[0]) for item in items]


@asynccontextmanager
async def gates(server, limit=FIFTY, **options):
    async with replica(server.place(), **options) as one, replica(server.place(), **options) as other:
        await there(one, other)
        yield Gate(one, limit), Gate(other, limit)


async def exchange(*those):
    for gate in those:
        assert await gate.limits.exchange()


async def test_what_was_had_at_one_gate_is_left_at_neither(server):
    async with gates(server) as (one, other):
        assert one.call(times=30) == 30
        assert other.call() == 1
        await exchange(one, other)
        assert other.left()[0] == 19
        assert other.call(times=100) == 19
        await exchange(other)
        assert one.call() == 1, "it has not heard yet"
        await exchange(one)
        assert one.call() == 0
        assert [one.call(BOB, 100), other.call(BOB)] == [50, 1], "others have theirs"


async def test_bytes_are_told_as_calls_are(server):
    async with gates(server) as (one, other):
        one.account().spend(3000, time.time())
        other.account().spend(1500, time.time())
        await exchange(one, other)
        assert other.left() == [50, 500]
        other.account().spend(4000, time.time())
        await exchange(other)
        one.account().spend(1, time.time())
        await exchange(one)
        for gate in (one, other):
            with pytest.raises(RateLimited) as refused:
                gate.account().charge(time.time())
            # What was had beyond the limit is paid off: 3501 bytes more than 5000.
            assert refused.value.data["retry_after"] == pytest.approx(3501 / 5000 * DAY, rel=0.01)


@pytest.mark.parametrize("seed", range(8))
async def test_in_whatever_order_gates_tell_each_other_no_more_is_let_in_than_a_burst_for_each(server, seed):
    chance = random.Random(seed)
    async with gates(server) as both:
        let_in = 0
        for _ in range(60):
            gate = chance.choice(both)
            if chance.random() < 0.3:
                await exchange(gate)
            let_in += gate.call(times=chance.randrange(8))
        await exchange(*both, *both)
        assert 50 <= let_in <= 100
        assert [gate.call() for gate in both] == [0, 0]


async def test_who_tells_after_each_call_lets_in_what_one_gate_alone_would(server):
    async with gates(server) as both:
        for gate in both:  # each has heard of it
            assert gate.call() == 1
            await exchange(gate)
        let_in = 2
        for turn in range(120):
            gate, other = both[turn % 2], both[1 - turn % 2]
            let_in += gate.call()
            await exchange(gate)
            other.limits.book.add(other.account()._rated[0].tally)  # it asks, and has nothing to tell
            await exchange(other)
        assert let_in == 50


async def test_at_its_limit_a_caller_of_two_gates_gets_the_rate_of_one_and_what_came_in_between(server):
    async with gates(server, QUICK) as both:
        told = [asyncio.create_task(gate.limits.run()) for gate in both]
        longest, last, counted = 0.0, [time.time()] * 2, [0, 0]
        let_in, begun = 0, time.time()
        while (now := time.time()) - begun < 2:
            for at, gate in enumerate(both):
                let_in += gate.call(times=100)
                if gate.limits.counts.told != counted[at]:
                    counted[at] = gate.limits.counts.told
                    last[at] = now
                longest = max(longest, now - last[at])
            await asyncio.sleep(0.002)
        seconds = time.time() - begun
        for task in told:
            task.cancel()
        await asyncio.gather(*told, return_exceptions=True)
        assert let_in <= 200 * seconds + 2 * 20 + 200 * (longest + 0.1), (seconds, longest)
        assert let_in >= 0.5 * 200 * seconds


async def test_while_redis_is_away_each_gate_goes_by_its_own_numbers_and_nothing_is_an_error(tmp_path):
    with serving(tmp_path) as own:
        async with gates(own) as (one, other):
            assert one.call(times=20) == 20
            own.stop()
            assert not await one.limits.exchange()
            assert one.call(times=100) == 30
            assert other.call(times=100) == 50
            assert not await other.limits.exchange()
            own.start()
            await there(one.shared, other.shared)
            await exchange(one, other)
            with pytest.raises(RateLimited) as refused:
                other.account().charge(time.time())
            # Both bursts are owed, and are paid off.
            assert refused.value.data["retry_after"] == pytest.approx(51 / 50 * DAY, rel=0.01)
            assert one.limits.counts.failed == other.limits.counts.failed == 1


async def test_a_redis_that_forgot_takes_nothing_back_from_what_a_gate_knows(server):
    async with gates(server) as (one, other):
        one.call(times=30)
        other.call()
        await exchange(one, other)
        server.client().flushall()
        assert other.call() == 1
        await exchange(other)
        assert other.left()[0] == 18


async def test_gates_with_another_limit_or_another_secret_share_nothing(server):
    async with gates(server) as (one, other):
        secretive = Gate(other.shared, FIFTY, b"another")
        generous = Gate(other.shared, Named("policy-1", Limit(rate=Rate(51, DAY, 51))))
        one.call(times=30)
        for gate in (secretive, generous):
            gate.call()
        await exchange(one, secretive, generous)
        assert (secretive.left()[0], generous.left()[0]) == (49, 50)
        keys = server.client().keys("{labgate}:limit:*")
        assert len(keys) == 3
        assert not any(b"ada" in key for key in keys)


async def test_what_is_kept_lives_no_longer_than_it_says_something(server):
    async with gates(server, QUICK) as (one, _):
        one.call(times=20)
        await exchange(one)
        (key,) = server.client().keys("{labgate}:limit:*")
        assert 0 < server.client().pttl(key) <= 1101
        await until(lambda: not server.client().exists(key))


@pytest.mark.parametrize("text", [b"", b"none", b"nan", b"1e400", b"-5"])
async def test_a_number_that_no_gate_wrote_is_none(server, text):
    async with gates(server) as (one, _):
        one.call()
        await exchange(one)
        (key,) = server.client().keys("{labgate}:limit:*")
        server.client().set(key, text)
        one.call()
        assert await one.limits.exchange()
        assert 0 <= one.left()[0] <= 48


async def test_workers_of_a_host_tell_what_each_let_in_and_no_call_twice(server, tmp_path):
    async with gates(server) as (one, other), replica(server.place()) as third:
        await there(third)
        sibling = Gate(third, FIFTY)
        for at, worker in enumerate(
            (one, sibling), 1
        ):  # they share a table, and what is told is each one's own
            worker.limiter = Limiter({0: FIFTY}, Meters(tmp_path / "limits", (at, 2)), worker.limits.book)
        assert one.call(times=10) == 10
        assert sibling.call(times=5) == 5
        assert sibling.left()[0] == 35, "at once, by their table"
        await exchange(one, sibling)
        assert [one.left()[0], sibling.left()[0]] == [35, 35]
        assert other.call() == 1
        await exchange(other)
        assert other.left()[0] == 34
        assert one.call() == 1
        await exchange(one)
        assert sibling.left()[0] == 33, "what one worker hears all of them know"
