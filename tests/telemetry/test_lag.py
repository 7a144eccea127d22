"""Laws of how late the event loop is."""

import asyncio

from gateway.telemetry.families import rendered
from gateway.telemetry.lag import BOUNDS, Lag
from gateway.telemetry.metrics import Metrics


class Clock:
    """A loop whose time is the test's: it wakes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers = []

    def time(self) -> float:
        return self.now

    def call_at(self, when, call):
        self.timers.append((when, call))

    def wake(self, late: float) -> None:
        when, call = self.timers.pop()
        self.now = when + late
        call()


def counted(lag: Lag) -> dict[float, int]:
    return {bound: count for bound, count in zip([*BOUNDS, 99.0], lag.buckets, strict=True) if count}


def test_each_wake_is_counted_by_how_late_it_is() -> None:
    clock = Clock()
    lag = Lag(clock, every=0.1)
    for late in (0.0, 0.0005, 0.003, 0.3, 7.0):
        clock.wake(late)
    assert counted(lag) == {0.001: 2, 0.005: 1, 0.5: 1, 99.0: 1}
    assert round(lag.seconds, 4) == 7.3035


def test_a_loop_that_was_held_up_once_is_late_once() -> None:
    clock = Clock()
    lag = Lag(clock, every=0.1)
    clock.wake(2.0)
    clock.wake(0.0)
    assert counted(lag) == {2.5: 1, 0.001: 1}


def test_it_is_published_as_a_distribution() -> None:
    clock = Clock()
    lag, metrics = Lag(clock), Metrics(None, clock.time)
    clock.wake(0.2)
    metrics.histogram("event_loop_lag_seconds", "By how much it was late.", lag.read)
    text = rendered(metrics.families()).decode()
    assert 'labgate_event_loop_lag_seconds_bucket{le="0.1"} 0.0' in text
    assert 'labgate_event_loop_lag_seconds_bucket{le="0.25"} 1.0' in text
    assert "labgate_event_loop_lag_seconds_count 1.0" in text


async def test_in_a_loop_of_its_own_it_looks_until_it_is_stopped() -> None:
    loop = asyncio.get_running_loop()
    lag = Lag(loop, every=0.001)
    async with asyncio.timeout(20):
        while sum(lag.buckets) < 3:
            await asyncio.sleep(0)
    lag.stop()
    seen, later = sum(lag.buckets), asyncio.Event()
    loop.call_later(0.02, later.set)  # after twenty more looks
    await later.wait()
    assert sum(lag.buckets) == seen
