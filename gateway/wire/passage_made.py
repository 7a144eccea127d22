"""How does a caller get an answer that lies in a file, or that is made while it is sent?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial

from gateway.core.heads import BODILESS_STATUSES
from gateway.core.pieces import size_of
from gateway.core.ports import BodyReader
from gateway.core.verdict import Extent
from gateway.wire.passage_answer import PassageAnswer
from gateway.wire.sendfile import send_extent

_LOG = logging.getLogger(__name__)


class PassageMade(PassageAnswer):
    """A request whose answer somebody brings while it is sent."""

    _sending: asyncio.Task[None] | None = None  # a file, to the caller
    _making: asyncio.Task[None] | None = None  # an answer that is made while it is sent
    _reader: BodyReader | None = None  # a body that comes meanwhile
    _before = 0  # what was written before them

    # --- what a subclass says

    def broken_off(self, failure: Exception) -> None:
        """The body that comes meanwhile does not come to its end."""

    # --- bodies

    def write_stored_file(
        self, head: bytes, extent: Extent, status: int, start: int = 0, length: int | None = None
    ) -> None:
        """Write an answer whose body lies in a file: `length` bytes (None = the rest) of it from `start` on.

        `head` is without framing, Connection and the empty line. The kernel sends the body; the connection is cut if the
        file turns out to be shorter.
        """
        if self.left or self.over:
            self.close()
            return
        size = extent.length - start if length is None else length
        bodiless = self.caller.head.bodiless or status in BODILESS_STATUSES
        if status not in BODILESS_STATUSES:
            head += b"Content-Length: %d\r\n" % size
        self.write_head(head, status, framed=True)
        if bodiless:
            self.finish(stay=self._stay)
            return
        self._flush()
        self._before = self.caller.out.written
        file = partial(send_extent, self.caller.out, extent, start, size)
        self._sending = self.loop.create_task(self._to_its_end(file, _tell_of_stored))

    def write_pieces(
        self, head: bytes, length: int, pieces: AsyncGenerator[bytes | memoryview], status: int
    ) -> None:
        """Write an answer of `length` bytes that is made while it is sent; the pieces are closed whatever happens.

        `head` is without framing, Connection and the empty line. The connection is cut if making it fails.
        """
        bodiless = self.caller.head.bodiless or status in BODILESS_STATUSES
        nobody = self.left or self.over
        if not nobody:
            self.write_head(head + b"Content-Length: %d\r\n" % length, status, framed=True)
            self._flush()
        self._before = self.caller.out.written
        made = partial(self._send_pieces, 0 if bodiless or nobody else length, pieces)
        self._making = self.loop.create_task(self._to_its_end(made, _tell_of_made))

    def write_coming(self, head: bytes, length: int | None, reader: BodyReader, status: int) -> None:
        """Write an answer whose body is still coming; `length` = None: nobody knows how long it will be.

        `head` is without framing, Connection and the empty line. The connection is cut if the body breaks off.
        """
        if self.left or self.over:
            reader.close()
            self.close()
            return
        if length is not None:
            head += b"Content-Length: %d\r\n" % length
        self.write_head(head, status, framed=length is not None)
        self._flush()
        self.read_on(reader)

    def read_on(self, reader: BodyReader) -> None:
        """Have the rest of the body come from this reader."""
        self._reader = reader
        self._before = self.caller.out.written
        read = partial(self._write_read, reader)
        self._making = self.loop.create_task(self._to_its_end(read, self.broken_off))

    async def _write_read(self, reader: BodyReader) -> None:
        out = self.caller.out
        while parts := await reader.next():
            for part in parts:
                if self._chunked:
                    out.write(b"%x\r\n" % size_of(part))
                if isinstance(part, Extent):
                    await send_extent(out, part)
                else:
                    out.write(part)
                if self._chunked:
                    out.write(b"\r\n")
                if out.paused:
                    await out.drain()
        if self._chunked:
            out.write(b"0\r\n\r\n")

    async def _to_its_end(
        self, send: Callable[[], Awaitable[None]], tell: Callable[[Exception], None]
    ) -> None:
        """Have the body sent, and end the answer; cut the connection where the body breaks off."""
        try:
            await send()
        except ConnectionResetError:
            pass  # the connection says so by itself
        except Exception as failure:  # noqa: BLE001 - nobody looks at the task
            tell(failure)
        else:
            if not self.over:
                self.finish(stay=self._stay)
            return
        if not self.over:
            self.cut()

    async def _send_pieces(self, length: int, pieces: AsyncGenerator[bytes | memoryview]) -> None:
        async with aclosing(pieces):
            if length:
                await self._write_all(length, pieces)

    async def _write_all(self, length: int, pieces: AsyncGenerator[bytes | memoryview]) -> None:
        out = self.caller.out
        async for piece in pieces:
            length -= len(piece)
            if length < 0:
                raise ValueError("its pieces are longer than it")
            out.write(piece)
            if out.paused:
                await out.drain()
        if length:
            raise ValueError("its pieces are shorter than it")

    def _catch_up(self) -> None:
        """Count what was sent of a file, or of an answer that is made meanwhile."""
        written = self.caller.out.written
        self.sent += written - self._before
        self._before = written

    def _leave_off(self) -> None:
        """End what is still under way."""
        if self._sending is not None or self._making is not None:
            self._catch_up()
        if self._reader is not None:
            self._reader.close()
        if self._making is not None and self._making is not asyncio.current_task(self.loop):
            self._making.cancel()
        # Each has this request: they would keep each other alive.
        self._reader = self._making = self._sending = None
        super()._leave_off()


def _tell_of_stored(failure: Exception) -> None:
    _LOG.warning("A stored answer broke off: %s", type(failure).__name__, exc_info=failure)


def _tell_of_made(failure: Exception) -> None:
    _LOG.warning("an answer broke off: %s", failure)
