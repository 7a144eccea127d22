"""How do the bytes of one connection come and go, where an event loop waits for them?"""

from __future__ import annotations

import asyncio

from labgate._wire import Feed, ReplyCut, refuses

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from typing import Any

_ENOUGH = 256 * 1024  # so much is kept of a reply that nobody reads, then its connection is not read either
_PIECE = 256 * 1024


class Line(Feed, asyncio.BufferedProtocol):
    """One connection to the gate: what is read of it goes straight to where somebody waits for it.

    Attributes:
        ended: nothing more comes.
    """

    __slots__ = (
        "_at",
        "_error",
        "_held",
        "_loop",
        "_lost",
        "_paused",
        "_place",
        "_room",
        "_waiter",
        "ended",
        "transport",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, room: memoryview) -> None:
        """`room` takes what nobody waits for, for a moment: all connections of a loop can share it."""
        super().__init__()
        self._loop = loop
        self._room = room
        self._place: memoryview | None = None
        self._at = 0
        self._waiter: asyncio.Future[None] | None = None
        self._lost: asyncio.Future[None] = loop.create_future()
        self._error: Exception | None = None
        self._paused = False  # bytes of ours have not left yet
        self._held = False  # the connection is not read
        self.ended = False
        self.transport: Any = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self.transport = transport
        # Paused whenever something has not left: so it is known whether a request left as a whole.
        secured = self.transport.get_extra_info("sslcontext") is not None
        # asyncio's TLS is paused from its limit on, not beyond it: with 0 it would never go on.
        self.transport.set_write_buffer_limits(high=1 if secured else 0, low=0)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Where the next bytes go."""
        if self._place is not None and self._at < len(self._place):
            return self._place[self._at :]
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes are there."""
        self.started = True
        if self._place is not None and self._at < len(self._place):
            self._at += nbytes
        else:
            self.buffer += self._room[:nbytes]
            if len(self.buffer) > _ENOUGH and not self._held:
                self._held = True
                self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """The gate ends the connection."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        if exc is not None and not self.ended:
            self.buffer += _last_of(self.transport)
        self._end(exc)
        if not self._lost.done():
            self._lost.set_result(None)

    def pause_writing(self) -> None:
        """Something of ours has to wait."""
        self._paused = True

    def resume_writing(self) -> None:
        """All of ours has left."""
        self._paused = False
        self._wake()

    # What those who use it call.

    async def more(self) -> bytes:
        """Everything that is here and not used, when at least one byte has joined it."""
        before = len(self.buffer)
        while len(self.buffer) == before:
            self._need_life()
            if self.ended:
                raise ReplyCut(started=self.started)
            await self._news()
        found = bytes(self.buffer)
        self.buffer.clear()
        return found

    async def receive(self, view: memoryview) -> int:
        """Some further bytes, straight into their place; 0 when the connection has ended."""
        self._need_life()
        if self.ended:
            return 0
        self._place, self._at = view, 0
        try:
            while not self._at and not self.ended:
                await self._news()
            if not self._at:
                self._need_life()
            return self._at
        finally:
            self._place = None

    async def send(self, data: Iterable[bytes | memoryview]) -> bool:
        """Send all of it; False when the reply began before, and wants no more of it.

        Raises:
            OSError: the connection broke, and there is nothing of a reply.
        """
        for one in data:
            view = memoryview(one)
            for at in range(0, len(view), _PIECE):
                if not self._ready():
                    return False
                self.transport.write(view[at : at + _PIECE])
                if len(view) > _PIECE:
                    await asyncio.sleep(0)  # a refusal, or the end, can only be heard while the loop runs
                while self._paused:
                    if not self._ready():
                        return False
                    await self._news()
        return True

    async def secure(self, tls: ssl.SSLContext, name: str) -> None:
        """Go on encrypted, with the one that has a certificate for this name.

        Raises:
            OSError: it has none.
        """
        secured = await self._loop.start_tls(self.transport, self, tls, server_hostname=name)
        if secured is None:
            raise ConnectionResetError("the connection was closed")
        self.connection_made(secured)

    def begin(self) -> None:
        """A new request, of whose reply nothing has come."""
        self.started = False

    def quiet(self) -> bool:
        """Whether it is open, and nothing has come that nobody asked for."""
        if self.ended or self.buffer or self.transport.is_closing():
            return False
        return not _readable(self.transport)

    def close(self) -> None:
        """Close it at once, which is what tells the gate that nobody waits any longer."""
        self.ended = True
        if self.transport is not None:
            self.transport.abort()

    async def closed(self) -> None:
        """Wait until it is gone."""
        await asyncio.shield(self._lost)

    def _ready(self) -> bool:
        """Whether more can be sent; False when a refusal has come, or what may be one before the end."""
        if refuses(self.buffer):
            return False
        if self.ended:
            if self.buffer:
                return False
            self._need_life()
            raise ConnectionResetError("the connection was closed")
        return True

    def _need_life(self) -> None:
        if self._error is not None and not self.buffer:
            raise self._error

    async def _news(self) -> None:
        """Wait until something has changed."""
        if self._held and len(self.buffer) <= _ENOUGH:
            self._held = False
            self.transport.resume_reading()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _end(self, error: Exception | None) -> None:
        if not self.ended:
            self._error = error
        self.ended = True
        self._wake()


def _last_of(transport: Any) -> bytes:
    """What had come when a write found the connection broken: a refusal may be among it, and an event loop looks no more."""
    if transport.get_extra_info("sslcontext") is not None:
        return b""  # it would have to be deciphered
    try:
        with transport.get_extra_info("socket").dup() as sock:
            sock.setblocking(False)
            data: bytes = sock.recv(_PIECE)
            return data
    except OSError:
        return b""


def _readable(transport: Any) -> bool:
    """Whether the system has something of the connection that the event loop has not seen yet: an end, most likely."""
    import select

    number = transport.get_extra_info("socket").fileno()
    if number < 0:
        return True
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([number], [], [], 0)[0])
