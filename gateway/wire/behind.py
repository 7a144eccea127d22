"""What does aiohttp's handler behind a connection get, and what may it say?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp.web import BaseRequest, RequestHandler

from gateway.core.faults import BadRequest
from gateway.wire.refusal import Refusal
from gateway.wire.transport import CallerTransport

if TYPE_CHECKING:
    from gateway.wire.connection import Connection


class Behind:
    """The unmodified aiohttp handler behind one connection: it is given one whole request at a time."""

    __slots__ = ("_connection", "_fault", "_handler", "_request", "left")

    def __init__(self, connection: Connection, handler: RequestHandler, real: asyncio.Transport) -> None:
        self._connection = connection
        self._handler = handler
        self._request: BaseRequest | None = None
        self._fault: BadRequest | None = None
        self.left = False
        """Whether the connection goes on without it: what it says of its end is nobody's business."""
        handler.connection_made(CallerTransport(connection, self, real))

    def take(self, data: bytes) -> None:
        """Give it more of the present request."""
        self._handler.data_received(data)

    def begin(self, request: BaseRequest) -> None:
        """It has made a request of the bytes it was given."""
        self._request = request
        if self._fault is not None:
            request.content.set_exception(self._fault)

    def break_body(self, fault: BadRequest) -> None:
        """The body of the present request cannot be had: whoever reads it gets the fault."""
        self._fault = fault
        if self._request is not None:
            self._request.content.set_exception(fault)

    def end(self) -> BaseRequest | None:
        """The present request is answered, if there was one; had it enough of its body, it takes more of the next one's."""
        self._handler.resume_reading()
        request, self._request = self._request, None
        return request

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """It writes. Outside of a request that is its parser's refusal, whose text quotes the caller."""
        if self._request is not None:
            self._connection.out.write(data)
        elif not self._connection.over:
            self._connection.refuse(Refusal.MALFORMED)

    def pause_writing(self) -> None:
        """The caller does not take what is written."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """The caller takes again."""
        self._handler.resume_writing()

    def lost(self, exc: Exception | None) -> None:
        """There is no caller any more."""
        self._request = None
        self._handler.connection_lost(exc)

    def leave(self) -> None:
        """The connection goes on with another handler; this one, which answers nothing now, ends."""
        self.left = True
        self.lost(None)
