"""Real REST frameworks behind the gate: their operations become methods that the real SDK calls."""

import asyncio

import pytest

import labgate
from labgate.errors import Error

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*"], operate: true}}
services:
  up: {{url: "{url}"}}
"""

CALLS = ("add", "get_item", "create_item", "echo", "upload", "raw", "fail", "text")
NAMES = {
    "fastapi": {name: name for name in CALLS},
    "connexion": {name: f"connexion_app.{name}" for name in CALLS},
    # Its operationIds repeat and hold spaces: verb and path take their place.
    "flask-restx": {
        "add": "get_add",
        "get_item": "get_item",
        "create_item": "post_items",
        "echo": "post_echo",
        "upload": "post_upload",
        "raw": "post_raw",
        "fail": "fail",
        "text": "text",
    },
}


@pytest.fixture(params=sorted(NAMES))
async def behind(request, upstream, gate_of, token_for, tmp_path):
    """A client of a gate before one of the upstreams; nothing is configured but where it is. `call(name, …)` calls."""
    server = await asyncio.to_thread(upstream, request.param)
    async with gate_of(CONFIG.format(url=server.url)) as gate:
        address = "http://{}:{}".format(*gate.address)
        lab = await asyncio.to_thread(
            labgate.connect, address, token=token_for("ada", "lab"), cache_dir=tmp_path / "cache", timeout=20
        )
        names = NAMES[request.param]

        async def call(name, /, *args, **named):
            return await asyncio.to_thread(lambda: lab[f"up.{names[name]}"](*args, **named))

        yield names, lab, gate, call


async def test_operations_are_found_and_named(behind):
    names, lab, gate, _ = behind
    assert gate.discovery.health()["up"].dialect == "openapi"
    found = {record.name: record for record in labgate.methods(lab)}
    assert {f"up.{name}" for name in names.values()} <= set(found)
    assert found[f"up.{names['add']}"].safe
    assert not found[f"up.{names['create_item']}"].safe


async def test_arguments_go_to_query_path_and_body(behind):
    _, _, _, call = behind
    assert await call("add", a=2**60, b=1) == 2**60 + 1
    assert (await call("get_item", item_id="ü 1?&=#"))["item_id"] == "ü 1?&=#"
    created = await call("create_item", name="box", price=1.5)
    assert (created["name"], created["price"]) == ("box", 1.5)


async def test_bodies_of_any_kind_pass(behind):
    _, _, _, call = behind
    assert await call("echo", body={"a": [1, None, "ü"]}) == {"a": [1, None, "ü"]}
    data = bytes(range(256)) * 100
    assert await call("raw", body=data) == data
    assert (await call("upload", file=data))["size"] == len(data)
    assert await call("text") == "plain words, Zürich"


async def test_a_refusal_is_an_error_with_its_status(behind):
    _, _, _, call = behind
    with pytest.raises(Error) as told:
        await call("fail", status=409)
    assert told.value.data["status"] == 409
    with pytest.raises(Error) as told:
        await call("add", a="no number", b=1)
    assert told.value.data["status"] in (400, 422)
