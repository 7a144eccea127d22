"""`/openapi.json` and the addresses it names: whoever has the document alone can call everything in it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web
from openapi_spec_validator import OpenAPIV31SpecValidator

DOCUMENTS = Path(__file__).parents[1] / "dialects" / "openapi_documents"
LAB = """\
policies:
  - {{to: ["group:lab"], allow: ["*"]}}
  - {{to: ["group:guests"], allow: ["echo.get"]}}
services:
  echo:
    dialect: jsonrpc
    url: {url}
    rpc_path: /api
    methods:
      "get*": {{safe: true}}
      "get_cached": {{cache: {{fresh: 1h}}}}
  tiles: {{dialect: openapi, url: "{url}", describe: /tiles-3.1.json}}
  runs: {{dialect: openapi, url: "{url}", describe: /runs-2.0.json}}
  old: {{dialect: openapi, url: "{url}", describe: /jobs-3.0.yaml}}
datastacks:
  fly.v1: {{services: {{roots: {{dialect: jsonrpc, url: "{url}", rpc_path: /api}}}}}}
"""

SCHEMAS: dict[str, Any] = {
    "text": {"type": "string"},
    "count": {"type": "integer"},
    "share": {"type": "number", "exclusiveMinimum": True, "minimum": 0},
    "flag": {"type": "boolean"},
    "maybe": {"type": ["string", "null"]},
    "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    "list": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}},
    "table": {"type": "object"},
    "color": {"$ref": "#/components/schemas/Color"},
    "open": {},
    "a b&c": {"type": "string", "nullable": True},
}
PARAMS = [{"name": name, "schema": schema} for name, schema in SCHEMAS.items()]
ECHO: dict[str, Any] = {
    "openrpc": "1.3.2",
    "info": {"title": "echo", "version": "1"},
    "components": {"schemas": {"Item": {}, "Color": {"enum": ["red", "5"], "default": 7}}},
    "methods": [
        {"name": "get", "params": PARAMS},
        {"name": "get_cached", "params": PARAMS[:1]},
        {"name": "get_none", "params": []},
        {"name": "get_formatted", "params": [{"name": "format", "schema": {}}, *PARAMS]},
        {"name": "get_in_order", "params": PARAMS, "paramStructure": "by-position"},
        {"name": "set", "params": [PARAMS[0] | {"required": True}, *PARAMS[1:]]},
        {"name": "set_in_order", "params": PARAMS, "paramStructure": "by-position"},
        {"name": "set_none", "params": []},
        {"name": "odd/{name} x", "params": PARAMS},
    ],
}
# Values that would be taken for another if a query or the gate took liberties.
VALUES: dict[str, Any] = {
    "text": '5 & "é" + %2F',
    "count": 123456789012345678901234567890,
    "share": 1.5,
    "flag": True,
    "maybe": "null",
    "either": "5",
    "list": ["5", 5, None, {"a": [1]}],
    "table": {"a": {"b": "5"}},
    "color": "5",
    "open": "5",
    "a b&c": "=",
}
EXAMPLES: dict[str, Any] = {
    "integer": 7,
    "number": 0.5,
    "boolean": False,
    "array": ["a", "b,c"],
    "object": {"a": 1},
}


async def upstream(request: web.Request) -> web.StreamResponse:
    """JSON-RPC at /api, the documents at their names, and whatever else as a REST service that tells what it was asked."""
    file = DOCUMENTS / request.path.lstrip("/")
    if request.method == "GET" and file.is_file():
        return web.Response(text=file.read_text(), content_type="application/json")
    body = await request.read()
    if request.path != "/api":
        # A boundary is another each time.
        kind = request.content_type
        sent = body.decode() if "multipart" not in kind else body.count(b"Content-Disposition")
        return web.json_response([request.method, request.raw_path, kind, sent])
    called = json.loads(body)
    result = ECHO if called["method"] == "rpc.discover" else [called["method"], called.get("params")]
    return web.json_response({"jsonrpc": "2.0", "result": result, "id": called["id"]})


@dataclass
class Caller:
    """Someone with an address and a token."""

    session: aiohttp.ClientSession
    address: str
    token: str
    guest: str
    upstream: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    async def ask(self, verb: str, target: str, body: Any = None, **fields: str) -> tuple[int, Any, bytes]:
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        headers |= {name.replace("_", "-"): value for name, value in fields.items()}
        url = aiohttp.client.URL(self.address + target, encoded=True)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        skipped = () if "Content-Type" in headers else ("Content-Type",)
        async with self.session.request(
            verb, url, data=data, headers=headers, skip_auto_headers=skipped
        ) as answer:
            return answer.status, answer.headers, await answer.read()

    async def document(self, query: str = "", **fields: str) -> Any:
        status, _, body = await self.ask("GET", f"/openapi.json{query}", **fields)
        assert status == 200
        read = json.loads(body)
        OpenAPIV31SpecValidator(read).validate()
        return read

    async def rpc(self, method: str, params: Any, path: str = "/rpc") -> Any:
        message = {"jsonrpc": "2.0", "id": 1, "method": method} | ({"params": params} if params else {})
        return json.loads((await self.ask("POST", path, message))[2])["result"]


@pytest.fixture
async def lab(gate_of, token_for):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", upstream)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with gate_of(LAB.format(url=url)) as gate, aiohttp.ClientSession() as session:
        address = "http://{}:{}".format(*gate.address)
        yield Caller(session, address, token_for("ada", "lab"), token_for("gwen", "guests"), url)
    await runner.cleanup()


def resolved(document: Any, value: Any) -> Any:
    """What a reference of the document leads to."""
    while "$ref" in value:
        at = document
        for step in value["$ref"].removeprefix("#/").split("/"):
            at = at[step]
        value = at
    return value


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            yield path, verb, operation


def text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def request(document: Any, path: str, operation: Any, arguments: dict[str, Any]) -> tuple[str, Any]:
    """The target and the body of a call, by nothing but the document."""
    pairs: list[tuple[str, str]] = []
    for parameter in operation["parameters"]:
        parameter = resolved(document, parameter)
        name, schema = parameter["name"], parameter.get("schema", {})
        if name == "datastack":
            pairs.append((name, schema["enum"][0]))
        elif parameter.get("explode") and schema.get("type") == "object":
            pairs += [(each, text(value)) for each, value in arguments.items()]
        elif name in arguments and "requestBody" not in operation:
            written = json.dumps(arguments[name]) if "content" in parameter else text(arguments[name])
            pairs.append((name, written))
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
    target = document["servers"][0]["url"].rstrip("/") + path + (f"?{query}" if query else "")
    return target, arguments if "requestBody" in operation else None


def arguments_of(document: Any, operation: Any) -> dict[str, Any]:
    """A value for each argument that an operation describes."""
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        described = schema.get("properties", {"more": {}})
    else:
        parameters = [resolved(document, one) for one in operation["parameters"]]
        described = {
            one["name"]: one.get("schema") or one["content"]["application/json"]["schema"]
            for one in parameters
            if one["name"] not in ("format", "datastack")
        }
        described = {"more": {}} if list(described) == ["arguments"] else described
    return {
        name: VALUES.get(name, EXAMPLES.get(str(one.get("type")), "v")) for name, one in described.items()
    }


@pytest.mark.parametrize("datastack", [None, "fly.v1"])
async def test_every_method_can_be_called_as_the_document_describes_it(lab, datastack):
    document = await lab.document(f"?datastack={datastack}" if datastack else "")
    called = set()
    for path, verb, operation in operations(document):
        name = operation["operationId"]
        arguments = arguments_of(document, operation)
        target, body = request(document, path, operation, arguments)
        status, _, answer = await lab.ask(verb.upper(), target, body)
        in_order = "in_order" in name
        params = list(arguments.values()) if in_order else arguments
        rpc = await lab.rpc(name, params, f"/rpc/{datastack}" if datastack else "/rpc")
        assert (name, status, json.loads(answer)) == (name, 200, rpc)
        called.add((name, verb))
    assert {"echo.get", "echo.set", "echo.odd/{name} x", "tiles.put_image", "runs.add_file"} <= {
        name for name, _ in called
    }
    assert {verb for _, verb in called} == {"get", "post"}
    assert (("roots.set", "post") in called) == bool(datastack)


async def test_arguments_that_are_left_out_stay_absent_and_no_body_is_needed_where_none_is_described(lab):
    assert (await lab.ask("POST", "/rpc/echo.set_none"))[2] == b'["set_none", null]'
    assert json.loads((await lab.ask("POST", "/rpc/echo.set", {"text": "x"}))[2]) == ["set", {"text": "x"}]
    status, _, body = await lab.ask("GET", "/rpc/echo.get_in_order?count=5")
    assert (status, json.loads(body)["data"]["fault"]) == (400, "InvalidParams")
    assert json.loads((await lab.ask("GET", "/rpc/echo.get_in_order?text=5&count=5"))[2]) == [
        "get_in_order",
        ["5", 5],
    ]


async def test_the_document_says_what_this_caller_may_call_and_its_tag_says_which(lab):
    lab.token = lab.guest
    document = await lab.document()
    assert list(document["paths"]) == ["/rpc/echo.get"]
    _, headers, _ = await lab.ask("GET", "/openapi.json")
    tag = headers["ETag"]
    assert tag.startswith(f'"{document["x-labgate"]["catalog"]}-')
    assert (await lab.ask("GET", "/openapi.json", If_None_Match=tag))[0] == 304
    assert (await lab.ask("GET", "/openrpc.json", If_None_Match=tag))[0] == 200
    assert (await lab.ask("GET", "/openapi.json?datastack=no"))[0] == 404


async def test_a_known_datastack_goes_before_a_method_of_the_same_name(lab):
    message = {"jsonrpc": "2.0", "id": 1, "method": "roots.get", "params": []}
    status, _, body = await lab.ask("POST", "/rpc/fly.v1", message)
    assert (status, json.loads(body)["result"]) == (200, ["get", []])
    status, _, body = await lab.ask("POST", "/rpc/fly.v2", message)
    assert (status, json.loads(body)["data"]["fault"]) == (404, "UnknownMethod")
    status, _, body = await lab.ask("POST", "/rpc/fly", message)
    assert (status, json.loads(body)["error"]["data"]["fault"]) == (200, "UnknownDatastack")
    status, _, body = await lab.ask("POST", "/rpc/echo.get?datastack=no", {})
    assert (status, json.loads(body)["error"]["data"]["fault"]) == (404, "UnknownDatastack")


async def test_what_may_change_something_is_called_by_post_alone(lab):
    for verb in ("GET", "HEAD", "QUERY"):
        status, headers, _ = await lab.ask(verb, "/rpc/echo.set", {} if verb == "QUERY" else None)
        assert (verb, status, headers["Allow"]) == (verb, 405, "POST")
    assert (await lab.ask("QUERY", "/rpc/echo.get", {"text": "x"}))[2] == b'["get", {"text": "x"}]'


@pytest.mark.parametrize(
    ("fields", "body", "status"),
    [
        ({"Content_Type": "text/plain"}, b"{}", 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, b"text=x", 415),
        ({"Content_Type": "multipart/form-data; boundary=x"}, b"--x--", 415),
        ({"Content_Type": "application/msgpack"}, b"\x80", 415),
        ({"Content_Type": "application/json", "Content_Encoding": "gzip"}, b"{}", 415),
        ({"Content_Type": "application/json"}, b"", 400),
        ({"Content_Type": "application/json"}, b"{", 400),
        ({"Content_Type": "application/json"}, b"5", 400),
        ({"Content_Type": "application/json"}, b"\xff", 400),
        ({"Content_Type": "application/json"}, b"[" * 1000 + b"]" * 1000, 400),
        ({"Content_Type": "application/json; charset=utf-8"}, b'{"text":1e400}', 200),
    ],
)
async def test_a_body_that_a_page_could_send_unasked_or_that_is_no_json_is_refused(lab, fields, body, status):
    found, headers, answer = await lab.ask("POST", "/rpc/echo.set", body, **fields)
    assert found == status
    assert headers["Cache-Control"] == "no-store"
    if status != 200:
        assert "code" in json.loads(answer)


async def test_an_empty_body_without_a_type_is_taken_from_those_who_show_a_credential(gate_of, lab):
    config = 'identity: {anonymous: true}\npolicies: [{to: [anonymous], allow: ["*"]}]\n'
    config += f"services: {{echo: {{dialect: jsonrpc, url: {lab.upstream}, rpc_path: /api}}}}\n"
    async with gate_of(config) as gate:
        url = "http://{}:{}/rpc/echo.set_none".format(*gate.address)
        skipped = ("Content-Type",)
        async with lab.session.post(url, skip_auto_headers=skipped) as answer:
            assert answer.status == 415
        async with lab.session.post(url, json={}) as answer:
            assert answer.status == 200


async def test_arguments_in_the_query_of_a_post_are_refused_and_not_lost(lab):
    status, _, body = await lab.ask("POST", "/rpc/echo.set?text=x", {})
    assert (status, json.loads(body)["data"]["fault"]) == (400, "InvalidParams")
    assert (await lab.ask("POST", "/rpc/echo.set?format=csv", {}))[0] == 406


async def test_by_position_an_argument_is_given_once_and_has_a_known_name(lab):
    for body in (b'{"text":1,"text":2}', b'{"nobody":1}', b'{"count":1}'):
        status, _, answer = await lab.ask("POST", "/rpc/echo.set_in_order", body)
        assert (status, json.loads(answer)["data"]["fault"]) == (400, "InvalidParams")
    assert (await lab.ask("POST", "/rpc/echo.set_in_order", b"[1.0]"))[2] == b'["set_in_order", [1.0]]'
    assert (await lab.ask("POST", "/rpc/echo.set_in_order", b"{}"))[0] == 200


async def test_a_gate_reads_the_list_of_another_gate_and_calls_all_of_it(gate_of, lab):
    config = f"""\
    policies: [{{to: ["group:lab"], allow: ["*"]}}]
    services:
      inner:
        dialect: openapi
        url: {lab.address}
        headers: {{Authorization: "Bearer {lab.token}"}}
    """
    names = [operation["operationId"] for _, _, operation in operations(await lab.document())]
    async with gate_of(config) as gate:
        outer = Caller(lab.session, "http://{}:{}".format(*gate.address), lab.token, lab.guest)
        document = await outer.document()
        # What is no name is made one of verb and path.
        assert {operation["operationId"] for _, _, operation in operations(document)} == {
            "inner.post_rpc_echo_odd_2F_7Bname_7D_20x" if "{" in name else f"inner.{name}" for name in names
        }
        for path, verb, operation in operations(document):
            name = operation["operationId"].removeprefix("inner.")
            arguments = arguments_of(document, operation)
            target, body = request(document, path, operation, arguments)
            status, _, answer = await outer.ask(verb.upper(), target, body)
            name = "echo.odd/{name} x" if "odd" in name else name
            in_order = "in_order" in name
            rpc = await lab.rpc(name, list(arguments.values()) if in_order else arguments)
            assert (name, status, json.loads(answer)) == (name, 200, rpc)


async def test_a_public_url_is_where_the_document_says_calls_go(gate_of, lab):
    config = (
        f"public_url: https://gate.lab.org\nservices: {{echo: {{url: {lab.upstream}, rpc_path: /api}}}}\n"
    )
    async with gate_of(config + 'policies: [{to: [authenticated], allow: ["*"]}]\n') as gate:
        caller = Caller(lab.session, "http://{}:{}".format(*gate.address), lab.token, lab.guest)
        assert (await caller.document())["servers"] == [{"url": "https://gate.lab.org"}]
