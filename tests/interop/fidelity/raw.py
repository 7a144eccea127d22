"""What goes over the wire when a request is sent as written, and what comes back, byte by byte?"""

import asyncio
from dataclasses import dataclass
from typing import Literal

Fields = tuple[tuple[bytes, bytes], ...]
Framing = Literal["length", "chunked", "close", "none"]

PATIENCE = 20.0
"""Seconds after which a caller gives up: reached only by a failure."""

_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it is sent; `Host` comes first and the framing last, and neither is among the fields.

    `chunks` are sizes of chunks, the last one repeated until the body ends; without them a body has its length.
    `length` forces `Content-Length: 0` where there is no body.
    """

    verb: bytes = b"GET"
    target: bytes = b"/"
    fields: Fields = ()
    body: bytes = b""
    chunks: tuple[int, ...] = ()
    length: bool = False
    minor: int = 1

    @property
    def expects(self) -> bool:
        """Whether the caller waits for `100 Continue` before it sends the body."""
        return any(name.lower() == b"expect" for name, _ in self.fields)

    @property
    def last(self) -> bool:
        """Whether it is the connection's last."""
        asked = [value.lower() for name, value in self.fields if name.lower() == b"connection"]
        return any(b"close" in value for value in asked) or self.minor == 0

    def head(self, host: bytes) -> bytes:
        """Everything before the body."""
        lines = [b"%b %b HTTP/1.%d" % (self.verb, self.target, self.minor), b"Host: " + host]
        lines += [name + b": " + value for name, value in self.fields]
        if self.chunks:
            lines.append(b"Transfer-Encoding: chunked")
        elif self.body or self.length:
            lines.append(b"Content-Length: %d" % len(self.body))
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def framed_body(self) -> bytes:
        """The body with its framing."""
        if not self.chunks:
            return self.body
        pieces, at, sizes = [], 0, list(self.chunks)
        while at < len(self.body):
            size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
            piece = self.body[at : at + size]
            pieces.append(b"%x\r\n%b\r\n" % (len(piece), piece))
            at += size
        return b"".join(pieces) + b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came: `fields` with the framing among them, `body` without its framing.

    `interim` are the statuses that came before it; `ended` says whether the connection ended with it.
    """

    status: int
    reason: bytes
    fields: Fields
    body: bytes
    framing: Framing
    interim: tuple[int, ...] = ()
    trailers: Fields = ()
    ended: bool = False

    def values(self, name: bytes) -> list[bytes]:
        """Every value of a field, in order."""
        return [value for key, value in self.fields if key.lower() == name.lower()]


class Line:
    """One connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int) -> "Line":
        """Connect to a port on loopback."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=_LIMIT))

    async def close(self) -> None:
        """Leave at once."""
        self.writer.transport.abort()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)

    async def exchange(self, request: Request, host: bytes) -> Answer:
        """Send a request and take its answer; whoever waits for `100 Continue` sends the body after it only."""
        async with asyncio.timeout(PATIENCE):
            head = request.head(host)
            if not request.expects:
                self.writer.write(head + request.framed_body())
                return await self.answer(request)
            self.writer.write(head)
            status, reason, fields = await self._head()
            if status == 100:
                self.writer.write(request.framed_body())
                return await self.answer(request, (100,))
            return await self._rest(request, status, reason, fields, ())

    async def answer(self, request: Request, interim: tuple[int, ...] = ()) -> Answer:
        """The next final answer. Raises asyncio.IncompleteReadError where it is cut short."""
        while True:
            status, reason, fields = await self._head()
            if status >= 200:
                return await self._rest(request, status, reason, fields, interim)
            interim = (*interim, status)

    async def _head(self) -> tuple[int, bytes, Fields]:
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        version, status, *reason = first.split(b" ", 2)
        assert version == b"HTTP/1.1", first
        return int(status), reason[0] if reason else b"", tuple(map(_field, lines))

    async def _rest(
        self, request: Request, status: int, reason: bytes, fields: Fields, interim: tuple[int, ...]
    ) -> Answer:
        framing = _framing(request, status, fields)
        trailers: Fields = ()
        if framing == "none":
            body = b""
        elif framing == "length":
            body = await self.reader.readexactly(int(_one(fields, b"content-length") or 0))
        elif framing == "chunked":
            body, trailers = await self._chunks()
        else:
            body = await self.reader.read()
        announced = (_one(fields, b"connection") or b"").lower() == b"close"
        if request.last:
            rest = await self.reader.read()
            assert rest == b"", f"bytes after the answer: {rest[:80]!r}"
        ended = framing == "close" or announced or request.last
        return Answer(status, reason, fields, body, framing, interim, trailers, ended)

    async def _chunks(self) -> tuple[bytes, Fields]:
        pieces = []
        while size := int((await self.reader.readuntil(b"\r\n"))[:-2], 16):
            pieces.append((await self.reader.readexactly(size + 2))[:-2])
        trailers = []
        while line := (await self.reader.readuntil(b"\r\n"))[:-2]:
            trailers.append(_field(line))
        return b"".join(pieces), tuple(trailers)


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    assert colon, line
    return name, value.strip(b" \t")


def _one(fields: Fields, name: bytes) -> bytes | None:
    found = [value for key, value in fields if key.lower() == name]
    assert len(found) < 2, (name, found)
    return found[0] if found else None


def _framing(request: Request, status: int, fields: Fields) -> Framing:
    """RFC 9112 section 6.3."""
    if request.verb == b"HEAD" or status in (204, 304):
        return "none"
    if (coding := _one(fields, b"transfer-encoding")) is not None:
        assert coding.lower() == b"chunked", coding
        assert _one(fields, b"content-length") is None, fields
        return "chunked"
    return "close" if _one(fields, b"content-length") is None else "length"
