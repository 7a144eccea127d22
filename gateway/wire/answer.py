"""What does a handler answer to one HTTP request?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from gateway.core.reply import Fields
from gateway.core.verdict import Extent

if TYPE_CHECKING:
    from gateway.wire.websocket import WebSocket


class Answer(Struct, frozen=True):
    """An answer whose body is in memory.

    `fields` go out exactly as they are: case, order, duplicates, any byte but CR, LF and NUL. The connection adds
    `Date` (unless it is there), the framing, and `Connection` where that is needed; nothing else. `reason` None =
    the usual phrase of the status. An answer to HEAD, and a 204 or 304, is sent without its body.
    """

    status: int
    reason: bytes | None
    fields: Fields
    body: bytes = b""


class StreamAnswer(Struct, frozen=True):
    """An answer whose body comes piece by piece; a piece is asked for when the caller has taken the last ones.

    `length` is the body's in bytes, None if it is not known: it then goes out in chunks, or ends with the
    connection for HTTP/1.0. If `chunks` raises, or its pieces are not `length` bytes together, the connection
    is reset: no caller takes half a body for a whole one. `chunks` is closed (`aclose`) whatever happens.
    """

    status: int
    reason: bytes | None
    fields: Fields
    chunks: AsyncIterator[bytes | memoryview]
    length: int | None = None


class FileAnswer(Struct, frozen=True):
    """An answer whose body lies in an open file: `length` bytes (None = the rest) of the extent from `start` on.

    It is sent by the kernel. If the file turns out to be shorter, the connection is reset.
    """

    status: int
    reason: bytes | None
    fields: Fields
    extent: Extent
    start: int = 0
    length: int | None = None

    @property
    def size(self) -> int:
        """How long the body is, in bytes."""
        return self.extent.length - self.start if self.length is None else self.length


class SocketAnswer(Struct, frozen=True):
    """The answer to a request that becomes a WebSocket.

    `fields` go out as they are, with `Connection: Upgrade` and `Date`. `serve` has the socket from then on; when it returns, the
    connection ends. `most` is how many bytes a caller's message may have.
    """

    fields: Fields
    serve: Callable[[WebSocket], Awaitable[None]]
    most: int
    status: int = 101
