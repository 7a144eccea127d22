"""How does a request pass of which its service's dialect knows more than its words say?

The dialect may send it on with another path, say how its answer is stored, or answer it.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from gateway.core.assembling import Inbound, Known, MountAsk, Onward, Ready, Refusing
from gateway.core.faults import Fault, InternalFault, TooLarge
from gateway.core.heads import AnswerHead
from gateway.core.http_fields import without
from gateway.core.method import Method
from gateway.core.ports import Route
from gateway.core.reply import Composed, Fields
from gateway.core.storing import why_passed
from gateway.core.wanted import Wanted, root_of
from gateway.doors.mounted import Mounted
from gateway.doors.wanting import wanted_of
from gateway.wire.passage_there import EARLY
from gateway.wire.written import passed_head

_OF_A_BODY: Final = frozenset((b"content-length", b"content-type", b"transfer-encoding"))


class MountedInbound(Mounted):
    """One request below the mount of a service whose dialect looks at requests."""

    _known: Known | None = None
    _told_as: tuple[tuple[int, int], ...] = ()
    _turned: AnswerHead | None = None  # what is told instead of an answer that is kept back
    _reading = False
    _other_length: int | None = None  # of a body that is sent in the place of the caller's
    _said: bytes | None = None
    _tail = b""  # of the answer, as much as tells an error that came late

    # --- the body, where the dialect has to have it

    def admitted(self) -> None:
        """The path is allowed: find the method, and ask the dialect."""
        way = self._way
        if not way.is_known:
            super().admitted()
            return
        method = way.method()
        self.judge_as(method)
        self.let_in((method,))
        self.safe = method.safe
        if self.upgrades:
            self.safe = False
            self.depart()
            return
        inbound = self._inbound
        small = 0 < self.caller.head.length <= EARLY
        reads = inbound.reads(way.service, way.verb, way.inner)
        if not self.complete and (reads or (self.safe and small)):
            self._reading = True
            self._limit(max(self.received, self.caller.head.length))
            if not self.over:
                self.caller.invite_body()
                self.caller.pause_behind(False)
            return
        self._ask(method)

    def body(self, data: bytes) -> None:
        """Some of the body."""
        super().body(data)
        if self._reading and not self.over:
            self._limit(self.received)
            self.caller.pause_behind(False)

    def _limit(self, size: int) -> None:
        limit = self.tools.limits.body
        if size > limit:
            self.refuse(TooLarge(f"The body is larger than {limit} bytes: send less at once.", limit=limit))

    def asked(self) -> None:
        """The body is here."""
        if self._reading and not self.over and self.method is not None:
            self._reading = False
            self._ask(self.method)

    # --- ask

    @property
    def _route(self) -> Route:
        return self.tools.relay.routes[self._way.service.qualified]

    @property
    def _inbound(self) -> Inbound:
        inbound = self._way.inbound
        if inbound is None:
            raise InternalFault("nobody looks at this request")
        return inbound

    def _ask(self, method: Method) -> None:
        if self.complete:
            self._said = self.early
        self.later(self._judged(method))

    async def _judged(self, method: Method) -> None:
        way = self._way
        self.take_turn()  # the dialect may have to ask the service
        ask = MountAsk(
            self.id,
            way.verb,
            way.inner,
            way.rest,
            self.query,
            self.seen.fields,
            self._said,
            method,
            self._principal,
            self.loop.time() + self.seconds_left(),
            self.notes.demand,
            self.tools.wall(),
            self.notes.own_credential,
        )
        found = await self._inbound.inbound(ask, self._route, self.tools.relay.parts)
        if self.over or self.left:
            if isinstance(found, Ready) and isinstance(found.body, Composed):
                await found.body.pieces.aclose()
            return
        if isinstance(found, Ready):
            self._write_made(found)
            return
        self._go_on(found, method)

    def _go_on(self, found: Onward, method: Method) -> None:
        if (found.rest, found.query) != (self._way.rest, self.query):
            self.way = self._way.leading_to(found.rest)
            self.query = found.query
        self._known, self._told_as = found.known, found.turns
        if found.body is not None:
            self.put_early(found.body)
            self._other_length = len(found.body)
        self._judge(method)

    def why_not_asked(self, method: Method) -> str | None:
        """Why memory is not asked; what the dialect knows of the answer goes before what the service's settings say."""
        if self._known is None:
            return super().why_not_asked(method)
        return why_passed(self._way.verb, self.notes.first, method, on=True)

    @property
    def passed_fields(self) -> Fields:
        """The fields of the request; its length is that of the body that is sent."""
        passed = super().passed_fields
        if self._other_length is None:
            return passed
        kept = without(passed, frozenset((b"content-length", b"transfer-encoding")))
        return (*kept, (b"Content-Length", b"%d" % self._other_length))

    def framing(self) -> bytes:
        """The line that frames the request's body, where it is not in its fields."""
        return super().framing() if self._other_length is None else b""

    # --- what the dialect knows of the answer

    def consult(self, method: Method, body: bytes) -> None:
        """Answer from memory where that is right, else send the request on, as the cache wants it sent."""
        known = self._known
        if known is None:
            super().consult(method, body)
            return
        self._body = body
        self.wanted = self._wanted_as(known, method, body)
        self.look()

    def _wanted_as(self, known: Known, method: Method, body: bytes) -> Wanted:
        way, notes, principal = self._way, self.notes, self._principal
        usual = wanted_of(way, notes, method, principal, self.query, body or None)
        ruled = method.ruled_by(known.rule)
        root = root_of(
            *(ruled, principal, way.verb, (), body or None, known.target, known.named),
            credential=notes.own_credential,
        )
        return replace(usual, rule=known.rule, root=root, lineage=ruled.lineage)

    def answer_head(self, head: AnswerHead) -> bytes | None:
        """The head for the caller."""
        known = self._known
        if known is not None and head.status == 200 and known.fields:
            head = AnswerHead(200, head.reason, (*head.fields, *known.fields), None)
        written = super().answer_head(head)
        told = dict(self._told_as).get(head.status)
        if told is None or written is None:
            return written
        self._turned = AnswerHead(told, b"", without(head.fields, _OF_A_BODY), None)
        return None

    def note(self, data: bytes) -> None:
        """Remember the end of the body."""
        known = self._known
        if known is not None and known.spoilt:
            self._tail = (self._tail + data)[-len(known.spoilt) :]

    def is_spoilt(self, size: int) -> bool:
        """Whether the answer has another length than it must have, or an error at its end."""
        known = self._known
        if known is None:
            return False
        if known.length not in (None, size):
            return True
        return bool(known.spoilt) and self._tail == known.spoilt

    def answered(self) -> None:
        """The service's answer is whole."""
        super().answered()
        if self._turned is not None:
            self.held = None
            self.write_whole(self.passed_head(self._turned), b"", self._turned.status)

    # --- what the dialect answers

    def said_of(self, fault: Fault) -> Ready | None:
        """A fault as the dialect's clients can show it."""
        inbound = self._way.inbound
        return inbound.refused(fault) if isinstance(inbound, Refusing) else None

    def _write_made(self, made: Ready) -> None:
        self.verdict = made.verdict
        if isinstance(made.body, bytes):
            self._answer(made.status, made.fields, made.body, reason=made.reason)
            return
        self.status = made.status
        head = passed_head(made.status, made.reason, made.fields, self.caller.shared.date()) + self._added()
        self.write_pieces(head, made.body.length, made.body.pieces, made.status)
