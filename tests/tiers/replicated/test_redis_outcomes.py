"""Two gates and a real Redis: a call with a key is made by one of them, once, and both know what came of it."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from redis_servers import replica, serving, there, until

from gateway.core.faults import DeadlineExceeded, TooLarge, Unavailable
from gateway.core.repeats import KeyReused, Once
from gateway.core.verdict import HttpHead
from gateway.outcomes import LARGEST, Bounds, Outcomes
from gateway.tiers import redis_outcomes

HEAD = HttpHead(200, b"OK", ((b"X-Odd", b"\xff"),))
FAR = 1e9


def once(name, said="all of it"):
    return Once(name.encode().ljust(32, b"."), b"ada", said.encode())


class Gate:
    """One of several gates, as far as it knows of calls that are made once."""

    def __init__(self, shared, bounds):
        self.others = shared.tier.outcomes(b"secret")
        self.outcomes = Outcomes(time.monotonic, time.time, bounds=bounds)
        self.outcomes.others = self.others

    async def begin(self, name="a", said="all of it", deadline=FAR):
        """The outcome of a call that is this gate's to make, or the answer of another one's."""
        outcome = self.outcomes.begin(once(name, said))
        assert outcome is not None
        assert self.outcomes.is_shared(outcome)
        joined = await self.outcomes.agree(outcome, deadline)
        return outcome if joined is None else joined

    def end(self, outcome, body=b"1"):
        self.outcomes.end(outcome, HEAD, body)

    async def told(self):
        await until(lambda: not self.others._untold)


@asynccontextmanager
async def gates(server, bounds=Bounds(), **options):  # noqa: B008 - it is frozen
    async with replica(server.place(), **options) as one, replica(server.place(), **options) as other:
        await there(one, other)
        both = Gate(one, bounds), Gate(other, bounds)
        yield both
        for gate in both:
            await gate.others.close()


async def test_what_one_gate_has_made_is_not_made_by_the_other_which_knows_what_came_of_it(server):
    async with gates(server) as (one, other):
        one.end(await one.begin())
        assert await other.begin() == (HEAD, b"1")
        assert other.outcomes.begin(once("a")) is None, "from then on it knows by itself"
        assert other.outcomes.joined == 1


async def test_who_comes_while_the_call_is_under_way_waits_for_it(server):
    async with gates(server) as (one, other):
        running = await one.begin()
        waiting = asyncio.ensure_future(other.begin())
        await until(lambda: other.outcomes.joined)
        assert not waiting.done()
        with pytest.raises(DeadlineExceeded) as late:
            await _third(other).begin(deadline=0.0)
        assert late.value.data["maybe_executed"] is True
        one.end(running, b"[2]")
        assert await waiting == (HEAD, b"[2]")


def _third(gate):
    """A further worker of a gate's host that knows nothing yet."""
    third = object.__new__(Gate)
    third.others = gate.others
    third.outcomes = Outcomes(time.monotonic, time.time)
    third.outcomes.others = gate.others
    return third


async def test_of_many_who_come_at_once_one_makes_the_call(server):
    async with gates(server) as (one, other):
        workers = [_third(gate) for gate in (one, other) for _ in range(20)]
        made = 0

        async def call(gate):
            nonlocal made
            found = await gate.begin()
            if isinstance(found, tuple):
                return found
            made += 1
            await asyncio.sleep(0.05)
            gate.end(found, b"[3]")
            return HEAD, b"[3]"

        assert await asyncio.gather(*map(call, workers)) == [(HEAD, b"[3]")] * 40
        assert made == 1


async def test_what_never_reached_its_service_is_made_by_whoever_comes_next(server):
    async with gates(server) as (one, other):
        waiting = asyncio.ensure_future(_after(one, other))
        outcome = await one.begin()
        one.outcomes.never_ran(outcome)
        await one.told()
        assert not isinstance(await waiting, tuple)


async def _after(one, other):
    await until(lambda: one.outcomes._known)
    return await other.begin()


