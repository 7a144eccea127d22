"""Upstreams that answer JSON-RPC over real HTTP, as the tests tell them to."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDictProxy

from gateway.core.call import Call, Params
from gateway.core.method import Method, RpcBinding
from gateway.core.ports import Dialect
from gateway.core.principal import ANONYMOUS
from gateway.core.reply import Reply
from gateway.core.service import Description, Service
from gateway.dialects.jsonrpc import JsonRpcDialect
from gateway.upstreams.replicas import HttpUpstream

SHAPES = Path(__file__).with_name("shapes")

Answering = Callable[["Speaker", web.BaseRequest, bytes], Awaitable[web.Response]]


@dataclass
class Speaker:
    """A running upstream; `asked` holds (verb, path, method) of every request in order."""

    answering: Answering
    url: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    fields: list[CIMultiDictProxy[str]] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        method = json.loads(body)["method"] if body else ""
        self.asked.append((request.method, request.path, method))
        self.bodies.append(body)
        self.fields.append(request.headers)
        return await self.answering(self, request, body)


@pytest.fixture
async def speaker() -> AsyncIterator[Callable[[Answering], Awaitable[Speaker]]]:
    """`await speaker(answering)`: a running upstream."""
    async with AsyncExitStack() as ends:

        async def start(answering: Answering) -> Speaker:
            made = Speaker(answering)
            runner = web.ServerRunner(web.Server(made.handle), shutdown_timeout=0.1)
            await runner.setup()
            ends.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            return made

        yield start


@pytest.fixture
def offering(speaker) -> Callable[..., Awaitable[Speaker]]:
    """`await offering({method: result})`: answers these at `path`, -32601 to others, and 404 with HTML elsewhere.

    A result may be a function of the params.
    """

    async def start(
        results: Mapping[str, Any], path: str = "/", documents: Mapping[str, str] = {}
    ) -> Speaker:
        async def answering(_: Speaker, request: web.BaseRequest, body: bytes) -> web.Response:
            if request.method == "GET" and request.path in documents:
                return web.Response(text=documents[request.path], content_type="application/json")
            if request.path != path or request.method != "POST":
                return web.Response(status=404, text="<h1>Not Found</h1>", content_type="text/html")
            asked = json.loads(body)
            answer: dict[str, Any] = {"jsonrpc": "2.0", "id": asked["id"]}
            if asked["method"] in results:
                result = results[asked["method"]]
                answer["result"] = result(*asked["params"]) if callable(result) else result
            else:
                answer["error"] = {"code": -32601, "message": "Method not found"}
            return web.json_response(answer)

        return await speaker(answering)

    return start


@pytest.fixture
async def describe() -> AsyncIterator[Callable[..., Awaitable[Description]]]:
    """`await describe(url, **settings of the service)`: what the dialect makes of it."""
    async with AsyncExitStack() as ends:

        async def asked(*urls: str, seconds: float = 20.0, **settings: Any) -> Description:
            service = Service("jobs", "jsonrpc", urls, **settings)
            upstream = HttpUpstream(service)
            ends.push_async_callback(upstream.close)
            deadline = asyncio.get_running_loop().time() + seconds
            return await JsonRpcDialect().describe(service, upstream, deadline)

        yield asked


@pytest.fixture
async def perform() -> AsyncIterator[Callable[..., Awaitable[Reply]]]:
    """`await perform(url, method, params)`: one call, over connections of its own."""
    async with AsyncExitStack() as ends:

        async def called(
            url: str,
            method: str = "add",
            params: bytes | None = b"[1,2]",
            *,
            safe: bool = True,
            seconds: float = 20.0,
            address: str = "/api",
            notification: bool = False,
            dialect: Dialect | None = None,
            **settings: Any,
        ) -> Reply:
            service = Service("jobs", "jsonrpc", (url,), **settings)
            upstream = HttpUpstream(service)
            ends.push_async_callback(upstream.close)
            call = Call(
                "req-1",
                ANONYMOUS,
                Method(f"jobs.{method}", "jobs", RpcBinding(method), safe=safe),
                Params(params),
                asyncio.get_running_loop().time() + seconds,
                notification=notification,
            )
            return await (dialect or JsonRpcDialect()).perform(call, service, address, upstream)

        yield called


@pytest.fixture
def shape() -> Callable[[str], dict[str, Any]]:
    """`shape(name)`: how a real server answered; its `convention` and `result`."""
    return lambda name: json.loads((SHAPES / f"{name}.json").read_text())
