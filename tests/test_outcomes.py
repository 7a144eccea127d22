"""Outcomes: how long, how many, and between processes."""

import asyncio
import os
import sys
import time

import pytest

from gateway.core.faults import DeadlineExceeded, TooLarge, Unavailable
from gateway.core.repeats import KeyReused, Once
from gateway.core.verdict import HttpHead
from gateway.outcomes import LARGEST, Bounds, Outcomes

HEAD = HttpHead(200, b"OK", ((b"X-Odd", b"\xff"),))
KEPT = Bounds().seconds


def once(name, owner="ada", said=""):
    return Once(name.encode().ljust(32, b"."), owner.encode(), said.encode())


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


async def test_an_outcome_is_kept_for_its_time_and_no_longer(clock):
    outcomes = Outcomes(clock, clock)
    outcomes.end(outcomes.begin(once("a")), HEAD, b"1")
    clock.now = KEPT - 1
    assert outcomes.begin(once("a")) is None
    assert await outcomes.join(once("a"), 1e9) == (HEAD, b"1")
    clock.now = KEPT
    assert outcomes.begin(once("a")) is not None


async def test_no_more_outcomes_are_kept_of_a_principal_than_may_be_and_the_oldest_go_first(clock):
    outcomes = Outcomes(clock, clock, bounds=Bounds(count=20))
    running = outcomes.begin(once("running"))
    outcomes.end(outcomes.begin(once("eve's", "eve")), HEAD, b"1")
    for at in range(30):
        outcomes.end(outcomes.begin(once(f"{at}")), HEAD, b"1")
    assert outcomes.begin(once("running")) is None
    assert outcomes.begin(once("eve's", "eve")) is None
    assert [outcomes.begin(once(f"{at}")) is None for at in (29, 10)] == [True, True]
    assert outcomes.begin(once("9")) is not None
    outcomes.end(running, HEAD, b"")


async def test_of_answers_that_are_too_many_bytes_it_stays_known_that_there_was_a_call(clock, tmp_path):
    bounds = Bounds(size=4 * LARGEST)
    outcomes = Outcomes(clock, clock, tmp_path, bounds)
    for at in range(6):
        outcomes.end(outcomes.begin(once(f"{at}")), HEAD, b"x" * LARGEST)
    assert await outcomes.join(once("5"), 1e9) == (HEAD, b"x" * LARGEST)
    for known in (outcomes, Outcomes(clock, clock, tmp_path, bounds)):
        assert known.begin(once("0")) is None
        with pytest.raises(TooLarge) as told:
            await known.join(once("0"), 1e9)
        assert told.value.data["maybe_executed"]


async def test_what_is_kept_for_all_together_is_bounded_and_who_has_most_gives_first(clock):
    outcomes = Outcomes(clock, clock, bounds=Bounds(size=LARGEST))
    outcomes.end(outcomes.begin(once("little", "eve")), HEAD, b"x")
    for at in range(20):
        outcomes.end(outcomes.begin(once(f"{at}", f"caller {at}")), HEAD, b"x" * LARGEST)
    assert await outcomes.join(once("little", "eve"), 1e9) == (HEAD, b"x")
    kept = 0
    for at in range(20):
        try:
            await outcomes.join(once(f"{at}", f"caller {at}"), 1e9)
            kept += 1
        except TooLarge:
            continue
    assert kept == 15


async def test_the_same_key_for_another_call_is_refused_here_and_in_another_process(clock, tmp_path):
    here, there = (Outcomes(clock, clock, tmp_path) for _ in range(2))
    outcome = here.begin(once("a", said="one"))
    for known in (here, there):
        assert known.begin(once("a", said="two")) is None
        with pytest.raises(KeyReused) as told:
            await known.join(once("a", said="two"), asyncio.get_running_loop().time() + 20)
        assert (told.value.status, told.value.code) == (422, -32018)
    here.end(outcome, HEAD, b"1")
    for known in (here, there):
        with pytest.raises(KeyReused):
            await known.join(once("a", said="two"), 1e9)
        assert await known.join(once("a", said="one"), 1e9) == (HEAD, b"1")


async def test_a_gate_that_is_started_again_knows_what_came_of_the_calls_before(clock, tmp_path):
    before = Outcomes(clock, clock, tmp_path)
    before.end(before.begin(once("ended")), HEAD, b"1")
    before.begin(once("under way"))
    before.close()
    after = Outcomes(clock, clock, tmp_path)
    assert after.begin(once("ended")) is None
    assert await after.join(once("ended"), 1e9) == (HEAD, b"1")
    assert after.begin(once("under way")) is None
    with pytest.raises(TooLarge):  # nobody knows: it is not made again
        await after.join(once("under way"), 1e9)


