"""How does one request pass from a caller's connection to an upstream's, and the answer back, byte by byte?

No task, no future and no queue stand between the two: each side's bytes are written to the other as they come, and a
side that does not take them pauses the other one.
"""

from __future__ import annotations

import math
from typing import Final

from gateway.core.heads import BODILESS_STATUSES, AnswerHead
from gateway.core.http_fields import length_of
from gateway.core.upstream import Lease
from gateway.wire.passage_answer import LARGE
from gateway.wire.passage_there import PassageThere
from gateway.wire.upstream_answer import AnswerTooLargeError

INVITE_SECONDS: Final = 1.0
"""For how long a caller who waits for `100 Continue` waits for the upstream's word; then the gate gives it."""

SOON: Final = 10.0
"""Seconds to a deadline below which it has a timer of its own; farther ones are looked at about once a second."""


class Passage(PassageThere):
    """One request on its way: a `Guest` of the caller's connection, and the `Receiver` of the upstream's answer.

    A subclass says what is sent and what is made of the answer: `begin`, `asked`, `answer_head`, `tee`, `lost`, `closed`.
    """

    most = math.inf
    """Bytes of an answer's body beyond which it breaks off."""
    held: list[bytes] | None = None
    """The answer's body, where it is kept back until it is whole."""

    # --- what a subclass says

    def answer_head(self, head: AnswerHead) -> bytes | None:
        """The head for the caller, without framing, Connection and the empty line; None keeps the answer back."""
        raise NotImplementedError

    def tee(self, data: bytes) -> None:
        """Some of the answer's body passes."""

    def answered(self) -> None:
        """The answer is complete, and not written to its end yet if it was kept back."""

    def mistaken(self, mistake: Exception) -> None:
        """The gate made a mistake, and the lease is given back."""
        raise NotImplementedError

    # --- the way there

    def send(self, lease: Lease, head: bytes, seconds: float) -> None:
        """Send the request over this connection, which is given back in the end.

        `head` is whole. The answer's head is awaited for so many seconds; while the request itself is under way, as long
        as it moves. Raises NotConnectedError: the lease is given back then.
        """
        early = self.early
        joined = len(early) <= LARGE
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

    def _invite(self) -> None:
        if not self.over and not self.begun and not self.left:
            self.caller.invite_body()

    def resumed(self, lease: Lease | None, until: float, seconds: float) -> None:
        """Go on where somebody else stood who had sent the request over this lease, whose answer is awaited `until`.

        It was given so many seconds.
        """
        self.lease = lease
        self._given = seconds
        self._until = until
        self._moved_at = self.loop.time()

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
            if len(data) < LARGE:
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
