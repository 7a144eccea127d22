"""Upstreams whose every byte and every close is written by the test."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
import uvloop

from gateway.core.service import Service
from gateway.core.upstream import Request
from gateway.upstreams.replicas import HttpUpstream


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Everything here holds on both event loops."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Clocked(asyncio.SelectorEventLoop):
    """A loop whose time stands still but for what a test adds."""

    ahead = 0.0

    def time(self) -> float:
        return 1000.0 + self.ahead


@pytest.fixture
def clocked() -> Callable[[Callable[[Clocked], Awaitable[None]]], None]:
    """`clocked(run)`: run this on such a loop, which it is given."""

    def ran(run: Callable[[Clocked], Awaitable[None]]) -> None:
        loop = Clocked()
        try:
            loop.run_until_complete(run(loop))
        finally:
            loop.close()

    return ran


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Peer:
    """One connection to a scripted upstream; `number` counts from 1."""

    server: "Scripted"
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int

    async def request(self) -> bytes | None:
        """The next whole request, recorded in `server.requests`; None when the connection ended before it."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"\r\nContent-Length: (\d+)\r\n", head)
            body = await self.reader.readexactly(int(length[1])) if length else b""
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        self.server.requests.append(head + body)
        self.server.came.set()
        return head + body

    def send(self, data: bytes) -> None:
        """Write these bytes."""
        self.writer.write(data)

    async def ended(self) -> None:
        """Wait until the other side has closed."""
        try:
            await self.reader.read()
        except ConnectionError:
            pass

    def reset(self) -> None:
        """End the connection at once."""
        self.writer.transport.abort()


Talk = Callable[[Peer], Awaitable[None]]


@dataclass
class Scripted:
    """A server that runs `talk` on each connection, and closes the connection when it returns."""

    talk: Talk
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    came: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.connections += 1
        try:
            await self.talk(Peer(self, reader, writer, self.connections))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self.closed.release()
            self.tasks.discard(task)

    async def stop(self, server: asyncio.Server) -> None:
        server.close()
        for task in tuple(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await server.wait_closed()


@pytest.fixture
async def scripted() -> AsyncIterator[Callable[[Talk], Awaitable[Scripted]]]:
    """`await scripted(talk)`: a running server."""
    async with AsyncExitStack() as ends:

        async def start(talk: Talk) -> Scripted:
            made = Scripted(talk)
            server = await asyncio.start_server(made.accept, "127.0.0.1", 0)
            made.port = server.sockets[0].getsockname()[1]
            ends.push_async_callback(made.stop, server)
            return made

        yield start


@pytest.fixture
async def upstream_of() -> AsyncIterator[Callable[..., HttpUpstream]]:
    """`upstream_of(*urls, **settings of the service)`: an HttpUpstream that is closed after the test."""
    async with AsyncExitStack() as ends:

        def make(*urls: str, idle_seconds: float = 15.0, tls=None, turned=lambda *_: None, **settings):
            service = Service("jobs", "jsonrpc", urls, **settings)
            made = HttpUpstream(service, idle_seconds=idle_seconds, tls=tls, turned=turned)
            ends.push_async_callback(made.close)
            return made

        yield make


@pytest.fixture
def ask() -> Callable[..., Awaitable[object]]:
    """`await ask(upstream, …)`: one exchange with the usual arguments."""

    async def exchange(upstream: HttpUpstream, **changed: object) -> object:
        usual: dict[str, object] = {
            "verb": "POST",
            "path": "/api",
            "fields": (),
            "body": b"{}",
            "deadline": asyncio.get_running_loop().time() + 20,
            "max_reply": 1 << 20,
            "repeatable": True,
        }
        return await upstream.exchange(Request(**(usual | changed)))

    return exchange


@pytest.fixture
def echoing() -> Talk:
    """Answers `ok` to every request, keeping the connection."""

    async def talk(peer: Peer) -> None:
        while await peer.request() is not None:
            peer.send(OK)

    return talk
