"""How is a fault said in HTTP? This is the one place that knows."""

from __future__ import annotations

import json
from math import ceil

import orjson

from gateway.core.challenge import for_scopes
from gateway.core.faults import Fault, Forbidden, MethodNotAllowed
from gateway.core.handshake import OtherVersion
from gateway.core.principal import Principal
from gateway.core.reply import Fields
from gateway.doors.encodings import JSON, Encoding
from gateway.wire.answer import Answer


def error_bytes(fault: Fault, *, service: str | None, method: str | None, request_id: str) -> bytes:
    """The JSON-RPC error object of a fault, as JSON."""
    error = fault.as_error(service=service, method=method, request_id=request_id)
    try:
        return orjson.dumps(error)
    except TypeError:  # a lone surrogate in a name that the caller sent
        return json.dumps(error).encode()


def refused(
    fault: Fault,
    request_id: str,
    fields: Fields,
    *,
    reading: bool = False,
    writing: Encoding = JSON,
    id: bytes | None = None,  # noqa: A002 - the protocol's name
) -> Answer:
    """The answer to a request of which nothing was carried out: a JSON-RPC error.

    `reading`: it came by GET or HEAD, where the status is all that many callers look at. `id` is the token of the one call
    that it was, None where that is not known: then it is null (JSON-RPC 2.0 section 5).
    """
    error = error_bytes(fault, service=None, method=None, request_id=request_id)
    body = writing.error(writing.null if id is None else id, writing.value(error))
    status = fault.plain_status if reading else fault.status
    return Answer(
        status, None, ((b"Content-Type", writing.content_type), *extra_fields(fault), *fields), body
    )


def scope_fields(fault: Forbidden, principal: Principal | None, metadata: str | None = None) -> Fields:
    """What a 403 says of the scope with which the caller might (RFC 6750 section 3.1); see `for_scopes`."""
    told = for_scopes(fault, metadata, anonymous=principal is None or principal.anonymous)
    return () if told is None else ((b"WWW-Authenticate", told.encode()),)


def extra_fields(fault: Fault) -> Fields:
    """The header fields that a fault's status asks for: `Allow`, `Retry-After`, the version of a protocol."""
    found: list[tuple[bytes, bytes]] = []
    if isinstance(fault, MethodNotAllowed):
        found.append((b"Allow", str(fault.data.get("allow", "")).encode()))
    if isinstance(fault, OtherVersion):
        found += [(b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", b"13")]
    if "retry_after" in fault.data and fault.status in (429, 503):
        found.append((b"Retry-After", b"%d" % max(1, ceil(fault.data["retry_after"]))))
    return tuple(found)
