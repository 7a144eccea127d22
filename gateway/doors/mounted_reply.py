"""What does the caller of a mounted service get, and what is written down about it?"""

from __future__ import annotations

from time import perf_counter
from typing import Final

from msgspec.structs import replace

from gateway.core.audit import REFUSED, Auditor, Record
from gateway.core.cache_status import in_a_word, reason
from gateway.core.charging import Account, Hold, lines_of
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
from gateway.core.server_timing import is_of_memory, server_timing
from gateway.core.trace_context import without_context
from gateway.core.tracing import Span
from gateway.core.upstream import Lease
from gateway.core.verdict import HttpHead, Pass, Verdict
from gateway.doors.asked import new_id
from gateway.doors.attending import CALLER_GONE, recorded, trace_id
from gateway.doors.mount_tools import MountTools
from gateway.doors.mount_visit import begun
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
REPEATED: Final = Pass("a repetition")
"""It was not sent: what came of the same call before is its answer."""


class MountedReply(Passage):
    """The way back of a request below a mount; `way` is None for one that goes nowhere, and `trouble` says why.

    `line` is its request line without the version.
    """

    origin: Origin | None = None
    principal: Principal | None = None
    method: Method | None = None
    methods: tuple[Method, ...] = ()
    verdict: Verdict = _UPGRADED
    accounts: tuple[Account, ...] = ()  # what was charged for it
    status = 0
    fault: str | None = None
    auth: float | None = None
    """How many seconds it took to know who asks, where that was not known."""
    departed = 0.0
    wait: float | None = None
    """Seconds until the answer began."""
    replica: str | None = None
    """Whom it was sent to."""
    trace: Span | None = None
    """What is recorded of it."""
    _asking_of: Span | None = None  # the trip to the service that is recorded
    _counted = (0, 0)
    _holds: tuple[Hold, ...] = ()
    _unsure = False  # the request may have reached the service
    _forgotten = False  # what it may have changed has ended
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
        if way is not None and way.service.max_passed is not None:
            self.most = way.service.max_passed

    @property
    def idle_seconds(self) -> float:
        """For how long nothing may move."""
        return self.way.service.idle if self.way is not None else 60.0

    # --- what is recorded

    def trace_begins(self) -> None:
        """Record the request, if it is to be; whoever is asked hears of the trace."""
        tracer, way = self.tools.observer.tracer, self.way
        verb = self.line.partition(b" ")[0].decode("ascii", "replace")
        mount = "mount" if way is None else way.places.mount.decode("ascii") or "/"
        begun = tracer.begin(f"{verb} {mount}", self.notes.trace if tracer.records else ())
        if isinstance(begun, Span):
            self.trace = begun

    def told_of_trace(self, fields: Fields, lease: Lease) -> Fields:
        """The fields for the service, with the trip's place in the trace instead of the caller's."""
        if self.trace is None:
            return fields
        self._trip_ends("sent again")
        self._asking_of = span = self.trace.step(self._way.verb, "client")
        span.set("http.request.method", self._way.verb)
        span.set("server.address", lease.address)
        return (*without_context(fields), *span.fields())

    def _trip_ends(self, failure: str | None) -> None:
        span, self._asking_of = self._asking_of, None
        if span is not None:
            span.end(failure)

    def _recorded(self, trace: Span, seconds: float) -> None:
        """It is over: say what became of it."""
        failed = self.fault or (f"HTTP {self.status}" if self.status >= 500 else None)
        if self._asking_of is not None:
            self._asking_of.set("http.response.status_code", self.status or None)
        self._trip_ends(failed)
        recorded(trace, self._visit(seconds))

    # --- the way back

    @property
    def is_write(self) -> bool:
        """Whether it may have changed something."""
        for method in self.methods:  # noqa: SIM110 - a generator takes twice as long
            if not method.safe:
                return True
        return False

    @property
    def _is_judged(self) -> bool:
        """Whether it came so far that the cache has done something, or was passed by: not what was refused before."""
        return self.fault is None or self.departed > 0 or self.verdict is not _UPGRADED

    def passed_head(self, head: AnswerHead) -> bytes:
        """A reply's head as the caller gets it."""
        self.status = status = head.status
        self.wait = perf_counter() - self.started
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

    def told_of_cache(self) -> bytes | None:
        """The lines about the cache; None where the verdict says it all."""
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
        if self.accounts:
            added += lines_of(self.accounts, self.tools.wall())
        if self.principal is not None:
            access = self.tools.relay.policies.access(self.principal)
            added += self.notes.version_line(self.tools.relay.catalog, access)
        if self.method is not None and self._is_judged:
            told = self.told_of_cache()
            added += status_lines(self.verdict, self.tools.wall) if told is None else told
        added += self._timing()
        return added + self._cors_lines() if cors else added

    def _timing(self) -> bytes:
        """The line that says where the time went; none where nobody was asked anything."""
        departed, answers = self.departed, self.method is not None and self.fault is None
        if not departed and self.auth is None and (not answers or is_of_memory(self.verdict)):
            return b""
        now = perf_counter()
        timing = server_timing(
            in_a_word(self.verdict) if answers or departed else None,
            (now - self.started) * 1000,
            (now - departed) * 1000 if departed else None,
            None if self.auth is None else self.auth * 1000,
        )
        return b"Server-Timing: %b\r\n" % timing

    def _cors_lines(self) -> bytes:
        if self.way is None or self.way.service.cors is None:
            return b""
        return field_lines(reply_fields(self.way.service.cors, self.seen.fields))

    # --- answers from memory, and of the gate's own

    def write_stored(self, head: HttpHead, body: bytes) -> None:
        """Write a reply that is whole, with what is said of it now."""
        self.write_whole(self.head_of_stored(head), body, self.status)

    def head_of_stored(self, head: HttpHead) -> bytes:
        """A stored reply's head as the caller gets it, with what is said of it now; without framing."""
        left_out = (b"content-length", b"age", b"x-request-id")
        fields = tuple(field for field in head.fields if field[0].lower() not in left_out)
        return self.passed_head(AnswerHead(head.status, head.reason, fields, None))

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
            for account in self.accounts:
                account.spend(self.sent - sent, self.tools.wall())

    def ending(self) -> None:
        """Forget what it changed before the caller has the whole answer, and reads it through another worker."""
        if self._unsure and not self._forgotten:
            self._forgotten = True
            self.tools.relay.writes.ended(self.methods, self._changed(), self._marked)

    def closed(self) -> None:
        """It is over: what it changed is forgotten, and what it was is written down."""
        observer = self.tools.observer
        for hold in self._holds:
            hold.release()
        self.ending()
        self._count()
        seconds = perf_counter() - self.started
        ended = self.fault or ("error" if self.status >= 400 else in_a_word(self.verdict))
        for at, method in enumerate(self.methods):
            # Of a batch's answer nobody knows what is whose.
            verdict = self.verdict if self.fault is None else None
            observer.called(method, ended, seconds, 0 if at else self.sent, verdict, self.principal)
        if self.trace is not None:
            self._recorded(self.trace, seconds)
        if self.tools.relay.auditor is not None:
            self._write_down(self.tools.relay.auditor, seconds)
        if observer.writes or (seconds if self.wait is None else self.wait) >= observer.slow:
            observer.visited(self._visit(seconds))
        else:
            service = self.way.service.qualified if self.way is not None else None
            observer.counted("mount", self.status or CALLER_GONE, service)

    def _write_down(self, auditor: Auditor, seconds: float) -> None:
        """Have the audit log tell of each write of the request, or of its refusal."""
        refused = (
            self.fault in REFUSED and not self._unsure
        )  # a write that was sent is one, whatever broke its answer off
        if not refused and (not self.is_write or self.verdict == REPEATED):
            return
        verb, _, target = self.line.decode("latin-1").partition(" ")
        said = Record(
            "refusal" if refused else "write",
            self.id,
            self.principal,
            self._origin().client,
            self.fault or ("error" if self.status >= 400 else "ok" if self.status else "caller gone"),
            request=f"{verb} {target.partition('?')[0]}",
            service=self.way.service.qualified if self.way is not None else None,
            status=self.status or CALLER_GONE,
            seconds=seconds,
            size=self.sent,
            heard=not self.left,
        )
        if refused:
            auditor.write(replace(said, method=self.methods[0].qualified if self.methods else None))
            return
        for method in self.methods:
            if not method.safe:
                auditor.write(replace(said, method=method.qualified))

    def _changed(self) -> tuple[str, ...]:
        """The generations of the addresses that an unsafe request changed: its own, and those that its answer names."""
        way = self.way
        if way is None or not self.is_write:
            return ()
        query, _ = without_secrets(self.query, way.service.http_cache.secret_query)
        return (uri_name(way.service.qualified, way.inner, query), *self._led_to)

    def _visit(self, seconds: float) -> Visit:
        """What the access log says."""
        visit = begun(self.line, self.id, self._origin().client, self.way)
        visit.status = self.status or CALLER_GONE
        visit.size, visit.seconds, visit.fault = self.sent, seconds, self.fault
        visit.subject = self.principal.subject if self.principal is not None else None
        if self.methods and self._is_judged:
            visit.cache = in_a_word(self.verdict)
            visit.reason = reason(self.verdict) if self.fault is None else None
        visit.replica, visit.wait, visit.trace = self.replica, self.wait, trace_id(self.trace)
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
