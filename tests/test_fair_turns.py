"""Do callers of a service that does little at once get their turns one after the other, whichever door they come through?"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

CONFIG = """\
policies: [{{to: [authenticated], allow: ["*", "/**"]}}]
services:
  slow:
    dialect: listed
    url: {url}
    mount: /slow
    concurrency: 1
    methods:
      "item": {{http: "GET /item/{{name}}", safe: true}}
"""


@dataclass
class Slow:
    """A service whose every answer waits until it is let go; it keeps who asked in which order."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path.rpartition("/")[2])
        self.came.set()
        await self.let_go.wait()
        return web.json_response(request.path)


@pytest.fixture
async def slow() -> AsyncIterator[Slow]:
    """Such a service."""
    made = Slow()
    runner = web.ServerRunner(web.Server(made.answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.mark.parametrize("door", ["mount", "rpc"])
async def test_many_requests_of_one_caller_keep_the_one_of_another_waiting_for_a_turn_and_no_more(
    door: str, slow: Slow, gate_of: Any, token_for: Any
) -> None:
    async with gate_of(CONFIG.format(url=slow.url)) as gate, aiohttp.ClientSession() as session:
        base = f"http://127.0.0.1:{gate.address[1]}"

        async def ask(token: str, name: str) -> int:
            fields = {"Authorization": f"Bearer {token}"}
            path = f"/slow/item/{name}" if door == "mount" else f"/rpc/slow.item?name={name}"
            async with session.get(base + path, headers=fields) as response:
                return response.status

        alice, bob = token_for("alice"), token_for("bob")
        asking = [asyncio.ensure_future(ask(alice, "a0"))]
        await slow.came.wait()
        upstream = gate.relay.routes["slow"].upstream

        async def queued(count: int) -> None:
            async with asyncio.timeout(20):
                while upstream.waiting < count:
                    await asyncio.sleep(0.001)

        asking += [asyncio.ensure_future(ask(alice, f"a{number}")) for number in range(1, 6)]
        await queued(5)
        asking += [asyncio.ensure_future(ask(bob, "b"))]
        await queued(6)
        slow.let_go.set()
        assert set(await asyncio.gather(*asking)) == {200}
    assert slow.asked.index("b") == 2
