"""How is a method called by a plain URL? `GET /rpc/service.method?k=v&format=json`, for curl, R, or a link.

What may change something is called by POST, its arguments a JSON object; so are arguments that a query cannot hold.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from gateway.audited import refused_call
from gateway.core.cache_status import outcome
from gateway.core.call import Call, Params
from gateway.core.charging import Account
from gateway.core.faults import (
    Fault,
    Forbidden,
    InvalidParams,
    MethodNotAllowed,
    ParseFault,
    RateLimited,
    UnsupportedMediaType,
)
from gateway.core.method import Method
from gateway.core.naming import shown
from gateway.core.openapi_list import RESERVED
from gateway.core.ports import Observer
from gateway.core.query_form import QueryForm, kinds_of, query_form
from gateway.core.repeats import Once
from gateway.core.reply import Composed, Fields, Reply, error_code
from gateway.core.scanner import MalformedJson, check, decoded, members, opener
from gateway.core.verdict import Hit, Stale, Verdict
from gateway.doors.asked import Asked, below_rpc, demand, patience
from gateway.doors.attending import size_of
from gateway.doors.encodings import JSON, of_body
from gateway.doors.fields import has, of_reply
from gateway.doors.forms import FORMS, LARGE, Form
from gateway.doors.gathering import BLOCKS, as_blocks, as_file, at_hand, counted, gathered, told_apart, whole
from gateway.doors.refusal import error_bytes, extra_fields, scope_fields
from gateway.doors.rpc import RpcDoor, RpcLimits
from gateway.doors.rpc_once import OnceDesk, may_have_run, once_of
from gateway.relay import Relay
from gateway.wire.answer import Answer, StreamAnswer
from gateway.wire.body import read_body

_BLOCKS = re.compile(
    rf"\s*{re.escape(BLOCKS.decode())}\s*(?!.*;\s*q=0(?:\.0*)?\s*(?:;|$))(?:;|$)", re.IGNORECASE
).match

_NPY_KIND = (b"Content-Type", FORMS["npy"].content_type)
_ERROR_STATUS = {-32600: 400, -32602: 400, -32601: 404}
"""The status of an upstream's error by its code; any other is 500."""


class BelowRpc:
    """What a body is sent to below `/rpc/`: a datastack, for JSON-RPC, or else a method, with its arguments."""

    def __init__(self, rpc: RpcDoor, plain: PlainDoor) -> None:
        self._rpc = rpc
        self._plain = plain

    async def answer(self, asked: Asked) -> Answer | StreamAnswer:
        """The answer of the door that the address means; only a datastack that there is came so far."""
        if asked.datastack == below_rpc(asked.request):
            return await self._rpc.answer(asked)
        asked.visit.door = "plain"
        return await self._plain.answer(asked)


