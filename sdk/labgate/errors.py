"""What can go wrong with a call, under which class, and what to do next?

    Error                        everything below; fields code, message, data, service, method, request_id, ...
    ├── GateError                the gate itself could not answer; one class per code of the gate's own table
    │   ├── ParseFault, InvalidRequest, NotFound, InvalidParams, InternalFault
    │   │   └── NoSuchAddress    (a NotFound) nothing is served at this path of the gate
    │   ├── Unauthenticated, Forbidden, RateLimited, DeadlineExceeded, Unavailable
    │   ├── Unreachable          the gate could not reach the service
    │   │   └── GateUnreachable  this program could not reach the gate
    │   ├── Conflict             it does not go together with what is there
    │   │   └── Locked           the version is locked: its data do not change
    │   └── UpstreamBroken, TooLarge, Unrepresentable, LoopDetected, NeedsDatastack,
    │       UnsupportedMediaType, MethodNotAllowed, UnknownDatastack, BadRequest, Truncated
    ├── RemoteError              the service answered with an error of its own
    │   └── RemoteNotFound, RemoteInvalidParams   (these are NotFound and InvalidParams, too)
    ├── ErrorResponse            the same, as programs written for dvidclient know it
    ├── BadReply                 what came back is not an answer of a gate
    ├── PageChanged              a list changed while its pages came
    └── SetupError, MissingExtra, BatchNotSent    something to put right on this side

Importing this module connects to nothing; every error can be pickled and read back without a connection.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "BadReply",
    "BadRequest",
    "BatchNotSent",
    "Conflict",
    "DeadlineExceeded",
    "Error",
    "ErrorResponse",
    "Forbidden",
    "GateError",
    "GateUnreachable",
    "InternalFault",
    "InvalidParams",
    "InvalidRequest",
    "Locked",
    "LoopDetected",
    "MapFileWarning",
    "MethodNotAllowed",
    "MissingExtra",
    "NeedsDatastack",
    "NoSuchAddress",
    "NotFound",
    "PageChanged",
    "ParseFault",
    "RateLimited",
    "RemoteError",
    "RemoteInvalidParams",
    "RemoteNotFound",
    "ServiceWarning",
    "SetupError",
    "StaleWarning",
    "TokenFileWarning",
    "TooLarge",
    "Truncated",
    "Unauthenticated",
    "Unavailable",
    "UnknownDatastack",
    "Unreachable",
    "Unrepresentable",
    "UnsupportedMediaType",
    "UpstreamBroken",
]

_LONGEST_LINE = 500


class ServiceWarning(UserWarning):
    """A service had something to say beside its answer: a notice about a table, a limit.

    Attributes:
        method: the method that was called.
        code: the number before the notice, as RFC 7234 has them; None without one.
        text: the service's words.
    """

    method: str
    code: int | None
    text: str

    def __init__(self, method: str = "", text: str = "", code: int | None = None) -> None:
        super().__init__(method, text, code)
        self.method, self.text, self.code = method, text, code

    def __str__(self) -> str:
        return f"{_line(self.method, 120)}: {_line(self.text, _LONGEST_LINE)}"


class StaleWarning(UserWarning):
    """A reply came from the gate's cache although its freshness had ended."""


class TokenFileWarning(UserWarning):
    """A token file can be read by other users of this machine, or one of CAVE's is damaged."""


class MapFileWarning(UserWarning):
    """A file that says where datastacks are is damaged, or others may write it; it was left aside."""


