"""Datastacks: local services are there for those who name the datastack, under names that policies can tell apart."""

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web

import labgate
from labgate.errors import Error, NeedsDatastack, UnknownDatastack

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*"]}}
  - {{to: ["group:fly"], allow: ["fly1/roots.*"]}}
services:
  info: {{url: "{url}/info", rpc_path: /api}}
datastacks:
  fly1: {{services: {{roots: {{url: "{url}/fly", rpc_path: /api}}}}}}
  mouse: {{services: {{roots: {{url: "{url}/mouse", rpc_path: /api}}}}}}
"""


@pytest.fixture
async def stacks(gate_of, token_for):
    async def answer(request):
        called = await request.json()
        where = request.match_info["where"]
        if called["method"] == "system.describe":
            result = {"procs": [{"name": "where"}, {"name": f"only_{where}"}]}
        elif called["method"] == "where":
            result = where
        else:
            error = {"code": -32601, "message": "no"}
            return web.json_response({"jsonrpc": "2.0", "error": error, "id": called["id"]})
        return web.json_response({"jsonrpc": "2.0", "result": result, "id": called["id"]})

    app = web.Application()
    app.router.add_post("/{where}/api", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with gate_of(CONFIG.format(url=url)) as gate, aiohttp.ClientSession() as session:
        address = "http://{}:{}".format(*gate.address)
        tokens = {"lab": token_for("ada", "lab"), "fly": token_for("flo", "fly")}

        async def call(method, path="/rpc", who="lab"):
            body = json.dumps({"jsonrpc": "2.0", "method": method, "id": 1})
            headers = {"Authorization": f"Bearer {tokens[who]}", "Content-Type": "application/json"}
            async with session.post(address + path, data=body, headers=headers) as response:
                return await response.json()

        async def names(query="", who="lab"):
            headers = {"Authorization": f"Bearer {tokens[who]}"}
            async with session.get(f"{address}/openrpc.json{query}", headers=headers) as response:
                document = await response.json()
                return [method["name"] for method in document["methods"]], document["x-labgate"]

        call.address, call.tokens = address, tokens
        yield call, names
    await runner.cleanup()


async def test_a_local_service_is_that_of_the_datastack_that_is_named(stacks):
    call, _ = stacks
    assert (await call("roots.where", "/rpc/fly1"))["result"] == "fly"
    assert (await call("roots.where", "/rpc?datastack=mouse"))["result"] == "mouse"
    assert (await call("info.where", "/rpc/mouse"))["result"] == "info"


async def test_without_a_datastack_a_local_service_says_which_there_are(stacks):
    call, _ = stacks
    error = (await call("roots.where"))["error"]
    assert error["code"] == -32011
    assert error["data"]["datastacks"] == ["fly1", "mouse"]


async def test_two_datastacks_in_one_address_are_refused(stacks):
    call, _ = stacks
    assert (await call("roots.where", "/rpc/fly1?datastack=mouse"))["error"]["code"] == -32016


async def test_the_list_is_that_of_the_datastack_and_policies_tell_datastacks_apart(stacks):
    call, names = stacks
    assert (await names())[0] == ["info.only_info", "info.where"]
    assert (await names("?datastack=fly1"))[0] == [
        "info.only_info",
        "info.where",
        "roots.only_fly",
        "roots.where",
    ]
    assert (await names("?datastack=fly1", "fly"))[0] == ["roots.only_fly", "roots.where"]
    assert (await names("?datastack=mouse", "fly"))[0] == []
    assert (await call("roots.where", "/rpc/fly1", "fly"))["result"] == "fly"
    assert (await call("roots.where", "/rpc/mouse", "fly"))["error"]["code"] == -32002
    assert (await names())[1]["local"] == {"roots": ["fly1", "mouse"]}


async def test_the_sdk_finds_a_datastacks_gate_again_and_remembers_nothing_that_did_not_work(
    stacks, tmp_path, monkeypatch
):
    call, _ = stacks
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    how = {"token": call.tokens["lab"], "cache_dir": tmp_path / "cache"}

    def calls():
        lab = labgate.connect(call.address, **how)
        with pytest.raises(NeedsDatastack) as told:
            lab.roots.where()
        assert told.value.datastacks == ("fly1", "mouse")
        for name in ("fly2", "../x", "a b"):
            with pytest.raises(Error):
                labgate.connect(call.address, datastack=name, **how)
        with pytest.raises(UnknownDatastack):
            lab(datastack="fly2")
        assert labgate.datastacks.known() == {}
        assert lab(datastack="fly1").roots.where() == "fly"
        assert labgate.connect(datastack="fly1", **how).roots.only_fly.__name__ == "only_fly"
        assert (
            labgate.connect(server_address=call.address, datastack_name="mouse", **how).roots.where()
            == "mouse"
        )
        assert labgate.datastacks.known() == {"fly1": call.address, "mouse": call.address}

    await asyncio.to_thread(calls)
