"""What does a reply mean: a result, or which error?"""

from __future__ import annotations

import os
import warnings

from labgate._codec import NPY, decode_json, decode_msgpack
from labgate._names import callers_level, printable
from labgate.errors import (
    BY_CODE,
    BadReply,
    DeadlineExceeded,
    Error,
    Forbidden,
    GateError,
    GateUnreachable,
    LoopDetected,
    MethodNotAllowed,
    NotFound,
    NotRecorded,
    RateLimited,
    RemoteError,
    RemoteInvalidParams,
    RemoteNotFound,
    StaleWarning,
    TooLarge,
    Truncated,
    Unauthenticated,
    Unavailable,
    Unreachable,
    UnsupportedMediaType,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._wire import Response

# What a status means where the body is not the gate's: then a proxy or another server has answered.
_BY_STATUS: dict[int, type[GateError]] = {
    401: Unauthenticated,
    403: Forbidden,
    413: TooLarge,
    429: RateLimited,
    502: Unreachable,
    503: Unavailable,
    504: DeadlineExceeded,
}
# The same for raw requests, where it may be the service that has answered.
_BY_RAW_STATUS: dict[int, type[Error]] = {
    **_BY_STATUS,
    400: RemoteInvalidParams,
    404: RemoteNotFound,
    405: MethodNotAllowed,
    410: RemoteNotFound,
    415: UnsupportedMediaType,
    422: RemoteInvalidParams,
    508: LoopDetected,
}
# Known by its name, whatever its number is.
_BY_FAULT: dict[str, type[GateError]] = {"NotRecorded": NotRecorded, "Truncated": Truncated}
_REMOTE = {NotFound.code: RemoteNotFound, -32602: RemoteInvalidParams}
_UNLABELLED = (b"", b"text/plain")  # as servers without a gate may send their JSON
_OWN_IDS = (
    1,
    "1",
    None,
)  # what single calls are sent with; some servers make text of it, old ones leave it out
_LONGEST_SNIPPET = 300
_REFUSED_UNREAD = (401, 403, 413, 429, 503)


def payload_of(response: Response, method: str | None, gate: str, *, repeatable: bool) -> Any:
    """The decoded JSON-RPC answer, or array of answers.

    Raises:
        Error: the body is not one.
    """
    kind = response.fields.get(b"content-type", b"").lower()
    try:
        if b"msgpack" in kind:
            return decode_msgpack(response.body)
        if b"json" in kind or (kind.partition(b";")[0] in _UNLABELLED and response.body[:1] == b"{"):
            return decode_json(response.body)
    except BadReply as error:
        if response.status == 200:
            _place(error, response, method, repeatable=repeatable)
            raise
    raise _foreign(response, method, gate, repeatable=repeatable)


def result_of(response: Response, method: str, gate: str, *, repeatable: bool) -> Any:
    """The result of a single call.

    Raises:
        Error: there is none; of the class that says why.
    """
    if response.status == 200 and response.fields.get(b"content-type", b"").lower() == NPY:
        from labgate._arrays import from_npy

        return from_npy(response.body)
    if response.status == 200 and b"arrow" in response.fields.get(b"content-type", b"").lower():
        from labgate._frames import frame_of, is_arrow

        if is_arrow(response.fields[b"content-type"]):
            try:
                return frame_of(response.body)
            except BadReply as error:
                _place(error, response, method, repeatable=repeatable)
                raise
    payload = payload_of(response, method, gate, repeatable=repeatable)
    if isinstance(payload, dict):
        if payload.get("error") is not None:
            raise error_of(payload["error"], response, method)
        if "result" in payload:
            if payload.get("id") not in _OWN_IDS:
                raise _anothers(response, method, gate, repeatable=repeatable)
            return payload["result"]
    raise _foreign(response, method, gate, repeatable=repeatable)


def _anothers(response: Response, method: str, gate: str, *, repeatable: bool) -> Error:
    """The error of an answer with the id of another request."""
    error = BadReply(f"{gate} answered another request than this one: the id is not its own", hint="")
    _place(error, response, method, repeatable=repeatable)
    return error


def as_table(result: Any) -> Any:
    """The result of a method that answers a table: bytes that are an Arrow stream are read as one."""
    if isinstance(result, (bytes, bytearray)):
        from labgate._frames import frame_of, is_stream

        return frame_of(result) if is_stream(result) else result
    return result


def refusal_of(response: Response, method: str | None, gate: str, *, repeatable: bool) -> Error:
    """The error of a reply that has no result to give."""
    try:
        payload = payload_of(response, method, gate, repeatable=repeatable)
    except Error as error:
        return error
    if isinstance(payload, dict) and payload.get("error") is not None:
        return error_of(payload["error"], response, method)
    return _foreign(response, method, gate, repeatable=repeatable)


def rejection_of(response: Response, method: str | None, asked: str, *, repeatable: bool) -> Error:
    """The error of a raw reply with a status of 400 or more: a JSON-RPC error's own, else the status's.

    Its `data` is the body where that is JSON.

    Args:
        response: the reply, its body read as far as it is wanted.
        method: what was called.
        asked: the request in a few words.
        repeatable: carrying it out twice is the same as once.
    """
    data = None
    if b"json" in response.fields.get(b"content-type", b"").lower():
        try:
            data = decode_json(response.body)
        except Error:
            data = None
    error = data.get("error") if isinstance(data, dict) else None
    if isinstance(error, dict) and isinstance(error.get("code"), int):
        return _waiting(error_of(error, response, method), response)
    status = response.status
    snippet = printable(response.body[: 4 * _LONGEST_SNIPPET].decode("utf-8", "replace"), _LONGEST_SNIPPET)
    return _BY_RAW_STATUS.get(status, RemoteError)(
        f"{asked} was answered {status}" + (f": {' '.join(snippet.split())}" if snippet.strip() else ""),
        data=data,
        http_status=status,
        method=method,
        request_id=response.text(b"x-request-id"),
        maybe_executed=not repeatable and status >= 500 and status not in _REFUSED_UNREAD,
        retry_after=_wait_of(response),
    )


def plain_rejection_of(response: Response, method: str, asked: str) -> Error:
    """The error of a safe method's plain URL: its body is the bare JSON-RPC error, or what a raw reply's is."""
    try:
        error = decode_json(response.body)
    except Error:
        error = None
    if isinstance(error, dict) and type(error.get("code")) is int and isinstance(error.get("message"), str):
        return _waiting(error_of(error, response, method), response)
    return rejection_of(response, method, asked, repeatable=True)


def _waiting(error: Error, response: Response) -> Error:
    """The error with the time to wait of its reply, where it has none of its own."""
    if error.retry_after is None:
        error.retry_after = _wait_of(response)
    return error


def error_of(error: object, response: Response, method: str | None) -> Error:
    """The exception for a JSON-RPC error object.

    The gate's own errors carry the name of their fault; all others are a service's, passed on as it sent them.
    """
    members = dict(error) if isinstance(error, dict) else {"message": error}
    code = members.pop("code", None)
    code = code if isinstance(code, int) else RemoteError.code
    message = members.pop("message", "")
    data = members.pop("data", None)
    facts = data if isinstance(data, dict) else {}
    own = isinstance(facts.get("fault"), str)
    kind: type[Error] = _own_kind(code, facts) if own else _REMOTE.get(code, RemoteError)
    wait = facts.get("retry_after") if own else None
    found = kind(
        message if isinstance(message, str) else repr(message),
        code=code,
        data=data,
        members=members,
        http_status=response.status,
        method=method,
        request_id=_text(facts.get("request_id")) or response.text(b"x-request-id"),
        maybe_executed=own and (facts.get("maybe_executed") is True or response.doubtful),
        retry_after=float(wait) if isinstance(wait, (int, float)) else None,
    )
    near = facts.get("did_you_mean") if own else None
    if isinstance(near, list) and near and "did you mean" not in found.message:
        found.hint = f"Did you mean {' or '.join(str(name) for name in near[:3])}?"
    if isinstance(found, Forbidden) and found.scopes:
        found.hint = f"Ask the lab's engineer for a token with the scope {' '.join(found.scopes)}."
    if found.retry_after is not None and not found.hint:
        found.hint = f"Try again in {found.retry_after:g} s."
    if "LABGATE_DEBUG" in os.environ:
        from labgate._trace import note_trace

        note_trace(found, os.environ)
    return found


def _own_kind(code: int, facts: dict[str, Any]) -> type[GateError]:
    return _BY_FAULT.get(facts["fault"]) or BY_CODE.get(code, GateError)


def warn_of_stale(response: Response, method: str, warned: set[str], level: int | None = None) -> None:
    """Say once per method that the gate answered from an entry that is no longer fresh."""
    if method not in warned and is_stale(response.text(b"cache-status") or ""):
        warned.add(method)
        warnings.warn(
            StaleWarning(f"{method}: the gate answered with a stale entry (labgate.last(lab) says how old)"),
            stacklevel=level or callers_level(),
        )


def is_stale(status: str) -> bool:
    """Whether a Cache-Status (RFC 9211) tells of a hit that was no longer fresh: its time to live is negative."""
    parts = [part.strip() for part in status.split(";")]
    return "hit" in parts and any(part.startswith(("ttl=-", "detail=stale")) for part in parts)


def _place(error: Error, response: Response, method: str | None, *, repeatable: bool) -> None:
    """Let an error that arose in reading a reply tell whose reply it was."""
    error.method, error.http_status = method, response.status
    error.service = method.partition(".")[0] if method else None
    error.request_id = response.text(b"x-request-id")
    error.maybe_executed = not repeatable


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _foreign(response: Response, method: str | None, gate: str, *, repeatable: bool) -> Error:
    """The error of a reply whose body is no JSON-RPC answer: something else than the gate has spoken."""
    status = response.status
    kind: type[Error] = _BY_STATUS.get(status, BadReply)
    message = f"{gate} answered {status} with a body that is no JSON-RPC answer"
    hint = None
    if 300 <= status < 400:
        to = printable(response.text(b"location"), 200)
        message = f"{gate} answered with a redirect" + (f" to {to}" if to else "")
        hint = "Redirects are not followed, so that no token travels on: connect to the gate's own address."
    elif status == 407:
        kind, repeatable = GateUnreachable, True
        message = f"the proxy on the way to {gate} wants to know who asks"
        hint = "Write the variable that names it, such as HTTP_PROXY, like http://NAME:PASSWORD@proxy.lab.org:3128."
    elif status in _REFUSED_UNREAD:
        # Refused before anything was done.
        repeatable = True
    return kind(
        message,
        retry_after=_wait_of(response),
        http_status=status,
        method=method,
        request_id=response.text(b"x-request-id"),
        maybe_executed=response.doubtful or (not repeatable and (status == 200 or status >= 500)),
        hint=hint,
    )


def _wait_of(response: Response) -> float | None:
    """Seconds after which the reply wants it to be tried again."""
    wait = response.text(b"retry-after") or ""
    return float(wait) if wait.isascii() and wait.isdigit() else None
