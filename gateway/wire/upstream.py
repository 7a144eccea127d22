"""How does one request go to an upstream, and its answer come back: whole, or part by part?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from gateway.core.breaker import says_down
from gateway.core.room import Room
from gateway.core.upstream import Answer, Receiver
from gateway.wire.upstream_answer import AnswerReader, AnswerTooLargeError, MalformedAnswerError
from gateway.wire.upstream_placing import InPlace
from gateway.wire.upstream_room import RoomReader

_LAST_UNSUSPECTED: Final = 501
"""Answers of a higher status may say that the service is down."""

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
    """The deadline passed; `sent` = the request was on its way by then, `silent` = it moved no more, and there is time left."""

    def __init__(self, *, sent: bool, silent: bool = False) -> None:
        super().__init__("was silent for too long" if silent else "the time is over")
        self.sent = sent
        self.silent = silent


class Connection(asyncio.Protocol):
    """One connection to an upstream: one exchange at a time, one after the other.

    There is no task behind it: `exchange` waits for one future, which the parser's end, the connection's end
    or the one timer of the exchange resolves. `start` hands the answer's parts to a receiver instead, and whoever
    started it watches the time.
    """

    def __init__(self, on_lost: Callable[[Connection], None]) -> None:
        self.loop = asyncio.get_running_loop()
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._reader: AnswerReader = AnswerReader()
        self._pending: asyncio.Future[None] | None = None
        self._receiver: Receiver | None = None
        self._sending = False
        self.idle_since = 0.0
        """When it was last given back to its pool, on the loop's clock."""
        self.ended = False
        """Whether it was there and is gone."""
        self.trouble: Exception | int | None = None
        """Why the exchange that was `start`ed got no answer, or the status of one that says that the service is down."""
        self._silence: float | None = None
        self._until = 0.0
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.lease: object = None
        """Whatever its user hands out with it, made once."""

    @property
    def reusable(self) -> bool:
        """Whether it can carry another request."""
        return (
            self._transport is not None
            and not self._transport.is_closing()
            and self._reader.reusable
            and self._receiver is None
        )

    @property
    def complete(self) -> bool:
        """Whether the last answer came to its end."""
        return self._reader.complete

    async def exchange(
        self,
        head: bytes,
        body: bytes | None,
        *,
        bodiless: bool,
        max_body: int,
        deadline: float,
        silence: float | None = None,
        room: Room | None = None,
    ) -> Answer:
        """Send a request and return its answer, whole.

        `bodiless` = the request is a HEAD; `silence` is for how many seconds nothing may come, `room` where the body of a 200
        may go. Raises NotConnectedError, ConnectionLostError, ExpiredError,
        MalformedAnswerError or AnswerTooLargeError, and ends the connection then; so it does when the caller is
        cancelled.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise NotConnectedError("it closed the connection")
        now = self.loop.time()
        if now >= deadline:
            raise ExpiredError(sent=False)
        if room is not None:
            self._reader = RoomReader(room)
        self._reader.begin(max_body=max_body, bodiless=bodiless)
        self._pending = self.loop.create_future()
        if body is None:
            transport.write(head)
        elif len(body) <= _ONE_WRITE:
            transport.write(head + body)
        else:
            transport.writelines((head, body))
        self._until, self._silence, self._heard = deadline, silence, now
        self._watch_time()
        try:
            await self._pending
        except BaseException:
            self.drop()
            raise
        finally:
            self._pending = None
            if self._timer is not None:
                self._timer.cancel()
        if transport.get_write_buffer_size():
            # It answered without waiting for the whole request, the rest of which would come before the next one.
            self.drop()
        return self._reader.answer()

    # part by part

    def start(
        self, head: bytes, receiver: Receiver, *, whole: bool, bodiless: bool, upgrades: bool = False
    ) -> None:
        """Send a request's head, and have its answer given to `receiver`.

        `whole` = nothing follows it; else a body does, by `write`, and `finish` must be called at its end. Raises
        NotConnectedError.
        """
        self.trouble = None
        transport = self._transport
        if transport is None or transport.is_closing():
            self._reader.complete = False
            raise NotConnectedError("it closed the connection")
        self._reader.begin(max_body=0, bodiless=bodiless, receiver=receiver, upgrades=upgrades)
        self._receiver = receiver
        self._sending = not whole
        transport.write(head)

    def change_receiver(self, receiver: Receiver) -> None:
        """Give what comes from here on to another one."""
        if self._receiver is not None:
            self._receiver = receiver
            self._reader.receiver = receiver

    def write(self, data: bytes) -> None:
        """Send some of the request's body, framed, or of the protocol that was switched to."""
        if self._transport is not None:
            self._transport.write(data)

    def finish(self) -> None:
        """The request is whole."""
        self._sending = False

    def pause_reading(self) -> None:
        """Take no more of the answer for now."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take more of the answer."""
        if self._transport is not None:
            self._transport.resume_reading()

    def leave(self) -> None:
        """Give up on the exchange: its receiver hears no more, and the connection ends."""
        self._receiver = None
        self.drop()

    def _hand_over(self, receiver: Receiver, data: bytes) -> None:
        """Give the receiver what came."""
        if self._reader.switched:
            receiver.tunnel(data)
            receiver.fed()
            return
        try:
            complete = self._reader.feed(data)
        except MalformedAnswerError as failure:
            self._receiver = None
            self.trouble = failure
            self.drop()
            receiver.failed(failure)
            return
        receiver = self._receiver or receiver
        if complete and self._receiver is not None:
            # A connection that waits for its next request keeps nobody alive.
            self._receiver = self._reader.receiver = None
            if self._sending or (self._transport and self._transport.get_write_buffer_size()):
                # The rest of the request would come before the next one.
                self.drop()
            at_once = self._reader.at_once
            if at_once is not None:
                head, body = at_once
                if head.status > _LAST_UNSUSPECTED and says_down(head.status, body):
                    self.trouble = head.status
                receiver.whole(head, body)
            else:
                self.trouble = self._reader.says_down
                receiver.end()
        else:
            receiver.fed()

    def pause_writing(self) -> None:
        """The transport holds enough for an upstream that does not read."""
        if self._receiver is not None:
            self._receiver.pause()

    def resume_writing(self) -> None:
        """The transport has sent most of what it held."""
        if self._receiver is not None:
            self._receiver.resume()

    def drop(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _watch_time(self) -> None:
        """Come back when the exchange may be over for lack of time."""
        until = self._until if self._silence is None else min(self._until, self._heard + self._silence)
        self._timer = self.loop.call_at(until, self._expire)

    def _expire(self) -> None:
        now = self.loop.time()
        if self._silence is None or now >= self._until:
            self._fail(ExpiredError(sent=True))
        elif now >= self._heard + self._silence:
            self._fail(ExpiredError(sent=True, silent=True))
        else:
            self._watch_time()

    def _fail(self, failure: Exception) -> None:
        if self._pending is not None and not self._pending.done():
            self._pending.set_exception(failure)

    def _end(self, *, orderly: bool) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            if self._reader.switched or (orderly and self._reader.end()):
                self.trouble = self._reader.says_down
                receiver.end()
            else:
                lost = ConnectionLostError(begun=self._reader.begun)
                # A service that ends its streams, as when it is started again, fails nobody who asks now.
                self.trouble = None if self._reader.in_body else lost
                receiver.failed(lost)
            return
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
        if self._receiver is not None:
            self._hand_over(self._receiver, data)
            return
        if self._pending is None or self._pending.done():
            self.drop()
            return
        self._came()
        try:
            complete = self._reader.feed(data)
        except (MalformedAnswerError, AnswerTooLargeError) as failure:
            self._fail(failure)
            return
        if complete:
            self._pending.set_result(None)
        elif type(self._reader) is RoomReader and self._reader.placing and self._transport is not None:
            InPlace.begin(self, self._transport, self._reader.placing, self._came, self._placed)

    def _came(self) -> None:
        if self._silence is not None:
            self._heard = self.loop.time()

    def _placed(self) -> None:
        """The body has come straight into its room."""
        self._reader.complete = True
        if self._pending is not None and not self._pending.done():
            self._pending.set_result(None)

    def eof_received(self) -> None:
        """The upstream sends no more; the transport closes itself."""
        self._end(orderly=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._end(orderly=exc is None)
        self._transport = self._reader.receiver = None
        self.ended = True
        self._on_lost(self)
