"""How is a safe method called by a plain URL? `GET /rpc/service.method?k=v&format=json`, for curl, R, or a link."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import blake2b

from gateway.core.cache_status import outcome
from gateway.core.call import Call, Params
from gateway.core.faults import Fault, InvalidParams, MethodNotAllowed
from gateway.core.method import Method
from gateway.core.ports import Observer
from gateway.core.reply import Reply, error_code
from gateway.core.scanner import MalformedJson, check
from gateway.core.verdict import Hit, Stale
from gateway.doors.asked import Asked, demand, patience
from gateway.doors.fields import has, of_reply
from gateway.doors.forms import FORMS, Form
from gateway.doors.refusal import error_bytes, extra_fields
from gateway.relay import Relay
from gateway.wire.answer import Answer

RESERVED = frozenset({"format", "datastack"})
"""Query names that are the gate's own, whatever a method's parameters are called."""

_ERROR_STATUS = {-32600: 400, -32602: 400, -32601: 404}
"""The status of an upstream's error by its code; any other is 500."""


class PlainDoor:
    """Calls safe methods by GET: arguments are the query, the answer is the bare result."""

    def __init__(
        self, relay: Relay, observer: Observer, *, wall: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        """`wall` tells seconds since 1970, `monotonic` those of the event loop."""
        self._relay = relay
        self._observer = observer
        self._wall = wall
        self._monotonic = monotonic

    async def answer(self, asked: Asked) -> Answer:
        """The result of one call, in the form that is asked for; a fault or an upstream's error is JSON with its status."""
        started = self._monotonic()
        method: Method | None = None
        try:
            form = _form(asked)
            method = self._relay.find(_name(asked), asked.datastack, asked.principal)
            asked.visit.method = method.qualified
            reply = await self._relay.answer(self._call(method, asked))
            answer = self._written(reply, form, asked)
        except Fault as fault:
            ended, answer = fault.name, _told(fault, method, asked)
            asked.visit.fault = fault.name
        else:
            ended = outcome(reply) if reply.kind == "result" else "error"
        if method is not None:
            self._observer.called(method, ended, self._monotonic() - started)
        return answer

    def _call(self, method: Method, asked: Asked) -> Call:
        if not method.safe:
            raise MethodNotAllowed(
                f"{method.name} may change something, so it is no plain URL: call it by POST /rpc.",
                allow="POST",
            )
        timeout = self._relay.routes[method.service].service.timeout
        return Call(
            id=asked.id,
            principal=asked.principal,
            method=method,
            ask=Params(arguments(method, list(asked.request.rel_url.query.items()))),
            deadline=self._monotonic() + min(patience(asked.request), timeout),
            demand=demand(asked.request),
        )

    def _written(self, reply: Reply, form: Form, asked: Asked) -> Answer:
        now = self._wall()
        asked.visit.cache = outcome(reply)
        fields = of_reply(reply, now)
        if reply.kind == "error":
            status = _ERROR_STATUS.get(error_code(reply.body.data), 500)
            kind = (b"Content-Type", b"application/json")
            return Answer(status, None, (kind, (b"Cache-Control", b"no-store"), *fields), reply.body.data)
        body = form.write(reply.body.data)
        tag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
        fields += (
            (b"ETag", tag.encode()),
            (b"Cache-Control", _lifetime(reply, now)),
            (b"Vary", b"Authorization, Labgate-Token"),
        )
        if has(asked.request, tag):
            return Answer(304, None, fields, b"")
        return Answer(200, None, ((b"Content-Type", form.content_type), *fields), body)


def arguments(method: Method, query: list[tuple[str, str]]) -> bytes | None:
    """The params that a query says, as a JSON object; a name that is there twice is an array.

    Texts become what the method's description says they are: numbers keep their digits, and what is described as a
    text stays one. Where nothing is said, a value that is JSON is taken as that. Raises `InvalidParams`.
    """
    types = {param.name: _types(param.schema.get("type")) for param in method.params or ()}
    found: dict[str, list[bytes]] = {}
    for name, text in query:
        if name in RESERVED:
            continue
        found.setdefault(name, []).append(_value(name, text, types.get(name, frozenset())))
    members = [
        json.dumps(name).encode()
        + b":"
        + (values[0] if len(values) == 1 else b"[" + b",".join(values) + b"]")
        for name, values in found.items()
    ]
    return b"{" + b",".join(members) + b"}" if members else None


def _types(declared: object) -> frozenset[str]:
    named = declared if isinstance(declared, list) else [declared]
    return frozenset(name for name in named if isinstance(name, str))


def _value(name: str, text: str, types: frozenset[str]) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    if types == {"string"} or not text:
        return json.dumps(text).encode()
    try:
        check(raw)
    except MalformedJson:
        if types and types <= {"integer", "number", "boolean"}:
            raise InvalidParams(f"{name}={text[:80]!r}: {' or '.join(sorted(types))} is expected.") from None
        return json.dumps(text).encode()
    if raw.startswith(b'"') or ("string" in types and raw[:1] not in b"[{"):
        return json.dumps(text).encode()
    return raw


def _name(asked: Asked) -> str:
    return asked.request.rel_url.path.removeprefix("/rpc/")


def _form(asked: Asked) -> Form:
    name = asked.request.rel_url.query.get("format", "json")
    if name not in FORMS:
        raise InvalidParams(f"format={name[:40]!r} is not one of {', '.join(FORMS)}.")
    return FORMS[name]


def _lifetime(reply: Reply, now: float) -> bytes:
    """For how long the caller's own cache may keep it: as long as the gate's entry is fresh."""
    if isinstance(reply.verdict, Hit | Stale):
        return b"private, max-age=%d" % max(0, reply.verdict.entry.fresh_until - now)
    return b"private, no-cache"


def _told(fault: Fault, method: Method | None, asked: Asked) -> Answer:
    service, name = (method.service, method.name) if method else (None, None)
    error = error_bytes(fault, service=service, method=name, request_id=asked.id)
    fields = ((b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store"))
    return Answer(fault.plain_status, None, (*fields, *extra_fields(fault)), error)
