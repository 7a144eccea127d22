"""How does a stored reply go out about which everything is decided? In one write."""

from __future__ import annotations

from gateway.core.cache_status import age_of, ttl
from gateway.core.charging import Account
from gateway.core.faults import RateLimited
from gateway.core.verdict import Entry, Hit
from gateway.doors.asked import new_number
from gateway.doors.mount_tools import MountTools
from gateway.doors.mount_visit import settled_visit
from gateway.doors.notes import Notes
from gateway.doors.passing import Passing
from gateway.doors.way import Settled
from gateway.wire.connection import Connection


class MountHit:
    """One request that memory answers; a `Repeat` for the next one of the same bytes.

    What can only have ended since is looked at each time; what stands in the answer for a second is written once in it.
    `signpost` lies where the look-up began, and is the entry itself where nothing tells replies apart.
    """

    __slots__ = (
        "_after",
        "_before",
        "_changes",
        "_line",
        "_lineage",
        "_peer",
        "_principal",
        "_second",
        "_seen",
        "_settled",
        "_signpost",
        "_tools",
        "_way",
        "entry",
    )

    def __init__(
        self,
        tools: MountTools,
        passing: Passing,
        settled: Settled,
        signpost: Entry,
        entry: Entry,
    ) -> None:
        # It outlives the caller's connection, so nothing of it holds that.
        self._peer = passing.caller.peer
        self._tools = tools
        self._line = passing.line
        self._seen = seen = passing.seen
        self._way = way = passing.way
        self._settled = settled
        self._signpost = signpost
        self._principal = seen.notes.caller
        self._lineage = way.lineage_of(settled.method, passing.query)
        self._changes = -1
        self._second = -1
        self._before = self._after = b""
        self.entry = entry

    def answer(self, caller: Connection) -> bool:
        """Answer, if all still holds."""
        tools, entry, settled = self._tools, self.entry, self._settled
        notes: Notes = self._seen.notes
        tracer = tools.observer.tracer
        if tracer.left <= 0:  # this one is recorded
            return False
        now, relay = tools.wall(), tools.relay
        changes = relay.changes
        # No epoch ends without a change.
        if changes != self._changes:
            if settled.epoch != relay.epoch or not relay.book.is_fresh(entry, self._lineage, now):
                return False
            self._changes = changes
        if (
            now >= notes.until
            or notes.caller is not self._principal
            or settled.catalog is not relay.catalog
            or relay.switches.hinder
            or not entry.stored - 1 <= now < entry.fresh_until
        ):
            return False
        # Both are still there: that they were used keeps them longer.
        get, signpost = relay.book.get, self._signpost
        if get(signpost.key) is not signpost or (signpost is not entry and get(entry.key) is not entry):
            return False
        account = settled.account
        told = b"" if account is None else self._charged(account, caller, now)
        if told is None:
            return False
        second = int(now)
        if second != self._second:
            self._second = second
            self._write(second)
        number = settled.request_id or new_number()
        if account is None:
            caller.out.write_now(b"%b%b%b" % (self._before, number, self._after))
        else:
            account.spend(len(entry.body), now)
            caller.out.write_now(b"%b%b\r\n%b%b" % (self._before, number, told, self._after[2:]))
        tracer.left -= 1
        self._count(caller, number)
        return True

    def _charged(self, account: Account, caller: Connection, now: float) -> bytes | None:
        """The lines that tell how the caller stands once the request is charged; None if it may not be answered now.

        The bytes are charged when they were sent. The usual way says why not.
        """
        if self._principal is None or (self._principal.anonymous and caller.peer != self._peer):
            return None  # somebody else's
        try:
            return account.pay(0, now)
        except RateLimited:
            return None

    def _write(self, second: int) -> None:
        """The answer, before the request id and after it, for this second."""
        entry, body = self.entry, self.entry.body
        ready = b"" if entry.head is None else entry.head.ready
        self._before = b"%bX-Request-Id: " % ready
        self._after = (
            b"\r\n%bCache-Status: labgate; hit; ttl=%d\r\nAge: %d\r\nContent-Length: %d\r\n\r\n%b"
            % (
                self._settled.version,
                ttl(entry, second),
                age_of(entry, second),
                len(body),
                body,
            )
        )

    def _count(self, caller: Connection, number: bytes) -> None:
        settled, entry, observer = self._settled, self.entry, self._tools.observer
        status = 200 if entry.head is None else entry.head.status
        size = len(entry.body)
        if status == 200 and not observer.writes:
            hits = settled.hits
            hits.count += 1
            hits.size += size
            return
        verdict, visit = Hit(entry), None
        if observer.writes:
            visit = settled_visit(
                self._tools, caller, self._line, self._seen, self._way, settled, number, verdict
            )
        ended = "hit" if status < 400 else "error"
        observer.passed(settled.method, ended, 0.0, status, size, verdict, self._principal, visit)