class PlainDoor:
    """Calls one method: arguments are the query or the body, the answer is the bare result."""

    def __init__(
        self,
        relay: Relay,
        limits: RpcLimits,
        observer: Observer,
        *,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
        once: OnceDesk,
    ) -> None:
        """`wall` tells seconds since 1970, `monotonic` those of the event loop; `once` knows what was carried out already."""
        self._relay = relay
        self._limits = limits
        self._observer = observer
        self._wall = wall
        self._monotonic = monotonic
        self._once = once

    async def answer(self, asked: Asked) -> Answer | StreamAnswer:
        """The result of one call, in the form that is asked for; a fault or an upstream's error is JSON with its status."""
        started = self._monotonic()
        method: Method | None = None
        call: Call | None = None
        answer: Answer | StreamAnswer
        verdict: Verdict | None = None
        try:
            form = _form(asked)
            method = self._relay.find(below_rpc(asked.request), asked.datastack, asked.principal)
            asked.visit.method = method.qualified
            call = await self._call(method, asked)
            said = (method.qualified.encode(), call.ask.raw or b"", form.content_type)
            once = None if method.safe else once_of(asked, "plain", *said)
            if once is not None:
                answer, ended = await self._made_once(once, call, form, asked)
            else:
                reply = await self._relay.answer(call)
                made = reply.composed
                if made is not None and made.dtype and form is FORMS["npy"]:
                    answer = await self._array(reply, made, asked)
                else:
                    answer = await self._made(reply, form, method, asked)
                ended, verdict = outcome(reply) if reply.kind == "result" else "error", reply.verdict
            if call.account is not None:
                answer = self._spent(call, call.account, answer)
        except Fault as fault:
            ended, answer = fault.name, _told(fault, method, asked)
            asked.visit.fault = fault.name
            if call is not None:
                refused_call(self._relay.auditor, call, fault)
        if method is not None:
            self._observer.called(
                method, ended, self._monotonic() - started, size_of(answer), verdict, asked.principal
            )
        return answer

    async def _made(self, reply: Reply, form: Form, method: Method, asked: Asked) -> Answer:
        if reply.kind == "error":
            return self._refused(reply, asked)
        return self._written(reply, await _formed(reply, form, method), form, asked)

    async def _made_once(self, once: Once, call: Call, form: Form, asked: Asked) -> tuple[Answer, str]:
        """The answer to a call with a key, and how it ended."""
        await self._relay.admit_decided(call)
        ended = "pass"

        async def work() -> tuple[Answer, bool]:
            nonlocal ended
            try:
                reply = await self._relay.obtain(call)
                ended = "pass" if reply.kind == "result" else "error"
                return await self._made(reply, form, call.method, asked), True
            except Fault as fault:
                ended = asked.visit.fault = fault.name
                refused_call(self._relay.auditor, call, fault)
                return _told(fault, call.method, asked), may_have_run(fault)

        return await self._once.answer(once, call.deadline, work), ended

    async def _array(self, reply: Reply, made: Composed, asked: Asked) -> Answer | StreamAnswer:
        """The array as a numpy file: what is in memory has a tag, but for whoever puts arrays in their place and keeps no file."""
        if made.held is None or not _reads(asked) or _takes_blocks(asked):
            return self._streamed(reply, made, asked)
        tag, length, pieces = await at_hand(made)
        asked.replied(reply)
        fields = self._tagged(reply, tag)
        if has(asked.request, tag.decode()):
            await pieces.aclose()
            return Answer(304, None, fields, b"")
        return StreamAnswer(200, None, (_NPY_KIND, *fields), pieces, length)

    def _streamed(self, reply: Reply, made: Composed, asked: Asked) -> StreamAnswer:
        """The array as a numpy file, or block by block for whoever takes that, sent while it is made."""
        asked.replied(reply)
        if made.blocks is not None and _takes_blocks(asked):
            kind, (length, pieces) = BLOCKS, as_blocks(made, made.blocks)
        else:
            kind, (length, pieces) = _NPY_KIND[1], as_file(made)
        fields = ((b"Content-Type", kind), (b"Cache-Control", b"no-store"), *of_reply(reply, self._wall()))
        return StreamAnswer(200, None, fields, pieces, length)

    def _spent(self, call: Call, account: Account, answer: Answer | StreamAnswer) -> Answer | StreamAnswer:
        """The answer, whose bytes are charged: at once, or while they are sent, for as long as there are any."""
        if not isinstance(answer, StreamAnswer):
            account.spend(len(answer.body), self._wall())
            return answer

        def count(size: int) -> None:
            account.spend(size, self._wall())
            try:
                account.check_bytes(self._wall())
            except RateLimited as fault:
                refused_call(self._relay.auditor, call, fault)
                raise

        return replace(answer, chunks=counted(answer.chunks, count))

    async def _call(self, method: Method, asked: Asked) -> Call:
        deadline = self._monotonic() + patience(asked.request)
        if not method.safe and asked.request.method != "POST":
            raise MethodNotAllowed(
                f"{method.name} may change something: call it by POST, its arguments a JSON object.",
                allow="POST",
            )
        query = [pair for pair in asked.request.rel_url.query.items() if pair[0] != asked.token_name]
        if _reads(asked):
            raw = arguments(method, query)
        else:
            raw = await self._body(method, asked, query)
        timeout = self._relay.routes[method.service].service.timeout
        return Call(
            id=asked.id,
            principal=asked.principal,
            method=method,
            ask=Params(raw),
            deadline=min(deadline, self._monotonic() + timeout),
            demand=demand(asked.request),
            account=asked.charged_to(self._relay.account(asked.principal, method, asked.client)),
            client=asked.client,
        )

    async def _body(self, method: Method, asked: Asked, query: list[tuple[str, str]]) -> bytes | None:
        """The params in the body, as they were written."""
        stray = next((name for name, _ in query if name not in RESERVED), None)
        if stray is not None:
            raise InvalidParams(f"{shown(stray)} stands in the query: here the body holds all arguments.")
        headers = asked.request.headers
        kind = headers.get("Content-Type")
        if kind is not None and of_body(kind, headers.get("Content-Encoding")) is not JSON:
            raise UnsupportedMediaType("Send the arguments as `Content-Type: application/json`.")
        body = await read_body(asked.request, self._limits.body)
        if kind is None:
            # A page of another origin can send an empty body without asking first, but no credential of ours.
            if not body and ("Authorization" in headers or "Labgate-Token" in headers):
                return None
            raise UnsupportedMediaType("Send the arguments as `Content-Type: application/json`.")
        try:
            check(body, self._limits.depth)
            if opener(body) not in (b"{", b"["):
                raise InvalidParams("The body must be an object of the arguments.")
            return as_taken(method, body)
        except MalformedJson as problem:
            raise ParseFault(f"The body is no JSON: {problem}.") from problem

    def _refused(self, reply: Reply, asked: Asked) -> Answer:
        """The service's own error."""
        asked.replied(reply)
        status = _ERROR_STATUS.get(error_code(reply.body.data), 500)
        kind = (b"Content-Type", b"application/json")
        fields = (kind, (b"Cache-Control", b"no-store"), *of_reply(reply, self._wall()))
        return Answer(status, None, fields, reply.body.data)

    def _written(self, reply: Reply, body: bytes, form: Form, asked: Asked) -> Answer:
        asked.replied(reply)
        kind = (b"Content-Type", form.content_type)
        if not _reads(asked):
            fields = of_reply(reply, self._wall())
            return Answer(200, None, (kind, (b"Cache-Control", b"no-store"), *fields), body)
        tag = told_apart((body,))
        fields = self._tagged(reply, tag)
        if has(asked.request, tag.decode()):
            return Answer(304, None, fields, b"")
        return Answer(200, None, (kind, *fields), body)

    def _tagged(self, reply: Reply, tag: bytes) -> Fields:
        """What is said of an answer that the caller may keep."""
        now = self._wall()
        return (
            *of_reply(reply, now),
            (b"ETag", tag),
            (b"Cache-Control", _lifetime(reply, now)),
            (b"Vary", b"Authorization, Labgate-Token"),
        )


