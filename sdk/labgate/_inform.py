"""What does a client know: its methods, their news, and what the gate's last reply said beside the answer?"""

from __future__ import annotations

from labgate._catalog import decoded
from labgate._docs import summary_of
from labgate._link import Changes
from labgate._outcome import is_stale

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from labgate._client import Client
    from labgate._link import Link

_MOST_ROWS = 200
_WIDEST = 100


class MethodInfo:
    """One row of `labgate.methods`.

    Attributes:
        name: the whole name, as `lab["..."]` takes it.
        signature: the Python signature, like `(project_uid, lane=...)`.
        summary: one line, may be empty.
        safe: calling it changes nothing.
        deprecated: its service wants it to be used no more.
        down: its service was down when the list was made.
    """

    __slots__ = ("deprecated", "down", "name", "safe", "signature", "summary")

    def __init__(self, name: str, described: dict[str, Any], signature: str) -> None:
        notes = described.get("x-labgate")
        notes = notes if isinstance(notes, dict) else {}
        self.name = name
        self.signature = signature
        self.summary = summary_of(described)
        self.safe = notes.get("safe") is True
        self.deprecated = described.get("deprecated") is True
        self.down = notes.get("down") is True

    def __repr__(self) -> str:
        return f"<{self.name}{self.signature}>"


class Methods(tuple[MethodInfo, ...]):
    """The methods that were asked for, in the order of their names; shown as a table."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self:
            return "no methods"
        width = min(max(len(row.name) for row in self[:_MOST_ROWS]), _WIDEST)
        lines = [_row(row, width) for row in self[:_MOST_ROWS]]
        if len(self) > _MOST_ROWS:
            lines.append(f"... and {len(self) - _MOST_ROWS} more")
        return "\n".join(lines)


class Last:
    """What the last reply of this thread said beside its answer.

    Attributes:
        cache: `hit`, `stale`, `miss` or `pass`; None where the gate said nothing of its cache.
        detail: the gate's reason, None without one.
        age: seconds since the answer was made, for answers from the cache; else None.
        ms: milliseconds for the whole call as it was seen here.
        upstream_ms: milliseconds of it in which the gate waited for the service; None if it did not.
        bytes: the length of the reply's body.
        status: its HTTP status.
        request_id: the id under which the gate's logs know it.
    """

    __slots__ = ("age", "bytes", "cache", "detail", "ms", "request_id", "status", "upstream_ms")

    def __init__(self, link: Link) -> None:
        response, seconds = link.replies.last
        said = response.text(b"cache-status") or ""
        age = response.text(b"age") or ""
        self.cache = _verdict(said)
        self.detail = _parameter(said, "detail")
        self.age = float(age) if age.isascii() and age.isdigit() else None
        self.ms: float = seconds * 1000
        self.upstream_ms = _upstream(response.text(b"server-timing") or "")
        self.bytes: int = len(response.body)
        self.status: int = response.status
        self.request_id: str | None = response.text(b"x-request-id")

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={_shown(getattr(self, name))}" for name in self.__slots__)
        return f"Last({fields})"


def methods(client: Client, pattern: str | None = None) -> Methods:
    """The methods of a client, all or those that a pattern finds.

    Args:
        client: the client.
        pattern: with `*`, `?` or `[`: a glob for the whole name or its last part; else a text that is found in the
            name or the summary, in capitals or not.
    """
    wanted = _matcher(pattern) if pattern else None
    rows = []
    for name, text in sorted(_link(client).catalog.texts().items()):
        described = decoded(text)
        if wanted is None or wanted(name, described):
            rows.append(MethodInfo(name, described, _signature(name, text)))
    return Methods(rows)


def refresh(client: Client) -> Changes:
    """Ask the gate now for its list of methods, and tell what is new in it.

    Raises:
        Error: the gate does not give it; the client stays as it was.
    """
    options = client._session.options  # type: ignore[attr-defined]  # noqa: SLF001
    return _link(client).refresh(options.timeout, options.retries)


def last(client: Client) -> Last | None:
    """What the last reply that this thread had from this client's gate said beside its answer; None without one."""
    link = _link(client)
    return Last(link) if hasattr(link.replies, "last") else None


def _link(client: Client) -> Link:
    return client._session.link  # noqa: SLF001


def _matcher(pattern: str) -> Callable[[str, dict[str, Any]], bool]:
    if not any(mark in pattern for mark in "*?["):
        needle = pattern.casefold()
        return lambda name, described: needle in name.casefold() or needle in summary_of(described).casefold()
    from fnmatch import fnmatchcase

    return lambda name, _: fnmatchcase(name, pattern) or fnmatchcase(name.rpartition(".")[2], pattern)


def _signature(name: str, text: bytes) -> str:
    from labgate._method import Method

    method = Method(name, text)
    if method.open:
        return "(*args, **kwargs)"
    parts = []
    for at, one in enumerate(method.named):
        if at == method.positional:
            parts.append("*")
        parts.append(str(one.name) if one.required else f"{one.name}={one.default!r}")
    if method.odd:
        parts.append("**more")
    return f"({', '.join(parts)})"


def _row(row: MethodInfo, width: int) -> str:
    marks = "".join(f" [{mark}]" for mark in ("deprecated", "down") if getattr(row, mark))
    name = "".join(c if c.isprintable() else "?" for c in row.name[:_WIDEST])
    return f"{name:<{width}}  {row.summary}{marks}".rstrip()


def _verdict(said: str) -> str | None:
    parts = [part.strip() for part in said.split(";")]
    if "hit" in parts:
        return "stale" if is_stale(said) else "hit"
    forwarded = _parameter(said, "fwd")
    if forwarded is None:
        return None
    return "pass" if forwarded in ("bypass", "method", "request") else "miss"


def _parameter(said: str, name: str) -> str | None:
    """A parameter of Cache-Status; a quoted text may hold `;`."""
    import re

    found = re.search(rf';\s*{name}=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))', said)
    if found is None:
        return None
    return re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]


def _upstream(timing: str) -> float | None:
    for part in timing.split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        for parameter in parameters:
            if name == "upstream" and parameter.startswith("dur="):
                try:
                    return float(parameter[4:])
                except ValueError:
                    return None
    return None


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else repr(value)
