"""A gate in front of services whose documents are cyclic, huge, broken, or speak of other servers."""

import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web

REF = {"$ref": "#/components/schemas/A"}
GOOD: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "x", "version": "1"},
    "paths": {"/here": {"get": {"operationId": "here", "responses": {"200": {"description": ""}}}}},
}
CYCLIC = GOOD | {
    "paths": {
        "/here": {
            "post": {
                "operationId": "here",
                "requestBody": {"content": {"application/json": {"schema": REF}}},
                "responses": {"200": {"description": "", "content": {"application/json": {"schema": REF}}}},
            }
        },
        "/again": {"$ref": "#/paths/~1again"},
    },
    "components": {"schemas": {"A": {"allOf": [REF], "properties": {"a": REF, "b": {"items": REF}}}}},
}
DOCUMENTS: dict[str, Any] = {
    "good": GOOD,
    "cyclic": CYCLIC,
    "huge": GOOD | {"x-padding": ["x" * 1000] * 100},
    "many": GOOD | {"paths": {f"/p{n}": {"get": {"operationId": f"p{n}"}} for n in range(30)}},
    "invalid": {"openapi": "3.1.0", "paths": {"/a": 5, "b": {}, "/c": {"get": [], "put": {"parameters": 7}}}},
    "broken": '{"openapi": "3.1.0", "paths": ',
    "none": {"hello": "world"},
}
CONFIG = """\
limits: {{describe: 50KiB, methods: 20}}
policies: [{{to: ["group:lab"], allow: ["*"], operate: true}}]
services:
  good: {{dialect: openapi, url: {url}, describe: /good}}
  cyclic: {{dialect: openapi, url: {url}, describe: /cyclic}}
  huge: {{dialect: openapi, url: {url}, describe: /huge}}
  many: {{dialect: openapi, url: {url}, describe: /many}}
  invalid: {{dialect: openapi, url: {url}, describe: /invalid}}
  broken: {{dialect: openapi, url: {url}, describe: /broken}}
  none: {{dialect: openapi, url: {url}, describe: /none}}
  elsewhere: {{dialect: openapi, url: {url}, describe: /elsewhere}}
"""


@pytest.fixture
async def servers():
    """The lab's own server and a stranger's: their addresses, and what each was asked."""
    runners, urls, asked = [], [], []
    for _ in range(2):
        seen: list[str] = []

        async def answer(request: web.Request, seen: list[str] = seen) -> web.Response:
            document = DOCUMENTS.get(request.path.lstrip("/"))
            if request.path == "/elsewhere":
                document = GOOD | {"servers": [{"url": urls[1]}, {"url": f"{urls[1]}/v2"}]}
            if document is None:
                seen.append(request.path)
                return web.json_response({"at": request.path})
            text = document if isinstance(document, str) else json.dumps(document)
            return web.Response(text=text, content_type="application/json")

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        # Another name for the same machine is another host.
        host = "localhost" if urls else "127.0.0.1"
        urls.append(f"http://{host}:{runner.addresses[0][1]}")
        asked.append(seen)
    yield urls, asked
    for runner in runners:
        await runner.cleanup()


async def test_bad_documents_cost_other_services_nothing_and_never_lead_elsewhere(
    gate_of, token_for, servers
) -> None:
    urls, asked = servers
    async with gate_of(CONFIG.format(url=urls[0])) as gate, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {token_for('ada', 'lab')}"}

        async def fetched(path: str, address: tuple[str, int] = gate.address) -> Any:
            async with session.get("http://{}:{}{}".format(*address, path), headers=headers) as response:
                return await response.json()

        names = {method["name"] for method in (await fetched("/openrpc.json"))["methods"]}
        few = {name for name in names if not name.startswith("many.")}
        assert few == {"good.here", "cyclic.here", "invalid.put_c", "elsewhere.here"}
        assert len(names - few) == 20
        assert set((await fetched("/openapi.json"))["paths"]) == {f"/rpc/{name}" for name in names}
        services = (await fetched("/-/status", gate.operator_address))["services"]
        assert {name for name, one in services.items() if one["down"]} == {"huge", "broken", "none"}
        assert "more than 51200 bytes" in services["huge"]["why"]
        assert services["many"]["left_out"] == 10
        assert await fetched("/rpc/good.here") == {"at": "/here"}
        assert await fetched("/rpc/elsewhere.here") == {"at": "/here"}
        assert asked == [["/here", "/here"], []]
