"""How is an answer written that is made of what is stored?"""

from __future__ import annotations

import logging

from gateway.core.cache_status import age_of, hit_status, stale_status, trip_status, ttl
from gateway.core.faults import InternalFault
from gateway.core.heads import BODILESS_STATUSES, AnswerHead
from gateway.core.http_storing import BY_THE_REPLY, head_of
from gateway.core.ports import Shared
from gateway.core.serving import Served, served
from gateway.core.verdict import Entry, Hit, HttpHead, Miss, Pass, Stale
from gateway.core.wanted import Wanted
from gateway.doors.keeping import Keeping
from gateway.doors.mounted_reply import MountedReply
from gateway.http_parts import find_part

log = logging.getLogger("labgate.doors")


class MountedServed(MountedReply):
    """A request below a mount that a stored reply may answer: whole, in part, or by word that it is unchanged."""

    wanted: Wanted | None = None
    """The request as the cache sees it; None where it has no part in it."""
    _keeping: Keeping | None = None
    _collapsed = False
    _asked_status: int | None = None
    _told: bytes | None = None

    def serve(self, entry: Entry) -> None:
        """Answer with what is stored, as this request wants it."""
        now = self.tools.wall()
        verdict = self.verdict
        seconds = ttl(entry, now)
        if isinstance(verdict, Miss | Pass):
            fetched = trip_status(
                verdict,
                stored=self._asked_status == 304,
                collapsed=self._collapsed,
                status=self._asked_status,
                ttl=seconds,
            )
            self._say(fetched, entry, now)
        else:
            tier = verdict.tier if isinstance(verdict, Hit) else ""
            self._say(hit_status(entry, tier, now), entry, now)
        self._write(entry)

    def serve_coming(self, entry: Entry, shared: Shared) -> None:
        """Answer with what will be stored, while it comes."""
        if entry.head is None or not isinstance(self.verdict, Miss):
            raise InternalFault("What is shared is the answer to a miss, and has a head.")
        self.say_joined(self.verdict, entry)
        self.write_coming(self.head_of_stored(entry.head), shared.length, shared.reader(), entry.head.status)

    def say_joined(self, miss: Miss, entry: Entry) -> None:
        """Say that the answer is what another request's trip brings, or has brought."""
        now = self.tools.wall()
        self.verdict = miss
        said = trip_status(miss, stored=False, collapsed=True, status=None, ttl=ttl(entry, now))
        self._say(said, entry, now)

    def broken_off(self, failure: Exception) -> None:
        """What was to be stored does not come to its end."""
        log.warning("an answer broke off: %s", str(failure), extra={"request_id": self.id})
        self.fault = "BrokenOff"

    def serve_stale(self, entry: Entry, why: str) -> None:
        """Answer with what is stored, though it is stale."""
        now = self.tools.wall()
        if not isinstance(self.verdict, Stale):
            miss = self.verdict
            rule = miss.rule if isinstance(miss, Miss) else BY_THE_REPLY
            self.verdict = Stale(entry, entry.key, entry.generations, entry.epoch, rule, "expired")
        self._say(stale_status(entry, why, now), entry, now)
        self._write(entry)

    def serve_part(self) -> bool:
        """Answer a request for a range by stored parts, where they hold what it asks for; whether they did."""
        wanted, now = self.wanted, self.tools.wall()
        if wanted is None or self._way.verb != "GET":
            return False
        found = find_part(self.tools.relay.book, wanted, now)
        if found is None:
            return False
        self.verdict, head, body = found
        self._say(hit_status(self.verdict.entry, "", now), self.verdict.entry, now)
        self.write_stored(head, body)
        return True

    def _say(self, status: str, entry: Entry, now: float) -> None:
        self._told = b"Cache-Status: %b\r\nAge: %d\r\n" % (status.encode(), age_of(entry, now))

    def _write(self, entry: Entry) -> None:
        head = entry.head
        if head is None:
            head = HttpHead(500, b"", ())
        if (
            self._way.verb == "GET"
            and not self.notes.special
            and head.ready
            and self._way.service.cors is None
        ):
            self.status = head.status
            written = head.ready + self._added()
            if entry.extent is not None:
                self.write_stored_file(written, entry.extent, head.status)
            else:
                self.write_whole(written, entry.body, head.status)
            return
        made = served(head, entry.length, self._way.verb, self.seen.fields, entry.stored)
        self._write_served(made, entry)

    def _write_served(self, made: Served, entry: Entry) -> None:
        if entry.extent is not None and made.status not in BODILESS_STATUSES:
            written = self.passed_head(AnswerHead(made.status, made.reason, made.fields, None))
            self.write_stored_file(written, entry.extent, made.status, made.start, made.stop - made.start)
            return
        whole = made.stop - made.start == entry.length
        body = entry.body if whole else entry.body[made.start : made.stop]
        head = head_of(made.status, made.reason, made.fields)
        self.write_stored(head, body)

    def told_of_cache(self) -> bytes | None:
        """What a reply says that is made of a stored one; None where it says what every reply does."""
        if self._told is not None:
            return self._told
        if self._keeping is None or not isinstance(self.verdict, Miss):
            return None
        line = trip_status(self.verdict, stored=True, collapsed=False, status=self._asked_status, ttl=None)
        return b"Cache-Status: %b\r\n" % line.encode()
