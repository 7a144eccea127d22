"""A small lab behind a gate: one JSON-RPC service whose odd methods answer as the worst upstreams do."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web


def _helper(name: str) -> None:
    """Make a file of helpers importable by its name: tests are imported by path, and find nothing beside them."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


_helper("mounting")
_helper("rfc9111")
_helper("mounted_labs")
_helper("source_labs")
_helper("console_lab")

CONFIG = """\
limits: {{batch: 20, body: 1MiB}}
policies:
  - {{to: ["group:lab"], allow: ["calc.*"], operate: true}}
  - {{to: ["group:guests"], allow: ["calc.sub", "calc.get"]}}
services:
  calc:
    dialect: jsonrpc
    url: {url}
    rpc_path: /api
    timeout: 20s
    methods:
      "get*": {{safe: true, cache: {{fresh: 1h, tags: [numbers]}}}}
      "set": {{invalidates: [numbers]}}
      "sub": {{params: [minuend, subtrahend]}}
"""

_RAW = re.compile(rb'"params":(.*),"id":', re.DOTALL)


@dataclass
class Calc:
    """An upstream that computes, and misbehaves by method. It counts what it was asked."""

    url: str = ""
    calls: Counter[str] = field(default_factory=Counter)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    value: int = 0
    waiting: int = 0
    gathered: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        called = json.loads(body)
        method, params = called["method"], called.get("params", [])
        self.calls[method] += 1
        if method in ("rpc.discover", "system.describe"):
            return (
                self._described(called) if method == "system.describe" else self._error(called, -32601, "no")
            )
        if method == "echo":
            found = _RAW.search(body)
            raw = found[1] if found else b"null"
            token = json.dumps(called["id"]).encode()
            return _json(b'{"jsonrpc":"2.0","result":' + raw + b',"id":' + token + b"}")
        odd = getattr(self, f"_{method}", None)
        if odd is not None:
            return await odd(request, called, params)
        return self._error(called, -32601, f"no {method}")

    NAMES = ("get_fail", "get_difference", "get_more", "get_noticed", "sub", "note", "echo", "fail", "odd_code", "wrong_id", "html", "empty", "cut", "meet", "get", "set", "value", "stuck", "null_error", "one_dot_zero")  # fmt: skip

    def _described(self, called: dict) -> web.Response:
        return self._result(
            called, {"sdversion": "1.0", "name": "calc", "procs": [{"name": n} for n in self.NAMES]}
        )

    def _result(self, called: dict, value: object) -> web.Response:
        return _json(json.dumps({"jsonrpc": "2.0", "result": value, "id": called["id"]}).encode())

    def _error(self, called: dict, code: int, message: str, **more: object) -> web.Response:
        error = {"code": code, "message": message, **more}
        return _json(json.dumps({"jsonrpc": "2.0", "error": error, "id": called["id"]}).encode())

    async def _sub(self, request, called, params):
        try:
            if isinstance(params, dict):
                return self._result(
                    called, params.pop("minuend") - params.pop("subtrahend") - len(params) * 1000
                )
            minuend, subtrahend = params
        except (KeyError, ValueError):
            return self._error(called, -32602, "sub takes minuend and subtrahend")
        return self._result(called, minuend - subtrahend)

    async def _note(self, request, called, params):
        self.value += 1
        return self._result(called, self.value)

    _set = _note

    async def _value(self, request, called, params):
        return self._result(called, params[0] if params else None)

    async def _get(self, request, called, params):
        return self._result(called, self.value)

    async def _fail(self, request, called, params):
        return self._error(called, -32000, "boom", data={"big": 10**30}, name="Boom")

    _get_fail = _fail
    _get_difference = _sub
    _get_more = _sub

    async def _get_noticed(self, request, called, params):
        response = self._result(called, self.calls["get_noticed"])
        for words in params:
            response.headers.add("Warning", f'299 - "{words}"')
        return response

    async def _odd_code(self, request, called, params):
        return self._error(called, 42, "odd")

    async def _wrong_id(self, request, called, params):
        return self._result(called | {"id": "somebody else's"}, 1)

    async def _html(self, request, called, params):
        return web.Response(text="<html>secret stack trace</html>", content_type="text/html", status=500)

    async def _empty(self, request, called, params):
        return web.Response(status=204)

    async def _cut(self, request, called, params):
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"jsonrpc":"2.0","result":')
        request.transport.close()
        return response

    async def _meet(self, request, called, params):
        self.waiting += 1
        if self.waiting == params[0]:
            self.gathered.set()
        await self.gathered.wait()
        return self._result(called, self.waiting)

    async def _stuck(self, request, called, params):
        await asyncio.Event().wait()

    async def _null_error(self, request, called, params):
        return _json(json.dumps({"result": 5, "error": None, "id": called["id"]}).encode())

    async def _one_dot_zero(self, request, called, params):
        return _json(json.dumps({"result": None, "error": "went wrong", "id": called["id"]}).encode())


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


@dataclass
class Lab:
    """The gate, its upstream, and a caller of each kind."""

    calc: Calc
    address: str
    operator: str
    token: str
    guest: str
    session: aiohttp.ClientSession
    gate: object

    async def post(self, body: bytes, *, token: str | None = "", path: str = "/rpc", **headers: str):
        fields = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        if token is not None:
            fields["Authorization"] = f"Bearer {token or self.token}"
        async with self.session.post(self.address + path, data=body, headers=fields) as response:
            return response.status, response.headers, await response.read()

    async def call(self, method: str, params: object = None, **how):
        message = {"jsonrpc": "2.0", "method": method, "id": 1}
        if params is not None:
            message["params"] = params
        _, headers, body = await self.post(json.dumps(message).encode(), **how)
        return json.loads(body), headers


@pytest.fixture
async def lab(gate_of, token_for):
    calc = Calc()
    app = web.Application(client_max_size=1 << 30)
    app.router.add_post("/api", calc.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    calc.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with gate_of(CONFIG.format(url=calc.url)) as gate, aiohttp.ClientSession() as session:
        host, port = gate.address
        yield Lab(
            calc,
            f"http://{host}:{port}",
            "http://{}:{}".format(*gate.operator_address),
            token_for("alice", "lab"),
            token_for("gwen", "guests"),
            session,
            gate,
        )
    await runner.cleanup()


@pytest.fixture(scope="session")
def vector_world():
    """An issuer whose tokens hold now, and the module identity/vectors.py."""
    path = Path(__file__).parent.parent / "identity" / "vectors.py"
    spec = importlib.util.spec_from_file_location("doors_vectors", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.World(time.time()), module


@pytest.fixture
async def stand(gate_of, token_for, tmp_path):
    from mounting import Stand

    async with AsyncExitStack() as ends:
        yield Stand(gate_of, token_for, str(tmp_path / "labgate.yaml"), ends)


@pytest.fixture
async def sources(gate_of, token_for):
    from source_labs import source_lab

    async with source_lab(gate_of, token_for) as made:
        yield made
