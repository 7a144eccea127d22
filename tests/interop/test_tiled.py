"""A real Tiled server behind the gate, and the real client before it: nothing leads it past the gate."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

# The first test may have to build the environment.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

API_KEY = "0a1b2c3d4e5f"
CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"]}}
services:
  scans:
    dialect: listed
    url: {url}
    mount: /lab/scans
    links: true
    http_cache: {{drop_cookies: [tiled_csrf], secret_query: [api_key]}}
"""
KEPT = """\
    methods: {"http": {cache: {fresh: 1h, share: everyone}}}
"""


class Between:
    """Stands before an upstream; `said` is what came this way for it."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.said = bytearray()
        self._to = port
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass everything on, both ways."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        upstream = await asyncio.open_connection("127.0.0.1", self._to)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, upstream[1], self.said))
                both.create_task(self._pass(upstream[0], writer, bytearray()))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytearray
    ) -> None:
        while data := await reader.read(1 << 16):
            said += data
            writer.write(data)
            await writer.drain()
        writer.close()

    @property
    def requests(self) -> int:
        """How many came this way."""
        return self.said.count(b" HTTP/1.1\r\n")

    @property
    def passed_on(self) -> int:
        """How many of them a gate has passed on."""
        return self.said.count(b"\r\nVia: 1.1 labgate-")

    async def stop(self) -> None:
        """Let nobody wait."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def between(port: int) -> AsyncIterator[Between]:
    """Look at what goes to this port; `port` is where to go instead."""
    made = Between(port)
    async with await asyncio.start_server(made.accept, "127.0.0.1", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made
        await made.stop()


Walk = Callable[..., Any]


@pytest.fixture
async def walk(fresh_upstream: Any, calls_of: Any, gate_of: Any, token_for: Any) -> AsyncIterator[Walk]:
    """`async with walk(more, key)`: a walk of the client through a gate, the gate's address, and what the server was asked.

    `more` are further settings of the service.
    """
    direct = await asyncio.to_thread(fresh_upstream, "tiled", "anonymous")
    async with between(direct.port) as asked:

        @asynccontextmanager
        async def at(more: str = "", key: str = API_KEY) -> AsyncIterator[Any]:
            text = CONFIG.format(url=f"http://127.0.0.1:{asked.port}") + more
            async with gate_of(text) as gate:
                address = "http://{}:{}/lab/scans/api/v1".format(*gate.address)
                token = token_for("ada", "lab")

                async def walked() -> dict[str, Any]:
                    found: dict[str, Any] = await asyncio.to_thread(
                        calls_of, "tiled", "tiled_client.py", address, key, token
                    )
                    return found

                yield walked, address, asked

        yield at


async def test_the_real_client_gets_through_the_gate_what_it_gets_directly_and_is_led_nowhere_else(
    walk: Walk, upstream: Any, calls_of: Any
) -> None:
    url = (await asyncio.to_thread(upstream, "tiled")).url
    direct = await asyncio.to_thread(calls_of, "tiled", "tiled_client.py", f"{url}/api/v1", API_KEY)
    async with walk() as (walked, address, _):
        through = await walked()
    assert through.pop("links") == ["value", [address]]
    assert direct.pop("links") == ["value", [f"{url}/api/v1"]]

    def here(text: str) -> str:
        return text.replace(address, f"{url}/api/v1")

    assert {
        name: [kind, here(got) if kind == "error" else got] for name, (kind, got) in through.items()
    } == direct
    assert through["image.read"][1][:3] == ["array", "uint16", [64, 96]]


async def test_no_request_goes_past_the_gate_to_the_server_and_no_key_does(walk: Walk) -> None:
    async with walk() as (walked, _, asked):
        await walked()
    # The server takes the address at which the gate asks it for its own: whoever is led there is seen.
    assert asked.requests == asked.passed_on > 20


async def test_what_a_rule_keeps_is_read_once_though_the_server_sets_a_cookie_with_every_answer(
    walk: Walk,
) -> None:
    async with walk(KEPT, "-") as (walked, _, asked):
        first = await walked()
        before = asked.requests
        assert await walked() == first
        assert first["image.read"][1][:3] == ["array", "uint16", [64, 96]]
        # What failed is asked for again.
        assert asked.requests - before <= sum(kind == "error" for kind, _ in first.values()) < 10 < before
