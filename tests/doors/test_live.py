"""The real SDK hears of changes at the real gate, over its own line."""

import asyncio
import gc
import json
import os
import threading

import pytest
from mounting import as_json

import labgate

pytestmark = pytest.mark.timeout(120)

PATIENCE = 60.0
"""Seconds after which a test gives up waiting for what must come: reached only by a failure."""

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*"], operate: true}}
services:
  runs:
    dialect: jsonrpc
    url: "{url}"
    rpc_path: /api
    methods:
      get_run:
        params: [name]
        safe: true
        cache: {{fresh: 1h, share: everyone, tags: [runs]}}
        job: {{status: state, done: completed, failed: [killed]}}
      start: {{invalidates: [runs]}}
"""


class Lab:
    """A gate before a service whose methods and job the test changes."""

    def __init__(self, stand, folder):
        self.stand = stand
        self.folder = folder
        self.names = ["get_run", "start"]
        self.state = "running"
        self.asked = 0
        self.token = None

    async def answer(self, asked):
        said = json.loads(asked.body)
        method, answer = said["method"], {"jsonrpc": "2.0", "id": said["id"]}
        if method == "system.describe":
            answer["result"] = {
                "sdversion": "1.0",
                "name": "runs",
                "procs": [{"name": one} for one in self.names],
            }
        elif method in self.names:
            self.asked += method == "get_run"
            answer["result"] = {"state": self.state}
        else:
            answer["error"] = {"code": -32601, "message": "no"}
        return as_json(answer)

    @property
    def gate(self):
        return self.stand.running

    async def connect(self, **more):
        self.token = self.token or self.stand.caller("lab").token
        url = f"http://127.0.0.1:{self.gate.address[1]}"
        return await asyncio.to_thread(
            labgate.connect, url, token=self.token, cache_dir=self.folder / "cache", **more
        )

    async def discover(self, *more):
        self.names = ["get_run", "start", *more]
        await self.gate.discovery.refresh("runs")


@pytest.fixture
async def place(stand, tmp_path):
    lab = Lab(stand, tmp_path)
    upstream = await stand.upstream()
    upstream.on("/api", lab.answer)
    await stand.gate(CONFIG.format(url=upstream.url))
    return lab


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


def threads():
    return [one for one in threading.enumerate() if one.name.startswith("labgate http")]


async def test_without_being_asked_for_there_is_no_thread(place):
    lab = await place.connect()
    await asyncio.to_thread(lab.runs.start)
    assert threads() == []


async def test_a_live_client_has_the_methods_that_come_and_go_by_itself(place):
    lab = await place.connect(live=True)
    found = []
    with await asyncio.to_thread(labgate.watch, lab, found.append) as live:
        await until(lambda: live.connected)
        assert not hasattr(lab.runs, "brand_new")
        await place.discover("brand_new")
        await until(lambda: [one.added for one in found] == [("runs.brand_new",)])
        assert "runs.brand_new" in [one.name for one in labgate.methods(lab)]
        await place.discover()
        await until(lambda: [one.removed for one in found[1:]] == [("runs.brand_new",)])
        assert "runs.brand_new" not in [one.name for one in labgate.methods(lab)]
    assert threads() == []


async def test_clients_of_one_gate_share_the_line_and_it_ends_with_the_last_of_them(place):
    lab, again = await place.connect(live=True), await place.connect(live=True)
    live = await asyncio.to_thread(labgate.watch, lab)
    assert await asyncio.to_thread(labgate.watch, again(timeout=5)) is live
    await until(lambda: len(place.gate.sockets) == 1)
    assert len(threads()) == 1
    del lab, live
    gc.collect()
    await until(lambda: len(place.gate.sockets) == 1)
    del again
    gc.collect()
    await until(lambda: not len(place.gate.sockets) and not threads())


async def test_a_line_that_is_cut_is_made_again_and_what_was_missed_is_caught_up_with(place):
    lab = await place.connect(live=True)
    await until(lambda: len(place.gate.sockets) == 1)
    (line,) = place.gate.sockets.lines
    place.names.append("meanwhile")
    line.go_away("the test says so")
    await until(lambda: len(place.gate.sockets) == 1 and line not in place.gate.sockets.lines)
    await place.gate.discovery.refresh("runs")
    await until(lambda: "runs.meanwhile" in [one.name for one in labgate.methods(lab)])
    await asyncio.to_thread(labgate.watch(lab).close)


async def test_who_waits_is_told_when_the_job_is_over(place):
    lab = await place.connect(live=True)
    live = labgate.watch(lab)
    await until(lambda: live.connected)
    before = place.asked
    waiting = [
        asyncio.create_task(asyncio.to_thread(labgate.wait, lab.runs.get_run, "R1")),
        asyncio.create_task(asyncio.to_thread(labgate.wait, lab.runs, name="R1")),
    ]
    await until(lambda: len(place.gate.sockets.jobs) >= 1 and place.asked > before)
    place.state = "completed"
    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*waiting) == [{"state": "completed"}] * 2
    await until(lambda: len(place.gate.sockets.jobs) == 0)
    await asyncio.to_thread(live.close)


async def test_who_waits_asks_for_themselves_when_the_line_is_cut(place):
    lab = await place.connect(live=True)
    live = labgate.watch(lab)
    await until(lambda: live.connected)
    waiting = asyncio.create_task(asyncio.to_thread(labgate.wait, lab.runs.get_run, "R1"))
    await until(lambda: len(place.gate.sockets.jobs) == 1)
    await asyncio.to_thread(live.close)
    place.state = "completed"
    async with asyncio.timeout(PATIENCE):
        assert await waiting == {"state": "completed"}


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
async def test_a_forked_child_has_no_line_until_it_asks_for_one(place):
    lab = await place.connect(live=True)
    live = labgate.watch(lab)
    await until(lambda: live.connected)

    def forked():
        child = os.fork()
        if child:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        code = 1
        try:
            lab.runs.start()
            assert not live.running
            again = labgate.watch(lab)
            assert again is not live
            while not again.connected:
                again._over.wait(0.01)
            again.close()
            code = 0
        finally:
            os._exit(code)

    assert await asyncio.to_thread(forked) == 0
    assert live.connected
    await until(lambda: len(place.gate.sockets) == 1)
    await asyncio.to_thread(live.close)


async def test_where_the_token_ends_the_line_says_why(place):
    lab = await place.connect(live=True)
    live = labgate.watch(lab)
    await until(lambda: live.connected)
    caller = place.stand.caller("lab")
    caller.token = place.token
    place.stand.revoke(caller)
    await until(lambda: "token" in live.why)
    assert live.running
    await asyncio.to_thread(live.close)
