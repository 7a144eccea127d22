"""`labgate.map` through the real gate: its limits are kept to, writes run once, and nothing is lost."""

import asyncio
import json

import pytest
from mounting import as_json

import labgate
from labgate.errors import RemoteError

pytestmark = pytest.mark.timeout(180)

CONFIG = """\
limits: {{{limits}}}
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
services:
  jobs:
    dialect: listed
    url: "{url}"
    rpc_path: /api
    timeout: 60s
    methods: {{get_x: {{safe: true, params: [name], cache: {{fresh: 1h}}}}, make_job: {{params: [name]}}}}
"""


class Lab:
    """A service that says what it was given, and remembers it."""

    def __init__(self):
        self.asked = []
        self.at_once = self.most = 0

    async def __call__(self, asked):
        said = json.loads(asked.body)
        params = said["params"]
        name = params["name"] if isinstance(params, dict) else params[0]
        self.asked.append(name)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if name == "bad":
            return as_json({"jsonrpc": "2.0", "error": {"code": 7, "message": "no"}, "id": said["id"]})
        return as_json({"jsonrpc": "2.0", "result": name, "id": said["id"]})


@pytest.fixture
async def open_lab(stand, tmp_path):
    async def opened(limits=""):
        made = Lab()
        upstream = await stand.upstream()
        upstream.on("/api", made)
        await stand.gate(CONFIG.format(url=upstream.url, limits=limits))
        client = await asyncio.to_thread(
            labgate.connect,
            f"http://127.0.0.1:{stand.running.address[1]}",
            token=stand.caller("lab").token,
            cache_dir=tmp_path / "cache",
            timeout=60,
        )
        return made, client

    return opened


async def mapped(method, items, **how):
    return await asyncio.to_thread(lambda: list(labgate.map(method, items, **how)))


async def test_reads_come_from_the_service_once_and_from_memory_then(open_lab):
    lab, client = await open_lab()
    names = [f"J{at}" for at in range(800)]
    for _ in range(2):
        assert await mapped(client.jobs.get_x, names) == [(name, name) for name in names]
    assert sorted(lab.asked) == sorted(names)


async def test_writes_are_made_once_each_and_errors_are_of_their_items(open_lab):
    lab, client = await open_lab()
    names = [f"J{at}" for at in range(200)]
    names[70] = "bad"
    pairs = await mapped(client.jobs.make_job, names, errors="yield")
    assert [name for name, _ in pairs] == names
    assert [at for at, (_, result) in enumerate(pairs) if isinstance(result, RemoteError)] == [70]
    assert sorted(lab.asked) == sorted(names)


async def test_a_gate_that_takes_small_batches_only_is_given_such(open_lab):
    lab, client = await open_lab("batch: 3")
    names = [f"J{at}" for at in range(300)]
    assert await mapped(client.jobs.get_x, names) == [(name, name) for name in names]
    assert await mapped(client.jobs.make_job, names) == [(name, name) for name in names]
    assert sorted(lab.asked) == sorted(names * 2)


async def test_what_a_rate_puts_off_has_its_turn_later(open_lab):
    lab, client = await open_lab("per_principal: {rate: 100/s, burst: 20}")
    names = [f"J{at}" for at in range(80)]
    assert await mapped(client.jobs.make_job, names) == [(name, name) for name in names]
    assert sorted(lab.asked) == sorted(names)


async def test_who_leaves_the_loop_leaves_no_write_half_known(open_lab):
    lab, client = await open_lab()

    def some():
        seen = []
        for name, _ in labgate.map(client.jobs.make_job, (f"J{at}" for at in range(100_000))):
            seen.append(name)
            if len(seen) == 100:
                return seen
        return seen

    seen = await asyncio.to_thread(some)
    assert set(seen) <= set(lab.asked)
    assert len(lab.asked) == len(set(lab.asked)) < 10_000
    assert lab.at_once == 0
