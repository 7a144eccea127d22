"""Which value is the result of a tool? (2025-06-18 and 2026-07-28, server/tools, tool result)"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from gateway.core.arrays import NotSayable, unbase64
from gateway.core.faults import UpstreamBroken
from gateway.core.scanner import MalformedJson, decoded, items, members, opener

_LONGEST: Final = 4000
"""Characters of an error's text; all of its content is in its data."""
TOOL_FAILED: Final = -32000
"""The code of an error whose tool says that it failed: the protocol has none for it."""


def value_of(result: bytes, service: str) -> tuple[bytes, bool]:
    """The value that a tool's result is, as JSON, and whether it is an error (then a JSON-RPC error object).

    What is structured goes before what is not. A text stays the text that it is, whatever stands in it; images, sounds and
    embedded data are bytes; links are what they are; several of them are an array. Raises UpstreamBroken.
    """
    try:
        said = _parts(result)
        unfinished = decoded(said.get("resultType", b'"complete"')) != "complete"
        content = _content(said)
        if said.get("isError") == b"true" and not unfinished:
            return _error(content), True
        structured = said.get("structuredContent", b"null")
        if structured != b"null" and not unfinished:
            return structured, False
        values = [_value(one) for one in content]
    except MalformedJson as problem:
        raise UpstreamBroken(
            f"The service {service!r} answered a tool's call with no result of a tool: {problem}.",
            maybe_executed=True,
        ) from problem
    if unfinished:
        raise UpstreamBroken(
            f"The tool of the service {service!r} asks its caller for something in between, which the gate cannot do.",
            maybe_executed=True,
        )
    if not values:
        return b"null", False
    return (values[0] if len(values) == 1 else b"[" + b",".join(values) + b"]"), False


def _content(said: Mapping[str, bytes]) -> list[bytes]:
    raw = said.get("content", b"[]")
    if opener(raw) != b"[":
        raise MalformedJson("its content is no array")
    return [raw[start:end] for start, end in items(raw)]


def _value(item: bytes) -> bytes:
    if opener(item) != b"{":
        return item
    parts = _parts(item)
    match decoded(parts.get("type", b'""')):
        case "text":
            return parts.get("text", item)
        case "image" | "audio":
            return _bytes(parts.get("data"), item)
        case "resource" if opener(parts.get("resource", b"")) == b"{":
            inner = _parts(parts["resource"])
            return inner["text"] if "text" in inner else _bytes(inner.get("blob"), item)
    return item


def _parts(raw: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for token, start, end in members(raw):
        name = decoded(token)
        if name in found:
            raise MalformedJson("a member is there twice")
        found[name] = raw[start:end].strip()
    return found


def _bytes(token: bytes | None, item: bytes) -> bytes:
    """Bytes as the gate says them in JSON; the item itself where it holds none."""
    if token is None or opener(token) != b'"':
        return item
    try:
        unbase64(decoded(token))
    except NotSayable:
        return item
    return b'{"$binary":{"base64":%b}}' % token


def _error(content: list[bytes]) -> bytes:
    texts: list[str] = []
    for item in content:
        parts = _parts(item) if opener(item) == b"{" else {}
        if (said := parts.get("text")) is not None and opener(said) == b'"':
            texts.append(decoded(said))
    words = "\n".join(texts)[:_LONGEST] or "The tool failed, and does not say why."
    message = json.dumps(words).encode()
    return b'{"code":%d,"message":%b,"data":{"content":[%b]}}' % (TOOL_FAILED, message, b",".join(content))
