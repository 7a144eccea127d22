"""Do the laws of `labgate.map` hold for async clients, too? The tests are those of the others, and some of event loops alone."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

import labgate
from labgate import _async_session
from labgate._async_pool import _MOST_OPEN
from labgate.errors import DeadlineExceeded
from tests.sdk.awaiting import awaited, laws_of  # noqa: F401 - the fixture makes `labgate.connect` an async one
from tests.sdk.conftest import Gate
from tests.sdk.test_sdk_map import interrupted

Real = labgate.map

globals().update(
    laws_of(
        "test_sdk_map",
        "test_ctrl_c_ends_a_program_that_waits_for_its_calls",
        "test_ctrl_c_while_a_worker_is_about_to_begin_ends_the_call",
    )
)


async def stream(*items: Any, pause: float = 0.0) -> AsyncIterator[Any]:
    for item in items:
        await asyncio.sleep(pause)
        yield item


def run(gate: Gate, work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    """What the work brings with an async client; no task is left behind."""

    async def go() -> Any:
        async with labgate.aconnect(gate.url) as lab:
            found = await work(lab)
            assert [one for one in asyncio.all_tasks() if one.get_name() == "labgate.map"] == []
            return found

    with asyncio.Runner() as runner:
        return runner.run(go())


def test_ctrl_c_ends_an_event_loop_that_waits_for_its_calls(sums: Gate) -> None:
    interrupted(
        sums,
        f"""
import asyncio, labgate
async def main():
    async with labgate.aconnect({sums.url!r}) as lab:
        async for _ in labgate.map(lab.sums.double, range(100)):
            pass
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
""",
    )


def test_items_may_come_from_an_asynchronous_iterator(sums: Gate) -> None:
    async def work(lab: Any) -> Any:
        return [pair async for pair in Real(lab.sums.double, stream(*range(300)))]

    assert run(sums, work) == [(x, 2 * x) for x in range(300)]


def test_results_come_while_a_slow_iterator_has_nothing_yet(sums: Gate) -> None:
    """The stream gives its second item only after the first one's result was taken."""

    async def work(lab: Any) -> Any:
        taken = asyncio.Event()

        async def items() -> AsyncIterator[int]:
            yield 1
            await taken.wait()
            yield 2

        found = []
        async for pair in Real(lab.sums.double, items()):
            found.append(pair)
            taken.set()
        return found

    assert run(sums, work) == [(1, 2), (2, 4)]


def test_an_iterator_that_breaks_ends_the_loop_with_its_error(sums: Gate) -> None:
    async def items() -> AsyncIterator[int]:
        yield 1
        raise LookupError("no more")

    async def work(lab: Any) -> Any:
        with pytest.raises(LookupError, match="no more"):
            [pair async for pair in Real(lab.sums.double, items())]

    run(sums, work)


def test_the_time_for_all_of_it_ends_the_wait_for_items_too(sums: Gate) -> None:
    async def work(lab: Any) -> Any:
        with pytest.raises(DeadlineExceeded):
            [pair async for pair in Real(lab.sums.double, stream(1, pause=60), timeout=0.05)]

    run(sums, work)


def test_who_is_cancelled_ends_reads_and_sends_nothing_more(
    sums: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = 0
    deliver = _async_session.deliver_async

    async def counted(*args: Any) -> Any:
        nonlocal sent
        sent += 1
        return await deliver(*args)

    monkeypatch.setattr(_async_session, "deliver_async", counted)

    async def work(lab: Any) -> Any:
        seen = []

        async def all_of_them() -> None:
            async for item, _ in Real(lab.sums.double, itertools.count(), workers=2):
                seen.append(item)
                await asyncio.sleep(0)

        task = asyncio.ensure_future(all_of_them())
        while len(seen) < 200:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        before = sent
        assert await lab.sums.double(4) == 8
        assert sent == before + 1
        assert lab._session.link.lines.turns._value == _MOST_OPEN

    run(sums, work)


def test_writes_under_way_come_to_their_end_when_the_loop_is_left(sums: Gate) -> None:
    async def work(lab: Any) -> Any:
        pairs = Real(lab.sums.note, range(100), workers=1)
        async for item, _ in pairs:
            if item == 3:
                break
        await pairs.aclose()

    run(sums, work)
    assert sums.noted == list(range(len(sums.noted)))  # type: ignore[attr-defined]
    assert 4 <= len(sums.noted) < 100  # type: ignore[attr-defined]


def test_no_more_requests_are_on_their_way_at_once_than_there_are_workers(sums: Gate) -> None:
    now = most = 0
    lock = threading.Lock()

    def slow(params: Any) -> Any:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.005)
        with lock:
            now -= 1
        return params["x"]

    sums.add("sums.slow", slow, params=[{"name": "x", "required": True}])  # a write: each travels alone

    async def work(lab: Any) -> Any:
        return [item async for item, _ in Real(lab.sums.slow, range(60), workers=3, ordered=False)]

    assert sorted(run(sums, work)) == list(range(60))
    assert most <= 3
