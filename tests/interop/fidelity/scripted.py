"""How is a mount tried whose upstream is a socket of the test's own, down to the last byte and the last close?"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fidelity.raw import Answer, Line, Request

POLICIES = """\
policies:
  - {to: ["group:lab"], allow: ["*", "/**"], operate: true}
"""
SERVICE = "services:\n  up: {{dialect: listed, url: 'http://127.0.0.1:{port}', mount: /up{more}}}\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Peer:
    """One connection to the upstream."""

    upstream: "Upstream"
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> bytes:
        """The head of the next request."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.upstream.heads.append(head)
        self.upstream.came.release()
        return head

    async def request(self) -> bytes:
        """The head of the next request, whose body is read to its end."""
        head = await self.head()
        if length := re.search(rb"\r\nContent-Length: (\d+)\r\n", head):
            await self.reader.readexactly(int(length[1]))
        elif b"\r\nTransfer-Encoding: chunked\r\n" in head:
            await self.reader.readuntil(b"0\r\n\r\n")
        return head

    def send(self, data: bytes) -> None:
        """Write these bytes."""
        self.writer.write(data)

    def reset(self) -> None:
        """End the connection at once, with a reset."""
        linger = bytes([1, 0, 0, 0, 0, 0, 0, 0])
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Talk = Callable[[Peer], Awaitable[None]]


@dataclass
class Upstream:
    """A server that runs `talk` on each connection, and closes the connection when it returns."""

    talk: Talk
    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    came: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk on a new connection."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await self.talk(Peer(self, reader, writer))
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self.tasks.discard(task)

    async def stop(self, server: asyncio.Server) -> None:
        """Listen no more, and let nobody wait."""
        server.close()
        for task in tuple(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await server.wait_closed()

    @property
    def targets(self) -> list[bytes]:
        """The targets of all requests."""
        return [head.split(b" ")[1] for head in self.heads]


class Gate:
    """A gate before the upstream, and its callers."""

    def __init__(self, port: int, token: str, ends: AsyncExitStack) -> None:
        self.port = port
        self.host = b"127.0.0.1:%d" % port
        self.credential = (b"Authorization", b"Bearer " + token.encode())
        self._ends = ends

    async def line(self) -> Line:
        """A new connection."""
        line = await Line.open(self.port)
        self._ends.push_async_callback(line.close)
        return line

    def head(self, verb: bytes, target: bytes, *lines: bytes) -> bytes:
        """A head with the credential; `lines` come before it."""
        first = b"%b %b HTTP/1.1\r\nHost: %b" % (verb, target, self.host)
        return b"\r\n".join([first, *lines, b": ".join(self.credential)]) + b"\r\n\r\n"

    async def ask(self, verb: bytes, target: bytes = b"/up/a", body: bytes = b"") -> Answer:
        """The answer to a request on a connection of its own."""
        line = await self.line()
        return await line.exchange(Request(verb, target, (self.credential,), body), self.host)


Before = Callable[..., Awaitable[tuple[Upstream, Gate]]]


@asynccontextmanager
async def standing(gate_of: Any, token_for: Callable[..., str]) -> AsyncIterator[Before]:
    """`await started(talk)`: an upstream that talks so, and a gate before it; `more` settings of the service."""
    async with AsyncExitStack() as ends:

        async def started(talk: Talk, more: str = "") -> tuple[Upstream, Gate]:
            upstream = Upstream(talk)
            server = await asyncio.start_server(upstream.accept, "127.0.0.1", 0)
            upstream.port = server.sockets[0].getsockname()[1]
            ends.push_async_callback(upstream.stop, server)
            text = POLICIES + SERVICE.format(port=upstream.port, more=more)
            made = await ends.enter_async_context(gate_of(text))
            return upstream, Gate(made.address[1], token_for("ada", "lab"), ends)

        yield started


def answering(answer: bytes) -> Talk:
    """Reads requests and answers each with these bytes."""

    async def talk(peer: Peer) -> None:
        while True:
            await peer.request()
            peer.send(answer)

    return talk


def once(answer: bytes, *, reset: bool = False) -> Talk:
    """Reads a request, answers with these bytes, and ends the connection."""

    async def talk(peer: Peer) -> None:
        await peer.request()
        peer.send(answer)
        await peer.writer.drain()
        if reset:
            peer.reset()

    return talk
