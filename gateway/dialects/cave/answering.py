"""What does a caller get of the answer of an endpoint?"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from typing import Any, Final

import numpy as np
import orjson
from msgspec.structs import replace

from gateway.core import arrays, scanner
from gateway.core.faults import Truncated, UpstreamBroken
from gateway.core.reply import Reply, Whole
from gateway.core.service import Service
from gateway.core.upstream import Answer
from gateway.core.verdict import Pass
from gateway.dialects.cave.asking import Asking
from gateway.dialects.cave.routes import ARROW, Route
from gateway.dialects.notices import notices
from gateway.dialects.openapi import replies
from gateway.dialects.openapi.coding import UnreadableCodingError, field, plain

_TRIP = Pass("trip")  # The relay knows the verdict, and puts it here.
_limited = re.compile(r"limited query to (\d+) rows", re.IGNORECASE)
_number_at_end = re.compile(r".*/(\d+)", re.DOTALL)
_END_OF_STREAM: Final = b"\xff\xff\xff\xff\x00\x00\x00\x00"


def answered(asking: Asking, answer: Answer, service: Service) -> Reply:
    """The result or the error in an answer. Raises UpstreamBroken for what cannot be read, and Truncated."""
    route = asking.route
    if answer.status != 200 or route.gives in ("json", "record"):
        found = replies.reply(answer, service, safe=route.safe)
        if found.kind != "result":
            return found
        return replace(found, body=Whole(_taken(found.body.data, route, service)))
    try:
        body = plain(answer, service.max_reply) if route.gives != ARROW else answer.body
        return Reply("result", Whole(_read(body, asking, answer, service)), _TRIP, notices=notices(answer))
    except (UnreadableCodingError, ValueError, zlib.error) as problem:
        doubt = {} if route.safe else {"maybe_executed": True}
        raise UpstreamBroken(
            f"The service {service.qualified!r} answered {route.name!r} with what cannot be read: {problem}.",
            **doubt,
        ) from problem


def _read(body: bytes, asking: Asking, answer: Answer, service: Service) -> bytes:
    match asking.route.gives:
        case "uint64":
            return _uint64(body)
        case "arrow":
            return _table(body, asking, answer, service)
        case "gzip":
            return _unpacked(body, service.max_reply)
        case "hex_gzip":
            return _each_unpacked(body, service.max_reply)
        case "last_number":
            found = _number_at_end.match(body.decode("utf-8", "replace"))
            if found is None:
                raise ValueError("its address has no number at its end")
            return found[1].encode()
        case "number":
            return orjson.dumps(float(body))
        case "newest":
            return b"%d" % newest(body)
    raise ValueError("nobody knows how it is read")


def newest(body: bytes) -> int:
    """The highest of a list of versions. Raises ValueError where there is none."""
    found = json.loads(body)
    if not isinstance(found, list) or not found or not all(type(one) is int for one in found):
        raise ValueError("there is no version")
    return int(max(found))


# --- JSON


def _taken(body: bytes, route: Route, service: Service) -> bytes:
    """The member that is the result, as its own bytes; a list of numbers as an array."""
    if route.take:
        body = _member(body, route, service)
    if not route.array or scanner.opener(body) != b"[":
        return body
    return _as_array(body, np.dtype(route.array))


def _member(body: bytes, route: Route, service: Service) -> bytes:
    if scanner.opener(body) == b"{":
        for spelling, start, end in scanner.members(body):
            if scanner.decoded(spelling) == route.take:
                return body[start:end]
    raise UpstreamBroken(f"The service {service.qualified!r} answered {route.name!r} without {route.take!r}.")


def _as_array(body: bytes, dtype: np.dtype[Any]) -> bytes:
    try:
        found = np.array(json.loads(body), dtype)
    except (ValueError, OverflowError, TypeError):
        return body  # it is said as it is
    return arrays.as_json(arrays.Array(found.dtype, found.shape, found.tobytes()))


# --- bytes


def _uint64(body: bytes) -> bytes:
    if len(body) % 8:
        raise ValueError("it is no row of 64 bits each")
    return arrays.as_json(arrays.Array(np.dtype("<u8"), (len(body) // 8,), body))


def _table(body: bytes, asking: Asking, answer: Answer, service: Service) -> bytes:
    """A stream of Arrow, which is whole: one that was cut has no end."""
    _check_rows(asking, answer, service)
    if not body.endswith(_END_OF_STREAM):
        raise ValueError("the stream of Arrow has no end")
    return b'{"$binary":{"base64":"%b"}}' % base64.b64encode(body)


def _check_rows(asking: Asking, answer: Answer, service: Service) -> None:
    """Refuse a table that was cut off without a word but in a field."""
    found = _limited.search(field(answer, b"warning"))
    if found is None or asking.may_be_cut:
        return
    limit, wanted = int(found[1]), asking.wants_rows
    if wanted is not None and wanted <= limit:
        return
    raise Truncated(
        f"The service {service.qualified!r} gives {limit} rows at once, and there are more: narrow the query, take it in "
        "parts by `limit` and `offset`, or say `allow_truncated: true`.",
        limit=limit,
    )


def _unpacked(body: bytes, most: int) -> bytes:
    """What was packed by gzip: JSON as it is, else a text."""
    if most < 0:
        raise ValueError("it is too large")
    if body[:2] == b"\x1f\x8b":
        # No room at all would be no limit at all to zlib.
        decoder = zlib.decompressobj(wbits=31)
        body = decoder.decompress(body, most + 1)
        if len(body) > most or not decoder.eof:
            raise ValueError("it is cut, or too large")
    try:
        scanner.check(body)
    except scanner.MalformedJson:
        return orjson.dumps(body.decode("utf-8"))
    return body


def _each_unpacked(body: bytes, most: int) -> bytes:
    """An object of texts in hexadecimal digits, each packed by gzip; what is none, like `async`, stays."""
    if scanner.opener(body) != b"{":
        return body
    parts: list[bytes] = []
    for spelling, start, end in scanner.members(body):
        raw = body[start:end]
        value = json.loads(raw)
        if isinstance(value, str):
            try:
                raw = _unpacked(binascii.unhexlify(value), most)
            except binascii.Error:
                pass
        parts.append(b"%b:%b" % (orjson.dumps(scanner.decoded(spelling)), raw))
        most -= len(raw)
    return b"{%b}" % b",".join(parts)
