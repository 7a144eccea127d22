"""How does an answer reach the caller?"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol, cast

from aiohttp.web import BaseRequest, StreamResponse

from gateway.core.heads import BODILESS_STATUSES
from gateway.wire.answer import Answer, FileAnswer, SocketAnswer, StreamAnswer
from gateway.wire.connection import Connection
from gateway.wire.sendfile import send_extent
from gateway.wire.websocket import WebSocket
from gateway.wire.written import passed_head, written_head

if TYPE_CHECKING:
    from aiohttp.http_websocket import WebSocketReader

_LOG = logging.getLogger(__name__)

JOINED_BYTES: Final = 64 << 10
"""Up to here one joined write costs no more than `writelines`, and less than two writes (measured on both loops)."""

_PIECE_BYTES: Final = 256 << 10


class Delivery(Protocol):
    """What aiohttp's handler asks of a response, and no more."""

    @property
    def keep_alive(self) -> bool:
        """Whether the connection carries on."""

    async def prepare(self, request: BaseRequest) -> None:
        """Called first."""

    async def write_eof(self) -> None:
        """Called last. A ConnectionError ends the connection without a word."""


def deliver(connection: Connection, keep_alive: bool, answer: Answer | StreamAnswer | FileAnswer) -> Delivery:
    """Write the head of `answer` for this connection. ValueError if it cannot be said (see `written_head`).

    `keep_alive` = the caller wants to send another request.
    """
    stay, chunked, bodiless, written = _headed(connection, keep_alive, answer)
    if isinstance(answer, Answer):
        return _Whole(connection, stay, written, b"" if bodiless else answer.body)
    if isinstance(answer, FileAnswer):
        return _File(connection, stay, written, None if bodiless else answer)
    return _Stream(connection, stay, written, answer, bodiless, chunked)


def deliver_now(connection: Connection, keep_alive: bool, answer: Answer) -> None:
    """Write a short answer at once; the same ValueError."""
    stay, _, bodiless, written = _headed(connection, keep_alive, answer)
    connection.out.write(written if bodiless else written + answer.body)
    connection.answered(stay)


def _headed(
    connection: Connection, keep_alive: bool, answer: Answer | StreamAnswer | FileAnswer
) -> tuple[bool, bool, bool, bytes]:
    """Whether the connection stays, whether the body goes in chunks or not at all, and the head."""
    head = connection.head
    stay = keep_alive and connection.may_stay()
    bodiless = head.bodiless or answer.status in BODILESS_STATUSES
    length = _length(answer)
    chunked = False
    if answer.status in BODILESS_STATUSES:
        framing = b""
    elif length is not None:
        framing = b"Content-Length: %d\r\n" % length
    elif bodiless:
        framing = b""
    elif head.minor:
        chunked, framing = True, b"Transfer-Encoding: chunked\r\n"
    else:
        stay, framing = False, b""
    usual = b"" if head.minor else b"Connection: keep-alive\r\n"
    written = written_head(
        answer.status,
        answer.reason,
        answer.fields,
        date=connection.shared.date(),
        framing=framing,
        connection=usual if stay else b"Connection: close\r\n",
        bodiless=bodiless,
    )
    return stay, chunked, bodiless, written


def _length(answer: Answer | StreamAnswer | FileAnswer) -> int | None:
    if isinstance(answer, Answer):
        return len(answer.body)
    return answer.size if isinstance(answer, FileAnswer) else answer.length


class _Whole:
    """An answer in memory."""

    __slots__ = ("_body", "_connection", "_head", "keep_alive")

    def __init__(self, connection: Connection, stay: bool, head: bytes, body: bytes) -> None:
        self._connection = connection
        self.keep_alive = stay
        self._head = head
        self._body = body

    async def prepare(self, request: BaseRequest) -> None:
        """Nothing is left to prepare."""

    async def write_eof(self) -> None:
        """Write head and body; wait until the caller has taken most of them."""
        out = self._connection.out
        body = self._body
        if len(body) < JOINED_BYTES:
            out.write(self._head + body)
        else:
            out.write(self._head)
            # Piece by piece: what a transport cannot send at once it copies.
            pieces = memoryview(body)
            for at in range(0, len(pieces), _PIECE_BYTES):
                out.write(pieces[at : at + _PIECE_BYTES])
                if out.paused:
                    await out.drain()
        if out.paused:
            await out.drain()
        self._connection.answered(self.keep_alive)


@contextmanager
def _whole_or_reset(connection: Connection) -> Iterator[None]:
    """Reset the connection if an answer breaks off within: nobody takes what came of it for the whole."""
    try:
        yield
    except Exception as exc:
        if not connection.over:
            _LOG.warning("An answer broke off: %s", type(exc).__name__, exc_info=exc)
        connection.abort()
        raise ConnectionResetError("The answer broke off.") from exc
    except BaseException:
        connection.abort()
        raise


