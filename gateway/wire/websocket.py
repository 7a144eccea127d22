"""How are whole messages had from a caller's WebSocket, and sent to it?

Whoever serves it takes a message at a time: while one waits to be taken, the caller is not read from. What the caller does not
take pauses whoever sends. Pings are answered here, with or without somebody who takes messages.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from gateway.core.frames import (
    BINARY,
    NO_STATUS,
    PING,
    PONG,
    TEXT,
    TOO_BIG,
    Broken,
    Closing,
    FrameReader,
    Message,
    Ping,
    closing,
    head_of,
)

if TYPE_CHECKING:
    from gateway.wire.connection import Connection

QUIET_SECONDS: Final = 30.0
"""A caller of whom nothing is heard for so long is asked whether they are there, and has as long again to say so."""
GOODBYE_SECONDS: Final = 2.0
"""For how long the caller's own goodbye is waited for."""
_PAUSE_SECONDS: Final = 0.2
_WAITING_BYTES: Final = 1 << 20
_WAITING: Final = 256
"""Messages, and bytes of them, that may wait to be taken before the caller is not read from any more."""
_JOINED: Final = 64 << 10
_PIECE: Final = 256 << 10


class WebSocket:
    """One caller's WebSocket. aiohttp hands on to it what comes after the request: see `feed_data`."""

    __slots__ = (
        "_asked",
        "_connection",
        "_goodbye",
        "_heard",
        "_held_back",
        "_messages",
        "_overflows",
        "_pong",
        "_reader",
        "_said_goodbye",
        "_stopped",
        "_waiter",
        "_waiting",
        "_writing",
    )

    def __init__(self, connection: Connection, most: int) -> None:
        """`most` is how many bytes a message of the caller's may have."""
        self._connection = connection
        self._reader = FrameReader(most)
        self._messages: deque[Message] = deque()
        self._waiting = 0  # bytes of them
        self._held_back = False  # the caller is not read from
        self._waiter: asyncio.Future[None] | None = None
        self._writing = asyncio.Lock()
        self._pong: bytes | None = None  # the last question that was not answered yet
        self._heard = connection.shared.loop.time()
        self._asked = False
        self._said_goodbye = False
        self._goodbye = asyncio.Event()  # nothing comes any more
        self._overflows = False  # more comes of a message that is too large
        self._stopped = False

    # --- what comes in

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Bytes are here; the answer is what aiohttp asks of a parser: that it goes on, and that nothing is left."""
        self._heard, self._asked = self._connection.shared.loop.time(), False
        if self._goodbye.is_set():
            return False, b""
        try:
            for event in self._reader.feed(data):
                self._take(event)
        except Broken as broken:
            self._messages.clear()
            self._overflows = broken.code == TOO_BIG
            self._say_goodbye(broken.code, broken.text)
            self._end()
        if self._waiting > _WAITING_BYTES or len(self._messages) > _WAITING:
            self._hold_back(True)
        return False, b""

    def feed_eof(self) -> None:
        """The caller sends no more."""
        self._end()

    def _take(self, event: object) -> None:
        if isinstance(event, Message):
            if not self._stopped:
                self._messages.append(event)
                self._waiting += len(event.data)
                self._wake()
        elif isinstance(event, Ping):
            self._pong = event.data
            self._answer_ping()
        elif isinstance(event, Closing):
            self._say_goodbye(event.code)
            self._end()

    def _hold_back(self, held: bool) -> None:
        self._held_back = held
        self._connection.pause_behind(held)

    def _end(self) -> None:
        self._goodbye.set()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def receive(self) -> Message | None:
        """The next message; None when there will be none, or after `stop`."""
        while not self._stopped:
            if self._messages:
                message = self._messages.popleft()
                self._waiting -= len(message.data)
                if not self._messages:
                    self._hold_back(False)
                return message
            if self._goodbye.is_set():
                return None
            self._hold_back(False)
            self._waiter = self._connection.shared.loop.create_future()
            await self._waiter
        return None

    def stop(self) -> None:
        """Take no more messages; `receive` gives None from now on."""
        self._stopped = True
        self._messages.clear()
        self._waiting = 0
        self._wake()

    # --- what goes out

    @property
    def over(self) -> bool:
        """Whether nothing more can be sent."""
        return self._said_goodbye or self._connection.over

    @property
    def halted(self) -> bool:
        """Whether the caller does not take what is sent."""
        return self._connection.out.paused

    async def send(self, data: bytes, *, text: bool) -> None:
        """Send a message, when the ones before it are taken. ConnectionResetError if it cannot be sent any more."""
        async with self._writing:
            if self.over:
                raise ConnectionResetError("The WebSocket is closed.")
            out, head = self._connection.out, head_of(TEXT if text else BINARY, len(data))
            if len(data) < _JOINED:
                out.write(head + data)
            else:
                out.write(head)
                pieces = memoryview(data)
                for at in range(0, len(pieces), _PIECE):
                    # A pause within a frame: nothing else may be written before its end.
                    await out.drain()
                    out.write(pieces[at : at + _PIECE])
            await out.drain()
        self._answer_ping()

    def _answer_ping(self) -> None:
        """Only the last question needs an answer (RFC 6455 section 5.5.3): who does not read gets no more."""
        data = self._pong
        if data is None or self._writing.locked() or self.halted or self.over:
            return
        self._pong = None
        self._connection.out.write(head_of(PONG, len(data)) + data)

    def check(self, now: float) -> None:
        """To be asked regularly, `now` on the loop's clock: ask a silent caller whether they are there, and end a dead one."""
        if self._held_back:
            self._heard = now  # it is we who do not listen
        if self.over or now - self._heard < QUIET_SECONDS:
            return
        if now - self._heard > 2 * QUIET_SECONDS:
            self._connection.abort()
        elif not self._asked and not self._writing.locked() and not self.halted:
            self._asked = True
            self._connection.out.write(head_of(PING, 0))

    # --- the end

    def _say_goodbye(self, code: int, reason: str = "") -> None:
        if not self.over:
            self._said_goodbye = True
            if self._writing.locked():
                self._connection.abort()  # in the middle of a frame nothing else can be said
            else:
                self._connection.out.write(closing(code, reason))

    async def close(self, code: int = NO_STATUS, reason: str = "") -> None:
        """Say goodbye, and wait a moment for the caller's own; who does not read is cut off."""
        self.stop()
        if not self._goodbye.is_set() and not self.over:
            if self.halted:
                self._connection.abort()
                return
            self._say_goodbye(code, reason)
        self._hold_back(False)
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._goodbye.wait()
                if self._overflows:
                    await self._quiet()
        except TimeoutError:
            pass

    async def _quiet(self) -> None:
        """Drop what comes until nothing does: who is still sending reads only then why nobody wants it, and not of a reset."""
        loop = self._connection.shared.loop
        while (left := self._heard + _PAUSE_SECONDS - loop.time()) > 0:  # noqa: ASYNC110 - bytes put it off, and nothing ends it
            await asyncio.sleep(left)
