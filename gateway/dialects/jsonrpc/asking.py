"""Is what an upstream sent the answer to this JSON-RPC request, and if not, what is it?"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from gateway.core.envelope_answers import Answered, Broken, read_answer, same_id
from gateway.core.faults import Fault, Unavailable, UpstreamBroken
from gateway.core.reply import Fields
from gateway.core.upstream import Answer

FIELDS: Final[Fields] = (
    (b"Content-Type", b"application/json"),
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"identity"),
    (b"User-Agent", b"labgate"),
)
"""What every request to a JSON-RPC upstream says."""

_LONGEST_PAUSE: Final = 3600


class NoAnswer(Struct, frozen=True):
    """What came is no answer to the request: its HTTP status, and a description that quotes nothing of it."""

    status: int
    what: str
    retry_after: int = 1

    @property
    def elsewhere(self) -> bool:
        """Whether the status says that this is not the place for calls."""
        return 300 <= self.status < 400 or self.status in (404, 405)

    def fault(self, service: str, *, safe: bool) -> Fault:
        """What the caller is told; for an unsafe call also whether it may have been executed nevertheless."""
        doubt = {} if safe or 300 <= self.status < 500 else {"maybe_executed": True}
        if self.status in (429, 503):
            text = f"The service {service!r} takes no calls for the moment (HTTP {self.status})."
            return Unavailable(text, retry_after=self.retry_after, **doubt)
        advice = ""
        if self.status in (401, 403):
            advice = (
                " It wants other credentials: check `headers` of the service in the gate's configuration."
            )
        elif self.elsewhere:
            advice = " Check `url` and `rpc_path` of the service in the gate's configuration."
        return UpstreamBroken(
            f"The service {service!r} gave no JSON-RPC answer: HTTP {self.status} with {self.what}.{advice}",
            **doubt,
        )


def read(answer: Answer, token: bytes) -> Answered | NoAnswer:
    """The JSON-RPC answer to the request with the id `token`, whatever the HTTP status is.

    The id may be missing, and null beside an error; any other that differs is the answer to something else.
    """
    if 300 <= answer.status < 400:
        return NoAnswer(answer.status, "a redirect, which is not followed")
    if _field(answer, b"content-encoding").lower() not in (b"", b"identity"):
        return NoAnswer(answer.status, "a content coding that was not asked for")
    found = read_answer(answer.body)
    if not isinstance(found, Answered):
        return NoAnswer(answer.status, _kind(answer, found.reason), _retry_after(answer))
    if found.id is None or same_id(found.id, token) or (found.id == b"null" and found.error is not None):
        return found
    return NoAnswer(answer.status, "the answer to another request")


def no_document(answer: Answer) -> str:
    """What a body is that should have been an OpenRPC document and is none; nothing of it is quoted."""
    found = read_answer(answer.body)
    if isinstance(found, Broken) and found.reason.startswith("no JSON"):
        return _kind(answer, found.reason)
    return "no OpenRPC document" if answer.body else "an empty body"


def _kind(answer: Answer, reason: str) -> str:
    body = answer.body
    if not body:
        return "an empty body"
    start = body[:64].lstrip()[:1]
    if start == b"<" or b"html" in _field(answer, b"content-type").lower():
        return "HTML"
    return f"a body that is none ({reason})" if start in (b"{", b"[") else "a body that is no JSON"


def _retry_after(answer: Answer) -> int:
    said = _field(answer, b"retry-after")
    return min(int(said), _LONGEST_PAUSE) if said.isdigit() and len(said) < 10 else 1


def _field(answer: Answer, name: bytes) -> bytes:
    return next((value for field, value in answer.fields if field.lower() == name), b"")