async def _formed(reply: Reply, form: Form, method: Method) -> bytes:
    """The result in this form. Raises `Unrepresentable`, and what `gathered` does."""
    made = reply.composed
    if made is not None and not made.dtype:
        data, write = await whole(made), form.of_bytes
    else:
        data, write = (await gathered(reply, method)).body.data, form.write
    if form.heavy or len(data) > LARGE:
        return await asyncio.to_thread(write, data)
    return write(data)


def arguments(method: Method, query: list[tuple[str, str]]) -> bytes | None:
    """The params that a query says, as a JSON object; a name that is there twice is an array.

    Texts become what the method's description says they are: numbers keep their digits, and what is described as a
    text stays one. Where nothing is said, a value that is JSON is taken as that. Raises `InvalidParams`.
    """
    schemas = {param.name: param.schema for param in method.params or ()}
    found: dict[str, list[bytes]] = {}
    for name, text in query:
        if name not in RESERVED:
            found.setdefault(name, []).append(_value(name, text, schemas.get(name, {})))
    if not found:
        return None
    given = {
        name: values[0] if len(values) == 1 else b"[" + b",".join(values) + b"]"
        for name, values in found.items()
    }
    if _wants_positions(method):
        return _by_position(method, given)
    return b"{" + b",".join(json.dumps(name).encode() + b":" + raw for name, raw in given.items()) + b"}"


