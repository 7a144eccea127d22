"""How does an error of this package become the bytes with which a gate would have caused it?"""

from __future__ import annotations

import json

from labgate.errors import (
    BadReply,
    DeadlineExceeded,
    Error,
    GateError,
    GateUnreachable,
    RateLimited,
    RemoteError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from labgate.testing._serving import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_STATUS: dict[type[Error], int] = {Unauthenticated: 401, TooLarge: 413, RateLimited: 429, Unavailable: 503}


def check(error: object) -> None:
    """Refuse what no gate could cause.

    Raises:
        TypeError: it is no error of a call.
    """
    if not isinstance(error, (GateError, RemoteError, BadReply)):
        raise TypeError(
            f"a gate cannot answer {type(error).__name__}: give a GateError, a RemoteError or a BadReply of labgate.errors"
        )


def error_object(error: Exception) -> dict[str, Any]:
    """The JSON-RPC error that makes this error at the caller's; of foreign ones, a service's own error."""
    if not isinstance(error, Error):
        return {"code": RemoteError.code, "message": f"{type(error).__name__}: {error}"}
    found: dict[str, Any] = {"code": error.code, "message": error.message, **error.members}
    if isinstance(error, RemoteError) or not isinstance(error, GateError):
        return found if error.data is None else {**found, "data": error.data}
    facts = dict(error.data) if isinstance(error.data, dict) else {}
    facts["fault"] = type(error).__name__
    for name in ("retry_after", "request_id"):
        if getattr(error, name) is not None:
            facts[name] = getattr(error, name)
    if error.maybe_executed:
        facts["maybe_executed"] = True
    return {**found, "data": facts}


def status_of(error: Exception) -> int:
    """The HTTP status of an answer that is nothing but this error."""
    if isinstance(error, Error) and error.http_status is not None:
        return error.http_status
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 200)


def outright(error: Exception, number: object) -> Reply | None:
    """The reply to a single call; None where no reply is what causes the error."""
    if isinstance(error, GateUnreachable):
        return None
    if isinstance(error, BadReply):
        return Reply(200, b"<html>no answer of a gate</html>", {"Content-Type": "text/html"})
    body = json.dumps({"jsonrpc": "2.0", "id": number, "error": error_object(error)}).encode("ascii")
    return Reply(status_of(error), body, {"Content-Type": "application/json", **waiting(error)})


def waiting(error: Exception) -> dict[str, str]:
    """The field that says when to come again."""
    wait = getattr(error, "retry_after", None)
    return {} if wait is None or isinstance(error, DeadlineExceeded) else {"Retry-After": f"{wait:.0f}"}
