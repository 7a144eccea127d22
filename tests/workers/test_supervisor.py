"""Laws of the supervisor with workers that misbehave: small programs that say on the channel what the test wants."""

import asyncio
import os
import sys
import time
from contextlib import asynccontextmanager
from textwrap import dedent

import pytest

from gateway.core.restarts import Rule
from gateway.workers.crew import Crew
from gateway.workers.hello import Handed
from gateway.workers.loads import make
from gateway.workers.supervisor import Supervisor, WorkersError

BEGIN = """
import os, socket, sys, time
channel, tether = map(int, sys.argv[-1].split(","))
channel = socket.socket(fileno=channel)
def tell(kind): channel.sendall(b'{"kind": "%s", "body": null}\\n' % kind.encode())
"""


@asynccontextmanager
async def supervised(script, workers=1, **options):
    """A supervisor whose workers run this script; with the times at which all were ready."""
    memory = make(workers)
    crew = Crew(Handed("", None, None, workers, "labgate-test"), {}, memory, time.time)
    command = [sys.executable, "-c", BEGIN + dedent(script)]
    supervisor = Supervisor(command, crew, {}, shutdown_seconds=0.0, **options)
    ready = asyncio.Event()
    running = asyncio.ensure_future(supervisor.run(ready.set))
    try:
        yield supervisor, crew, ready, running
    finally:
        supervisor.stop()
        await asyncio.gather(running, return_exceptions=True)
        os.close(memory)


async def until(condition, seconds=30.0):
    async with asyncio.timeout(seconds):
        while not (found := condition()):
            await asyncio.sleep(0.005)
        return found


async def test_workers_that_end_again_and_again_are_given_up():
    rule = Rule(first=0.001, most=3)
    async with supervised('tell("ready"); time.sleep(0.05); sys.exit(3)', rule=rule) as (_, crew, ready, run):
        with pytest.raises(WorkersError, match="worker 1 ended 3 times soon after it was started"):
            await run
        assert ready.is_set()
        assert crew.restarts == 2
        assert crew.members == []


async def test_a_worker_that_ends_before_it_takes_calls_is_not_tried_again():
    async with supervised("sys.exit(3)", workers=2) as (_, crew, ready, run):
        with pytest.raises(WorkersError, match=r"exit code 3.*before it took calls"):
            await run
        assert not ready.is_set()
        assert crew.restarts == 0


async def test_a_worker_that_gives_no_sign_of_life_is_killed_and_replaced(caplog):
    script = 'tell("ready"); tell("beat"); time.sleep(60)'
    async with supervised(script, hung_after=0.2) as (_, crew, ready, _run):
        await ready.wait()
        first = crew.members[0].pid
        await until(lambda: crew.members and crew.members[0].pid != first)
    assert f"pid {first}, gave no sign of life" in caplog.text
    assert "signal SIGKILL" in caplog.text


async def test_a_worker_that_goes_on_saying_something_is_left_alone():
    script = """
        tell("ready")
        while True:
            tell("beat")
            time.sleep(0.02)
    """
    async with supervised(script, hung_after=1.0) as (_, crew, ready, run):
        await ready.wait()
        (one,) = crew.members
        heard = one.heard
        await until(lambda: one.heard > heard + 2.5)
        assert crew.members == [one]
        assert not run.done()


async def test_a_worker_that_does_not_end_when_told_is_killed(monkeypatch, caplog):
    monkeypatch.setattr("gateway.workers.supervisor._CLEANUP", 0.1)
    script = """
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        tell("ready")
        time.sleep(60)
    """
    async with supervised(script) as (supervisor, _, ready, run):
        await ready.wait()
        supervisor.stop()
        await run
    assert "did not end in time and is killed" in caplog.text


async def test_a_program_that_cannot_be_started_is_named():
    memory = make(1)
    crew = Crew(Handed("", None, None, 1, "labgate-test"), {}, memory, time.time)
    supervisor = Supervisor(["/nonexistent/python"], crew, {}, shutdown_seconds=0.0)
    with pytest.raises(WorkersError, match="worker 1 cannot be started: No such file"):
        await supervisor.run(lambda: None)
    os.close(memory)
