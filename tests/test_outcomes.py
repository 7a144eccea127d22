"""Outcomes: how long, how many, and between processes."""

import asyncio

import pytest

from gateway.core.faults import DeadlineExceeded, TooLarge
from gateway.core.verdict import HttpHead
from gateway.outcomes import KEPT, LARGEST, MOST, Outcomes

HEAD = HttpHead(200, b"OK", ((b"X-Odd", b"\xff"),))


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


async def test_an_outcome_is_kept_for_its_time_and_no_longer(clock):
    outcomes = Outcomes(clock, clock)
    outcomes.end(outcomes.begin(b"a"), HEAD, b"1")
    clock.now = KEPT - 1
    assert outcomes.begin(b"a") is None
    assert await outcomes.join(b"a", 1e9) == (HEAD, b"1")
    clock.now = KEPT
    assert outcomes.begin(b"a") is not None


async def test_no_more_outcomes_are_kept_than_may_be_and_the_oldest_go_first(clock):
    outcomes = Outcomes(clock, clock)
    running = outcomes.begin(b"running")
    for at in range(MOST + 10):
        outcomes.end(outcomes.begin(b"%d" % at), HEAD, b"1")
    assert outcomes.begin(b"running") is None
    assert outcomes.begin(b"%d" % (MOST + 9)) is None
    assert outcomes.begin(b"0") is not None
    outcomes.end(running, HEAD, b"")
    for at in range(40):
        outcomes.end(outcomes.begin(b"large %d" % at), HEAD, b"x" * LARGEST)
    assert outcomes.begin(b"large 39") is None
    assert outcomes.begin(b"large 0") is not None


async def test_another_process_waits_for_the_outcome_and_gets_the_same(clock, tmp_path):
    here, there = (Outcomes(clock, clock, tmp_path / "outcomes") for _ in range(2))
    outcome = here.begin(b"a")
    assert there.begin(b"a") is None
    waiting = asyncio.ensure_future(there.join(b"a", asyncio.get_running_loop().time() + 20))
    await asyncio.sleep(0)
    here.end(outcome, HEAD, b"body\n\0")
    assert await waiting == (HEAD, b"body\n\0")
    clock.now = KEPT
    assert here.begin(b"b") is not None
    assert there.begin(b"a") is not None
    assert (tmp_path / "outcomes").stat().st_mode & 0o077 == 0


async def test_a_call_that_never_ran_may_begin_in_another_process(clock, tmp_path):
    here, there = (Outcomes(clock, clock, tmp_path) for _ in range(2))
    here.never_ran(here.begin(b"a"))
    assert there.begin(b"a") is not None


async def test_who_waits_for_another_process_waits_no_longer_than_its_time(clock, tmp_path):
    here, there = (Outcomes(clock, clock, tmp_path) for _ in range(2))
    here.begin(b"a")
    with pytest.raises(DeadlineExceeded):
        await there.join(b"a", asyncio.get_running_loop().time())
    here.end(here.begin(b"large"), HEAD, b"x" * (LARGEST + 1))
    with pytest.raises(TooLarge):
        await there.join(b"large", asyncio.get_running_loop().time() + 20)


async def test_where_nothing_can_be_written_each_process_knows_its_own(clock, tmp_path, caplog):
    file = tmp_path / "file"
    file.touch()
    outcomes = Outcomes(clock, clock, file)
    assert outcomes.begin(b"a") is not None
    assert outcomes.begin(b"a") is None
    assert "one worker only" in caplog.text
