"""How does a request pass about which everything was decided a moment ago? The head lane of the mounts.

The same header lines asked for the same path before, in this epoch and catalog, and the request has no body: so it goes
out over a connection at hand, and its answer, if it comes in one piece and needs nothing changed, goes back in one
write. Whatever turns out differently is left to a `Mounted`, which takes over where this one stands.
"""

from __future__ import annotations

from time import perf_counter
from typing import Final

from gateway.core.faults import BadRequest
from gateway.core.heads import AnswerHead
from gateway.core.http_storing import BY_THE_REPLY
from gateway.core.server_timing import TRIP
from gateway.core.upstream import Lease
from gateway.core.verdict import Miss
from gateway.doors.asked import new_id
from gateway.doors.mount_tools import MountTools
from gateway.doors.mount_visit import settled_visit
from gateway.doors.mounted import Mounted
from gateway.doors.passing import Passing
from gateway.doors.way import Settled
from gateway.wire.upstream import NotConnectedError

_LAST_FINAL: Final = 501
"""Instead of an answer of a higher status, another replica may have a better one."""

_ANSWER: Final = b"%%bX-Request-Id: %%b\r\n%%bServer-Timing: %b\r\n\r\n%%b" % TRIP

UNSTORED: Final = {
    why: b'Cache-Status: labgate; fwd=miss; detail="%b"\r\n' % why.encode() for why in ("no-store", "private")
}
"""What is said of the cache where an answer forbids to store it."""

_FORBIDDEN: Final = {why: Miss(b"", (), 0, BY_THE_REPLY, why) for why in UNSTORED}


class Dash:
    """One request: a `Guest` of the caller's connection, and the `Receiver` of the upstream's answer."""

    __slots__ = (
        "_id",
        "_lease",
        "_mark",
        "_passing",
        "_requested",
        "_settled",
        "_started",
        "_tools",
        "_until",
    )

    wants_bare = False

    def __init__(
        self,
        tools: MountTools,
        passing: Passing,
        lease: Lease,
        settled: Settled,
    ) -> None:
        self._started = perf_counter()
        self._tools = tools
        self._passing = passing
        self._lease = lease
        self._settled = settled

    def start(self, *, whole: bool) -> None:
        """Send the request."""
        settled, lease, passing = self._settled, self._lease, self._passing
        caller = passing.caller
        # What the service says of its answer may let it be stored; nothing must have ended meanwhile.
        self._mark = None if settled.root is None else self._tools.relay.book.mark(settled.watched)
        self._requested = self._tools.wall() if settled.root is not None else 0.0
        given = settled.request_id
        if given is None:
            self._id = number = new_id().encode()
            lines = b"%bX-Request-Id: %b\r\n" % (settled.lines, number)
        else:
            self._id, lines = given, settled.lines
        head = lease.head(settled.verb, passing.way.rest, passing.query, settled.host, lines)
        self._until = caller.shared.loop.time() + settled.seconds
        try:
            lease.connection.start(head, self, whole=True, bodiless=caller.head.bodiless)
        except NotConnectedError:
            lease.release()
            self._hand_over(with_lease=False).depart()

    def whole(self, head: AnswerHead, body: bytes) -> None:
        """The answer came in one piece: write it, where it passes as it is."""
        ready, caller, settled = head.ready(), self._passing.caller, self._settled
        # An answer that says something of its freshness may be stored, unless it forbids just that.
        says = settled.root is not None and head.traits.says_freshness
        why = head.forbids() if says and settled.verb != b"HEAD" else ""
        if not ready or not caller.goes_on or (says and not why) or head.status > _LAST_FINAL:
            self._hand_over().whole(head, body)
            return
        self._lease.release()
        spent = perf_counter() - self._started
        told = settled.version + UNSTORED[why] if why else settled.told
        if settled.account is not None:
            now = self._tools.wall()
            told = settled.account.lines(now) + told
            settled.account.spend(len(body), now)
        caller.answer(
            _ANSWER
            % (
                ready,
                self._id,
                told,
                b"miss" if why else settled.outcome.encode(),
                spent * 1000,
                spent * 1000,
                body,
            )
        )
        observer, visit = self._tools.observer, None
        outcome = "error" if head.status >= 400 else "miss" if why else settled.outcome
        verdict, passing = _FORBIDDEN[why] if why else settled.verdict, self._passing
        if observer.writes or spent >= observer.slow:
            visit = settled_visit(
                self._tools, caller, passing.line, passing.seen, passing.way, settled, self._id, verdict
            )
            visit.replica = self._lease.address
        who = passing.seen.notes.caller
        observer.passed(settled.method, outcome, spent, head.status, len(body), verdict, who, visit)

    # --- what turns out differently

    def _hand_over(self, *, with_lease: bool = True) -> Mounted:
        """Leave the rest to whoever can do everything."""
        passing = self._passing
        caller = passing.caller
        made = Mounted(self._tools, caller, passing.line, passing.seen, passing.way, passing.query)
        made.take_over(
            self._settled, self._id.decode(), self._started, self._until, self._lease if with_lease else None
        )
        if with_lease:
            made.replica = self._lease.address
        if with_lease and self._mark is not None:
            made.was_not_looked_up(self._settled, self._mark, self._requested)
        caller.change_guest(made)
        self._lease.connection.change_receiver(made)
        return made

    def head(self, head: AnswerHead) -> None:
        """The answer comes in several pieces."""
        self._hand_over().head(head)

    def interim(self, status: int) -> None:
        """Interim answers end here."""

    def failed(self, failure: Exception) -> None:
        """The answer does not come."""
        self._hand_over().failed(failure)

    def end(self) -> None:
        """Never so: an answer comes in one piece, or begins with its head."""
        self._hand_over().failed(ValueError("an answer ended that had not begun"))

    def piece(self, data: bytes) -> None:
        """Never so."""

    tunnel = piece

    def fed(self) -> None:
        """Nothing is gathered here."""

    def pause(self) -> None:
        """There is no body that could wait."""

    resume = pause

    def body(self, data: bytes) -> None:
        """There is none."""

    def body_end(self) -> None:
        """There is none."""

    def broken(self, fault: BadRequest) -> None:
        """There is no body that could break."""

    def gone(self) -> None:
        """The caller has gone."""
        self._hand_over().gone()

    def pause_writing(self) -> None:
        """The caller does not take what was written before."""
        self._hand_over().pause_writing()

    def resume_writing(self) -> None:
        """The caller takes again."""

    def check(self, now: float) -> None:
        """End what has taken too long."""
        if now > self._until:
            self._hand_over().check(now)
