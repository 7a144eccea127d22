"""What operators are told and what they purge holds for the disk, too."""

import asyncio
import json

import pytest
from mounting import Upstream, as_json

LAB = """\
policies: [{{to: ["group:lab"], allow: ["*"], operate: true}}]
cache: {{disk: {{size: 64MiB}}}}
services:
  jobs:
    dialect: jsonrpc
    rpc_path: /api
    url: "{url}"
    methods: {{"get*": {{safe: true, cache: {{fresh: 1h, share: everyone, tags: [jobs]}}}}}}
"""


async def answer(asked):
    call = json.loads(asked.body)
    if call["method"] == "system.describe":
        procs = [{"name": "get"}, {"name": "get_more"}]
        return as_json({"id": call["id"], "result": {"sdversion": "1.0", "name": "jobs", "procs": procs}})
    if call["method"].startswith("get"):
        return as_json({"jsonrpc": "2.0", "id": call["id"], "result": call.get("params")})
    return as_json({"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32601, "message": "no"}})


@pytest.fixture
async def up(stand) -> Upstream:
    upstream = await stand.upstream()
    upstream.on("/api", answer)
    await stand.gate(LAB.format(url=upstream.url))
    return upstream


@pytest.fixture
def ada(stand, up):
    return stand.caller("lab")


async def stored(stand, ada, *params):
    """Have the replies on the disk, and not in memory."""
    for one in params:
        await ada.call("jobs.get", [one])
    gate = stand.running
    async with asyncio.timeout(20):
        # The disk looks once a second at most whether it has anything of a service.
        while gate.shelves.storing or len(gate.disk) < len(params) or not gate.disk.may_have("jobs"):
            await asyncio.sleep(0.001)
    for entry in gate.tier.recent():
        gate.tier.drop(entry.key)


async def said(stand, ada, path, said=None):
    door = stand.at(ada)
    got = await (door.get(path) if said is None else door.rpc(path, said))
    assert got.status == 200, got.body
    return json.loads(got.body)


async def explained(ada, param):
    return (await ada.call("rpc.explain", ["jobs.get", [param]]))["result"]


def trips(up):
    return sum(b'"get"' in one.body for one in up.asked)


async def test_what_lies_on_the_disk_alone_is_told_as_a_hit_of_the_disk(stand, up, ada):
    await stored(stand, ada, 1)
    told = await explained(ada, 1)
    assert (told["outcome"], told["tier"], trips(up)) == ("hit", "disk", 1)
    tiers = (await said(stand, ada, "/-/cache"))["tiers"]
    assert list(tiers) == ["memory", "disk"]
    assert tiers["disk"]["entries"] == 1


@pytest.mark.parametrize(
    "what", [{"method": "jobs.get"}, {"service": "jobs"}, {"tag": "jobs"}, {"all": True}]
)
async def test_what_is_purged_is_no_hit_of_the_disk_either(stand, up, ada, what):
    await stored(stand, ada, 1)
    await said(stand, ada, "/-/cache/purge", what)
    assert (await explained(ada, 1))["outcome"] == "miss"
    await ada.call("jobs.get", [1])
    assert trips(up) == 2


async def test_a_purged_key_is_forgotten_on_the_disk_and_no_other_is(stand, up, ada):
    await stored(stand, ada, 1, 2)
    key = (await explained(ada, 1))["key"]["hex"]
    told = await said(stand, ada, "/-/cache/purge", {"key": key})
    assert told["ended"] == []
    assert [(await explained(ada, one))["outcome"] for one in (1, 2)] == ["miss", "hit"]


async def test_a_key_that_is_purged_while_its_reply_is_being_stored_is_not_there_afterwards(stand, up, ada):
    held, put = asyncio.Event(), stand.running.disk.put

    async def late(entry):
        await held.wait()
        return await put(entry)

    stand.running.disk.put = late
    await ada.call("jobs.get", [2])
    key = stand.running.tier.recent()[0].key.hex()
    told = await said(stand, ada, "/-/cache/purge", {"key": key})
    assert told["ended"] == ["method:jobs.get"]
    held.set()
    async with asyncio.timeout(20):
        while stand.running.shelves.storing:
            await asyncio.sleep(0.001)
    assert (await explained(ada, 2))["outcome"] == "miss"
