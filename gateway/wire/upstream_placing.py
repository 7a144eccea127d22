"""How does the body of an answer get into the memory that waits for it, without being gathered and copied before?

Where its length is counted, or its chunks are large, the connection receives straight into that memory.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final

from gateway.core.room import Plain, Room, put

WORTH: Final = 64 << 10
"""Bytes that must be left of a body, or of a chunk, for it to be received in its place."""

_LONGEST_LINE: Final = 4 << 10
_MOST_TRAILERS: Final = 100
# Extensions and trailers as they are usually written: what llhttp might refuse is refused.
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})(?:;%b(?:=%b)?)*" % (_TOKEN, _TOKEN)).fullmatch
_TRAILER = re.compile(rb"%b:[\t -~\x80-\xff]*" % _TOKEN).fullmatch


class BrokenChunkError(Exception):
    """The body is in no chunks that can be told apart; the text quotes nothing of it."""


class SurplusError(Exception):
    """The body is larger than it may be."""


class Placing:
    """A body on its way into its room: counted, or in chunks (RFC 9112 section 7.1)."""

    def __init__(self, room: Room, place: int, length: int | None, most: int) -> None:
        """`place` is how much the room holds; what it has no place for is `surplus`.

        `length` None = it comes in chunks; `most` is how long it may be.
        """
        self._room = room
        self._place = place
        self._most = most
        self._chunked = length is None
        self._left = length or 0  # of the body, or of its chunk
        self._line = bytearray()
        # Not bound to itself: its room is free as soon as nobody needs it.
        self._read_line: Callable[[Placing, bytes], None] = Placing._begin_chunk
        self._trailers = 0
        self.placed = 0
        """Bytes that lie in the room."""
        self.surplus = bytearray()
        self.complete = length == 0
        self.behind = False
        """Whether something came behind the end."""

    def feed(self, data: bytes) -> bool:
        """Take what came; whether the body is complete. Raises BrokenChunkError or SurplusError."""
        at = 0
        with memoryview(data) as view:
            while at < len(data) and not self.complete:
                if self._left:
                    part = view[at : at + self._left]
                    at += len(part)
                    self._put(part)
                else:
                    at = self._take_line(data, at)
        self.behind = self.behind or at < len(data)
        return self.complete

    def open(self) -> memoryview | None:
        """Where what comes next may be received, None if that is too little."""
        size = min(self._left, self._place - self.placed)
        return self._room.open()[:size] if size >= WORTH else None

    def came(self, size: int) -> None:
        """So many bytes were received there."""
        self._room.came(size)
        self.placed += size
        self._count(size)

    def _put(self, part: memoryview) -> None:
        size = min(len(part), self._place - self.placed)
        put(self._room, part[:size])
        self.placed += size
        self.surplus += part[size:]
        self._count(len(part))

    def _count(self, size: int) -> None:
        self._left -= size
        if not self._left:
            self.complete = not self._chunked
            self._read_line = Placing._end_chunk

    def _take_line(self, data: bytes, at: int) -> int:
        """Read up to the end of a line; where the data go on."""
        end = data.find(b"\n", at) + 1
        self._line += data[at : end or len(data)]
        if len(self._line) > _LONGEST_LINE:
            raise BrokenChunkError("a line between two of its chunks is too long")
        if not end:
            return len(data)
        line = bytes(self._line[:-2])
        if self._line[-2:] != b"\r\n" or b"\r" in line:
            raise BrokenChunkError("a line between two of its chunks has no proper end")
        self._line.clear()
        self._read_line(self, line)
        return end

    def _begin_chunk(self, line: bytes) -> None:
        size = _SIZE(line)
        if size is None:
            raise BrokenChunkError("one of its chunks does not say how long it is")
        self._left = int(size[1], 16)
        if self.placed + len(self.surplus) + self._left > self._most:
            raise SurplusError
        if not self._left:
            self._read_line = Placing._end_body

    def _end_chunk(self, line: bytes) -> None:
        if line:
            raise BrokenChunkError("one of its chunks is longer than it says")
        self._read_line = Placing._begin_chunk

    def _end_body(self, line: bytes) -> None:
        self._trailers += 1
        if self._trailers > _MOST_TRAILERS or (line and not _TRAILER(line)):
            raise BrokenChunkError("it has too many trailers, or some that are no fields")
        self.complete = not line


_NOTHING: Final = Placing(Plain(0), 0, 0, 0)


class InPlace(asyncio.BufferedProtocol):
    """Stands in for a connection while a body, or a large chunk of it, comes straight into its room."""

    def __init__(
        self,
        connection: asyncio.Protocol,
        transport: asyncio.Transport,
        placing: Placing,
        room: memoryview,
        came: Callable[[], None],
        done: Callable[[], None],
    ) -> None:
        """`room` is where it is open; `came` is called when some of the body comes, `done` when it is complete."""
        self._connection = connection
        self._transport = transport
        self._placing = placing
        self._room = room
        self._came = came
        self._done = done

    @staticmethod
    def begin(
        connection: asyncio.Protocol,
        transport: asyncio.Transport,
        placing: Placing,
        came: Callable[[], None],
        done: Callable[[], None],
    ) -> None:
        """Receive in place, if that is worth it."""
        room = placing.open()
        if room is None or transport.is_closing() or transport.get_extra_info("sslcontext") is not None:
            return
        _hand(transport, InPlace(connection, transport, placing, room, came, done))

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's
        """Where the next bytes go."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """So many came."""
        self._came()
        placing = self._placing
        placing.came(nbytes)
        room = placing.open()
        if room is not None:
            self._room = room
            return
        # uvloop knows its last buffered protocol for as long as there is no other one.
        self._placing, self._room = _NOTHING, memoryview(b"")
        if not self._transport.is_closing():
            _hand(self._transport, self._connection)
        if placing.complete:
            self._done()

    def eof_received(self) -> bool | None:
        """The upstream sends no more."""
        return self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """The transport holds enough."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """The transport has sent most of what it held."""
        self._connection.resume_writing()


def _hand(transport: asyncio.Transport, protocol: asyncio.BaseProtocol) -> None:
    """Let another protocol have what comes from here on: both loops ask how it takes bytes when reading begins."""
    transport.pause_reading()
    transport.set_protocol(protocol)
    transport.resume_reading()
