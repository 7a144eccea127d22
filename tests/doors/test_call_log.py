"""What the access log says of calls: whose they were and who answered them, whichever way they went."""

import json

import pytest
from mounting import as_json, until

CONFIG = """\
trusted_proxies: [{trusted}]
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
services:
  up:
    dialect: listed
    url: ["{first}", "{second}"]
    rpc_path: /
    methods: {{get: {{safe: true}}, kept: {{safe: true, cache: {{fresh: 1h, share: everyone}}}}, put: {{}}}}
"""
lanes = pytest.mark.parametrize("lanes", ["on", "off"])
FROM = (
    "X-Forwarded-For: 203.0.113.7, 198.51.100.9",
    "X-Forwarded-Proto: https",
    "Forwarded: for=203.0.113.7",
)


async def lab(stand, lanes, trusted="127.0.0.1/32"):
    """Two replicas that say who they are; what is written down of each request, and who asks."""
    ups = [await stand.upstream() for _ in range(2)]
    for up in ups:

        async def answer(asked, up=up):
            said = json.loads(asked.body)
            calls = said if isinstance(said, list) else [said]
            made = [{"jsonrpc": "2.0", "id": one["id"], "result": up.url} for one in calls]
            return as_json(made if isinstance(said, list) else made[0])

        up.on("*", answer)
    await stand.gate(CONFIG.format(trusted=trusted, first=ups[0].url, second=ups[1].url))
    ada = stand.caller("lab")
    await stand.switch(ada, lanes=lanes)
    await until(lambda: all(server.lane.on is (lanes == "on") for server in stand.running.servers))
    visits = []
    stand.running.metrics._log = lambda visit, _: visits.append(visit)
    return ada, visits


@lanes
async def test_a_call_names_the_replica_that_answered_it_and_one_from_memory_names_none(stand, lanes):
    ada, visits = await lab(stand, lanes)
    line = await ada.line()
    answered = []
    for turn in range(6):
        for method in ("get", "put"):
            said = {"jsonrpc": "2.0", "id": 1, "method": f"up.{method}", "params": [turn]}
            answered.append(json.loads((await ada.rpc("/rpc", said, on=line)).body)["result"])
    assert [visit.replica for visit in visits] == answered
    visits.clear()
    said = {"jsonrpc": "2.0", "id": 1, "method": "up.kept"}
    results = [json.loads((await ada.rpc("/rpc", said, on=line)).body)["result"] for _ in range(4)]
    assert [visit.replica for visit in visits] == [results[0], None, None, None]
    assert [visit.cache for visit in visits] == ["miss", "hit", "hit", "hit"]


@lanes
async def test_a_batch_names_a_replica_where_one_answered_all_of_it(stand, lanes):
    ada, visits = await lab(stand, lanes)
    for count in (1, 2, 2, 6, 6):
        calls = [{"jsonrpc": "2.0", "id": n, "method": "up.get", "params": [n]} for n in range(count)]
        answers = json.loads((await ada.rpc("/rpc", calls)).body)
        replicas = {one["result"] for one in answers}
        assert visits[-1].replica == (replicas.pop() if len(replicas) == 1 else None)
        assert visits[-1].entries == count


@lanes
async def test_a_call_through_a_trusted_proxy_is_its_callers_in_the_log(stand, lanes):
    ada, visits = await lab(stand, lanes)
    line = await ada.line()
    for method in ("get", "kept", "kept", "kept", "put"):
        said = {"jsonrpc": "2.0", "id": 1, "method": f"up.{method}"}
        for body in (said, [said, said | {"id": 2}]):
            assert (await ada.rpc("/rpc", body, *FROM, on=line)).status == 200
    assert (await ada.get("/rpc/up.get", *FROM, on=line)).status == 200
    assert {visit.peer for visit in visits} == {"198.51.100.9"}
    assert len(visits) == 11


@lanes
async def test_what_somebody_else_says_of_whom_a_call_is_is_not_believed(stand, lanes):
    ada, visits = await lab(stand, lanes, trusted="192.0.2.0/24")
    line = await ada.line()
    for _ in range(3):
        for method in ("get", "kept"):
            said = {"jsonrpc": "2.0", "id": 1, "method": f"up.{method}"}
            assert (await ada.rpc("/rpc", said, *FROM, on=line)).status == 200
    assert {visit.peer for visit in visits} == {"127.0.0.1"}


async def test_requests_of_a_trusted_proxy_are_answered_by_the_lanes_each_as_its_callers(stand):
    ada, visits = await lab(stand, "on")
    line = await ada.line()
    said = {"jsonrpc": "2.0", "id": 1, "method": "up.kept"}
    addresses = ["203.0.113.1", "203.0.113.2"] * 4
    for address in addresses:
        assert (await ada.rpc("/rpc", said, f"X-Forwarded-For: {address}", on=line)).status == 200
    assert [visit.peer for visit in visits] == addresses
    (known,) = {len(server.lane.requests) for server in stand.running.servers if server.lane.requests}
    assert known == 2  # whole requests that came again, by their very bytes
