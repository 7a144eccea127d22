"""Of what does somebody want to be told as it happens?"""

from __future__ import annotations

from typing import Any, Final

import orjson
from msgspec import Struct

from gateway.core.faults import InvalidParams
from gateway.core.naming import shown
from gateway.core.scanner import MalformedJson, canonical_spaces, check, decoded, members, opener

SUBSCRIBE: Final = "rpc.subscribe"
UNSUBSCRIBE: Final = "rpc.unsubscribe"
"""The methods of a connection itself."""
CATALOG, CACHE, JOB = "catalog", "cache", "job.progress"
TOPICS: Final = (CATALOG, CACHE, JOB)
MOST_NAMES: Final = 256
"""Methods and tags that one subscription may name."""
_KNOWN: Final = {
    CATALOG: ("topic",),
    CACHE: ("topic", "methods", "tags"),
    JOB: ("topic", "method", "params"),
}


class OfCatalog(Struct, frozen=True):
    """What comes to the list of methods, and what goes from it."""


class OfCache(Struct, frozen=True):
    """When what is stored of these methods, or under these tags, holds no longer."""

    methods: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class OfJob(Struct, frozen=True):
    """How far a job is, as this method tells it that is called with these parameters (without blanks outside of strings)."""

    method: str
    params: bytes | None = None


Topic = OfCatalog | OfCache | OfJob


def topic_of(raw: bytes | None) -> Topic:
    """The topic that the parameters of `rpc.subscribe` name. Raises `InvalidParams`."""
    spans = _spans(raw)
    topic = _value("topic", spans.get("topic", b"null"))
    if topic not in TOPICS:
        raise InvalidParams(f"Say a topic: one of {', '.join(TOPICS)}.")
    for name in spans:
        if name not in _KNOWN[topic]:
            raise InvalidParams(f"{shown(name)} is nothing that can be said of the topic {topic}.")
    if topic == CATALOG:
        return OfCatalog()
    if topic == CACHE:
        methods, tags = _names("methods", spans), _names("tags", spans)
        if not methods and not tags:
            raise InvalidParams(
                'Say which replies are meant: "methods": ["service.method"], or "tags": ["tag"].'
            )
        return OfCache(methods, tags)
    method = _value("method", spans.get("method", b"null"))
    if not isinstance(method, str) or not method:
        raise InvalidParams('Say which method tells of the job: "method": "service.method".')
    params = spans.get("params", b"null")
    if params.strip() == b"null":
        return OfJob(method)
    if opener(params) not in (b"{", b"["):
        raise InvalidParams("params is an object or an array, as a call of the method has it.")
    return OfJob(method, canonical_spaces(params))


def subscription_of(raw: bytes | None) -> str:
    """The subscription that the parameters of `rpc.unsubscribe` name. Raises `InvalidParams`."""
    found = _value("subscription", _spans(raw, ("subscription",)).get("subscription", b"null"))
    if not isinstance(found, str):
        raise InvalidParams('Say which subscription: {"subscription": "…"}, as rpc.subscribe gave it.')
    return found


def _spans(raw: bytes | None, by_position: tuple[str, ...] = ()) -> dict[str, bytes]:
    """What is said, as it was written, by name."""
    if raw is not None and by_position and opener(raw) == b"[":
        said = _value("params", raw)
        return {name: orjson.dumps(one) for name, one in zip(by_position, said, strict=False)}
    if raw is None or opener(raw) != b"{":
        raise InvalidParams("The parameters go by name: they are an object.")
    try:
        check(raw)
        found = [(decoded(one.name), raw[one.start : one.end]) for one in members(raw)]
    except MalformedJson as error:
        raise InvalidParams(f"The parameters are no JSON: {error}.") from error
    if len({name for name, _ in found}) < len(found):
        raise InvalidParams("A parameter is said twice.")
    return dict(found)


def _value(name: str, span: bytes) -> Any:
    try:
        return orjson.loads(span)
    except ValueError as error:
        raise InvalidParams(f"{name} cannot be read: {error}.") from error


def _names(name: str, spans: dict[str, bytes]) -> tuple[str, ...]:
    found = _value(name, spans.get(name, b"[]"))
    if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
        raise InvalidParams(f"{name} is an array of names.")
    if len(found) > MOST_NAMES:
        raise InvalidParams(f"{name} has {len(found)} names, and at most {MOST_NAMES} are taken.")
    return tuple(dict.fromkeys(found))
