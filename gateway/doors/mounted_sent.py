"""How does a request through a mount reach its service: over which connection, with which lines, and how often?"""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter

from gateway.core.faults import DeadlineExceeded, InternalFault
from gateway.core.forwarded import forwarded_lines, via_line
from gateway.core.heads import AnswerHead
from gateway.core.introducing import Introduction
from gateway.core.passing import of_request
from gateway.core.reply import Fields
from gateway.core.upstream import Answer, Lease
from gateway.doors.mounted_refused import MountedRefused
from gateway.doors.mounted_reply import INVITES_A_RETRY
from gateway.wire.head import CHUNKED
from gateway.wire.passage_there import EARLY
from gateway.wire.upstream import ConnectionLostError, NotConnectedError
from gateway.wire.upstream_request import field_lines

log = logging.getLogger("labgate.doors")


class MountedSent(MountedRefused):
    """A request below a mount, as far as it is sent on."""

    introduction: Introduction | None = None
    _seconds = 0.0
    _replay: bytes | None = None  # the body, while the request may be sent again
    _unsent: bytes | None = None  # the same, while nothing of it may have been sent
    _begun: Lease | None = None  # a connection that is being made, and used in this moment
    _pooled = False  # it was sent over a connection that had carried others
    _sent_over: Lease | None = None
    _elsewhere = False  # the answer says that the service is down, and another replica is asked

    # --- over which connection

    def depart(self) -> None:
        """Send the request on: over a connection at hand where nothing can be lost by that, else over a new one."""
        if self._way.service.introduced and self.introduction is None:
            self.introduction = self.introduction_at_hand()
            if self.introduction is None:
                self.later(self._introduce())
                return
        if self.accounts:
            self.take_turn()
        self._replay = self._unsent = None
        if not (self.complete and not self.upgrades and self._goes_at_once()):
            self.later(self._depart_anew())

    def begin_line(self) -> None:
        """Have a new connection begin, which is used in this moment or never; what it is for is allowed."""
        if self.complete and self.received <= EARLY and not (self.upgrades or self._way.service.introduced):
            self._begun = self._way.carrier.begun(self.seconds_left())

    def drop_line(self) -> None:
        """It is not needed."""
        begun, self._begun = self._begun, None
        if begun is not None:
            begun.release()

    def _goes_at_once(self) -> bool:
        """Whether the request was sent: over a connection that carried others, or a new one where it may be sent but once."""
        early = self.early
        if self.safe:
            self._replay, self._pooled = early, True
            lease = self._way.carrier.at_hand()
        elif len(early) <= EARLY:
            self._unsent, self._pooled = early, False
            if self._begun is None:
                self.begin_line()
            lease, self._begun = self._begun, None
        else:
            lease = None
        if lease is None:
            return False
        try:
            self._send(lease, max(0.001, self.seconds_left()))
        except NotConnectedError:
            self.put_early(early)
            return False
        return True

    async def _depart_anew(self, wait: float = 0.0) -> None:
        carrier = self._way.carrier
        self._pooled = False
        if wait:
            await asyncio.sleep(wait)
        deadline = self.loop.time() + self._seconds - (perf_counter() - self.started)
        lease = await carrier.lease(deadline, self._principal, self._sent_over)
        if self.over or self.left:
            lease.release()
            return
        try:
            self._send(lease, max(0.001, deadline - self.loop.time()))
        except NotConnectedError as failure:
            raise carrier.fault(failure, safe=True) from failure

    def _send(self, lease: Lease, seconds: float) -> None:
        """Send the request over this connection; its answer must begin within so many seconds."""
        way, notes = self._way, self.notes
        fields = self.passed_fields
        lines = self.lines_of(fields if self.trace is None else self.told_of_trace(fields, lease))
        self.leaves()
        host = notes.first.get(b"host") if way.service.keep_host else None
        lines += self.framing() + b"Labgate-Timeout: %.3f\r\n" % seconds
        if notes.request_id is None:
            lines += b"X-Request-Id: %b\r\n" % self.id.encode("ascii")
        head = lease.head(way.verb.encode(), way.rest, self.query, host, lines)
        self.departed = perf_counter()
        self._sent_over = lease
        self.replica = lease.address
        if not self.safe and not self._unsure:
            self._unsure = True
            self._marked = self.tools.relay.writes.sets_out(self.methods, self._changed())
        self.send(lease, head, seconds)

    # --- with which lines

    def lines_of(self, passed: Fields) -> bytes:
        """The lines for the upstream but Host, the service's own, and those that differ with each request."""
        fields, notes, way = self.seen.fields, self.notes, self._way
        alike = passed is fields and self.caller.head.minor and not self.upgrades
        known = notes.lines(way.service.qualified, self.caller.peer) if alike else None
        if known is not None:
            return known
        credential_in = None
        if notes.credential is not None and b"labgate-token" not in notes.first:
            credential_in = b"authorization"
        kept = of_request(
            passed,
            credential_in=credential_in,
            underscores=way.service.underscores,
            replaced=way.carrier.own_fields,
            upgrades=self.upgrades,
        )
        if notes.request_id is not None:
            kept = (*kept, (b"X-Request-Id", notes.request_id.encode("ascii")))
        if way.service.introduced:
            kept = self._introduced(kept)
        owners = self.tools.cookies
        lines = b"".join(
            (
                field_lines(owners.own(kept, way.service.qualified)),
                b"Connection: Upgrade\r\n" if self.upgrades else b"",
                forwarded_lines(
                    self._origin(), self.caller.peer, way.places.mount, names_gate=not way.service.links
                ),
                via_line(fields, self.tools.pseudonym, self.caller.head.minor),
            )
        )

        # Whose a cookie is may change.
        # What introduces the caller may be another one at the next request.
        if alike and way.service.introduced_alike and b"cookie" not in notes.first:
            notes.keep_lines(way.service.qualified, self.caller.peer, lines)
        return lines

    def framing(self) -> bytes:
        """The line that frames the request's body, where it is not Content-Length as it was sent."""
        return b"Transfer-Encoding: chunked\r\n" if self.caller.head.length == CHUNKED else b""

    def _introduced(self, fields: Fields) -> Fields:
        """The fields with what tells the service who asks."""
        found = self.introduction or self.introduction_at_hand()
        if found is None:
            raise InternalFault("The service was to be asked before it could be told who asks.")
        return found.added(fields)

    def introduction_at_hand(self) -> Introduction | None:
        """What tells the service who asks, if nobody has to be asked for it."""
        return self.tools.relay.introducer.at_hand(self._way.service, self._principal)

    async def _introduce(self) -> None:
        """Have what tells the service who asks, and go on."""
        seconds = self._seconds - (perf_counter() - self.started)
        try:
            async with asyncio.timeout(seconds):
                self.introduction = await self.tools.relay.introducer.obtain(
                    self._way.service, self._principal
                )
        except TimeoutError:
            raise DeadlineExceeded("There was no token for the service within the request's time.") from None
        if not (self.over or self.left):
            self.depart()

    # --- how often

    def lost(self, failure: Exception) -> None:
        """The answer will not come, or not to its end."""
        if self.over:
            return
        if self.begun:
            if self.fault is None:
                log.warning("an answer broke off: %s", type(failure).__name__, extra={"request_id": self.id})
                self.fault = "BrokenOff"
            self.cut()
            return
        if not self._goes_again(failure):
            self.refuse(self._fault_of(failure))

    def _goes_again(self, failure: Exception) -> bool:
        """Whether the request, which nothing can be lost by, is sent again."""
        replay, self._replay = self._replay, None
        unsent, self._unsent = self._unsent, None
        if unsent is not None and isinstance(failure, NotConnectedError) and not self.left:
            self.put_early(unsent)
            self.later(self._depart_anew())
            return True
        if replay is None or not isinstance(failure, ConnectionLostError) or failure.begun:
            return False
        wait: float | None = 0.0
        if not self._pooled:
            wait = self._way.carrier.again(failure, self.seconds_left())
        # Else the upstream had closed a connection that was kept: nothing was answered, and nothing is changed.
        if wait is None:
            return False
        self.put_early(replay)
        self.later(self._depart_anew(wait))
        return True

    def answer_head(self, head: AnswerHead) -> bytes | None:
        """The head for the caller; None where it is kept back, because somebody else is asked."""
        if head.status in INVITES_A_RETRY and self._replay is not None:
            wait = self._way.carrier.again(Answer(head.status, "", (), b""), self.seconds_left())
            if wait is not None:
                self._elsewhere = True
                return None
        return super().answer_head(head)

    def answered(self) -> None:
        """The answer is complete."""
        if not self._elsewhere:
            super().answered()
            return
        self._elsewhere, self.held, self.sent = False, None, 0
        self.put_early(self._replay or b"")
        self._replay = None
        self.later(self._depart_anew())

    def seconds_left(self) -> float:
        """How long the caller still waits for the answer to begin."""
        return max(0.0, self._seconds - (perf_counter() - self.started))

    def take_turn(self) -> None:
        """Count the request as under way from here on, unless it is. Raises `RateLimited`."""
        if not (self._holds or self.over):
            for account in self.accounts:
                if account.at_once is not None:
                    self._holds += (account.hold(),)

    # --- the end

    def closed(self) -> None:
        """It is over."""
        self.drop_line()
        super().closed()
