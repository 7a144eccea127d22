"""How does one request pass from a caller's connection to an upstream's, and the answer back, byte by byte?

No task, no future and no queue stand between the two: each side's bytes are written to the other as they come, and a
side that does not take them pauses the other one.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from gateway.core.faults import BadRequest
from gateway.core.heads import BODILESS_STATUSES, AnswerHead
from gateway.core.http_fields import length_of
from gateway.core.ports import Lease
from gateway.core.verdict import Extent
from gateway.wire.connection import Connection
from gateway.wire.sendfile import send_extent
from gateway.wire.upstream_answer import AnswerTooLargeError

_LOG = logging.getLogger(__name__)

EARLY: Final = 64 << 10
"""Bytes of a body that are taken before there is a connection for them."""

INVITE_SECONDS: Final = 1.0
"""For how long a caller who waits for `100 Continue` waits for the upstream's word; then the gate gives it."""

_LARGE: Final = 64 << 10
SOON: Final = 10.0
"""Seconds to a deadline below which it has a timer of its own; farther ones are looked at about once a second."""


class Passage:
    """One request on its way: a `Guest` of the caller's connection, and the `Receiver` of the upstream's answer.

    A subclass says what is sent and what is made of the answer: `begin`, `asked`, `answer_head`, `tee`, `lost`, `closed`.
    """

    wants_bare = False
    lease: Lease | None = None
    received = 0
    """Bytes of the request's body so far, with the frames of its chunks."""
    sent = 0
    """Bytes of the answer's body so far."""
    complete = False
    """Whether the request is whole."""
    most = math.inf
    """Bytes of an answer's body beyond which it breaks off."""
    begun = False
    """Whether the answer's head is on its way to the caller."""
    left = False
    """Whether the caller has gone."""
    over = False
    safe = True
    """Whether the request changes nothing, so that it ends with its caller."""
    upgrades = False
    """Whether a 101 is an answer."""
    held: list[bytes] | None = None
    """The answer's body, where it is kept back until it is whole."""
    _early: list[bytes] | None = None
    _stay = False
    _chunked = False
    _bodiless = False
    _tunnelled = False
    _waits = False  # the upstream does not take what is sent
    _moved_at = 0.0
    _until = math.inf
    _given = 0.0  # seconds for the answer to begin
    _timer: asyncio.TimerHandle | None = None
    _sending: asyncio.Task[None] | None = None  # a file, to the caller
    _making: asyncio.Task[None] | None = None  # an answer that is made while it is sent
    _before = 0  # what was written before them

    def __init__(self, caller: Connection) -> None:
        self.caller = caller
        self.loop = caller.shared.loop
        self._out: list[bytes] = []

    # --- what a subclass says

    def begin(self) -> None:
        """The request's head is here; a short body may be too."""
        raise NotImplementedError

    def asked(self) -> None:
        """The request's body is whole."""

    def answer_head(self, head: AnswerHead) -> bytes | None:
        """The head for the caller, without framing, Connection and the empty line; None keeps the answer back."""
        raise NotImplementedError

    def tee(self, data: bytes) -> None:
        """Some of the answer's body passes."""

    def answered(self) -> None:
        """The answer is complete, and not written to its end yet if it was kept back."""

    def lost(self, failure: Exception) -> None:
        """The answer will not come, or not to its end; the lease is given back."""
        raise NotImplementedError

    def mistaken(self, mistake: Exception) -> None:
        """The gate made a mistake, and the lease is given back."""
        raise NotImplementedError

    def closed(self) -> None:
        """It is over: called once, whatever happened."""

    def may_go_on(self) -> bool:
        """Asked about once a second: whether a stream or tunnel may stay open."""
        return True

    @property
    def idle_seconds(self) -> float:
        """For how long nothing may move."""
        raise NotImplementedError

    # --- the caller's side: a Guest

    def start(self, *, whole: bool) -> None:
        """The head was taken; `whole` = so was the body."""
        self.complete = whole
        self.begin()

    def body(self, data: bytes) -> None:
        """Some of the body, or of a tunnel."""
        self.received += len(data)
        if self.lease is None:
            if self._early is None:
                self._early = []
            self._early.append(data)
            if self.received > EARLY and not self.wants_bare:
                self.caller.pause_behind(True)
            return
        self._moved_at = self.loop.time()
        self.lease.connection.write(data)

    def body_end(self) -> None:
        """The body is whole."""
        self.complete = True
        if self.lease is not None:
            self.lease.connection.finish()
            self._moved_at = self.loop.time()
        self.asked()

    def broken(self, fault: BadRequest) -> None:
        """The rest of the body never comes: the upstream must not take what came for the whole."""
        self._give_up()
        self.lost(fault)

    def gone(self) -> None:
        """The caller has gone. Safe work ends; what may change something goes on if the upstream has all of it."""
        self.left = True
        self._early = None
        if self.over:
            return
        if self.lease is not None and self.complete and not self.safe and not self._tunnelled:
            self.lease.connection.resume_reading()
            # Nobody asks a connection that has gone about the time.
            until = self._until if self._until < math.inf else self.loop.time() + self.idle_seconds
            self._timer = self._timer or self.loop.call_at(until, self._late)
            return
        self._give_up()
        self.close()

    def pause_writing(self) -> None:
        """The caller does not take the answer."""
        if self.lease is not None:
            self.lease.connection.pause_reading()

    def resume_writing(self) -> None:
        """The caller takes again."""
        if self.lease is not None:
            self._moved_at = self.loop.time()
            self.lease.connection.resume_reading()

    def check(self, now: float) -> None:
        """End what has been silent for too long, or may not go on."""
        if (self._sending or self._making) and not self.over and not self.may_go_on():
            self.cut()
        if self.lease is None or self.over:
            return
        if now > self._until:
            self._late()
            return
        streams = self.begun or self._waits
        silent = streams and not self.caller.out.paused and now - self._moved_at > self.idle_seconds
        if silent or ((self.begun or self._tunnelled) and not self.may_go_on()):
            self._give_up()
            self.lost(TimeoutError("nothing has moved for too long"))

    # --- the way there

    def send(self, lease: Lease, head: bytes, seconds: float) -> None:
        """Send the request over this connection, which is given back in the end.

        `head` is whole. The answer's head is awaited for so many seconds; while the request itself is under way, as long
        as it moves. Raises NotConnectedError: the lease is given back then.
        """
        early = self.early
        joined = len(early) <= _LARGE
        line = lease.connection
        try:
            line.start(
                head + early if joined else head,
                self,
                whole=self.complete and joined,
                bodiless=self.caller.head.bodiless,
                upgrades=self.upgrades,
            )
        except Exception:
            lease.release()
            raise
        self.lease = lease
        self._early = None
        if not joined:
            line.write(early)
            if self.complete:
                line.finish()
        if not self.complete:
            if self.caller.head.expects:
                self.loop.call_later(INVITE_SECONDS, self._invite)
            if not self._waits:
                self.caller.pause_behind(False)
        self._moved_at = self.loop.time()
        self._given = seconds
        until = self._moved_at + seconds
        if seconds < SOON:
            self._timer = self.loop.call_at(until, self._late)
        else:
            self._until = until

    def resumed(self, lease: Lease | None, until: float, seconds: float) -> None:
        """Go on where somebody else stood who had sent the request over this lease, whose answer is awaited `until`.

        It was given so many seconds.
        """
        self.lease = lease
        self._given = seconds
        self._until = until
        self._moved_at = self.loop.time()

    @property
    def early(self) -> bytes:
        """What came of the body while there was no connection for it."""
        return b"".join(self._early) if self._early else b""

    def put_early(self, data: bytes) -> None:
        """Send this as the body: what came was read, or shall be sent once more."""
        self._early = [data] if data else None

    def _invite(self) -> None:
        if not self.over and not self.begun and not self.left:
            self.caller.invite_body()

    def _late(self) -> None:
        if not self.complete and not self.left:
            # The upload is still under way, at its own pace.
            self._stop_timer()
            self._until = self.loop.time() + self.idle_seconds
            return
        if self.lease is not None:
            self.lease.late(self._given)
        self._give_up()
        self.lost(TimeoutError("the time is over"))

    def _give_up(self) -> None:
        """End the exchange with the upstream."""
        if self.lease is not None:
            self.lease.connection.leave()
        self._give_back()

    def _give_back(self) -> None:
        """The exchange with the upstream is over."""
        self._stop_timer()
        lease, self.lease = self.lease, None
        if lease is not None:
            lease.release()

    def _stop_timer(self) -> None:
        self._until = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- the way back: a Receiver

    def pause(self) -> None:
        """The upstream does not take the body."""
        self._waits = True
        self.caller.pause_behind(True)

    def resume(self) -> None:
        """The upstream takes again."""
        self._waits = False
        self._moved_at = self.loop.time()
        self.caller.pause_behind(False)

    def interim(self, status: int) -> None:
        """Interim answers end here, but for the upstream's leave to send the body."""
        if status == 100 and not self.left:
            self.caller.invite_body()

    def head(self, head: AnswerHead) -> None:
        """The answer begins."""
        self._stop_timer()
        self._given = 0.0
        if self.left and not self.safe:
            # Nobody reads the answer; but somebody has to see its end.
            self._timer = self.loop.call_later(self.idle_seconds, self._late)
        if self.most < math.inf and self._is_announced_too_large(head):
            self._break_off()
            return
        try:
            written = self.answer_head(head)
        except Exception as mistake:  # noqa: BLE001 - else the caller would wait for ever
            self._give_up()
            self.mistaken(mistake)
            return
        if written is None:
            self.held = []
        elif head.status == 101:
            self._switch(written)
        else:
            self.write_head(written, head.status, framed=head.traits.has_length)

    def write_head(self, written: bytes, status: int, *, framed: bool) -> None:
        """Write the answer's head with the lines that are the connection's to say; `framed` = its length is in it."""
        head = self.caller.head
        self.begun = True
        self._stay = head.keep_alive and self.complete and self.caller.may_stay()
        self._bodiless = head.bodiless or status in BODILESS_STATUSES
        if not framed and not self._bodiless:
            if head.minor:
                self._chunked = True
                written += b"Transfer-Encoding: chunked\r\n"
            else:
                self._stay = False
        if not self._stay:
            written += b"Connection: close\r\n"
        elif not head.minor:
            written += b"Connection: keep-alive\r\n"
        self._out.append(written + b"\r\n")

    def _switch(self, written: bytes) -> None:
        self.begun = self._tunnelled = True
        self._out.append(written + b"\r\n")
        self._flush()
        self.caller.tunnel()

    def piece(self, data: bytes) -> None:
        """Some of the answer's body."""
        if self.over:
            return
        self.sent += len(data)
        if self.sent > self.most:
            self._break_off()
            return
        self.tee(data)
        if self.over:
            return
        if self.held is not None:
            self.held.append(data)
        elif self._bodiless or self.left:
            pass
        elif self._chunked:
            if len(data) < _LARGE:
                self._out.append(b"%x\r\n%b\r\n" % (len(data), data))
            else:
                self._out += (b"%x\r\n" % len(data), data, b"\r\n")
        else:
            self._out.append(data)

    def _is_announced_too_large(self, head: AnswerHead) -> bool:
        if self.caller.head.bodiless or head.status in BODILESS_STATUSES:
            return False
        return head.traits.has_length and length_of(head.fields) > self.most

    def _break_off(self) -> None:
        """End an answer that is larger than it may be."""
        self._give_up()
        self.lost(AnswerTooLargeError())

    def tunnel(self, data: bytes) -> None:
        """Bytes of the other protocol, for the caller."""
        self.sent += len(data)
        self._out.append(data)

    def fed(self) -> None:
        """Write what has come."""
        self._moved_at = self.loop.time()
        if self._out:
            self._flush()

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self.left or self.caller.over:
            return
        write = self.caller.out.write
        if len(out) == 1:
            write(out[0])
        elif sum(map(len, out)) < _LARGE:
            write(b"".join(out))
        else:
            for data in out:
                write(data)

    def end(self) -> None:
        """The answer is complete."""
        if self.over:
            return
        self._give_back()
        if self._tunnelled:
            self._flush()
            self.finish(stay=False)
            return
        try:
            self.answered()
        except Exception as mistake:  # noqa: BLE001 - as above
            self.mistaken(mistake)
            return
        if self.over or (not self.begun and not self.left):
            return  # it was kept back, and the subclass writes it, or has
        if self._chunked:
            self._out.append(b"0\r\n\r\n")
        self.finish(stay=self._stay)

    def whole(self, head: AnswerHead, body: bytes) -> None:
        """The answer came in one piece."""
        self.head(head)
        if body:
            self.piece(body)
        self.end()

    def failed(self, failure: Exception) -> None:
        """The answer does not come to its end."""
        self._give_back()
        self.lost(failure)

    # --- the end

    def write_whole(self, head: bytes, body: bytes, status: int) -> None:
        """Write an answer that is in memory; `head` is without framing, Connection and the empty line."""
        if self.left or self.over:
            self.close()
            return
        bodiless = self.caller.head.bodiless or status in BODILESS_STATUSES
        if status not in BODILESS_STATUSES:
            head += b"Content-Length: %d\r\n" % len(body)
        self.write_head(head, status, framed=True)
        if not bodiless:
            self.sent += len(body)
            self._out.append(body)
        self.finish(stay=self._stay)

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
        self._sending = self.loop.create_task(self._send_file(extent, start, size))

    async def _send_file(self, extent: Extent, start: int, size: int) -> None:
        try:
            await send_extent(self.caller.out, extent, start, size)
        except ConnectionResetError:
            pass  # the connection says so by itself
        except Exception as failure:  # noqa: BLE001 - nobody looks at the task
            _LOG.warning("A stored answer broke off: %s", type(failure).__name__, exc_info=failure)
        else:
            if not self.over:
                self.finish(stay=self._stay)
            return
        if not self.over:
            self.cut()

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
        self._making = self.loop.create_task(self._send_pieces(0 if bodiless or nobody else length, pieces))

    async def _send_pieces(self, length: int, pieces: AsyncGenerator[bytes | memoryview]) -> None:
        try:
            async with aclosing(pieces):
                if length:
                    await self._write_all(length, pieces)
        except ConnectionResetError:
            pass  # the connection says so by itself
        except Exception as failure:  # noqa: BLE001 - nobody looks at the task
            _LOG.warning("an answer broke off: %s", failure)
        else:
            if not self.over:
                self.finish(stay=self._stay)
            return
        if not self.over:
            self.cut()

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

    def finish(self, *, stay: bool) -> None:
        """The answer is written to its end."""
        self._flush()
        self.close()
        if not self.left and not self.caller.out.closed:
            self.caller.answered(stay)

    def cut(self) -> None:
        """The answer breaks off: no caller may take what came of it for the whole."""
        self.close()
        if not self.left:
            self.caller.abort()

    def close(self) -> None:
        """It is over."""
        if not self.over:
            self.over = True
            if self._sending is not None or self._making is not None:
                self.sent += self.caller.out.written - self._before
            if self._making is not None and self._making is not asyncio.current_task(self.loop):
                self._making.cancel()
            self._stop_timer()
            self._early = None
            self._out.clear()
            self.closed()