async def test_a_process_that_is_killed_keeps_nobody_waiting_and_its_calls_are_not_made_again(
    clock, tmp_path
):
    code = (
        "import sys, time; from pathlib import Path; from gateway.core.repeats import Once; "
        "from gateway.outcomes import Outcomes; "
        "o = Outcomes(time.monotonic, time.time, Path(sys.argv[1])); "
        "o.begin(Once(b'a'.ljust(32, b'.'), b'ada', b'')); print('begun', flush=True); time.sleep(600)"
    )
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert await other.stdout.readline() == b"begun\n"
    here = Outcomes(time.monotonic, time.time, tmp_path)
    assert here.begin(once("a")) is None
    waiting = asyncio.ensure_future(here.join(once("a"), asyncio.get_running_loop().time() + 100))
    while not here.joined:
        await asyncio.sleep(0)
    other.kill()
    await other.wait()
    with pytest.raises(TooLarge):
        await waiting
    assert here.begin(once("a")) is None


async def test_what_ended_too_long_ago_is_swept_and_may_begin_again(tmp_path):
    bounds = Bounds(seconds=5)
    before = Outcomes(time.monotonic, time.time, tmp_path, bounds)
    for name in ("a", "b"):
        before.end(before.begin(once(name)), HEAD, b"1")
    before.close()
    later = time.time() + 6
    beside = Outcomes(time.monotonic, time.time, tmp_path, bounds)
    for file in tmp_path.glob("????????????????????????????????????????????????????????????????"):
        os.utime(file, (later - 12, later - 12))
    assert beside.begin(once("a")) is not None
    beside.close()
    Outcomes(time.monotonic, lambda: later + 6, tmp_path, bounds).close()
    assert list(tmp_path.iterdir()) == []


async def test_where_another_worker_could_make_the_same_call_unknowingly_it_is_not_begun(clock, tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(Unavailable):
        Outcomes(clock, clock, file).begin(once("a", said="one"))
    assert Outcomes(clock, clock, file, alone=True).begin(once("a", said="one")) is not None


async def test_another_process_waits_for_the_outcome_and_gets_the_same(clock, tmp_path):
    here, there = (Outcomes(clock, clock, tmp_path / "outcomes") for _ in range(2))
    outcome = here.begin(once("a"))
    assert there.begin(once("a")) is None
    waiting = asyncio.ensure_future(there.join(once("a"), asyncio.get_running_loop().time() + 20))
    await asyncio.sleep(0)
    here.end(outcome, HEAD, b"body\n\0")
    assert await waiting == (HEAD, b"body\n\0")
    clock.now = KEPT
    assert here.begin(once("b")) is not None
    assert there.begin(once("a")) is not None
    assert (tmp_path / "outcomes").stat().st_mode & 0o077 == 0


async def test_a_call_that_never_ran_may_begin_in_another_process(clock, tmp_path):
    here, there = (Outcomes(clock, clock, tmp_path) for _ in range(2))
    outcome = here.begin(once("a"))
    waiting = asyncio.ensure_future(there.join(once("a"), asyncio.get_running_loop().time() + 20))
    here.never_ran(outcome)
    assert await waiting is None
    assert there.begin(once("a")) is not None


async def test_who_waits_for_another_process_waits_no_longer_than_its_time(clock, tmp_path):
    here, there = (Outcomes(clock, clock, tmp_path) for _ in range(2))
    here.begin(once("a"))
    with pytest.raises(DeadlineExceeded):
        await there.join(once("a"), asyncio.get_running_loop().time())
    here.end(here.begin(once("large")), HEAD, b"x" * (LARGEST + 1))
    with pytest.raises(TooLarge):
        await there.join(once("large"), asyncio.get_running_loop().time() + 20)


async def test_where_nothing_can_be_written_each_process_knows_its_own(clock, tmp_path, caplog):
    file = tmp_path / "file"
    file.touch()
    outcomes = Outcomes(clock, clock, file)
    assert outcomes.begin(once("a")) is not None
    assert outcomes.begin(once("a")) is None
    assert "one worker only" in caplog.text


async def test_a_process_that_is_alone_writes_down_what_has_a_key_and_not_what_only_has_an_id(
    clock, tmp_path
):
    outcomes = Outcomes(clock, clock, tmp_path, alone=True)
    before = {file.name for file in tmp_path.iterdir()}
    outcomes.end(outcomes.begin(once("id")), HEAD, b"1")
    assert {file.name for file in tmp_path.iterdir()} == before
    assert await outcomes.join(once("id"), 1e9) == (HEAD, b"1")
    outcomes.end(outcomes.begin(once("key", said="it")), HEAD, b"1")
    assert len({file.name for file in tmp_path.iterdir()} - before) == 1
    outcomes.close()
