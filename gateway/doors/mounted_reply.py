"""What does the caller of a mounted service get, and what is written down about it?"""

from __future__ import annotations

from time import perf_counter
from typing import Final

from gateway.core.cache_status import in_a_word
from gateway.core.cors import reply_fields
from gateway.core.credentials_shown import without_secrets
from gateway.core.faults import (
    Fault,
    InternalFault,
)
from gateway.core.forwarded import Way as Origin
from gateway.core.heads import AnswerHead
from gateway.core.invalidation import led_to, uri_name
from gateway.core.method import Method
from gateway.core.places import set_name
from gateway.core.ports import Visit
from gateway.core.principal import Principal
from gateway.core.reply import Fields
from gateway.core.verdict import HttpHead, Pass, Verdict
from gateway.doors.asked import new_id
from gateway.doors.attending import CALLER_GONE
from gateway.doors.mount_tools import MountTools
from gateway.doors.notes import notes_of
from gateway.doors.passed import reply_head, status_lines
from gateway.doors.way import Way
from gateway.wire.connection import Connection
from gateway.wire.lane import Seen
from gateway.wire.passage import Passage
from gateway.wire.upstream_request import field_lines
from gateway.wire.written import passed_head

INVITES_A_RETRY: Final = frozenset((502, 503, 504))
"""Statuses after which clients send a request again, writes too (facts of CAVE, 1.6)."""

_UPGRADED: Final = Pass("upgrade")


