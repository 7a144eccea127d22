"""How does JSON-RPC come in? `POST /rpc`: single calls and batches, in JSON or msgpack."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gateway.audited import refused_call
from gateway.core.cache_status import outcome, reason, worst
from gateway.core.call import Call, Demand, Params
from gateway.core.decisions import Undecided
from gateway.core.describe import BUILTIN
from gateway.core.envelope import Batch, Entry, Invalid, Refused, Request, Single
from gateway.core.faults import BY_CODE, Fault, InternalFault, InvalidRequest, Unrepresentable
from gateway.core.ports import Observer
from gateway.core.question import EXPLAIN, Question, question_of
from gateway.core.reply import Fields, Reply, only_replica
from gateway.core.tracing import Traced, current, within
from gateway.core.transcode import NotSayable
from gateway.doors.asked import Asked, Occasion, Terms, demand, patience
from gateway.doors.encodings import JSON, Encoding, of_answer, of_body
from gateway.doors.fields import of_reply
from gateway.doors.gathering import gathered
from gateway.doors.part import Part
from gateway.doors.refusal import error_bytes, refused
from gateway.doors.rpc_once import OnceDesk, may_have_run, once_of
from gateway.doors.rpc_trips import RpcTrips
from gateway.relay import Relay
from gateway.wire.answer import Answer
from gateway.wire.body import read_body
from gateway.wire.passage import SOON

AT_ONCE = 64
"""How many misses of one batch are on their way at the same time."""

LARGE = 1 << 20
"""Bytes beyond which a body is transcoded beside the event loop."""


@dataclass(frozen=True, slots=True)
class RpcLimits:
    """What one request may hold: bytes, entries of a batch, and levels of nesting."""

    body: int
    batch: int
    depth: int


class RpcDoor:
    """Reads messages, has the relay carry their calls out, and writes the answers in the order of the calls."""

    def __init__(
        self,
        relay: Relay,
        limits: RpcLimits,
        observer: Observer,
        *,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
        explain: Callable[[Question, Occasion, Demand], Awaitable[bytes]],
        once: OnceDesk,
    ) -> None:
        """`wall` tells seconds since 1970, `monotonic` those of the event loop; `explain` answers `rpc.explain`.

        `once` knows which messages were carried out already.
        """
        self._relay = relay
        self._limits = limits
        self._observer = observer
        self._wall = wall
        self._monotonic = monotonic
        self._explain = explain
        self._once = once

    async def answer(self, asked: Asked) -> Answer:
        """The answer to one request."""
        headers = asked.request.headers
        reading = of_body(headers.get("Content-Type"), headers.get("Content-Encoding"))
        writing = of_answer(headers.get("Accept"), reading)
        body = await read_body(asked.request, self._limits.body)
        once = once_of(asked, "rpc", body)
        terms = Terms(reading, writing, patience(asked.request), demand(asked.request), once)
        return await self.carry(asked, terms, body)

    async def carry(self, asked: Occasion, terms: Terms, body: bytes) -> Answer:
        """The answer to the message that this body is."""
        deadline = self._monotonic() + terms.patience
        message = await self._read(terms.reading, body)
        match message:
            case Refused(code, text):
                return self._refused(BY_CODE.get(code, InvalidRequest)(text), asked, terms.writing)
            case Single(entry):
                parts = [self._prepare(entry, asked, deadline, terms.demand)]
            case Batch(entries):
                parts = [self._prepare(entry, asked, deadline, terms.demand) for entry in entries]
        return await self._carried(parts, isinstance(message, Batch), asked, terms)

    async def carry_on(self, part: Part, asked: Occasion, terms: Terms) -> Answer:
        """The answer to a call that was begun, and whose reply was not at hand."""
        return await self._carried([part], False, asked, terms)

    async def _carried(self, parts: list[Part], batch: bool, asked: Occasion, terms: Terms) -> Answer:
        for part in parts:
            if part.question is not None:
                await self._answer(part, part.question, asked, terms.demand)
        undecided = [part for part in parts if part.undecided is not None]
        if undecided:
            await asyncio.gather(*map(self._decide, undecided))

        changing = [part for part in parts if _changes(part)]

        async def work() -> tuple[Answer, bool]:
            await self._carry_out(parts, terms)
            reached = any(may_have_run(part.fault) for part in changing)
            return await self._written(parts, batch, asked, terms), reached

        if terms.once is None or not changing:
            answer, _ = await work()
            return answer
        self.note(asked, parts, None)  # a repetition is answered without the parts
        until = max(part.call.deadline for part in changing if part.call is not None)
        return await self._once.answer(terms.once, until, work)

    def begin(self, call: Request, asked: Occasion, terms: Terms) -> Part:
        """One call on its way: found and admitted, and answered where memory has the reply."""
        return self._prepare(call, asked, self._monotonic() + terms.patience, terms.demand)

    def end(self, part: Part, asked: Occasion, terms: Terms, seconds: float | None) -> Answer:
        """The answer to a call that somebody else has carried through, or (None) that was answered when it began."""
        # The loop's clock may stand still for a whole trip: no time at all is a time, too.
        if part.call is not None and seconds is not None:
            self.observe(part, seconds)
        return self._put_together(
            [part], self._answers([part], asked, terms.reading, terms.writing), asked, terms
        )

    async def _read(self, reading: Encoding, body: bytes) -> Single | Batch | Refused:
        limits = self._limits
        if reading is not JSON and len(body) > LARGE:
            return await asyncio.to_thread(reading.read, body, max_batch=limits.batch, max_depth=limits.depth)
        return reading.read(body, max_batch=limits.batch, max_depth=limits.depth)

    # carry out

    def _prepare(self, entry: Entry, asked: Occasion, deadline: float, wanted: Demand) -> Part:
        """Find the entry's method, and answer it at once where memory has the reply."""
        if isinstance(entry, Invalid):
            part = Part(entry.id)
            part.fault = BY_CODE.get(entry.code, InvalidRequest)(entry.message)
            return part
        part = Part(entry.id)
        try:
            builtin = BUILTIN.get(entry.method)
            if builtin is not None and asked.view is not None:
                part.raw = builtin(asked.view, entry.params)
                return part
            own = asked.own.get(entry.method)
            if own is not None:
                part.raw = own(entry.params)
                return part
            if entry.method == EXPLAIN:
                part.question = question_of(entry.params)
                return part
            method = self._relay.find(entry.method, asked.datastack, asked.principal)
            part.method = method
            if (above := current.get()) is not None:
                part.span = above.step(method.qualified)
            timeout = self._relay.routes[method.service].service.timeout
            part.call = Call(
                id=asked.id,
                principal=asked.principal,
                method=method,
                ask=Params(entry.params),
                deadline=min(deadline, self._monotonic() + timeout),
                demand=wanted,
                notification=entry.id is None,
                account=asked.charged_to(self._relay.account(asked.principal, method, asked.client)),
                client=asked.client,
            )
            self._look(part, part.call)
        except Undecided as undecided:
            part.undecided = undecided
            return part
        except Fault as fault:
            part.fault = fault
        if part.reply is not None or part.fault is not None:
            self.observe(part, 0.0)
        return part

    def _look(self, part: Part, call: Call) -> None:
        """Take the reply from memory, or know why it is not there."""
        if part.span is None:
            found = self._relay.look(call, self._wall())
        else:
            with within(part.span):
                found = self._relay.look(call, self._wall())
        if isinstance(found, Reply):
            part.reply = found
        else:
            part.verdict = found

    async def _carry_out(self, parts: Sequence[Part], terms: Terms) -> None:
        """Obtain what is not at hand, at most `AT_ONCE` of it at a time."""
        absent = [(part, part.call) for part in parts if part.call and not part.reply and not part.fault]
        if len(absent) == 1:
            await self._obtain(*absent[0], terms.writing)
        elif absent:
            # A batch alone never has more under way than its caller may.
            most = (call.account.at_once for _, call in absent if call.account is not None)

            usual = terms.is_usual

            def suits(part: Part, call: Call) -> bool:
                return usual and part.span is None and call.deadline - self._monotonic() >= SOON

            trips = RpcTrips(
                self._relay,
                min(AT_ONCE, *(one for one in most if one is not None), AT_ONCE),
                lambda part, call: self._obtain(part, call, terms.writing),
                self.observe,
                suits,
            )
            await trips.carry(absent)

    async def _answer(self, part: Part, question: Question, asked: Occasion, wanted: Demand) -> None:
        try:
            part.raw = await self._explain(question, asked, wanted)
        except Fault as fault:
            part.fault = fault

    async def _decide(self, part: Part) -> None:
        """Have somebody else say whether the call may be, and go on where it was left."""
        try:
            if part.undecided is None or part.call is None:
                return
            with within(part.span):
                await self._relay.decide(part.undecided.pleas)
            self._look(part, part.call)
        except Fault as fault:
            part.fault = fault
        if part.reply is not None or part.fault is not None:
            self.observe(part, 0.0)

    async def _obtain(self, part: Part, call: Call, writing: Encoding) -> None:
        started = self._monotonic()
        try:
            if part.span is None:
                reply = await self._relay.obtain(call)
            else:
                with within(part.span):
                    reply = await self._relay.obtain(call)
            part.said = reply.composed is not None
            part.reply = await gathered(reply, call.method, writing)
        except Fault as fault:
            part.fault = fault
        self.observe(part, self._monotonic() - started)

    def observe(self, part: Part, seconds: float) -> None:
        """Count a call that has ended."""
        if part.method is None:
            return
        if part.span is not None:
            _recorded(part.span, part)
        if part.fault is not None:
            who = None if part.call is None else part.call.principal
            self._observer.called(part.method, part.fault.name, seconds, who=who)
            if part.call is not None:
                refused_call(self._relay.auditor, part.call, part.fault)
        elif part.reply is not None:
            ended = outcome(part.reply) if part.reply.kind == "result" else "error"
            who = None if part.call is None else part.call.principal
            size = len(part.reply.body.data)
            self._observer.called(part.method, ended, seconds, size, part.reply.verdict, who)
            if part.call is not None and part.call.account is not None:
                part.call.account.spend(len(part.reply.body.data), self._wall())

    # write

    async def _written(self, parts: list[Part], batch: bool, asked: Occasion, terms: Terms) -> Answer:
        reading, writing = terms.reading, terms.writing
        if writing is not JSON and _size(parts) > LARGE:
            answers = await asyncio.to_thread(self._answers, parts, asked, reading, writing)
        else:
            answers = self._answers(parts, asked, reading, writing)
        return self._put_together(parts, answers, asked, terms, batch=batch)

    def _put_together(
        self, parts: list[Part], answers: list[bytes], asked: Occasion, terms: Terms, *, batch: bool = False
    ) -> Answer:
        writing = terms.writing
        reply = worst(part.reply for part in parts if part.reply)
        self.note(asked, parts, reply)
        fields = (*self._fields(reply, len(parts) == 1), *_others_notices(parts, reply))
        if not answers:
            return Answer(204, None, fields, b"")
        body = writing.batch(answers) if batch else answers[0]
        return Answer(200, None, ((b"Content-Type", writing.content_type), *fields), body)

    def _answers(
        self, parts: list[Part], asked: Occasion, reading: Encoding, writing: Encoding
    ) -> list[bytes]:
        return [self._one(part, part.id, asked, reading, writing) for part in parts if part.id is not None]

    def _one(self, part: Part, token: bytes, asked: Occasion, reading: Encoding, writing: Encoding) -> bytes:
        """The answer to one call, written around bytes that nobody touches where the encodings agree."""
        try:
            token = token if reading is writing else writing.value(reading.json_id(token))
            if part.raw is not None:
                return writing.result(token, writing.value(part.raw))
            if part.reply is not None:
                put = writing.result if part.reply.kind == "result" else writing.error
                body = part.reply.body.data
                return put(token, body if part.said else writing.value(body))
        except NotSayable as reason:
            part.fault = Unrepresentable(
                f"The result cannot be said in {writing.content_type.decode()}: {reason}. "
                "Ask for `Accept: application/json`."
            )
        fault = part.fault or InternalFault("The gate made no answer; its log tells more.")
        method = part.method
        error = error_bytes(
            fault,
            service=method.service if method else None,
            method=method.name if method else None,
            request_id=asked.id,
        )
        return writing.error(token, writing.value(error))

    def _refused(self, fault: Fault, asked: Occasion, writing: Encoding) -> Answer:
        asked.visit.fault = fault.name
        return refused(fault, asked.id, ((b"Cache-Control", b"no-store"),), writing=writing)

    def _fields(self, reply: Reply | None, alone: bool) -> Fields:
        """What is said of the cache's part; for a batch, of the entry that it helped least."""
        told = of_reply(reply, self._wall(), aged=alone) if reply else ()
        return ((b"Cache-Control", b"no-store"), *told)

    def note(self, asked: Occasion, parts: list[Part], reply: Reply | None) -> None:
        """Fill what the access log says of this request: of its parts, and of the reply that its answer tells of."""
        visit = asked.visit
        visit.entries = len(parts)
        asked.upstream_ms = reply.upstream_ms if reply else None
        visit.cache = outcome(reply) if reply else None
        visit.reason = reason(reply.verdict) if reply else None
        visit.replica = only_replica(part.reply for part in parts if part.reply)
        fault = next((part.fault for part in parts if part.fault), None)
        visit.fault = fault.name if fault else None
        if len(parts) == 1 and parts[0].method:
            visit.method = parts[0].method.qualified


def _others_notices(parts: list[Part], told: Reply | None) -> Fields:
    """What services said beside the other answers of a batch."""
    if len(parts) == 1:
        return ()
    others = (part.reply for part in parts if part.reply is not None and part.reply is not told)
    return tuple((b"Warning", one) for one in dict.fromkeys(n for other in others for n in other.notices))


def _recorded(span: Traced, part: Part) -> None:
    """Say what became of a call, and end what is recorded of it."""
    reply, failed = part.reply, part.fault
    if reply is not None:
        span.set("labgate.cache", outcome(reply))
        span.set("labgate.cache.reason", reason(reply.verdict))
        span.set("labgate.bytes", len(reply.body.data))
    span.end(failed or ("error" if reply is not None and reply.kind == "error" else None))


def _changes(part: Part) -> bool:
    """Whether the part is yet to be carried out, and may change something."""
    unanswered = part.reply is None and part.fault is None
    return part.call is not None and unanswered and not part.call.method.safe


def _size(parts: list[Part]) -> int:
    """The bytes of all replies' bodies."""
    return sum(len(part.reply.body.data) for part in parts if part.reply)
