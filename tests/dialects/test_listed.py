"""Which methods does a service have that describes nothing, and how is each of them carried out?"""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.settings import examine

CONFIG = """\
policies: [{{to: ["group:lab"], allow: ["*"]}}]
services:
  tiles:
    dialect: listed
    url: {url}/v1
    rpc_path: /rpc
    methods:
      "get_tile": {{http: "GET /tiles/{{level}}/{{x}}.png", params: [{{name: scale, schema: {{type: number}}}}, level]}}
      "put_tile": {{http: "PUT /tiles/{{level}}", params: [title]}}
      "find": {{http: "POST /find", safe: true, cache: {{fresh: 1h}}}}
      "delete_*": {{idempotent: false}}
      "delete_tile": {{http: "DELETE /tiles/{{level}}"}}
      "add": {{params: [a, b]}}
"""


@pytest.fixture
async def lab(gate_of, token_for):
    """`await lab(method, params)` is the result; `lab.document` the list."""

    async def answer(request: web.Request) -> web.Response:
        body = (await request.read()).decode()
        if request.path == "/v1/rpc":
            return web.json_response({"jsonrpc": "2.0", "result": "by rpc", "id": json.loads(body)["id"]})
        return web.json_response([request.method, request.raw_path, body])

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with gate_of(CONFIG.format(url=url)) as gate, aiohttp.ClientSession() as session:
        address = "http://{}:{}".format(*gate.address)
        headers = {"Authorization": f"Bearer {token_for('ada', 'lab')}"}

        async def call(method: str, params: Any) -> Any:
            message = {"jsonrpc": "2.0", "id": 1, "method": f"tiles.{method}", "params": params}
            async with session.post(f"{address}/rpc", json=message, headers=headers) as response:
                return (await response.json())["result"]

        async with session.get(f"{address}/openrpc.json", headers=headers) as response:
            listed = {one["name"].removeprefix("tiles."): one for one in (await response.json())["methods"]}
        yield call, listed
    await runner.cleanup()


async def test_a_request_that_the_operator_writes_makes_a_method_of_its_verb_and_path(lab) -> None:
    call, _ = lab
    assert await call("get_tile", {"level": 3, "x": "a/b", "scale": 1.50, "more": "é"}) == [
        "GET",
        "/v1/tiles/3/a%2Fb.png?scale=1.5&more=%C3%A9",
        "",
    ]
    assert await call("get_tile", [3, 4]) == ["GET", "/v1/tiles/3/4.png", ""]
    assert await call("put_tile", {"level": 3, "title": "T"}) == ["PUT", "/v1/tiles/3", '{"title":"T"}']
    assert await call("find", {"a": [1]}) == ["POST", "/v1/find", '{"a":[1]}']
    assert await call("delete_tile", {"level": 3}) == ["DELETE", "/v1/tiles/3", ""]
    assert await call("add", [1, 2]) == "by rpc"


async def test_its_parameters_are_those_of_the_path_and_then_those_written_beside_it(lab) -> None:
    _, listed = lab
    tile = listed["get_tile"]
    assert [(one["name"], one["required"]) for one in tile["params"]] == [
        ("level", True),
        ("x", True),
        ("scale", False),
    ]
    assert tile["x-labgate"] == {"safe": True, "idempotent": True}
    assert listed["put_tile"]["x-labgate"] == {"idempotent": True}
    assert listed["find"]["x-labgate"] == {"safe": True, "idempotent": True, "cache": {"fresh": 3600}}
    assert "x-labgate" not in listed["delete_tile"]
    assert listed["add"]["paramStructure"] == "either"


@pytest.mark.parametrize(
    ("service", "found"),
    [
        ('{dialect: listed, url: "http://h", methods: {a: {http: "GET tiles"}}}', "is no verb and path"),
        ('{dialect: listed, url: "http://h", methods: {a: {http: "get /tiles"}}}', "is no verb and path"),
        ('{dialect: listed, url: "http://h", methods: {a: {http: "GET /a?b=c"}}}', "is no verb and path"),
        ('{dialect: listed, url: "http://h", methods: {a: {http: "GET /a b"}}}', "is no verb and path"),
        (
            '{dialect: listed, url: "http://h", methods: {a: {http: "GET /{a}/{a}"}}}',
            "names a parameter twice",
        ),
        ('{dialect: listed, url: "http://h", methods: {a: {http: "GET /a/%2e%2e/b"}}}', "has a step"),
        ('{dialect: listed, url: "http://h", methods: {a: {http: "GET /{}/x"}}}', "has braces"),
        ('{dialect: listed, url: "http://h", methods: {a: {http: "GET /{a/x"}}}', "has braces"),
        ('{dialect: listed, url: "http://h", methods: {"a*": {http: "GET /x"}}}', "describes one method"),
        (
            '{dialect: openapi, url: "http://h", methods: {a: {http: "GET /x"}}}',
            "only methods of the dialect",
        ),
        ('{url: "http://h", methods: {a: {http: "GET /x"}}}', "only methods of the dialect"),
        ('{url: "http://h", names: title}', "names"),
    ],
)
def test_a_request_that_is_none_is_a_problem_with_a_line_and_a_fix(
    service: str, found: str, tmp_path: Path
) -> None:
    file = tmp_path / "labgate.yaml"
    file.write_text(f"services:\n  tiles: {service}\n")
    settings, problems = examine(file, {})
    assert settings is None
    errors = [problem for problem in problems if problem.level == "error"]
    assert len(errors) == 1
    assert found in str(errors[0])
    assert errors[0].line == 2
    assert errors[0].fix
