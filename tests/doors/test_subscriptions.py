"""What is told over a WebSocket at /rpc to whom has subscribed to it, through a real gate."""

import asyncio
import json

import aiohttp
import msgpack
import pytest
from mounting import as_json

pytestmark = pytest.mark.timeout(120)

PATIENCE = 60.0
"""Seconds after which a test gives up waiting for what must come: reached only by a failure."""

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*"], operate: true}}
  - {{to: ["group:guests"], allow: ["runs.get_run", "runs.get_own"]}}
services:
  runs:
    dialect: listed
    url: "{url}"
    rpc_path: /api
    methods:
      get_run:
        params: [name]
        safe: true
        cache: {{fresh: 1h, share: everyone, tags: [runs]}}
        job: {{status: state, done: completed, failed: [killed], progress: steps, of: 4}}
      get_own: {{params: [name], safe: true, job: {{status: state, done: completed}}}}
      get_list: {{params: [], safe: true, cache: {{fresh: 1h, share: everyone, tags: [lists]}}}}
      get_text: {{params: [], safe: true}}
      start: {{params: [name], invalidates: [runs, lists]}}
      rest: {{params: []}}
"""


class Runs:
    """Jobs that go on when the test says so."""

    def __init__(self):
        self.state = {}
        self.asked = []
        self.fails = 0

    async def answer(self, asked):
        said = json.loads(asked.body)
        params = said.get("params") or {}
        name = params.get("name", "") if isinstance(params, dict) else params[0] if params else ""
        self.asked.append((said["method"], name))
        if said["method"].startswith("get_") and self.fails:
            self.fails -= 1
            return b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
        if name == "odd":
            error = {"code": 7, "message": "no such run"}
            return as_json({"jsonrpc": "2.0", "error": error, "id": said["id"]})
        return as_json({"jsonrpc": "2.0", "result": self.state.get(name), "id": said["id"]})


class Socket:
    def __init__(self, socket):
        self.socket = socket
        self.told = asyncio.Queue()
        self.answers = asyncio.Queue()
        self.reading = asyncio.create_task(self.read())

    async def read(self):
        async for message in self.socket:
            binary = message.type is aiohttp.WSMsgType.BINARY
            said = msgpack.unpackb(message.data) if binary else json.loads(message.data)
            (self.told if "method" in said else self.answers).put_nowait(said)

    async def call(self, method, params=None):
        await self.socket.send_str(
            json.dumps({"jsonrpc": "2.0", "method": method, "params": params or [], "id": 1})
        )
        async with asyncio.timeout(PATIENCE):
            return await self.answers.get()

    async def subscribe(self, topic, **more):
        answer = await self.call("rpc.subscribe", {"topic": topic, **more})
        return answer["result"]["subscription"] if "result" in answer else answer["error"]["data"]["fault"]

    async def heard(self):
        async with asyncio.timeout(PATIENCE):
            said = await self.told.get()
        return said["method"], said["params"]


class Place:
    def __init__(self, stand, session, runs):
        self.stand = stand
        self.session = session
        self.runs = runs

    @property
    def gate(self):
        return self.stand.running

    async def socket(self, *groups, name="ada", protocols=()):
        token = self.stand.caller(*groups or ("lab",), name=name).token
        url = "http://{}:{}/rpc".format(*self.gate.address)
        fields = {"Authorization": f"Bearer {token}"}
        return Socket(await self.session.ws_connect(url, headers=fields, protocols=protocols))


@pytest.fixture
async def place(stand):
    runs = Runs()
    upstream = await stand.upstream()
    upstream.on("/api", runs.answer)
    await stand.gate(CONFIG.format(url=upstream.url))
    async with aiohttp.ClientSession() as session:
        yield Place(stand, session, runs)


async def nothing_more(socket):
    """What was told before an answer is here when the answer is."""
    await socket.call("runs.get_list")
    return socket.told.empty()


async def test_all_who_want_to_hear_of_a_job_hear_of_it_and_its_service_is_asked_by_one(place):
    place.runs.state["R1"] = {"state": "queued", "steps": 0}
    sockets = [await place.socket(name=f"n{number}") for number in range(5)]
    names = [await one.subscribe("job.progress", method="runs.get_run", params=["R1"]) for one in sockets]
    told = {"over": False, "failed": False, "state": "queued", "progress": 0.0}
    for one, name in zip(sockets, names, strict=True):
        assert await one.heard() == (
            "job.progress",
            {"subscription": name, **told, "result": place.runs.state["R1"]},
        )
    late = await place.socket("guests", name="gwen")
    await late.subscribe("job.progress", method="runs.get_run", params=["R1"])
    assert (await late.heard())[1]["state"] == "queued"
    assert len(place.gate.sockets.jobs) == 1
    place.runs.state["R1"] = {"state": "running", "steps": 2}
    before = len(place.runs.asked)
    for one in (*sockets, late):
        assert (await one.heard())[1]["progress"] == 0.5
    assert len(place.runs.asked) == before + 1
    place.runs.state["R1"] = {"state": "completed", "steps": 4}
    for one in (*sockets, late):
        _, said = await one.heard()
        assert (said["state"], said["over"], said["failed"]) == ("completed", True, False)
    assert len(place.gate.sockets.jobs) == 0
    assert (await late.call("rpc.unsubscribe", ["1"]))["result"] is False


async def test_a_job_that_fails_is_over_and_one_that_nobody_may_know_is_an_error(place):
    place.runs.state["R1"] = {"state": "killed"}
    socket = await place.socket()
    await socket.subscribe("job.progress", method="runs.get_run", params={"name": "R1"})
    _, said = await socket.heard()
    assert (said["over"], said["failed"], said["state"]) == (True, True, "killed")
    await socket.subscribe("job.progress", method="runs.get_run", params={"name": "odd"})
    _, said = await socket.heard()
    assert (said["over"], said["failed"], said["error"]["code"]) == (True, True, 7)


async def test_a_service_that_is_away_for_a_while_ends_nothing(place):
    place.runs.state["R1"] = {"state": "completed"}
    place.runs.fails = 2
    socket = await place.socket()
    await socket.subscribe("job.progress", method="runs.get_run", params=["R1"])
    assert (await socket.heard())[1]["state"] == "completed"


async def test_a_write_through_the_gate_has_a_job_asked_for_at_once(place):
    """Its answers have not changed for long, so that it would be asked much later by itself."""
    place.runs.state["R1"] = {"state": "queued"}
    socket = await place.socket()
    await socket.subscribe("job.progress", method="runs.get_run", params=["R1"])
    await socket.heard()
    before = len(place.runs.asked)
    await socket.call("runs.start", ["R1"])
    while [method for method, _ in place.runs.asked[before:]].count("get_run") < 1:
        await asyncio.sleep(0.01)


async def test_where_the_service_may_tell_callers_apart_each_has_their_own(place):
    place.runs.state["R1"] = {"state": "queued"}
    ada, bob = await place.socket(), await place.socket(name="bob")
    for one in (ada, bob):
        await one.subscribe("job.progress", method="runs.get_own", params=["R1"])
        assert (await one.heard())[1]["state"] == "queued"
    assert len(place.gate.sockets.jobs) == 2
    await ada.socket.close()
    await bob.call("rpc.unsubscribe", {"subscription": "1"})
    while len(place.gate.sockets.jobs):
        await asyncio.sleep(0.01)


async def test_nobody_subscribes_to_what_they_may_not_call_or_to_what_is_no_job(place):
    gwen = await place.socket("guests", name="gwen")
    assert await gwen.subscribe("job.progress", method="runs.get_text") in ("Forbidden", "UnknownMethod")
    assert await gwen.subscribe("cache", methods=["runs.get_list"]) in ("Forbidden", "UnknownMethod")
    assert await gwen.subscribe("cache", tags=["lists"]) == "InvalidParams"
    ada = await place.socket()
    assert await ada.subscribe("job.progress", method="runs.get_text") == "InvalidParams"
    assert await ada.subscribe("cache", tags=["nothing"]) == "InvalidParams"
    assert len(place.gate.sockets.jobs) == 0


async def test_who_subscribes_to_the_cache_hears_what_holds_no_longer(place):
    ada, gwen = await place.socket(), await place.socket("guests", name="gwen")
    name = await ada.subscribe("cache", methods=["runs.get_list", "runs.get_text"], tags=["runs", "lists"])
    await gwen.subscribe("cache", tags=["runs"])
    await ada.call("runs.start", ["R1"])
    assert await ada.heard() == (
        "rpc.cache",
        {"subscription": name, "methods": ["runs.get_list"], "tags": ["lists", "runs"]},
    )
    assert (await gwen.heard())[1]["tags"] == ["runs"]
    assert (await ada.call("rpc.unsubscribe", {"subscription": name}))["result"] is True
    await ada.call("runs.start", ["R1"])
    assert (await gwen.heard())[1]["tags"] == ["runs"]
    assert await nothing_more(ada)


async def test_a_connection_has_so_many_subscriptions_and_no_more(place):
    socket = await place.socket()
    names = [await socket.subscribe("catalog") for _ in range(64)]
    assert len(set(names)) == 64
    assert await socket.subscribe("catalog") == "InvalidParams"
    await socket.call("rpc.unsubscribe", {"subscription": names[0]})
    assert await socket.subscribe("catalog") not in (*names, "InvalidParams")


async def test_what_is_told_comes_in_the_encoding_of_the_subprotocol(place):
    place.runs.state["R1"] = {"state": "completed", "big": 2**70}
    socket = await place.socket(protocols=("labgate.msgpack",))
    await socket.subscribe("job.progress", method="runs.get_run", params=["R1"])
    _, said = await socket.heard()
    assert said["state"] == "completed"
    assert said["result"]["big"] == msgpack.ExtType(1, str(2**70).encode())


async def test_methods_of_the_connection_are_no_methods_elsewhere(place):
    caller = place.stand.caller("lab")
    answer = await caller.call("rpc.subscribe", {"topic": "catalog"})
    assert answer["error"]["data"]["fault"] == "UnknownMethod"


async def test_who_subscribes_to_the_catalog_hears_which_methods_come_and_go(lab):
    socket = Socket(
        await lab.session.ws_connect(lab.address + "/rpc", headers={"Authorization": f"Bearer {lab.token}"})
    )
    name = await socket.subscribe("catalog")
    names = lab.calc.NAMES
    lab.calc.NAMES = (*names[1:], "brand_new")
    await lab.gate.discovery.refresh("calc")
    told = dict([await socket.heard(), await socket.heard()])
    assert told["rpc.catalog"] == {
        "subscription": name,
        "version": told["rpc.changed"]["version"],
        "added": ["calc.brand_new"],
        "removed": [f"calc.{names[0]}"],
    }
