"""What is the same wherever one method is called for very many items, by threads or by tasks?

Written once, as coroutines; threads run them to their end at once: see `labgate._at_once`.
"""

from __future__ import annotations

import time

from labgate._at_once import settled
from labgate._batch import Recorder, carry
from labgate._method import Method
from labgate._pace import Pace
from labgate.errors import DeadlineExceeded, Error, RateLimited, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from typing import Any

    from labgate._batch import Handle
    from labgate._client import Node
    from labgate._progress import Progress

    Pair = tuple[Any, Any]
    Outcome = tuple[Any, BaseException | None]

PATIENCE_FOR_ITEMS = 0.02  # seconds after which a batch leaves with the items that have come
_AHEAD = 2  # batches for each worker that are under way, or wait to be taken
_TOO_MUCH_AT_ONCE = (-32600, -32007)  # what a batch over a limit of the gate's is refused with, unread


class Chunk:
    """Some items, and what came of each; `over` is set when all have come."""

    __slots__ = ("first", "items", "outcomes", "over")

    def __init__(self, first: int, items: list[Any]) -> None:
        self.first = first
        self.items = items
        self.outcomes: list[Outcome] = []
        self.over = False


class Mapping:
    """One `map` on its way. How it waits is said by those who know whether threads or tasks do the work.

    Attributes:
        name: the method's.
        safe: calling it twice is the same as once.
        workers: how many requests are on their way at once.
    """

    def __init__(self, method: Any, workers: int, timeout: float | None, *, stops: bool) -> None:
        """`stops`: behind the first call without a result nothing more is sent."""
        self._node: Node = method.__self__
        own: Any = method.__self__._session  # noqa: SLF001
        if own.options.idempotency_key is not None:
            raise SetupError("an idempotency_key is for one call: map gives each request a key of its own")
        name = method.__func__.__qualname__
        known = Method(name, own.link.catalog.text(name))
        self.name = known.name
        self.safe = known.repeatable
        self.workers = workers
        self._timeout = timeout
        self._stops = stops
        self._session: Any = own.derive({})
        # Large results, and writes that must not overtake each other, travel alone.
        alone = known.binary or (not self.safe and workers == 1)
        sure = self.safe or own.link.known_seconds() > 0
        self._pace = Pace(1 if alone else Pace.MOST if sure else Pace.MOST_UNSURE)
        self._deadline: float | None = None
        self._taken = 0
        self._sent = 0
        # The first item of a chunk with an error, behind which nothing more is sent.
        self._failed: int | None = None

    # --- how it waits

    def next_chunk(self, *, idle: bool) -> Any:
        """The next chunk, None where nothing has come yet, and whether there may be another; `idle`: there is nothing else to do."""
        raise NotImplementedError

    def send_off(self, chunk: Chunk) -> None:
        """Have a worker carry it out."""
        raise NotImplementedError

    def come(self) -> Any:
        """Wait until some chunk is over: it is given.

        Raises:
            DeadlineExceeded: the time for all of it is.
        """
        raise NotImplementedError

    def rest(self, seconds: float) -> Any:
        """Wait so long; whether nobody waits for the outcome any more."""
        raise NotImplementedError

    @property
    def ended(self) -> bool:
        """Nobody waits for anything any more."""
        raise NotImplementedError

    def written_by(self, recorder: Recorder) -> tuple[Callable[..., Any], Node]:
        """The method's function, and whom it is bound to, where calls are written down."""
        raise NotImplementedError

    def function(self) -> tuple[Callable[..., Any], Node]:
        """The same where they are made."""
        raise NotImplementedError

    # --- whoever takes the results

    async def chunks(self, *, ordered: bool) -> AsyncGenerator[Chunk, None]:
        """The chunks when they are over."""
        self._deadline = None if self._timeout is None else time.monotonic() + self._timeout
        ahead: list[Chunk] = []
        more = True
        while True:
            while more and len(ahead) < _AHEAD * self.workers:
                chunk, more = await settled(self.next_chunk(idle=not ahead))
                if chunk is not None:
                    ahead.append(chunk)
                    self.send_off(chunk)
                if ahead and (chunk is None or ahead[0].over):
                    break  # somebody may take it already
            if ahead:
                found = ahead[0]
                while not found.over:
                    come = await settled(self.come())
                    come.over = True
                    found = found if ordered else come
                ahead.remove(found)
                yield found
            elif not more:
                return

    def pairs_of(self, chunk: Chunk, errors: str, shown: Progress) -> Iterator[Pair]:
        """What is given of a chunk: see `map`.

        Raises: what a call has raised, where that is wanted.
        """
        for at, (item, (result, error)) in enumerate(zip(chunk.items, chunk.outcomes, strict=True)):
            shown.advance(1)
            if error is None:
                yield item, result
            elif errors == "raise":
                raise self._told(error, chunk.first + at, item)
            elif errors == "yield":
                yield item, error

    def taken(self, items: Iterator[Any]) -> tuple[Chunk | None, bool]:
        """The next chunk of what can be had without waiting."""
        found: list[Any] = []
        until = time.monotonic() + PATIENCE_FOR_ITEMS
        size = self._pace.size
        more = False
        for item in items:
            found.append(item)
            if len(found) >= size or time.monotonic() >= until:
                more = True
                break
        return self.chunk(found), more

    @property
    def wanted(self) -> int:
        """How many items the next chunk is to have."""
        return self._pace.size

    def chunk(self, items: list[Any]) -> Chunk | None:
        """A chunk of the items that were taken, if there are any."""
        first, self._taken = self._taken, self._taken + len(items)
        return Chunk(first, items) if items else None

    def late(self) -> Error:
        """The time for all of it is over."""
        return DeadlineExceeded(
            f"the calls did not all come to their end within {self._timeout:g} s",
            method=self.name,
            maybe_executed=not self.safe,
            hint="Give them longer: timeout=SECONDS.",
        )

    def left(self) -> float | None:
        """Seconds of the time for all of it."""
        return None if self._deadline is None else self._deadline - time.monotonic()

    def _told(self, error: BaseException, number: int, item: Any) -> BaseException:
        error.add_note(f"It was the call for item {number} that failed: {item!r:.200}")
        if not self.safe and self._sent > number + 1:
            error.add_note(f"Up to {self._sent - number - 1} calls for items behind it may have been made.")
        return error

    # --- the workers

    def begins(self, chunk: Chunk) -> bool:
        """Whether it is carried out: not behind a call that has failed, where that ends all."""
        if self._failed is not None and chunk.first > self._failed:
            return False
        self._sent = max(self._sent, chunk.first + len(chunk.items))
        return True

    async def carry_out(self, chunk: Chunk) -> None:
        """Give the chunk its outcomes."""
        try:
            chunk.outcomes = await self._outcomes(chunk.items)
        except Exception as error:  # noqa: BLE001 - it is raised where the results are taken
            chunk.outcomes = [(None, error)] * len(chunk.items)
        if self._stops and any(error is not None for _, error in chunk.outcomes):
            self._failed = chunk.first if self._failed is None else min(self._failed, chunk.first)

    async def _outcomes(self, items: list[Any]) -> list[Outcome]:
        """What comes of the calls for these items, in their order."""
        found: list[Outcome] = [(None, None)] * len(items)
        todo = list(range(len(items)))
        until = self._time_of_one()
        while todo:
            wait = 0.0
            later: list[int] = []
            for at, outcome in zip(todo, await self._carried([items[at] for at in todo]), strict=True):
                found[at] = outcome
                error = outcome[1]
                # Refused before anything was done: it has its turn when the gate says so.
                if isinstance(error, RateLimited) and not error.maybe_executed:
                    later.append(at)
                    wait = max(wait, error.retry_after or 0.1)
            late = until is not None and time.monotonic() + wait >= until
            if not later or late or await settled(self.rest(wait)):
                break
            todo = later
        return found

    def _time_of_one(self) -> float | None:
        """Until when a call that the gate puts off is tried again."""
        own: float | None = self._session.options.timeout
        until = None if own is None else time.monotonic() + own
        if self._deadline is None or until is None:
            return until if self._deadline is None else self._deadline
        return min(until, self._deadline)

    async def _carried(self, items: list[Any]) -> list[Outcome]:
        if self.ended:
            over = DeadlineExceeded("the work that it was for has ended", method=self.name)
            return [(None, over)] * len(items)
        if len(items) == 1:
            return [await self._alone(items[0])]
        recorder = Recorder(self._session)
        function, node = self.written_by(recorder)
        handles = [_written(function, node, item) for item in items]
        if not recorder.calls:
            return [(None, one if isinstance(one, BaseException) else None) for one in handles]
        started = time.monotonic()
        try:
            size = await carry(recorder)
        except Error as error:
            if error.code in _TOO_MUCH_AT_ONCE and not error.maybe_executed:
                half = len(items) // 2
                self._pace.at_most(half)
                return await self._carried(items[:half]) + await self._carried(items[half:])
        except Exception as error:  # noqa: BLE001 - it is raised where the results are taken
            return [(None, error)] * len(items)
        else:
            self._pace.took(len(items), time.monotonic() - started, size)
        return [_outcome(one) for one in handles]

    async def _alone(self, item: Any) -> Outcome:
        started = time.monotonic()
        function, node = self.function()
        try:
            args, kwargs = _arguments(item)
            result = await settled(function(node, *args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as above
            return None, error
        self._pace.took(1, time.monotonic() - started, 0)
        return result, None


def _written(function: Callable[..., Any], node: Node, item: Any) -> Handle | BaseException:
    """The call's handle; or why there is no such call."""
    try:
        args, kwargs = _arguments(item)
        handle: Handle = function(node, *args, **kwargs)
    except Exception as error:  # noqa: BLE001 - as above
        return error
    return handle


def _outcome(one: Handle | BaseException) -> Outcome:
    if isinstance(one, BaseException):
        return None, one
    error = one.exception()
    return (one.result(), None) if error is None else (None, error)


def _arguments(item: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What an item means as arguments."""
    if isinstance(item, dict):
        return (), item
    return (item if isinstance(item, tuple) else (item,)), {}