class _Stream:
    """An answer that is still being made."""

    __slots__ = ("_answer", "_bodiless", "_chunked", "_connection", "_head", "keep_alive")

    def __init__(
        self,
        connection: Connection,
        stay: bool,
        head: bytes,
        answer: StreamAnswer,
        bodiless: bool,
        chunked: bool,
    ) -> None:
        self._connection = connection
        self.keep_alive = stay
        self._head = head
        self._answer = answer
        self._bodiless = bodiless
        self._chunked = chunked

    async def prepare(self, request: BaseRequest) -> None:
        """Nothing is left to prepare."""

    async def write_eof(self) -> None:
        """Write the head, then each piece as the caller takes them; reset the connection if it breaks off."""
        connection = self._connection
        try:
            with _whole_or_reset(connection):
                connection.out.write(self._head)
                if not self._bodiless:
                    await self._write_body()
        finally:
            await close_chunks(self._answer)
        connection.answered(self.keep_alive)

    async def _write_body(self) -> None:
        out = self._connection.out
        left = self._answer.length
        async for piece in self._answer.chunks:
            if left is not None:
                left -= len(piece)
                if left < 0:
                    raise ValueError("the pieces of an answer are longer than its length says")
            if not piece:
                continue  # an empty chunk would end the body
            if not self._chunked:
                out.write(piece)
            elif len(piece) < JOINED_BYTES:
                out.write(b"%x\r\n%b\r\n" % (len(piece), bytes(piece)))
            else:
                out.write(b"%x\r\n" % len(piece))
                out.write(piece)
                out.write(b"\r\n")
            if out.paused:
                await out.drain()
        if left:
            raise ValueError("the pieces of an answer are shorter than its length says")
        if self._chunked:
            out.write(b"0\r\n\r\n")


class _File:
    """An answer that lies in a file."""

    __slots__ = ("_answer", "_connection", "_head", "keep_alive")

    def __init__(self, connection: Connection, stay: bool, head: bytes, answer: FileAnswer | None) -> None:
        self._connection = connection
        self.keep_alive = stay
        self._head = head
        self._answer = answer

    async def prepare(self, request: BaseRequest) -> None:
        """Nothing is left to prepare."""

    async def write_eof(self) -> None:
        """Write the head and let the kernel send the body; reset the connection if it breaks off."""
        connection, answer = self._connection, self._answer
        with _whole_or_reset(connection):
            connection.out.write(self._head)
            if answer is not None:
                await send_extent(connection.out, answer.extent, answer.start, answer.size)
        connection.answered(self.keep_alive)


class Switched:
    """An answer after which the connection speaks the WebSocket protocol, and then ends."""

    __slots__ = ("_answer", "_connection", "_socket")

    def __init__(self, connection: Connection, request: BaseRequest, answer: SocketAnswer) -> None:
        """Write the head, and have what comes after the request's from now on."""
        head = passed_head(101, b"Switching Protocols", answer.fields, connection.shared.date())
        connection.out.write(head + b"Connection: Upgrade\r\n\r\n")
        self._connection = connection
        self._answer = answer
        self._socket = WebSocket(connection, answer.most)
        # What aiohttp calls a parser is whoever takes the bytes. Without one it would take them for another request as soon
        # as it has the response.
        request.protocol.set_parser(cast("WebSocketReader", self._socket))

    @property
    def keep_alive(self) -> bool:
        """The connection carries nothing else afterwards."""
        return False

    async def prepare(self, request: BaseRequest) -> None:
        """Nothing is left to prepare."""

    async def write_eof(self) -> None:
        """Serve the socket to its end."""
        await self._answer.serve(self._socket)
        self._connection.answered(False)


class Foreign:
    """A response of aiohttp's own classes: a WebSocket, an HTTPException."""

    __slots__ = ("_connection", "_response")

    def __init__(self, connection: Connection, response: StreamResponse) -> None:
        self._connection = connection
        self._response = response

    @property
    def keep_alive(self) -> bool:
        """Whether the connection carries on."""
        return bool(self._response.keep_alive)

    async def prepare(self, request: BaseRequest) -> None:
        """Let aiohttp write the head, and say in it whether the connection ends."""
        if not self._response.prepared and not self._connection.may_stay():
            self._response.force_close()
        await self._response.prepare(request)

    async def write_eof(self) -> None:
        """Let aiohttp write the rest."""
        await self._response.write_eof()
        self._connection.answered(self.keep_alive)


async def close_chunks(answer: Answer | StreamAnswer | FileAnswer) -> None:
    """Close what an answer streams from."""
    aclose = getattr(answer.chunks, "aclose", None) if isinstance(answer, StreamAnswer) else None
    if aclose is not None:
        await aclose()
