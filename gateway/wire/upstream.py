"""How does one request go to an upstream, and its answer come back?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from gateway.core.ports import Answer
from gateway.wire.upstream_answer import AnswerReader, AnswerTooLargeError, MalformedAnswerError

_ONE_WRITE: Final = 64 * 1024
"""Up to this size a body is joined to its head, so that both leave at once."""


class NotConnectedError(Exception):
    """There is no connection, so nothing was sent; the text says why, without naming the address."""


class ConnectionLostError(Exception):
    """The connection ended before the answer was complete; `begun` = some of the answer had come."""

    def __init__(self, *, begun: bool) -> None:
        super().__init__("went away in the middle of its answer" if begun else "went away without an answer")
        self.begun = begun


class ExpiredError(Exception):
    """The deadline passed; `sent` = the request was on its way by then."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__("the time is over")
        self.sent = sent


class Connection(asyncio.Protocol):
    """One connection to an upstream: one exchange at a time, one after the other.

    There is no task behind it: `exchange` waits for one future, which the parser's end, the connection's end
    or the one timer of the exchange resolves.
    """

    def __init__(self, on_lost: Callable[[Connection], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._reader = AnswerReader()
        self._pending: asyncio.Future[None] | None = None
        self.idle_since = 0.0
        """When it was last given back to its pool, on the loop's clock."""
        self.ended = False
        """Whether it was there and is gone."""

    @property
    def reusable(self) -> bool:
        """Whether it can carry another request."""
        return self._transport is not None and not self._transport.is_closing() and self._reader.reusable

    async def exchange(
        self, head: bytes, body: bytes | None, *, bodiless: bool, max_body: int, deadline: float
    ) -> Answer:
        """Send a request and return its answer, whole.

        `bodiless` = the request is a HEAD. Raises NotConnectedError, ConnectionLostError, ExpiredError,
        MalformedAnswerError or AnswerTooLargeError, and ends the connection then; so it does when the caller is
        cancelled.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise NotConnectedError("it closed the connection")
        if self._loop.time() >= deadline:
            raise ExpiredError(sent=False)
        self._reader.begin(max_body=max_body, bodiless=bodiless)
        self._pending = self._loop.create_future()
        if body is None:
            transport.write(head)
        elif len(body) <= _ONE_WRITE:
            transport.write(head + body)
        else:
            transport.writelines((head, body))
        timer = self._loop.call_at(deadline, self._expire)
        try:
            await self._pending
        except BaseException:
            self.drop()
            raise
        finally:
            self._pending = None
            timer.cancel()
        if transport.get_write_buffer_size():
            # It answered without waiting for the whole request, the rest of which would come before the next one.
            self.drop()
        return self._reader.answer()

    def drop(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _expire(self) -> None:
        self._fail(ExpiredError(sent=True))

    def _fail(self, failure: Exception) -> None:
        if self._pending is not None and not self._pending.done():
            self._pending.set_exception(failure)

    def _end(self, *, orderly: bool) -> None:
        if self._pending is None or self._pending.done():
            return
        if orderly and self._reader.end():
            self._pending.set_result(None)
        else:
            self._fail(ConnectionLostError(begun=self._reader.begun))

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Some of the answer; bytes that nobody waits for end the connection."""
        if self._pending is None or self._pending.done():
            self.drop()
            return
        try:
            complete = self._reader.feed(data)
        except (MalformedAnswerError, AnswerTooLargeError) as failure:
            self._fail(failure)
            return
        if complete:
            self._pending.set_result(None)

    def eof_received(self) -> None:
        """The upstream sends no more; the transport closes itself."""
        self._end(orderly=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._end(orderly=exc is None)
        self._transport = None
        self.ended = True
        self._on_lost(self)
