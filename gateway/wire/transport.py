"""What does aiohttp see of a caller's connection?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from aiohttp.web import BaseRequest

if TYPE_CHECKING:
    from gateway.wire.behind import Behind
    from gateway.wire.connection import Connection


class CallerTransport(asyncio.Transport):
    """The transport that an aiohttp handler is given: every call is the connection's to decide."""

    __slots__ = ("_behind", "_real", "connection")

    def __init__(self, connection: Connection, behind: Behind, real: asyncio.Transport) -> None:
        super().__init__()
        self._behind = behind
        self.connection = connection
        self._real = real

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes of an answer that aiohttp writes itself."""
        self._behind.write(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send bytes of an answer that aiohttp writes itself."""
        self._behind.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        """Whether nothing more can be written."""
        return self.connection.over

    def close(self) -> None:
        """Close when everything is sent, and has had time to arrive."""
        if not self._behind.left:
            self.connection.finish()

    def abort(self) -> None:
        """Close at once."""
        if not self._behind.left:
            self.connection.abort()

    def pause_reading(self) -> None:
        """Stop the caller's bytes."""
        if not self._behind.left:
            self.connection.pause_behind(True)

    def resume_reading(self) -> None:
        """Let the caller's bytes come again."""
        if not self._behind.left:
            self.connection.pause_behind(False)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the real transport knows: `peername`, `sockname`, `socket`, ..."""
        return self._real.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        """How many bytes wait to be sent."""
        return self._real.get_write_buffer_size()

    def can_write_eof(self) -> bool:
        """Whether one side alone can be closed: that is the connection's business."""
        return False


def connection_of(request: BaseRequest) -> Connection:
    """The connection that a request came on. CancelledError if it has gone, and with it whoever waits."""
    transport = request.transport
    if transport is None:
        raise asyncio.CancelledError("The caller has gone.")
    if not isinstance(transport, CallerTransport):
        raise TypeError("The request did not come through gateway.wire.server.Server.")
    return transport.connection
