"""What is answered to bytes that never become a request?"""

from __future__ import annotations

import json
from enum import Enum
from http import HTTPStatus
from typing import Any

from gateway.core.faults import (
    BadRequest,
    Fault,
    MethodNotAllowed,
    TooLarge,
    Unavailable,
)
from gateway.core.reply import Fields

RETRY_AFTER_SECONDS = 1


class Refusal(Enum):
    """Why a head is answered by the connection itself, before any handler: HTTP status, fault, text for the caller.

    No text quotes the request: it may hold a credential.
    """

    MALFORMED = (400, BadRequest, "The request cannot be read as HTTP/1.1.")
    LENGTH = (
        400,
        BadRequest,
        "The end of the body is ambiguous: send one Content-Length, or Transfer-Encoding: chunked, in HTTP/1.1.",
    )
    HOST = (
        400,
        BadRequest,
        "One valid Host field is needed, and a target that names a host must name the same one.",
    )
    SLOW_HEAD = (408, BadRequest, "The head of the request took too long.")
    EXPECTATION = (417, BadRequest, "The only expectation that can be met is 100-continue.")
    LARGE_HEAD = (431, TooLarge, "The head of the request is too large.")
    TUNNEL = (501, MethodNotAllowed, "CONNECT is not served: this is no proxy for other hosts.")
    FULL = (503, Unavailable, "All connections are taken: try again soon.")
    CROWDED = (
        503,
        Unavailable,
        "Your address has too many connections here: close some, or use them for more than one request.",
    )
    VERSION = (505, BadRequest, "Only HTTP/1.1 and HTTP/1.0 are spoken.")

    def __init__(self, status: int, fault: type[Fault], text: str) -> None:
        self.status = status
        self.fault = fault
        self.text = text


def fault_parts(fault: Fault, status: int, request_id: str) -> tuple[int, Fields, bytes]:
    """Status, fields and body that say a fault which no door has caught: a JSON-RPC error object with a null id."""
    error: dict[str, Any] = {"jsonrpc": "2.0", "id": None, "error": fault.as_error(request_id=request_id)}
    fields: list[tuple[bytes, bytes]] = [
        (b"Content-Type", b"application/json"),
        (b"X-Request-Id", request_id.encode("ascii")),
    ]
    retry_after = fault.data.get("retry_after")
    if retry_after is not None:
        fields.append((b"Retry-After", b"%d" % max(1, round(retry_after))))
    return status, tuple(fields), json.dumps(error).encode("ascii")


def refusal_parts(refusal: Refusal, request_id: str) -> tuple[int, Fields, bytes]:
    """Status, fields and body of a refusal."""
    data = {"retry_after": RETRY_AFTER_SECONDS} if refusal in (Refusal.FULL, Refusal.CROWDED) else {}
    return fault_parts(refusal.fault(refusal.text, **data), refusal.status, request_id)


def _phrases() -> dict[int, bytes]:
    return {int(status): status.phrase.encode("ascii") for status in HTTPStatus}


PHRASES: dict[int, bytes] = _phrases()
"""The reason phrases of RFC 9110 section 15, by status."""
