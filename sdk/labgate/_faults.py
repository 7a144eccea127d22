"""Why could the gate itself not answer? One class for each code of its own table."""

from __future__ import annotations

from labgate._error import Error


class GateError(Error):
    """The gate, not the service behind it, says why there is no result."""


class ParseFault(GateError):
    """The gate could not read the request's JSON or msgpack."""

    code = -32700


class InvalidRequest(GateError):
    """The request was readable, but is no JSON-RPC request."""

    code = -32600


class NotFound(GateError, LookupError):
    """There is no such method, or not for this caller."""

    code = -32601


class InvalidParams(GateError):
    """The arguments do not fit the method."""

    code = -32602


class InternalFault(GateError):
    """The gate made a mistake."""

    code = -32603
    hint = "Tell the lab's engineer the request id of this error."


class Unauthenticated(GateError):
    """The gate does not know who calls."""

    code = -32001
    hint = (
        "Log in: run `labgate login`, or labgate.login() in a notebook; or set LABGATE_TOKEN to a token for this gate, "
        "which the lab's engineer makes with `labgated token create --subject NAME`. With LABGATE_URL set, it is sent there only."
    )


class LoginError(Unauthenticated):
    """Logging in came to nothing, or a login has ended."""


class Forbidden(GateError):
    """The gate knows who calls, and its policies do not allow this call."""

    code = -32002
    hint = "labgate.whoami(lab) shows what you may call; the lab's engineer can allow more."

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that a token needs for it, as far as a scope would help."""
        named = self.data.get("scopes") if isinstance(self.data, dict) else None
        return tuple(one for one in named if isinstance(one, str)) if isinstance(named, list) else ()


class Unreachable(GateError):
    """The gate could not reach the service."""

    code = -32003


class GateUnreachable(Unreachable):
    """This program could not reach the gate."""

    hint = "Is the gate running, and is its address right (LABGATE_URL)?"


class DeadlineExceeded(GateError):
    """There was no answer within the call's time."""

    code = -32004
    hint = "Give it longer: lab(timeout=SECONDS)."


class RateLimited(GateError):
    """Too many calls in too short a time; `retry_after` says when to go on."""

    code = -32005


class UpstreamBroken(GateError):
    """The service answered with something that is no answer."""

    code = -32006


class TooLarge(GateError):
    """A request, a batch or a reply is over a limit, which the message names."""

    code = -32007


class Unavailable(GateError):
    """The gate is overloaded or going down for a restart."""

    code = -32008


class Unrepresentable(GateError):
    """A value cannot be said in the encoding that was asked for."""

    code = -32009


class LoopDetected(GateError):
    """The request has been through this gate before."""

    code = -32010


class NeedsDatastack(GateError, AttributeError):
    """The namespace exists only within datastacks; `datastacks` names them."""

    code = -32011

    @property
    def datastacks(self) -> tuple[str, ...]:
        """The datastacks that have the namespace."""
        named = self.data.get("datastacks") if isinstance(self.data, dict) else None
        return tuple(named) if isinstance(named, list) else ()


class UnsupportedMediaType(GateError):
    """The gate does not read this content type."""

    code = -32012


class MethodNotAllowed(GateError):
    """The address does not take this HTTP verb."""

    code = -32013


class UnknownDatastack(GateError):
    """The gate has no datastack of this name."""

    code = -32014


class NoSuchAddress(NotFound):
    """Nothing is served at this path of the gate."""

    code = -32015


class BadRequest(GateError):
    """The gate could not read the request as HTTP."""

    code = -32016


class Truncated(GateError):
    """The service cut its answer off at a limit of its own; `limit` is that many rows, None where it did not say.

    Ask for less, or in pages (`limit` and `offset`), or take what there is with `allow_truncated=True`.
    """

    code = -32017
    hint = "Filter more, ask in pages (limit=, offset=), or take what there is with allow_truncated=True."

    @property
    def limit(self) -> int | None:
        """How many rows the service gives at most."""
        named = self.data.get("limit") if isinstance(self.data, dict) else None
        return named if isinstance(named, int) else None


class Conflict(GateError):
    """What was asked for does not go together with what is there: a name that is taken, a version that is no more."""

    code = -32018


class Locked(Conflict):
    """The version is locked: its data do not change any more."""

    code = -32019
    hint = "Write to an open version below it: a locked one is there to be relied on."


class NotRecorded(GateError):
    """A run is replayed from a file, and what was asked is not in it, or not at this place."""

    hint = "Record the run again, as it is now: labgate.testing.record(...), or LABGATE_RECORD=FILE."


BY_CODE: dict[int, type[GateError]] = {
    kind.code: kind
    for kind in (
        ParseFault,
        InvalidRequest,
        NotFound,
        InvalidParams,
        InternalFault,
        Unauthenticated,
        Forbidden,
        Unreachable,
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
        Conflict,
        Locked,
    )
}
