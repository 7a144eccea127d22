"""Callers with raw sockets, and servers that they call: on asyncio's own loop and on uvloop."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop
from aiohttp.web import BaseRequest

from gateway.core.faults import Fault
from gateway.wire.answer import Answer
from gateway.wire.body import read_body
from gateway.wire.connection import Connection
from gateway.wire.server import Handler, Limits, Server
from gateway.wire.tls import Live, ServerTls

PATIENCE = 20.0
"""Seconds after which a test gives up waiting for what must come: reached only by a failure."""

BOTH_LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The tests of callers' connections run on both loops."""
    if item.path.name.startswith("test_connection"):
        return BOTH_LOOPS
    return {"asyncio": asyncio.new_event_loop}


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer as a caller sees it."""

    status: int
    reason: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes

    def __getitem__(self, name: bytes) -> bytes | None:
        """The value of a field, None if it is not there."""
        found = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(found) < 2
        return found[0] if found else None

    @property
    def closes(self) -> bool:
        """Whether the answer says that it is the connection's last."""
        return self[b"Connection"] == b"close"


class Caller:
    """One connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes; whoever is not there any more does not get them."""
        self.writer.write(data)
        await self.writer.drain()

    def finish(self) -> None:
        """Close our side for sending."""
        self.writer.write_eof()

    def reset(self) -> None:
        """Leave without a word."""
        self.writer.transport.abort()

    async def head(self) -> Seen:
        """The next answer's head."""
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head[:-4].split(b"\r\n")
        version, status, reason = first.split(b" ", 2)
        assert version == b"HTTP/1.1"
        fields = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
        return Seen(int(status), reason, fields, b"")

    async def answer(self, *, bodiless: bool = False) -> Seen:
        """The next answer with its body."""
        seen = await self.head()
        body = b""
        async with asyncio.timeout(PATIENCE):
            if bodiless or seen.status in (204, 304):
                pass
            elif seen[b"Content-Length"] is not None:
                body = await self.reader.readexactly(int(seen[b"Content-Length"] or 0))
            elif seen[b"Transfer-Encoding"] == b"chunked":
                while size := int((await self.reader.readuntil(b"\r\n"))[:-2], 16):
                    body += (await self.reader.readexactly(size + 2))[:-2]
                assert await self.reader.readexactly(2) == b"\r\n"
            else:
                body = await self.reader.read()
        return Seen(seen.status, seen.reason, seen.fields, body)

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    async def get(self, data: bytes) -> Seen:
        """Send bytes and take the answer."""
        await self.send(data)
        return await self.answer()


@dataclass(slots=True)
class Gate:
    """A server that listens, and its callers."""

    server: Server
    host: str
    port: int
    trust: ssl.SSLContext | None = None
    """What callers speak TLS with, where it is spoken."""
    callers: list[Caller] = field(default_factory=list)

    async def caller(self) -> Caller:
        """A new connection."""
        name = "localhost" if self.trust is not None else None
        caller = Caller(
            *await asyncio.open_connection(self.host, self.port, ssl=self.trust, server_hostname=name)
        )
        self.callers.append(caller)
        return caller

    async def deaf(self) -> socket.socket:
        """A new connection of someone who never reads, with a small buffer to receive."""
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await loop.sock_connect(sock, (self.host, self.port))
        return sock

    async def close(self) -> None:
        """Stop, and let every caller go."""
        await self.server.close()
        for caller in self.callers:
            caller.writer.close()
        await asyncio.gather(*(c.writer.wait_closed() for c in self.callers), return_exceptions=True)


class Recording(asyncio.Transport):
    """A transport without a socket: it keeps what is written, and whether it was told to read and to close."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.reading = True
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


@pytest.fixture
def recorded() -> Callable[[Server], tuple[Connection, Recording]]:
    """A connection of a server without a socket: bytes are given to it by the test, and its answers kept."""

    def connect(server: Server) -> tuple[Connection, Recording]:
        connection, transport = server.connection(), Recording()
        connection.connection_made(transport)
        return connection, transport

    return connect


Serve = Callable[..., Awaitable[Gate]]


@pytest.fixture
def over() -> str:
    """What connections are made over: a test has itself parametrised with `tls` too."""
    return "tcp"


@pytest.fixture
async def serve(over: str, request: pytest.FixtureRequest) -> AsyncIterator[Serve]:
    """Starts servers on free ports: `await serve(handler, idle_seconds=0.2, ...)`."""
    gates: list[Gate] = []
    tls, trust = None, None
    if over == "tls":
        authority = request.getfixturevalue("authority")
        issued, trust = authority.issue(), authority.context()
        tls = Live("tls", ServerTls(issued.certificate, issued.key))

    async def start(handler: Handler = echo, **limits: Any) -> Gate:
        server = Server(handler, Limits(**limits), tls=tls)
        gate = Gate(server, *server.start("127.0.0.1"), trust)
        gates.append(gate)
        return gate

    yield start
    for gate in gates:
        await gate.close()
        assert gate.server.connections == 0


async def echo(request: BaseRequest) -> Answer:
    """Says what it was asked: verb, target and body, a line each; a fault is its own answer."""
    try:
        body = await read_body(request, 1 << 20)
    except Fault as fault:
        return Answer(fault.status, None, (), f"{fault.name}: {fault.message}".encode())
    target = request.raw_path.encode("utf-8", "surrogateescape")
    return Answer(
        200, None, ((b"Content-Type", b"text/plain"),), b"\n".join((request.method.encode(), target, body))
    )


@pytest.fixture(name="echo")
def echo_handler() -> Handler:
    """The handler that says what it was asked."""
    return echo


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Waits until something is so; fails if it never is."""

    async def wait(so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not so():
                await asyncio.sleep(0.005)

    return wait
