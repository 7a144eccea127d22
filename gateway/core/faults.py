"""Why is there no result? Every fault of the gate's own, with its code, in one table."""

from __future__ import annotations

from typing import Any, ClassVar


class Fault(Exception):  # noqa: N818 - "fault" is the word for it throughout
    """The gate's own reason for not giving a result; an upstream's error is a `Reply`, never a `Fault`.

    The class is the code, the text is for the caller: what happened and what to do about it. `data` holds
    members that go into the error's `data` beside `fault`, `service`, `method` and `request_id`.
    """

    code: ClassVar[int] = -32603
    status: ClassVar[int] = 200
    plain: ClassVar[int] = 0
    summary: ClassVar[str] = "The gate made a mistake."

    def __init__(self, message: str, **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.data = data

    @property
    def plain_status(self) -> int:
        """The status where the call was a plain URL, and no JSON-RPC error says more."""
        return self.plain or self.status

    @property
    def name(self) -> str:
        """The class's name, which stands in the error's `data.fault`."""
        return type(self).__name__

    def as_error(self, **context: Any) -> dict[str, Any]:
        """The JSON-RPC error object; `context` (service, method, request_id) joins the data where it is known."""
        known = {name: value for name, value in context.items() if value is not None}
        return {
            "code": self.code,
            "message": self.message,
            "data": {"fault": self.name, **known, **self.data},
        }


class ParseFault(Fault):
    """The body is not JSON, or not msgpack."""

    code = -32700
    plain = 400
    summary = "The body could not be parsed."


class InvalidRequest(Fault):
    """The body can be parsed, but is not a JSON-RPC 2.0 request."""

    code = -32600
    plain = 400
    summary = "The body is no JSON-RPC 2.0 request."


class UnknownMethod(Fault):
    """No service offers a method of this name."""

    code = -32601
    plain = 404
    summary = "No such method."


class InvalidParams(Fault):
    """The parameters cannot be what the method takes."""

    code = -32602
    plain = 400
    summary = "The parameters do not fit the method."


class InternalFault(Fault):
    """A mistake of the gate's own; the story is in its log, under the request id."""

    code = -32603
    status = 500
    summary = "The gate made a mistake; its log tells more, under the request id."


class Unauthenticated(Fault):
    """No credential, or one that does not hold (RFC 6750 section 3)."""

    code = -32001
    status = 401
    summary = "A valid token is needed."


class Forbidden(Fault):
    """The caller is known, and no policy lets them call this."""

    code = -32002
    plain = 403
    summary = "No policy lets the caller call this."


class UpstreamUnreachable(Fault):
    """The service could not be reached, or went away before it answered."""

    code = -32003
    plain = 502
    summary = "The service could not be reached, or went away before it had answered."


class DeadlineExceeded(Fault):
    """The call's time was over before the service had answered."""

    code = -32004
    plain = 504
    summary = "The call's time was over before there was an answer."


class RateLimited(Fault):
    """The caller calls more often, or has more at once or more bytes, than a limit lets them."""

    code = -32005
    status = 429
    summary = "More calls, more at once, or more bytes than a limit allows."


class UpstreamBroken(Fault):
    """The service answered with something that is no answer."""

    code = -32006
    plain = 502
    summary = "The service answered with something that is no JSON-RPC answer."


class TooLarge(Fault):
    """A body or a reply beyond its limit."""

    code = -32007
    status = 413
    summary = "A request or a reply is larger than the limit."


class Unavailable(Fault):
    """The gate is going down or has more work than it may take on, or an operator took the service out of service."""

    code = -32008
    status = 503
    summary = "The gate is draining, or it or the service takes no more calls for the moment."


class Unrepresentable(Fault):
    """The value cannot be said in the encoding that was asked for."""

    code = -32009
    plain = 406
    summary = "The value cannot be said in the encoding asked for without changing it."


class LoopDetected(Fault):
    """The request has been through this gate before (RFC 9110 section 7.6.3, RFC 5842 section 7.2)."""

    code = -32010
    status = 508
    summary = "The request has been through this gate before."


class NeedsDatastack(Fault):
    """The namespace exists in datastacks only, and none was named."""

    code = -32011
    plain = 400
    summary = "The service belongs to datastacks: name one."


class UnsupportedMediaType(Fault):
    """The content type or coding of the body is not one that this address takes."""

    code = -32012
    status = 415
    summary = "The content type is not taken here."


class MethodNotAllowed(Fault):
    """The verb is not one that this address takes."""

    code = -32013
    status = 405
    summary = "The HTTP verb is not taken here."


class UnknownDatastack(Fault):
    """No datastack has this name."""

    code = -32014
    plain = 404
    summary = "No such datastack."


class NoSuchAddress(Fault):
    """Nothing is served at this path."""

    code = -32015
    status = 404
    summary = "Nothing is served at this address."


class BadRequest(Fault):
    """The request cannot be read as HTTP (RFC 9110 section 15.5.1)."""

    code = -32016
    status = 400
    summary = "The request could not be read."


class Truncated(Fault):
    """The service has more rows than it gives at once."""

    code = -32017
    plain = 413
    summary = "The result has more rows than the service gives at once."


class Conflict(Fault):
    """What was asked for does not go together with what is there (RFC 9110 section 15.5.10)."""

    code = -32018
    plain = 409
    summary = "It does not go together with what is there."


class Locked(Fault):
    """The version is locked: its data do not change any more."""

    code = -32019
    plain = 409
    summary = "The version is locked; its data do not change any more."


TABLE: tuple[type[Fault], ...] = (
    ParseFault,
    InvalidRequest,
    UnknownMethod,
    InvalidParams,
    InternalFault,
    Unauthenticated,
    Forbidden,
    UpstreamUnreachable,
    DeadlineExceeded,
    RateLimited,
    UpstreamBroken,
    TooLarge,
    Unavailable,
    Unrepresentable,
    LoopDetected,
    NeedsDatastack,
    UnsupportedMediaType,
    MethodNotAllowed,
    UnknownDatastack,
    NoSuchAddress,
    BadRequest,
    Truncated,
    Conflict,
    Locked,
)
"""Every fault, in the order of the documentation; `/openrpc.json` publishes it as `components.errors`."""

BY_CODE: dict[int, type[Fault]] = {fault.code: fault for fault in TABLE}