_MUST_BE_TOKENS = frozenset({"integer", "number", "boolean"})


def _value(name: str, text: str, schema: Mapping[str, object]) -> bytes:
    form: QueryForm = query_form(schema)
    if form == "text" or not text:
        return json.dumps(text).encode()
    raw = text.encode("utf-8", "surrogatepass")
    try:
        check(raw)
    except MalformedJson:
        kinds = kinds_of(schema)
        if kinds and kinds <= _MUST_BE_TOKENS:
            raise InvalidParams(f"{name}={text[:80]!r}: {' or '.join(sorted(kinds))} is expected.") from None
        return json.dumps(text).encode()
    return raw


def as_taken(method: Method, body: bytes) -> bytes:
    """The params in the body: an object stays one unless the service tells its arguments apart by position."""
    if opener(body) != b"{" or not _wants_positions(method):
        return body
    given: dict[str, bytes] = {}
    for spelling, start, end in members(body):
        name = decoded(spelling)
        if name in given:
            raise InvalidParams(f"The argument {shown(name)} is given twice.")
        given[name] = body[start:end]
    return _by_position(method, given) if given else body


def _wants_positions(method: Method) -> bool:
    return method.structure == "by-position" and method.params is not None


def _by_position(method: Method, given: Mapping[str, bytes]) -> bytes:
    names = [param.name for param in method.params or ()]
    unknown = next((name for name in given if name not in names), None)
    if unknown is not None:
        raise InvalidParams(
            f"{method.name} takes {', '.join(names) or 'no arguments'}, and no {shown(unknown)}."
        )
    last = max(map(names.index, given))
    absent = next((name for name in names[:last] if name not in given), None)
    if absent is not None:
        raise InvalidParams(
            f"{absent} is missing: it comes before {names[last]}, and only positions tell them apart."
        )
    return b"[" + b",".join(given[name] for name in names[: last + 1]) + b"]"


def _reads(asked: Asked) -> bool:
    """Whether the arguments are in the query, and the answer is one that the caller may keep."""
    return asked.request.method in ("GET", "HEAD")


def _form(asked: Asked) -> Form:
    name = asked.request.rel_url.query.get("format", "json")
    if name not in FORMS:
        raise InvalidParams(f"format={name[:40]!r} is not one of {', '.join(FORMS)}.")
    return FORMS[name]


def _takes_blocks(asked: Asked) -> bool:
    """Whether Accept names the type of arrays in blocks, and does not refuse it; no pattern means it."""
    said = asked.request.headers.getall("Accept", [])
    return any(_BLOCKS(part) for one in said for part in one.split(","))


def _lifetime(reply: Reply, now: float) -> bytes:
    """For how long the caller's own cache may keep it: as long as the gate's entry is fresh."""
    if isinstance(reply.verdict, Hit | Stale):
        return b"private, max-age=%d" % max(0, reply.verdict.entry.fresh_until - now)
    return b"private, no-cache"


def _told(fault: Fault, method: Method | None, asked: Asked) -> Answer:
    service, name = (method.service, method.name) if method else (None, None)
    error = error_bytes(fault, service=service, method=name, request_id=asked.id)
    fields = ((b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store"))
    more = scope_fields(fault, asked.principal) if isinstance(fault, Forbidden) else extra_fields(fault)
    return Answer(fault.plain_status, None, fields + more, error)
