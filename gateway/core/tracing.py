"""What of a request is recorded, step by step, and which step is being done?

A request that is recorded has a `Span`, and each step of it has one below. One that is not has none, which costs a look; one that
belongs to somebody's trace and is not recorded here has a `Passing`, so that whoever is asked next hears of the trace.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from math import ceil, log
from types import TracebackType
from typing import Final, Literal, TypeAlias

from gateway.core.faults import Fault
from gateway.core.reply import Fields
from gateway.core.trace_context import TraceContext, context_of

Kind: TypeAlias = Literal["internal", "server", "client"]
Value: TypeAlias = str | int | bool

NEVER: Final = 1 << 62
"""Requests until one is recorded, where none is."""


class Span:
    """One step: what it is called, when it began and ended (nanoseconds since 1970), what is said of it, why it failed."""

    __slots__ = (
        "attributes", "context", "ended", "failure", "kind", "links", "name", "parent", "started", "tracer",
    )  # fmt: skip
    recorded = True

    def __init__(
        self, tracer: Tracer, name: str, kind: Kind, context: TraceContext, parent: str | None
    ) -> None:
        self.tracer = tracer
        self.name = name
        self.kind = kind
        self.context = context
        self.parent = parent
        self.started = tracer.clock()
        self.ended = 0
        self.failure = ""
        self.attributes: dict[str, Value] = {}
        self.links: list[TraceContext] = []

    def step(self, name: str, kind: Kind = "internal") -> Span:
        """A step of this one begins."""
        above = self.context
        here = TraceContext(above.trace, self.tracer.chance(8).hex(), True, above.state, above.random)
        return Span(self.tracer, name, kind, here, above.span)

    def set(self, name: str, value: Value | None) -> None:
        """Say something of it; None is nothing."""
        if value is not None:
            self.attributes[name] = value

    def link(self, other: Span | Passing | None) -> None:
        """It has to do with what is recorded elsewhere."""
        if isinstance(other, Span):
            self.links.append(other.context)

    def end(self, failure: BaseException | str | None = None) -> None:
        """It is over; the first end counts."""
        if self.ended:
            return
        self.ended = max(self.tracer.clock(), self.started)
        if failure is not None:
            self.failure = failure if isinstance(failure, str) else _named(failure)
        if self.tracer.sink is not None:
            self.tracer.sink(self)

    def fields(self) -> Fields:
        """What whoever is asked in this step is told of the trace."""
        return self.context.fields()


class Passing:
    """A request of somebody's trace of which nothing is recorded here: a `Span` that keeps nothing."""

    __slots__ = ("context",)
    recorded = False

    def __init__(self, context: TraceContext | None) -> None:
        self.context = context

    def step(self, name: str, kind: Kind = "internal") -> Passing:  # noqa: ARG002 - as a Span is asked
        """Itself: no step is kept."""
        return self

    def set(self, name: str, value: Value | None) -> None:
        """Nothing is kept."""

    def link(self, other: Span | Passing | None) -> None:
        """Nothing is kept."""

    def end(self, failure: BaseException | str | None = None) -> None:
        """Nothing is kept."""

    def fields(self) -> Fields:
        """What the caller said."""
        return () if self.context is None else self.context.fields()


Traced: TypeAlias = Span | Passing

current: ContextVar[Traced | None] = ContextVar("current", default=None)
"""The step that the running task does. Whoever makes a connection sets it to None meanwhile: what a connection calls runs in
the context in which it was made."""

_NOTHING: Final = Passing(None)


class step:  # noqa: N801 - it reads like a function: `with step("store") as one:`
    """A step of what the running task does, for as long as the block is in it."""

    __slots__ = ("_kind", "_name", "_span", "_token")

    def __init__(self, name: str, kind: Kind = "internal") -> None:
        self._name = name
        self._kind: Kind = kind
        self._span: Traced | None = None
        self._token: Token[Traced | None] | None = None

    def __enter__(self) -> Traced:
        above = current.get()
        if above is None:
            return _NOTHING
        self._span = above.step(self._name, self._kind)
        self._token = current.set(self._span)
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._span is not None and self._token is not None:
            current.reset(self._token)
            self._span.end(failure)


class within:  # noqa: N801 - as above
    """What the running task does in the block belongs to this step, which somebody else ends."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Traced | None) -> None:
        self._span = span
        self._token: Token[Traced | None] | None = None

    def __enter__(self) -> None:
        if self._span is not None:
            self._token = current.set(self._span)

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            current.reset(self._token)


class Tracer:
    """Says which requests are recorded: those whose caller's are, and of the others one in so many, by chance.

    Where callers' traces end here, it is one in so many of all.

    Until the next one there are `left` requests. Whoever answers a request without asking `begin` takes one off, and leaves
    those to others of which none are left: so the draw is the same whoever answers.
    """

    def __init__(
        self,
        sink: Callable[[Span], None] | None,
        sample: float,
        clock: Callable[[], int],
        chance: Callable[[int], bytes],
        *,
        continues: bool = True,
    ) -> None:
        """`continues` = what a caller's trace is, a request's is; else it begins one anew, which a link leads from.

        `sink` takes what is over, None = nothing is recorded; `sample` is the part of requests that are, from 0 to 1.

        `clock` tells nanoseconds since 1970, `chance` gives random bytes.
        """
        self.sink = sink
        self.clock = clock
        self.chance = chance
        self._continues = continues
        self._sample = sample if sink is not None else 0.0
        self.left = self._draw()

    @property
    def records(self) -> bool:
        """Whether anything is ever recorded."""
        return self.sink is not None

    def may_record(self, *, traced: bool) -> bool:
        """Whether the next request may be recorded, so that `begin` is to be asked; `traced` = it belongs to its caller's trace."""
        return self.left <= 0 or (traced and self.sink is not None)

    def _draw(self) -> int:
        """How many requests pass before the next one that is recorded: the number of failures before a success."""
        if self._sample <= 0.0:
            return NEVER
        if self._sample >= 1.0:
            return 0
        draw = (int.from_bytes(self.chance(8), "big") + 1) / (1 << 64)
        return min(NEVER, ceil(log(draw) / log(1.0 - self._sample)) - 1) if draw < 1.0 else 0

    def begin(self, name: str, fields: Fields) -> Traced | None:
        """A request with these fields begins, of which none may name a trace; None where nobody needs to know."""
        parent = context_of(fields) if fields else None
        if parent is not None and self._continues:
            if not parent.sampled or self.sink is None:
                return Passing(parent)
            here = TraceContext(parent.trace, self.chance(8).hex(), True, parent.state, parent.random)
            return Span(self, name, "server", here, parent.span)
        self.left -= 1
        if self.left >= 0:
            return None
        self.left = self._draw()
        here = TraceContext(self.chance(16).hex(), self.chance(8).hex(), True, random=True)
        begun = Span(self, name, "server", here, None)
        if parent is not None:
            begun.links.append(parent)
        return begun


def _named(failure: BaseException) -> str:
    return failure.name if isinstance(failure, Fault) else type(failure).__name__
