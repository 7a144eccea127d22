"""Calls that go to a certain replica, and calls that are made a second time, through a whole gate."""

import json

import pytest
from chaos_callers import Caller
from faulty_lab import FaultyLab, silent

CONFIG = """
identity: {{anonymous: true}}
policies: [{{to: [anonymous], allow: ["*", "/**"]}}]
services:
  lab:
    dialect: listed
    url: ["{one}", "{two}"]
    rpc_path: /api
    {more}
    methods:
      get: {{safe: true{hedge}}}
      put: {{}}
"""


def called(method: str, **params: object) -> bytes:
    said = {"jsonrpc": "2.0", "method": f"lab.{method}", "params": params, "id": 1}
    return json.dumps(said).encode()


@pytest.mark.parametrize("method", ["get", "put"])
async def test_calls_with_the_same_value_go_to_the_same_replica_until_it_is_gone(gate_of, method) -> None:
    async with FaultyLab() as one, FaultyLab() as two:
        said = CONFIG.format(one=one.url, two=two.url, more="sticky: params.project", hedge="")
        async with gate_of(said) as gate:
            caller, homes = Caller(gate.address[1]), {}
            for project in range(8):
                before = one.asked, two.asked
                for at in range(3):
                    body = called(method, project=f"P{project}", token=f"{project}.{at}")
                    assert b'"result"' in (await caller.page("/rpc", body))[2]
                asked = one.asked - before[0], two.asked - before[1]
                assert sorted(asked) == [0, 3], asked
                homes[project] = one if asked[0] else two
            gone = homes[0]
            await gone.refuse()
            for project in homes:
                body = called(method, project=f"P{project}", token=f"{project}.again")
                assert b'"result"' in (await caller.page("/rpc", body))[2]


async def test_a_call_that_is_late_at_one_replica_is_answered_by_the_other(gate_of) -> None:
    async with FaultyLab() as one, FaultyLab() as two:
        said = CONFIG.format(one=one.url, two=two.url, more="", hedge=", hedge: {after: 50ms}")
        async with gate_of(said) as gate:
            caller, upstream = Caller(gate.address[1]), gate.estate.upstreams["lab"]
            one.fail(silent)
            for number in range(4):
                body = called("get", token=f"t{number}")
                assert b'"result"' in (await caller.page("/rpc", body))[2]
            assert upstream.hedges == one.asked >= 1
            one.fail(None)
            assert b'"result"' in (await caller.page("/rpc", called("put", token="w")))[2]
            assert one.writes["w"] + two.writes["w"] == 1
