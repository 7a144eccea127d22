"""How does a stored reply go out about which everything is decided? In one write."""

from __future__ import annotations

from time import perf_counter

from gateway.core.cache_status import age_of, ttl
from gateway.core.faults import BadRequest
from gateway.core.verdict import Entry, Hit
from gateway.doors.asked import new_id
from gateway.doors.mount_tools import MountTools
from gateway.doors.mounted import Mounted
from gateway.doors.way import Settled, Way
from gateway.wire.connection import Connection
from gateway.wire.lane import Seen


class Quick:
    """One request that memory answers: a `Guest` of the caller's connection, over as soon as it starts."""

    __slots__ = ("_caller", "_entry", "_line", "_query", "_seen", "_settled", "_started", "_tools", "_way")

    wants_bare = False

    def __init__(
        self,
        tools: MountTools,
        caller: Connection,
        line: bytes,
        seen: Seen,
        way: Way,
        query: bytes,
        settled: Settled,
        entry: Entry,
    ) -> None:
        self._started = perf_counter()
        self._tools = tools
        self._caller = caller
        self._line = line
        self._seen = seen
        self._way = way
        self._query = query
        self._settled = settled
        self._entry = entry

    def start(self, *, whole: bool) -> None:
        """Write the answer."""
        entry, caller, settled, tools = self._entry, self._caller, self._settled, self._tools
        head = entry.head
        if head is None or not head.ready or entry.extent is not None or not caller.goes_on or not whole:
            self._leave().start(whole=whole)
            return
        now = tools.wall()
        number = settled.request_id or new_id().encode()
        body = entry.body
        caller.answer(
            b"%bX-Request-Id: %b\r\n%bCache-Status: labgate; hit; ttl=%d\r\nAge: %d\r\nContent-Length: %d\r\n\r\n%b"
            % (
                head.ready,
                number,
                settled.version,
                ttl(entry, now),
                age_of(entry, now),
                len(body),
                body,
            )
        )
        observer = tools.observer
        if observer.writes:
            self._write_down(number, head.status, len(body))
        else:
            outcome = "hit" if head.status < 400 else "error"
            spent = perf_counter() - self._started
            observer.passed(settled.method, outcome, spent, head.status, len(body))

    def _write_down(self, number: bytes, status: int, size: int) -> None:
        """Have the access log say what a `Mounted` would."""
        made = Mounted(self._tools, self._caller, self._line, self._seen, self._way, self._query)
        made.take_over(self._settled, number.decode(), self._started, 0.0, None)
        made.verdict = Hit(self._entry)
        made.status, made.sent = status, size
        made.close()

    def _leave(self) -> Mounted:
        """Leave it to whoever can do everything."""
        made = Mounted(self._tools, self._caller, self._line, self._seen, self._way, self._query)
        self._caller.change_guest(made)
        return made

    # --- never so: it is over at once

    def body(self, data: bytes) -> None:
        """There is none."""

    def body_end(self) -> None:
        """There is none."""

    def broken(self, fault: BadRequest) -> None:
        """There is no body that could break."""

    def gone(self) -> None:
        """The caller has gone."""

    def pause_writing(self) -> None:
        """What was written is all."""

    def resume_writing(self) -> None:
        """What was written is all."""

    def check(self, now: float) -> None:
        """Nothing takes time here."""