class MountedReply(Passage):
    """The way back of a request below a mount; `way` is None for one that goes nowhere, and `trouble` says why.

    `line` is its request line without the version.
    """

    origin: Origin | None = None
    principal: Principal | None = None
    method: Method | None = None
    methods: tuple[Method, ...] = ()
    verdict: Verdict = _UPGRADED
    status = 0
    fault: str | None = None
    departed = 0.0
    _counted = (0, 0)
    _unsure = False  # the request may have reached the service
    _marked: tuple[str, ...] = ()
    _led_to: tuple[str, ...] = ()

    def __init__(
        self,
        tools: MountTools,
        caller: Connection,
        line: bytes,
        seen: Seen,
        way: Way | None,
        query: bytes,
        trouble: Fault | None = None,
    ) -> None:
        super().__init__(caller)
        self.started = perf_counter()
        self.tools = tools
        self.line = line
        self.seen = seen
        self.way = way
        self.query = query
        self.trouble = trouble
        self.notes = notes = notes_of(seen, tools.entrance)
        self.id = notes.request_id or new_id()
        self.upgrades = caller.head.upgrade

    @property
    def idle_seconds(self) -> float:
        """For how long nothing may move."""
        return self.way.service.idle if self.way is not None else 60.0

    # --- the way back

    @property
    def is_write(self) -> bool:
        """Whether it may have changed something."""
        return any(not method.safe for method in self.methods)

    def passed_head(self, head: AnswerHead) -> bytes:
        """A reply's head as the caller gets it."""
        self.status = status = head.status
        if 200 <= status < 400 and self._unsure and self.is_write:
            way = self._way
            asked = way.rest + without_secrets(self.query, way.service.http_cache.secret_query)[0]
            self._led_to = led_to(way.service.qualified, way.places, asked, head.fields)
        if status in INVITES_A_RETRY and self.is_write:
            # It may have happened, and would be sent again.
            self.status = 500
            head = AnswerHead(500, b"Internal Server Error", head.fields, head.lines)
        added = self._added(has_id=head.traits.has_id)
        return reply_head(head, self._led_back, added, self.caller.shared.date)

    def told_of_cache(self, spent: float | None) -> bytes | None:
        """The lines about the cache and the time that the service took; None where the verdict says it all."""
        return None

    def _led_back(self, name: bytes, value: bytes) -> bytes | None:
        places = self._way.places
        if name == b"set-cookie":
            self.tools.cookies.note(set_name(value), self._way.service.qualified)
            return places.cookie(value, self._way.rest)
        origin = self._origin()
        public = self.tools.public_origin or b"%b://%b" % (origin.scheme, origin.host)
        return places.refresh(value, public) if name == b"refresh" else places.reference(value, public)

    def _added(self, *, has_id: bool = False, cors: bool = True) -> bytes:
        """The lines that every reply carries, and what the cache did."""
        added = b"" if has_id else b"X-Request-Id: %b\r\n" % self.id.encode("ascii")
        if self.principal is not None:
            access = self.tools.relay.policies.access(self.principal)
            added += self.notes.version_line(self.tools.relay.catalog, access)
        if self.method is not None:
            spent = perf_counter() - self.departed if self.departed else None
            told = self.told_of_cache(spent)
            added += status_lines(self.verdict, self.tools.wall, spent) if told is None else told
        return added + self._cors_lines() if cors else added

    def _cors_lines(self) -> bytes:
        if self.way is None or self.way.service.cors is None:
            return b""
        return field_lines(reply_fields(self.way.service.cors, self.seen.fields))

    # --- answers from memory, and of the gate's own

    def write_stored(self, head: HttpHead, body: bytes) -> None:
        """Write a reply that is whole, with what is said of it now."""
        left_out = (b"content-length", b"age", b"x-request-id")
        fields = tuple(field for field in head.fields if field[0].lower() not in left_out)
        written = self.passed_head(AnswerHead(head.status, head.reason, fields, None))
        self.write_whole(written, body, self.status)

    def _answer(
        self, status: int, fields: Fields, body: bytes, *, cors: bool = True, reason: bytes | None = None
    ) -> None:
        """Write an answer of the gate's own; with `cors` the pages that may read the service's answers may read it."""
        self.status = status
        head = passed_head(status, reason, fields, self.caller.shared.date()) + self._added(cors=cors)
        self.write_whole(head, body, status)

    # --- the end

    def _count(self) -> None:
        received, sent = self._counted
        if self.way is not None and (self.sent > sent or self.received > received):
            self.tools.observer.moved(self.way.service.qualified, self.received - received, self.sent - sent)
            self._counted = (self.received, self.sent)

    def closed(self) -> None:
        """It is over: what it changed is forgotten, and what it was is written down."""
        observer = self.tools.observer
        if self._unsure:
            self.tools.relay.ended(self.methods, self._changed(), self._marked)
        self._count()
        seconds = perf_counter() - self.started
        ended = self.fault or ("error" if self.status >= 400 else in_a_word(self.verdict))
        for at, method in enumerate(self.methods):
            # Of a batch's answer nobody knows what is whose.
            observer.called(method, ended, seconds, 0 if at else self.sent)
        if observer.writes:
            observer.visited(self._visit(seconds))
        else:
            observer.counted("mount", self.status or CALLER_GONE)

    def _changed(self) -> tuple[str, ...]:
        """The generations of the addresses that an unsafe request changed: its own, and those that its answer names."""
        way = self.way
        if way is None or not self.is_write:
            return ()
        query, _ = without_secrets(self.query, way.service.http_cache.secret_query)
        return (uri_name(way.service.qualified, way.inner, query), *self._led_to)

    def _visit(self, seconds: float) -> Visit:
        """What the access log says."""
        verb, _, target = self.line.decode("latin-1").partition(" ")
        peer = self.origin.client if self.origin is not None else self.caller.peer
        visit = Visit(self.id, "mount", verb, target.partition("?")[0], peer, self.status or CALLER_GONE)
        visit.size, visit.seconds, visit.fault = self.sent, seconds, self.fault
        visit.service = self.way.service.qualified if self.way is not None else None
        visit.subject = self.principal.subject if self.principal is not None else None
        if self.methods:
            visit.cache = in_a_word(self.verdict)
        if len(self.methods) == 1:
            visit.method = self.methods[0].qualified
        else:
            visit.entries = len(self.methods)
        return visit

    # --- what is there by now

    @property
    def _way(self) -> Way:
        if self.way is None:
            raise InternalFault("The request goes nowhere.")
        return self.way

    @property
    def _principal(self) -> Principal:
        if self.principal is None:
            raise InternalFault("The caller is not known.")
        return self.principal

    def _origin(self) -> Origin:
        if self.origin is None:
            host = self.notes.first.get(b"host", b"")
            self.origin = self.tools.proxies.way(
                self.seen.fields, self.caller.peer, self.caller.shared.scheme, host
            )
        return self.origin