class Error(Exception):
    """Why a call has no result.

    Attributes:
        code: the JSON-RPC error code; a class's own code where the error arose in this program.
        message: the whole text that the gate or the service sent.
        data: the JSON-RPC error's `data`, None without one.
        members: further members of the service's error object, such as `name`.
        http_status: the HTTP status of the reply, None when there was none.
        service, method: whom the call was for (`jobs`, `jobs.get_job`), None outside of calls.
        request_id: the id under which the gate's logs know this call.
        maybe_executed: True when the call may have been carried out although no answer came.
        retry_after: seconds after which it may be tried again, where the gate says so.
        hint: what to do next, in one sentence; may be empty.
    """

    code: int = -32000
    hint: str = ""
    message: str
    data: Any
    members: dict[str, Any]
    http_status: int | None
    service: str | None
    method: str | None
    request_id: str | None
    maybe_executed: bool
    retry_after: float | None

    def __init__(
        self,
        message: str = "",
        *,
        code: int | None = None,
        data: Any = None,
        members: dict[str, Any] | None = None,
        http_status: int | None = None,
        method: str | None = None,
        request_id: str | None = None,
        maybe_executed: bool = False,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.data = data
        self.members = members or {}
        self.http_status = http_status
        self.method = method
        self.service = method.partition(".")[0] if method else None
        self.request_id = request_id
        self.maybe_executed = maybe_executed
        self.retry_after = retry_after
        if code is not None:
            self.code = code
        if hint is not None:
            self.hint = hint

    def __str__(self) -> str:
        where = f"{_line(self.method, 120)}: " if self.method else ""
        first = where + (_line(self.message, _LONGEST_LINE) or type(self).__name__)
        if isinstance(self, RemoteError):
            first += f" (code {self.code})"
        second = _line(self.hint, _LONGEST_LINE)
        if self.maybe_executed:
            second = f"The call may have been carried out: look before you repeat it. {second}".rstrip()
        return f"{first}\n{second}" if second else first

    def __repr__(self) -> str:
        fields = [f"{_line(self.message, 200)!r}", f"code={self.code}"]
        fields += [
            f"{name}={value!r}"
            for name in ("method", "http_status", "request_id")
            if (value := getattr(self, name)) is not None
        ]
        if self.maybe_executed:
            fields.append("maybe_executed=True")
        return f"{type(self).__name__}({', '.join(fields)})"


def _line(text: str | None, longest: int) -> str:
    """`text` as one printable line: a service's words must not steer the terminal that shows them."""
    line = " ".join("".join(c if c.isprintable() else " " for c in (text or "")[: 4 * longest]).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


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
        "Set LABGATE_TOKEN to a token for this gate; "
        "the lab's engineer makes one with `labgated token create --subject NAME`."
    )


class Forbidden(GateError):
    """The gate knows who calls, and its policies do not allow this call."""

    code = -32002
    hint = "Ask the lab's engineer to allow it for you."


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


class PageChanged(Error):
    """A list that comes in pages changed before its last page had come."""

    hint = "Begin again: labgate.pages(..., restart=True) does."


class RemoteError(Error):
    """The service answered with an error of its own; `code`, `message` and `data` are as it sent them."""


class RemoteNotFound(RemoteError, NotFound):
    """The service itself says that it has no such method."""


class RemoteInvalidParams(RemoteError, InvalidParams):
    """The service itself says that the arguments do not fit."""


class ErrorResponse(Error):
    """A request of a `VolumeClient` was refused; also called `ErrorResponseException`, as dvidclient has it.

    Attributes:
        action: what was being done, in a few words.
        status: the HTTP status that says why; of the reply, or what the refusal amounts to.
        reason: the phrase beside it.
        body: what the gate or the service said. The error that says it with its class is the `__cause__`.
    """

    action: str
    status: int
    reason: str
    body: str

    def __init__(
        self, action: str = "", status: int = 500, reason: str = "", body: str = "", **facts: Any
    ) -> None:
        super().__init__(f"{action}: {status} {reason}: {body}", **facts)
        self.action, self.status, self.reason, self.body = action, status, reason, body


class BadReply(Error):
    """What came back is not an answer of a gate."""

    code = -32006
    hint = "Is this the address of a labgate?"


class SetupError(Error, ValueError):
    """An address, a token or an option is missing or cannot be used."""


class MissingExtra(Error, ImportError):
    """The reply needs a package that is not installed."""

    hint = "Install it with: pip install 'labgate[arrays]'"


class BatchNotSent(Error):
    """A batch's handle was asked for an outcome that it does not have."""


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
