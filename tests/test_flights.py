"""Flights: trips that equal calls share, which no caller owns."""

import asyncio

import pytest

from gateway.core.faults import DeadlineExceeded, Unavailable, UpstreamUnreachable
from gateway.core.reply import Reply, Whole
from gateway.core.verdict import Pass
from gateway.flights import Flights

REPLY = Reply("result", Whole(b"1"), Pass("test"))


class Trip:
    """A trip that ends when it is told to."""

    def __init__(self) -> None:
        self.started = 0
        self.cancelled = False
        self.outcome: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> Reply:
        self.started += 1
        try:
            return await self.outcome
        except asyncio.CancelledError:
            self.cancelled = True
            raise


def later() -> float:
    return asyncio.get_running_loop().time() + 60


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_calls_with_one_key_share_one_trip():
    flights, trip = Flights(), Trip()
    first = flights.start(trip, key="k", safe=True)
    assert flights.find("k") is first
    waiting = [asyncio.ensure_future(first.join(later())) for _ in range(3)]
    await settled()
    trip.outcome.set_result(REPLY)
    assert await asyncio.gather(*waiting) == [REPLY] * 3
    assert trip.started == 1
    assert flights.find("k") is None
    assert len(flights) == 0


async def test_a_leaving_first_caller_strands_nobody():
    flights, trip = Flights(), Trip()
    flight = flights.start(trip, key="k", safe=True)
    first, second = (asyncio.ensure_future(flight.join(later())) for _ in range(2))
    await settled()
    first.cancel()
    await settled()
    trip.outcome.set_result(REPLY)
    assert await second == REPLY
    assert not trip.cancelled


async def test_the_last_to_leave_a_safe_trip_ends_it_and_nobody_joins_it_any_more():
    flights, trip = Flights(), Trip()
    flight = flights.start(trip, key="k", safe=True)
    waiting = asyncio.ensure_future(flight.join(later()))
    await settled()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert flights.find("k") is None
    await settled()
    assert trip.cancelled
    assert len(flights) == 0


async def test_a_trip_that_may_change_something_goes_on_when_its_caller_leaves():
    flights, trip = Flights(), Trip()
    waiting = asyncio.ensure_future(flights.start(trip).join(later()))
    await settled()
    waiting.cancel()
    await settled()
    assert not trip.cancelled
    assert len(flights) == 1
    trip.outcome.set_result(REPLY)
    await settled()
    assert len(flights) == 0


async def test_each_caller_waits_to_their_own_deadline_and_an_unsafe_one_may_have_been_executed():
    flights, trip = Flights(), Trip()
    flight = flights.start(trip, key="k", safe=True)
    patient = asyncio.ensure_future(flight.join(later()))
    await settled()
    with pytest.raises(DeadlineExceeded) as safe:
        await flight.join(0.0)
    assert "maybe_executed" not in safe.value.data
    trip.outcome.set_result(REPLY)
    assert await patient == REPLY
    unsafe = Trip()
    with pytest.raises(DeadlineExceeded) as write:
        await flights.start(unsafe).join(0.0)
    assert write.value.data["maybe_executed"] is True
    unsafe.outcome.set_result(REPLY)
    await settled()


async def test_a_trips_fault_reaches_everyone_who_waits_and_is_quiet_when_nobody_does():
    flights, trip = Flights(), Trip()
    flight = flights.start(trip, key="k", safe=True)
    waiting = [asyncio.ensure_future(flight.join(later())) for _ in range(2)]
    await settled()
    trip.outcome.set_exception(UpstreamUnreachable("gone"))
    for outcome in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(outcome, UpstreamUnreachable)
    alone = Trip()
    flights.start(alone)
    await settled()
    alone.outcome.set_exception(UpstreamUnreachable("gone"))
    await settled()
    assert len(flights) == 0


async def test_settling_waits_for_trips_and_then_ends_the_rest():
    flights, quick, stuck = Flights(), Trip(), Trip()
    first = asyncio.ensure_future(flights.start(quick).join(later()))
    second = asyncio.ensure_future(flights.start(stuck).join(later()))
    await settled()
    quick.outcome.set_result(REPLY)
    assert await flights.settle(0.01) == 1
    assert await first == REPLY
    with pytest.raises(Unavailable):
        await second


async def test_work_that_was_adopted_goes_on_whoever_waits_and_ends_with_the_app():
    flights = Flights()
    free, seen = asyncio.Event(), []

    async def work():
        await free.wait()
        seen.append("done")
        return 7

    async def caller():
        return await asyncio.shield(flights.adopt(work()))

    gone = asyncio.ensure_future(caller())
    await asyncio.sleep(0)
    gone.cancel()
    assert (await asyncio.gather(gone, return_exceptions=True))[0].__class__ is asyncio.CancelledError
    assert len(flights) == 1
    free.set()
    assert await flights.settle(20) == 0
    assert seen == ["done"]
    free.clear()
    endless = flights.adopt(work())
    assert await flights.settle(0) == 1
    assert endless.cancelled()
