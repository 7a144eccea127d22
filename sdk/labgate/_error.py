"""What does every error of the SDK say, and how is it shown?"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LONGEST_LINE = 500


def one_line(text: str | None, longest: int) -> str:
    """`text` as one printable line: a service's words must not steer the terminal that shows them."""
    line = " ".join("".join(c if c.isprintable() else " " for c in (text or "")[: 4 * longest]).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


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
        where = f"{one_line(self.method, 120)}: " if self.method else ""
        first = where + (one_line(self.message, LONGEST_LINE) or type(self).__name__) + self._aside()
        second = one_line(self.hint, LONGEST_LINE)
        if self.maybe_executed:
            second = f"The call may have been carried out: look before you repeat it. {second}".rstrip()
        return f"{first}\n{second}" if second else first

    def _aside(self) -> str:
        """What follows the message on its line."""
        return ""

    def __repr__(self) -> str:
        fields = [f"{one_line(self.message, 200)!r}", f"code={self.code}"]
        fields += [
            f"{name}={value!r}"
            for name in ("method", "http_status", "request_id")
            if (value := getattr(self, name)) is not None
        ]
        if self.maybe_executed:
            fields.append("maybe_executed=True")
        return f"{type(self).__name__}({', '.join(fields)})"
