"""How does a request get from its caller to an upstream, byte by byte, and who of the two ends it?"""

from __future__ import annotations

import asyncio
import math
from typing import Final

from gateway.core.faults import BadRequest
from gateway.core.upstream import Lease
from gateway.wire.passage_made import PassageMade

EARLY: Final = 64 << 10
"""Bytes of a body that are taken before there is a connection for them."""


class PassageThere(PassageMade):
    """One request on its way: a `Guest` of the caller's connection.

    A subclass says what is sent and what its end means: `begin`, `asked`, `lost`.
    """

    wants_bare = False
    lease: Lease | None = None
    received = 0
    """Bytes of the request's body so far, with the frames of its chunks."""
    safe = True
    """Whether the request changes nothing, so that it ends with its caller."""
    upgrades = False
    """Whether a 101 is an answer."""
    _early: list[bytes] | None = None
    _waits = False  # the upstream does not take what is sent
    _moved_at = 0.0
    _until = math.inf
    _given = 0.0  # seconds for the answer to begin
    _timer: asyncio.TimerHandle | None = None

    # --- what a subclass says

    def begin(self) -> None:
        """The request's head is here; a short body may be too."""
        raise NotImplementedError

    def asked(self) -> None:
        """The request's body is whole."""

    def lost(self, failure: Exception) -> None:
        """The answer will not come, or not to its end; the lease is given back."""
        raise NotImplementedError

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
        if (self._sending or self._making) and not self.over:
            self._catch_up()
            if not self.may_go_on():
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

    @property
    def early(self) -> bytes:
        """What came of the body while there was no connection for it."""
        return b"".join(self._early) if self._early else b""

    def put_early(self, data: bytes) -> None:
        """Send this as the body: what came was read, or shall be sent once more."""
        self._early = [data] if data else None

    # --- its time, and its end

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

    def _leave_off(self) -> None:
        """End what is still under way."""
        super()._leave_off()
        self._stop_timer()
        self._early = None
