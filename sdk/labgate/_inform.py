"""What does a client know: its methods, their news, and what the gate's last reply said beside the answer?"""

from __future__ import annotations

from labgate._at_once import is_awaited
from labgate._catalog import decoded
from labgate._changes import Changes
from labgate._docs import summary_of
from labgate._outcome import is_stale
from labgate._session import terms_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from typing import Any, overload

    from labgate._async_client import AsyncClient
    from labgate._catalog import Catalog
    from labgate._client import Client
    from labgate._link import Link
    from labgate._method import Method

_MOST_ROWS = 200
_FARTHER = ("disk", "redis")
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

    def _repr_html_(self) -> str:
        from labgate._shown import html_of_methods

        return html_of_methods(self)


class Last:
    """What the last reply of this thread, or task, said beside its answer.

    Attributes:
        cache: `hit`, `stale`, `miss` or `pass`; None where the gate said nothing of its cache.
        detail: the gate's reason, None without one.
        tier: where a fresh hit was kept: `memory`, `disk`, `redis`; None for everything else.
        age: seconds since the answer was made, for answers from the cache; else None.
        ms: milliseconds for the whole call as it was seen here.
        gate_ms: milliseconds of it from the request's coming to the gate until its answer began; the rest was the network's
            and this program's. None where the gate does not say, as for hits of its memory.
        auth_ms: milliseconds of that in which the gate found out who calls; None where it knew.
        upstream_ms: milliseconds of that in which the gate waited for the service; None if it did not.
        bytes: the length of the reply's body.
        status: its HTTP status.
        request_id: the id under which the gate's logs know it.
    """

    __slots__ = (
        "age",
        "auth_ms",
        "bytes",
        "cache",
        "detail",
        "gate_ms",
        "ms",
        "request_id",
        "status",
        "tier",
        "upstream_ms",
    )

    def __init__(self, link: Link) -> None:
        response, seconds = link.replies.last
        said = response.text(b"cache-status") or ""
        age = response.text(b"age") or ""
        self.cache = _verdict(said)
        self.detail = _parameter(said, "detail")
        self.tier = _tier(self.cache, self.detail)
        self.age = float(age) if age.isascii() and age.isdigit() else None
        self.ms: float = seconds * 1000
        spent = _durations(response.text(b"server-timing") or "")
        self.gate_ms = spent.get("total")
        self.auth_ms = spent.get("auth")
        self.upstream_ms = spent.get("upstream")
        self.bytes: int = len(response.body)
        self.status: int = response.status
        self.request_id: str | None = response.text(b"x-request-id")

    def _repr_html_(self) -> str:
        from labgate._shown_told import html_of_last

        return html_of_last(self)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={_shown(getattr(self, name))}" for name in self.__slots__)
        return f"Last({fields})"


def methods(client: Client | AsyncClient, pattern: str | None = None) -> Methods:
    """The methods of a client, all or those that a pattern finds.

    Args:
        client: the client.
        pattern: with `*`, `?` or `[`: a glob for the whole name or its last part; else a text that is found in the
            name or the summary, in capitals or not.
    """
    wanted = _matcher(pattern) if pattern else None
    rows = []
    link = terms_of(client, "methods").link
    for name, text in sorted(link.catalog.texts().items()):
        described = decoded(text)
        if wanted is None or wanted(name, described):
            rows.append(_row_of(name, text, described))
    return Methods(rows)


def rows_of_methods(catalog: Catalog, names: Iterable[str]) -> list[MethodInfo]:
    """The rows of methods by their whole names."""
    texts = ((name, catalog.text(name)) for name in names)
    return [_row_of(name, text, decoded(text)) for name, text in texts if text is not None]


def _row_of(name: str, text: bytes, described: dict[str, Any]) -> MethodInfo:
    return MethodInfo(name, described, signature_of(name, text))


if TYPE_CHECKING:

    @overload
    def refresh(client: Client) -> Changes: ...

    @overload
    def refresh(client: AsyncClient) -> Coroutine[Any, Any, Changes]: ...


def refresh(client: Client | AsyncClient) -> Changes | Coroutine[Any, Any, Changes]:
    """Ask the gate now for its list of methods, and tell what is new in it.

    Raises:
        Error: the gate does not give it; the client stays as it was.
    """
    session = terms_of(client, "refresh")
    link, options = session.link, session.options
    ask = link.refresh_async if is_awaited(client) else link.refresh
    found: Changes | Coroutine[Any, Any, Changes] = ask(options.timeout, options.retries)
    return found


def last(client: Client | AsyncClient) -> Last | None:
    """What the last reply that this thread, or task, had from this client's gate said beside its answer; None without one."""
    link = terms_of(client, "last").link
    return Last(link) if hasattr(link.replies, "last") else None


def _matcher(pattern: str) -> Callable[[str, dict[str, Any]], bool]:
    if not any(mark in pattern for mark in "*?["):
        needle = pattern.casefold()
        return lambda name, described: needle in name.casefold() or needle in summary_of(described).casefold()
    from fnmatch import fnmatchcase

    return lambda name, _: fnmatchcase(name, pattern) or fnmatchcase(name.rpartition(".")[2], pattern)


def signature_of(name: str, text: bytes) -> str:
    """The Python signature of a method, from its description in the catalog."""
    from labgate._method import Method

    return signature_written(Method(name, text))


def signature_written(method: Method) -> str:
    """The signature of a method's function, as Python writes it."""
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


def _tier(cache: str | None, detail: str | None) -> str | None:
    """The tier of a hit: the gate names it where it is a farther one than its memory."""
    if cache != "hit":
        return None
    return detail if detail in _FARTHER else "memory" if detail is None else None


def _parameter(said: str, name: str) -> str | None:
    """A parameter of Cache-Status; a quoted text may hold `;`."""
    import re

    found = re.search(rf';\s*{name}=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))', said)
    if found is None:
        return None
    return re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]


def _durations(timing: str) -> dict[str, float]:
    """Milliseconds by the names of a field `Server-Timing`."""
    found = {}
    for part in timing.split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        for parameter in parameters:
            if parameter.startswith("dur="):
                try:
                    found[name] = float(parameter[4:])
                except ValueError:
                    continue
    return found


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else repr(value)
