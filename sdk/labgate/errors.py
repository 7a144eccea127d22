"""What can go wrong with a call, under which class, and what to do next?

    Error                        everything below; fields code, message, data, service, method, request_id, ...
    ├── GateError                the gate itself could not answer; one class per code of the gate's own table
    │   ├── ParseFault, InvalidRequest, NotFound, InvalidParams, InternalFault
    │   │   └── NoSuchAddress    (a NotFound) nothing is served at this path of the gate
    │   ├── Unauthenticated
    │   │   └── LoginError       logging in came to nothing, or a login has ended
    │   ├── Forbidden, RateLimited, DeadlineExceeded, Unavailable
    │   ├── Unreachable          the gate could not reach the service
    │   │   └── GateUnreachable  this program could not reach the gate
    │   ├── Conflict             it does not go together with what is there
    │   │   └── Locked           the version is locked: its data do not change
    │   ├── NotRecorded          (a replayed run) this was not said when it was recorded
    │   └── UpstreamBroken, TooLarge, Unrepresentable, LoopDetected, NeedsDatastack,
    │       UnsupportedMediaType, MethodNotAllowed, UnknownDatastack, BadRequest, Truncated
    ├── RemoteError              the service answered with an error of its own
    │   └── RemoteNotFound, RemoteInvalidParams   (these are NotFound and InvalidParams, too)
    ├── ErrorResponse            the same, as programs written for dvidclient know it
    ├── BadReply                 what came back is not an answer of a gate
    ├── PageChanged              a list changed while its pages came
    ├── NoGate                   (a SetupError) only a gate can do this, and there is none
    └── SetupError, MissingExtra, MethodChanged, BatchNotSent    something to put right on this side

Importing this module connects to nothing; every error can be pickled and read back without a connection.
"""

from __future__ import annotations

from labgate._error import Error
from labgate._faults import BY_CODE as BY_CODE  # noqa: PLC0414 - it is had from here by the rest of the package
from labgate._faults import (
    BadRequest,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    GateError,
    GateUnreachable,
    InternalFault,
    InvalidParams,
    InvalidRequest,
    Locked,
    LoginError,
    LoopDetected,
    MethodNotAllowed,
    NeedsDatastack,
    NoSuchAddress,
    NotFound,
    NotRecorded,
    ParseFault,
    RateLimited,
    TooLarge,
    Truncated,
    Unauthenticated,
    Unavailable,
    UnknownDatastack,
    Unreachable,
    Unrepresentable,
    UnsupportedMediaType,
    UpstreamBroken,
)
from labgate._warnings import (
    MapFileWarning,
    MethodChangedWarning,
    ServiceWarning,
    StaleWarning,
    TokenFileWarning,
)

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
    "JobFailed",
    "Locked",
    "LoginError",
    "LoopDetected",
    "MapFileWarning",
    "MethodChanged",
    "MethodChangedWarning",
    "MethodNotAllowed",
    "MissingExtra",
    "NeedsDatastack",
    "NoGate",
    "NoSuchAddress",
    "NotFound",
    "NotRecorded",
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


class PageChanged(Error):
    """A list that comes in pages changed before its last page had come."""

    hint = "Begin again: labgate.pages(..., restart=True) does."


class RemoteError(Error):
    """The service answered with an error of its own; `code`, `message` and `data` are as it sent them."""

    def _aside(self) -> str:
        return f" (code {self.code})"


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


class NoGate(SetupError):
    """Only a gate can do this, and this client speaks with a JSON-RPC server itself."""

    hint = "Connect to the lab's gate for that."


class MissingExtra(Error, ImportError):
    """The reply needs a package that is not installed."""

    hint = "Install it with: pip install 'labgate[arrays]'"


class MethodChanged(Error):
    """A method is not what the client's lock file pins; nothing was sent."""


class BatchNotSent(Error):
    """A batch's handle was asked for an outcome that it does not have."""


class JobFailed(Error):
    """A job that was waited for has come to its end in vain; `data` is what was said of it last."""

    hint = "`data` is what the service says of it."


# They are errors of this module, wherever they are written: tracebacks name it, and pickles that other releases have written
# or are to read.
for _name in __all__:
    globals()[_name].__module__ = __name__
