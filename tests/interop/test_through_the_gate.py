"""Real JSON-RPC servers behind the gate, called by the real SDK: discovered by themselves, their deviations absorbed."""

import asyncio
import inspect
import json

import aiohttp
import pytest

import labgate
from labgate.errors import Error, GateUnreachable, NotFound

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

OFFERED = {"subtract", "add", "echo", "fail", "get_stats", "notify_counter", "count", "big", "files.get-raw"}
UPSTREAMS = ("flask-jsonrpc-2", "flask-jsonrpc-4", "jsonrpclib-pelix", "openrpc", "django-modern-rpc")
CONVENTIONS = {
    "flask-jsonrpc-2": "system.describe",
    "flask-jsonrpc-4": "rpc.describe",
    "jsonrpclib-pelix": "system.listMethods",
    "openrpc": "rpc.discover",
    "django-modern-rpc": "system.listMethods",
}
CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*"], operate: true}}
services:
  up:
    url: {url}
    methods:
      "get_stats": {{safe: true, cache: {{fresh: 1h}}}}
      "count": {{safe: true}}
"""


@pytest.fixture(params=UPSTREAMS)
async def behind(request, upstream, gate_of, token_for, tmp_path):
    """A client of a gate before one of the upstreams; nothing about it is configured but where it is."""
    server = await asyncio.to_thread(upstream, request.param)
    async with gate_of(CONFIG.format(url=server.url)) as gate:
        address = "http://{}:{}".format(*gate.address)
        token = token_for("ada", "lab")
        lab = await asyncio.to_thread(
            labgate.connect, address, token=token, cache_dir=tmp_path / "cache", timeout=20
        )
        yield request.param, lab, gate, (address, token)


async def test_what_a_server_offers_is_found_and_becomes_functions(behind):
    name, lab, gate, _ = behind
    names = {record.name for record in labgate.methods(lab)}
    assert names == {f"up.{one}" for one in OFFERED}
    assert gate.discovery.health()["up"].convention == CONVENTIONS[name]
    assert "get_stats" in dir(lab.up)
    if CONVENTIONS[name] != "system.listMethods":  # which gives parameters no names
        assert list(inspect.signature(lab.up.get_stats).parameters) == ["uid", "binning"]


async def test_calls_by_position_and_by_name_and_odd_names_work(behind):
    _, lab, _, _ = behind

    def calls():
        assert lab.up.subtract(42, 23) == 19
        assert lab.up.subtract(minuend=42, subtrahend=23) == 19
        assert lab["up.files.get-raw"](uid="J45") == "raw J45"
        assert lab.up.echo([1, {"a": [None, True, 1.5, "ü"]}]) == [1, {"a": [None, True, 1.5, "ü"]}]
        assert lab.up.echo(2**70) == 2**70
        assert lab.up.big(20_000)[-1] == 19_999

    await asyncio.to_thread(calls)


async def test_repeats_of_a_safe_method_are_hits(behind):
    _, lab, _, _ = behind

    def calls():
        first = lab.up.get_stats("J1")
        assert lab.up.get_stats("J1") == first
        assert labgate.last(lab).cache == "hit"

    await asyncio.to_thread(calls)


async def test_errors_of_a_server_keep_their_code_and_unknown_methods_are_not_found(behind):
    _, lab, _, _ = behind

    def calls():
        with pytest.raises(Error) as failed:
            lab.up.fail()
        assert isinstance(failed.value.code, int)
        with pytest.raises(NotFound):
            lab["up.nothing"]()

    await asyncio.to_thread(calls)


async def test_a_batch_with_notifications_is_answered_in_order_whatever_the_server_makes_of_batches(behind):
    name, _, _, (address, token) = behind
    batch = [
        {"jsonrpc": "2.0", "method": "up.add", "params": [1, 2], "id": "a"},
        {"jsonrpc": "2.0", "method": "up.notify_counter", "params": []},
        {"jsonrpc": "2.0", "method": "up.fail", "params": [], "id": None},
        {"jsonrpc": "2.0", "method": "up.add", "params": [3, 4], "id": 7},
    ]
    counted = {"jsonrpc": "2.0", "method": "up.count", "id": 1}
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:

        async def post(body):
            kind = {"Content-Type": "application/json"}
            async with session.post(f"{address}/rpc", data=json.dumps(body), headers=kind) as response:
                return await response.json()

        before = (await post(counted))["result"]
        answers = await post(batch)
        after = (await post(counted))["result"]
    assert [answer["id"] for answer in answers] == ["a", None, 7]
    assert [answer.get("result") for answer in answers] == [3, None, 7]
    assert "error" in answers[1]
    assert after == before + 1, f"{name} was asked to count once"


async def test_a_server_that_dies_keeps_its_methods_and_its_callers_are_told(
    fresh_upstream, gate_of, token_for, tmp_path
):
    server = await asyncio.to_thread(fresh_upstream, "openrpc")
    async with gate_of(CONFIG.format(url=server.url)) as gate:
        token = token_for("ada", "lab")
        lab = await asyncio.to_thread(
            labgate.connect, "http://{}:{}".format(*gate.address), token=token, cache_dir=tmp_path, retries=0
        )
        await asyncio.to_thread(server.kill)

        def calls():
            with pytest.raises(Error) as told:
                lab.up.add(1, 2)
            assert told.value.code == -32003
            assert "up" in str(told.value)
            assert str(server.port) not in str(told.value)
            assert not isinstance(told.value, GateUnreachable)

        await asyncio.to_thread(calls)
        await gate.discovery.refresh("up")
        assert gate.discovery.health()["up"].down
        await asyncio.to_thread(labgate.refresh, lab)
        assert {record.name for record in labgate.methods(lab)} == {f"up.{one}" for one in OFFERED}
        status = await asyncio.to_thread(labgate.status, lab)
        assert (status.reached, status.down) == (True, ("up",))
