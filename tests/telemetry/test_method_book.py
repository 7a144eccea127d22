"""Laws of the times of methods in several processes: what all of them counted is told, of this half minute and of those before."""

import asyncio
import json

import pytest

from gateway.core.faults import Unavailable
from gateway.core.method import Method, RpcBinding
from gateway.core.method_times import Wish
from gateway.core.verdict import Pass
from gateway.telemetry.lately import SPAN, Lately
from gateway.telemetry.method_book import MethodBook
from gateway.telemetry.metrics import Metrics

GET = Method("jobs.get", "jobs", RpcBinding("get"))


class Worker:
    """A process that counts; `now` is its clock."""

    def __init__(self, others=(), lately=None):
        self.now = 10.0
        self.metrics = Metrics(None, lambda: 0.0)
        self.book = MethodBook(
            self.metrics.times, self.metrics.gather, lately or Lately(0.0), self.all_say, lambda: self.now
        )
        self.workers = [self, *others]

    async def all_say(self, seconds):
        # As over the channel between workers.
        return json.loads(json.dumps([await one.book.say(seconds) for one in self.workers]))

    def called(self, outcome="pass", seconds=0.2):
        self.metrics.called(GET, outcome, seconds, 1, Pass("no rule"))


async def rows(worker, seconds=300.0):
    return (await worker.book.told(seconds, Wish()))["rows"]


async def test_what_lanes_and_doors_of_all_workers_counted_is_one_row():
    other = Worker()
    worker = Worker([other])
    worker.called()
    other.called("DeadlineExceeded", 30.0)
    other.metrics.tally(GET, "hit").count += 2
    (row,) = await rows(worker)
    assert (row["method"], row["calls"], row["failed"], row["cached"]) == ("jobs.get", 4, 1, 0.5)
    assert row["seconds"] == 30.2
    assert row["p50"] < 0.0001 < row["p99"]


async def test_what_was_counted_stays_known_when_a_half_minute_ends_until_it_is_too_old():
    worker = Worker()
    worker.called()
    worker.book.turn()
    worker.called()
    assert [one["calls"] for one in await rows(worker)] == [2]
    worker.now += 400.0
    worker.book.turn()
    assert [one["calls"] for one in await rows(worker)] == [1]
    worker.now += 2000.0
    worker.book.turn()
    assert await rows(worker) == []


async def test_the_gate_that_takes_anothers_place_knows_what_that_one_counted():
    lately = Lately(0.0)
    before, after = Worker(lately=lately), Worker(lately=lately)
    before.called()
    before.book.turn()
    after.called()
    assert [one["calls"] for one in await rows(after)] == [2]
    assert after.metrics.outcomes() == {"pass": 1}


async def test_where_no_worker_answers_nothing_is_told():
    worker = Worker()
    worker.workers = []
    with pytest.raises(Unavailable):
        await rows(worker)


async def test_half_minutes_end_one_after_the_other_by_themselves():
    worker = Worker()
    worker.now = 2 * SPAN - 1e-6  # the end of one is near
    running = asyncio.create_task(worker.book.run())
    async with asyncio.timeout(60):
        for _ in range(2):
            worker.called()
            while worker.metrics.times.told().names or worker.metrics.outcomes() == {}:
                await asyncio.sleep(0)
    running.cancel()
    assert [one["calls"] for one in await rows(worker)] == [2]
