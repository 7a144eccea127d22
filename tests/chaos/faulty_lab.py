"""A lab's service that counts what it has done, on a wire that fails as it is told, byte for byte."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

PAD = "x" * 1500
_length = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

DATE = b"Date: Thu, 26 Nov 2026 12:00:00 GMT\r\n"
"""With a date an answer may pass on the shortest way."""

HTML_503 = (
    b"HTTP/1.1 503 Gone\r\n%bContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<h1>503</h1>\n" % DATE
)


@dataclass
class Line:
    """One connection from the gate; `number` counts from 1."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int

    async def request(self) -> bytes | None:
        """The next whole request; None when the connection ended before it."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            found = _length.search(head)
            return head + (await self.reader.readexactly(int(found[1])) if found else b"")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def reset(self) -> None:
        """End it at once, in both directions."""
        self.writer.transport.abort()

    async def ended(self) -> None:
        """Wait until the gate has ended it."""
        try:
            await self.reader.read()
        except ConnectionError:
            pass


Carry = Callable[[], bytes]
"""Carries the request out, and gives the whole answer."""
Fault = Callable[[Line, Carry], Awaitable[bool]]
"""What happens to one request; whether the connection stays."""


@dataclass
class FaultyLab:
    """The service and its wire. `fault` is what befalls requests, the next `left` of them (None: all)."""

    fault: Fault | None = None
    left: int | None = None
    writes: Counter[str] = field(default_factory=Counter)
    """How often each write was carried out, by its token."""
    asked: int = 0
    port: int = 0
    connections: int = 0
    _server: asyncio.Server | None = None
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fail(self, fault: Fault | None, times: int | None = None) -> None:
        """From now on this happens, so often."""
        self.fault, self.left = fault, times

    # --- what it does

    def carried_out(self, request: bytes) -> bytes:
        """Do what is asked, and give the answer."""
        head, _, body = request.partition(b"\r\n\r\n")
        verb, target, _ = head.split(b" ", 2)
        if target == b"/api":
            call = json.loads(body)
            if call["method"] == "put":
                self.writes[call["params"]["token"]] += 1
            result = {"said": call["params"], "pad": PAD}
            return _whole(json.dumps({"jsonrpc": "2.0", "result": result, "id": call["id"]}).encode())
        if verb == b"POST":
            self.writes[body.decode()] += 1
            return _whole(b"stored " + body)
        if target == b"/stream":
            pieces = b"".join(b"7\r\npiece %d\r\n" % number for number in range(5))
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            return head + pieces + b"0\r\n\r\n"
        return _whole(b"this is " + target)

    # --- its wire

    async def __aenter__(self) -> "FaultyLab":
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def listen(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Take no more connections, and end those that there are."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._serve(Line(reader, writer, self.connections))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _serve(self, line: Line) -> None:
        if self.fault is reset_unread:
            line.reset()
            return
        while (request := await line.request()) is not None:
            self.asked += 1

            def carry(request: bytes = request) -> bytes:
                return self.carried_out(request)

            if not await self._now()(line, carry):
                return

    def _now(self) -> Fault:
        if self.fault is None or self.left == 0:
            return honest
        if self.left is not None:
            self.left -= 1
        return self.fault


def _whole(body: bytes) -> bytes:
    lines = b"%bContent-Type: application/json\r\nContent-Length: %d\r\n" % (DATE, len(body))
    return b"HTTP/1.1 200 OK\r\n%b\r\n%b" % (lines, body)


# --- faults


async def honest(line: Line, carry: Carry) -> bool:
    """None."""
    line.writer.write(carry())
    return True


async def reset_unread(line: Line, carry: Carry) -> bool:
    """Connections are taken, and reset."""
    line.reset()
    return False


async def reset_before(line: Line, carry: Carry) -> bool:
    """The request is read, not carried out, and the connection reset."""
    line.reset()
    return False


async def reset_after(line: Line, carry: Carry) -> bool:
    """It is carried out, and nobody is told."""
    carry()
    line.reset()
    return False


async def close_after(line: Line, carry: Carry) -> bool:
    """The same in good order."""
    carry()
    return False


async def close_behind(line: Line, carry: Carry) -> bool:
    """The answer comes, and the connection ends unannounced: the next request may meet that."""
    line.writer.write(carry())
    return False


async def half_head(line: Line, carry: Carry) -> bool:
    """The answer breaks off in its head."""
    line.writer.write(carry()[:25])
    await line.writer.drain()
    return False


async def half_body(line: Line, carry: Carry) -> bool:
    """The answer breaks off in its body."""
    line.writer.write(carry()[:-7])
    await line.writer.drain()
    return False


async def half_body_reset(line: Line, carry: Carry) -> bool:
    """The same, with a reset once it was read."""
    line.writer.write(carry()[:-7])
    await line.writer.drain()
    await asyncio.sleep(0.02)
    line.reset()
    return False


async def silent(line: Line, carry: Carry) -> bool:
    """It is carried out, and the connection stays without a word."""
    carry()
    await line.ended()
    return False


async def slow_head(line: Line, carry: Carry) -> bool:
    """Its answer comes byte by byte, and its head alone takes longer than there is time."""
    for byte in carry():
        line.writer.write(bytes((byte,)))
        await line.writer.drain()
        await asyncio.sleep(0.2)
    return False


async def slow_body(line: Line, carry: Carry) -> bool:
    """Its head comes at once, its body byte by byte."""
    head, mark, body = carry().partition(b"\r\n\r\n")
    line.writer.write(head + mark)
    for byte in body:
        line.writer.write(bytes((byte,)))
        await line.writer.drain()
        await asyncio.sleep(0.005)
    return True


async def garbage(line: Line, carry: Carry) -> bool:
    """What comes is no HTTP."""
    carry()
    line.writer.write(b"\x16\x03\x01\x00\xff\r\n\r\nSSH-2.0-OpenSSH\r\n")
    return False


async def huge_head(line: Line, carry: Carry) -> bool:
    """The head of its answer does not end."""
    carry()
    line.writer.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000)
    await line.ended()
    return False


async def two_lengths(line: Line, carry: Carry) -> bool:
    """Its answer has two ends."""
    carry()
    line.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 20\r\n\r\nok")
    await line.ended()
    return False


async def more_behind(line: Line, carry: Carry) -> bool:
    """Behind its answer comes another one that nobody asked for."""
    line.writer.write(carry() + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
    return True


async def html_503(line: Line, carry: Carry) -> bool:
    """A proxy before it says that it is down."""
    line.writer.write(HTML_503)
    return True


async def busy_soon(line: Line, carry: Carry) -> bool:
    """It has no time, and says that it will have at once."""
    line.writer.write(HTML_503.replace(DATE, DATE + b"Retry-After: 0\r\n"))
    return True


async def flapping(line: Line, carry: Carry) -> bool:
    """Every other connection is reset once it was used."""
    if line.number % 2:
        carry()
        line.reset()
        return False
    return await honest(line, carry)
