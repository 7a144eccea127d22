"""Which HTTP request carries a call out?"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Collection
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from gateway.core import arrays, scanner
from gateway.core.call import Call
from gateway.core.faults import InvalidParams, Unrepresentable
from gateway.core.method import IN_PATH, Arrays, HttpBinding, Method, Place
from gateway.core.naming import shown
from gateway.core.reply import Fields
from gateway.dialects.openapi import values
from gateway.dialects.openapi.parameters import FORM, GATES_COOKIES, JSON, MULTIPART, essence, is_json

_BODILESS: Final = frozenset(("GET", "HEAD", "DELETE", "OPTIONS"))
_HAVE_A_BODY: Final = frozenset(("POST", "PUT", "PATCH"))

_DOTS: Final = frozenset((".", ".."))
_between = re.compile(r"[/\\]")


class Request(Struct, frozen=True, gc=False):
    """One request: its target below the service's base path, its own fields, and its body, if it has one."""

    verb: str
    target: str
    fields: Fields
    body: bytes | None


class _Sorted(Struct, frozen=True):
    """The arguments by where they go; for each its place and the bytes of its value."""

    path: dict[str, tuple[Place, bytes]]
    query: list[tuple[Place, bytes]]
    header: list[tuple[Place, bytes]]
    cookie: list[tuple[Place, bytes]]
    member: list[tuple[Place, bytes]]
    body: list[tuple[Place, bytes]]


def request(call: Call, binding: HttpBinding, form: Arrays, own: Collection[str] = frozenset()) -> Request:
    """The request of a call; `form` is how the service wants arrays, `own` are fields that the gate has for the service.

    Raises InvalidParams, which names the parameter, for what a request cannot say, and Unrepresentable for
    arrays and bytes that are broken.
    """
    try:
        given = _sorted(call, binding, form)
        target = _target(binding, given)
        sends, body = _body(call.method, binding, given)
        fields = tuple(
            (place.name.encode(), values.joined(place, raw))
            for place, raw in given.header
            if not values.is_null(raw)
        )
        fields += _cookies(given, own)
    except (scanner.MalformedJson, UnicodeError):
        raise InvalidParams("The params are no JSON that can be sent.") from None
    if body is not None:
        fields = ((b"Content-Type", sends.encode()), *fields)
    return Request(binding.verb, target, (*fields, (b"Accept", binding.accepts.encode())), body)


def arguments(call: Call, form: Arrays) -> dict[str, bytes]:
    """The arguments by their advertised names, each the bytes that the caller wrote.

    Raises InvalidParams, and Unrepresentable for arrays that are broken.
    """
    raw = call.ask.raw
    if raw is None:
        return {}
    try:
        raw = arrays.to_upstream(raw, form)
    except arrays.NotSayable as problem:
        raise Unrepresentable(f"The params cannot be sent: {problem}.") from problem
    scanner.check_text(raw)
    if scanner.opener(raw) == b"[":
        return _by_position(raw, call.method)
    named: dict[str, bytes] = {}
    for spelling, start, end in scanner.members(raw):
        name = scanner.decoded(spelling)
        if name in named:
            raise InvalidParams(f"The parameter {shown(name)!r} is given twice.")
        named[name] = raw[start:end]
    return named


def _by_position(raw: bytes, method: Method) -> dict[str, bytes]:
    params = method.params or ()
    items = [raw[start:end] for start, end in scanner.items(raw)]
    if len(items) > len(params):
        raise InvalidParams(
            f"The method {method.name!r} takes {len(params)} parameters by position, and {len(items)} were given."
        )
    return {param.name: item for param, item in zip(params, items, strict=False)}


def _sorted(call: Call, binding: HttpBinding, form: Arrays) -> _Sorted:
    """Each argument in its place; those that no document names go to the query, or to a body of members."""
    places = {place.param: place for place in binding.places}
    said = arguments(call, form)
    given = _Sorted({}, [], [], [], [], [])
    whole = next((place.param for place in binding.places if place.where == "body"), None)
    has_members = (
        binding.verb not in _BODILESS
        and _is_structured(binding.sends)
        and (whole is None or whole not in said)
    )
    for name, raw in said.items():
        if name not in places and name.lower() in GATES_COOKIES:
            raise InvalidParams(
                f"The parameter {name!r} is a cookie of the gate's own, which no service gets."
            )
        place = places.get(name) or Place(name, "member" if has_members else "query", name)
        if place.where == "path":
            given.path[place.name] = (place, raw)
        else:
            goes: list[tuple[Place, bytes]] = getattr(given, place.where)
            goes.append((place, raw))
    return given


def _cookies(given: _Sorted, own: Collection[str]) -> Fields:
    """The one field of cookies, if there are any; beside an operator's own there is no place for a caller's."""
    pairs = [pair for place, raw in given.cookie for pair in values.cookies(place, raw)]
    if pairs and any(name.lower() == "cookie" for name in own):
        raise InvalidParams(
            f"The parameter {given.cookie[0][0].param!r} is a cookie, and the gate sends cookies of its own to this service."
        )
    return ((b"Cookie", b"; ".join(pairs)),) if pairs else ()


def _is_structured(sends: str) -> bool:
    return is_json(sends) or essence(sends) in (FORM, MULTIPART)


def _target(binding: HttpBinding, given: _Sorted) -> str:
    params = {place.name: place.param for place in binding.places if place.where == "path"}

    def filled(name: str) -> str:
        place, raw = given.path.get(name, (None, b""))
        if place is None:
            raise InvalidParams(
                f"The parameter {params.get(name, name)!r} is missing: it is part of the path."
            )
        return values.in_path(place, raw)

    path = _each(binding.path, filled)
    query = [pair for place, raw in given.query for pair in values.pairs(place, raw)]
    # Upstreams and proxies before them may decode what was encoded, and only then resolve dot segments.
    if not _DOTS.isdisjoint(_between.split(unquote(path.partition("?")[0]))):
        raise InvalidParams("The parameters that are part of the path would make it another one.")
    if not query:
        return path
    return f"{path}{'&' if '?' in path else '?'}{'&'.join(query)}"


def _each(path: str, filled: Callable[[str], str]) -> str:
    return IN_PATH.sub(lambda found: filled(found[1]), path)


def _body(method: Method, binding: HttpBinding, given: _Sorted) -> tuple[str, bytes | None]:
    """The media type of the body and the body; None where there is nothing to send."""
    sends = binding.sends
    if given.body:
        place, raw = given.body[0]
        if is_json(sends):
            return sends, raw
        return sends, None if values.is_null(raw) else values.as_bytes(raw, place.param)
    takes_members = any(place.where == "member" for place in binding.places)
    if not given.member and not (takes_members and binding.verb in _HAVE_A_BODY):
        return sends, None
    kind = essence(sends)
    if kind == FORM:
        return sends, values.form(given.member)
    if kind == MULTIPART:
        boundary = secrets.token_hex(16)
        body = values.multipart(given.member, _files(method), boundary.encode())
        return f"{MULTIPART}; boundary={boundary}", body
    members = ((place.name, raw) for place, raw in given.member)
    return sends if is_json(sends) else JSON, values.json_object(members)


def _files(method: Method) -> frozenset[str]:
    """The parameters that are described as files, or lists of files (OpenAPI 3.0 and 3.1 say it differently)."""
    return frozenset(
        param.name
        for param in method.params or ()
        for schema in (param.schema, param.schema.get("items"))
        if isinstance(schema, dict) and (schema.get("format") == "binary" or "contentMediaType" in schema)
    )
