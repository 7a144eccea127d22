"""Does an async client hear of what happens at a real gate as it happens, and does nothing stay behind? As in test_live.py."""

import asyncio
import gc
import warnings

import pytest

import labgate
from tests.doors.test_live import PATIENCE, place, until  # noqa: F401 - `place` is a fixture

pytestmark = pytest.mark.timeout(120)


def connect(place, **more):  # noqa: F811 - the fixture's value
    token = place.token = place.token or place.stand.caller("lab").token
    url = f"http://127.0.0.1:{place.gate.address[1]}"
    return labgate.aconnect(url, token=token, cache_dir=place.folder / "cache", **more)


def tasks():
    return [one for one in asyncio.all_tasks() if one.get_name().startswith("labgate http")]


async def test_without_being_asked_for_there_is_no_task(place):  # noqa: F811
    async with connect(place) as lab:
        await lab.runs.start()
        assert tasks() == []


async def test_a_live_client_has_the_methods_that_come_and_go_by_itself(place):  # noqa: F811
    found, awaited = [], []

    async def later(changes):
        await asyncio.sleep(0)
        awaited.append(changes)

    async with connect(place, live=True) as lab:
        async with labgate.watch(lab, found.append) as live:
            assert labgate.watch(lab(timeout=5), later) is live
            await until(lambda: live.connected)
            assert not hasattr(lab.runs, "brand_new")
            await place.discover("brand_new")
            await until(lambda: [one.added for one in found] == [("runs.brand_new",)])
            assert hasattr(lab.runs, "brand_new")
            await place.discover()
            await until(lambda: [one.removed for one in found[1:]] == [("runs.brand_new",)])
            assert not hasattr(lab.runs, "brand_new")
            await until(lambda: awaited == found)
        assert tasks() == []
        assert not live.running


async def test_the_line_ends_when_its_client_is_closed_and_when_it_is_forgotten(place):  # noqa: F811
    async with connect(place, live=True):
        await until(lambda: len(place.gate.sockets) == 1)
    await until(lambda: not len(place.gate.sockets) and not tasks())
    lab = await connect(place, live=True)
    await until(lambda: len(place.gate.sockets) == 1)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        del lab
        gc.collect()
        await until(lambda: not len(place.gate.sockets) and not tasks())
    assert ["was not closed" in str(one.message) for one in told] == [True]


async def test_a_line_that_is_cut_is_made_again_and_what_was_missed_is_caught_up_with(place):  # noqa: F811
    async with connect(place, live=True) as lab:
        await until(lambda: len(place.gate.sockets) == 1)
        (line,) = place.gate.sockets.lines
        place.names.append("meanwhile")
        line.go_away("the test says so")
        await until(lambda: len(place.gate.sockets) == 1 and line not in place.gate.sockets.lines)
        await place.gate.discovery.refresh("runs")
        await until(lambda: hasattr(lab.runs, "meanwhile"))


async def test_who_waits_is_told_when_the_job_is_over(place):  # noqa: F811
    async with connect(place, live=True) as lab:
        live = labgate.watch(lab)
        await until(lambda: live.connected)
        before = place.asked
        waiting = [
            asyncio.ensure_future(labgate.wait(lab.runs.get_run, "R1")),
            asyncio.ensure_future(labgate.wait(lab.runs, name="R1")),
        ]
        await until(lambda: len(place.gate.sockets.jobs) >= 1 and place.asked > before)
        place.state = "completed"
        async with asyncio.timeout(PATIENCE):
            assert await asyncio.gather(*waiting) == [{"state": "completed"}] * 2
        await until(lambda: len(place.gate.sockets.jobs) == 0)


async def test_who_is_cancelled_while_waiting_leaves_nothing_to_be_told(place):  # noqa: F811
    async with connect(place, live=True) as lab:
        live = labgate.watch(lab)
        await until(lambda: live.connected)
        waiting = asyncio.ensure_future(labgate.wait(lab.runs.get_run, "R1"))
        await until(lambda: len(place.gate.sockets.jobs) == 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await until(lambda: len(place.gate.sockets.jobs) == 0)
        assert live.connected


async def test_who_waits_asks_for_themselves_when_the_line_is_cut(place):  # noqa: F811
    async with connect(place, live=True) as lab:
        live = labgate.watch(lab)
        await until(lambda: live.connected)
        waiting = asyncio.ensure_future(labgate.wait(lab.runs.get_run, "R1"))
        await until(lambda: len(place.gate.sockets.jobs) == 1)
        await live.close()
        place.state = "completed"
        async with asyncio.timeout(PATIENCE):
            assert await waiting == {"state": "completed"}


async def test_where_the_token_ends_the_line_says_why(place):  # noqa: F811
    async with connect(place, live=True) as lab:
        live = labgate.watch(lab)
        await until(lambda: live.connected)
        caller = place.stand.caller("lab")
        caller.token = place.token
        place.stand.revoke(caller)
        await until(lambda: "token" in live.why)
        assert live.running