async def test_the_call_of_a_gate_that_is_gone_is_not_made_again_and_nobody_waits_for_it(server, monkeypatch):
    monkeypatch.setattr(redis_outcomes, "LIFE", 0.2)
    async with gates(server) as (one, other):
        await one.begin()
        one.others._living.cancel()  # as if its process were killed
        with pytest.raises(TooLarge) as unknown:
            await other.begin(deadline=asyncio.get_running_loop().time() + 60)
        assert unknown.value.data["maybe_executed"] is True


async def test_a_gate_that_lives_is_heard_of_for_as_long_as_its_calls_take(server, monkeypatch):
    monkeypatch.setattr(redis_outcomes, "LIFE", 1.0)
    async with gates(server) as (one, other):
        running = await one.begin()
        waiting = asyncio.ensure_future(other.begin())
        await asyncio.sleep(2.5)
        assert not waiting.done()
        one.end(running)
        assert await waiting == (HEAD, b"1")


async def test_the_same_key_for_another_call_is_refused_by_every_gate(server):
    async with gates(server) as (one, other):
        one.end(await one.begin())
        with pytest.raises(KeyReused):
            await other.begin(said="something else")


async def test_of_an_answer_that_is_too_large_it_is_known_everywhere_that_there_was_a_call(server):
    async with gates(server) as (one, other):
        one.end(await one.begin(), b"x" * (LARGEST + 1))
        with pytest.raises(TooLarge):
            await other.begin()


async def test_outcomes_count_for_their_time_and_no_longer(server):
    async with gates(server, Bounds(seconds=0.5)) as (one, other):
        one.end(await one.begin())
        await one.told()
        assert await other.begin() == (HEAD, b"1")
        await until(lambda: not server.client().keys("*once:*"))
        assert not isinstance(await _third(other).begin(), tuple)


async def test_what_is_forgotten_because_there_is_too_much_of_it_is_forgotten_everywhere(server):
    async with gates(server, Bounds(count=1)) as (one, other):
        for name in ("a", "b"):
            one.end(await one.begin(name))
        await one.told()
        assert await other.begin("b") == (HEAD, b"1")
        assert not isinstance(await other.begin("a"), tuple)


async def test_while_redis_is_away_a_call_with_a_key_is_refused_unmade_and_afterwards_it_can_be_made(
    tmp_path,
):
    with serving(tmp_path) as server:
        async with gates(server) as (one, other):
            server.stop()
            await until(lambda: one.others._ask.__self__._exchange.link is None)
            with pytest.raises(Unavailable) as refused:
                await one.begin()
            assert (refused.value.data["keyed"], refused.value.data.get("maybe_executed")) == (False, None)
            assert one.outcomes._known == {}
            server.start()
            await until(lambda: other.others._ask.__self__._exchange.link is not None)
            await one.told()
            assert not isinstance(await other.begin(), tuple)


async def test_what_came_of_a_call_is_told_when_redis_is_there_again(tmp_path):
    with serving(tmp_path) as server:
        async with gates(server) as (one, other):
            outcome = await one.begin()
            server.stop()
            await until(lambda: one.others._ask.__self__._exchange.link is None)
            one.end(outcome)
            assert one.others._untold
            server.start()
            await one.told()
            await until(lambda: other.others._ask.__self__._exchange.link is not None)
            assert await other.begin() == (HEAD, b"1")


async def test_a_claim_of_which_nobody_heard_whether_it_was_made_keeps_nobody_from_the_call(server):
    async with gates(server) as (one, other):
        ask = one.others._ask

        async def unheard(*commands):
            await ask(*commands)
            return

        one.others._ask = unheard
        with pytest.raises(Unavailable):
            await one.begin()
        one.others._ask = ask
        outcome = await one.begin()
        assert not isinstance(outcome, tuple), "the gate itself may claim it at once"
        await one.told()
        assert len(server.client().keys("*once:*")) == 1, "the second claim is not taken back with the first"
        one.outcomes.never_ran(outcome)
        await one.told()
        assert not isinstance(await other.begin(), tuple)


async def test_a_record_that_no_gate_has_made_is_no_answer_and_the_call_is_not_made(server):
    async with gates(server) as (one, other):
        one.end(await one.begin())
        await one.told()
        client = server.client()
        (name,) = client.keys("*once:*")
        client.set(name, client.get(name).replace(b"X-Odd", b"X-Bad"))
        with pytest.raises(TooLarge):
            await other.begin()
