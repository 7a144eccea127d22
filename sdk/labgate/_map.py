"""How is one method called for very many items: soon, in order, and each with its own outcome?

Items are put together to batches, and several batches are on their way at once. How large they are follows from how long
they take: calls that are answered from memory travel by the hundred, slow ones alone.
"""

from __future__ import annotations

import queue
import threading

from labgate._at_once import at_once
from labgate._mapping import Chunk, Mapping
from labgate._progress import Progress
from labgate._session import Terms
from labgate._watched import WatchedPool
from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator
    from typing import Any, Literal, overload

    from labgate._batch import Recorder
    from labgate._client import Node
    from labgate._mapping import Pair
    from labgate._progress import Shown

_GLANCE_SECONDS = 0.5  # Ctrl-C is noticed between two waits where a system does not interrupt them
_ERRORS = ("raise", "yield", "skip")


if TYPE_CHECKING:

    @overload
    def map(  # noqa: A001 - as below
        method: Callable[..., Coroutine[Any, Any, Any]],
        items: Iterable[Any] | AsyncIterable[Any],
        /,
        *,
        workers: int = 8,
        progress: Shown = False,
        errors: Literal["raise", "yield", "skip"] = "raise",
        ordered: bool = True,
        timeout: float | None = None,
    ) -> AsyncIterator[Pair]: ...

    @overload
    def map(  # noqa: A001 - as below
        method: Any,
        items: Iterable[Any],
        /,
        *,
        workers: int = 8,
        progress: Shown = False,
        errors: Literal["raise", "yield", "skip"] = "raise",
        ordered: bool = True,
        timeout: float | None = None,
    ) -> Iterator[Pair]: ...


def map(  # noqa: A001 - the user writes `labgate.map`
    method: Any,
    items: Any,
    /,
    *,
    workers: int = 8,
    progress: Shown = False,
    errors: Literal["raise", "yield", "skip"] = "raise",
    ordered: bool = True,
    timeout: float | None = None,
) -> Any:
    """Call a method for each of many items, several at once; gives pairs of item and result.

        for uid, stats in labgate.map(lab.files.stats, uids, workers=8, progress=True):
            ...

    An item is the method's first argument. A dict is its arguments by name, a tuple those by position; what is a dict or a
    tuple itself stands in one: `({"a": 1},)`.

    Of an async client it is for `async for`, by tasks of the same event loop; its items may come from an asynchronous iterator.

        async for uid, stats in labgate.map(lab.files.stats, uids):
            ...

    Items are taken as they are needed, by you and no other thread, and few results wait to be taken: a generator of a million items is
    fine. What waits for nobody any more, because you left the loop or pressed Ctrl-C, is not sent, and reads are given up.

    Small calls travel together in batches. A call that changes something is never made twice; several of them may be made at
    once, in any order, unless `workers` is 1.

    Args:
        method: of a client, like `lab.files.stats`.
        items: what to call it for.
        workers: how many requests are on their way at once.
        progress: show how far it is; or a function that is told: how many are done, and of how many.
        errors: what becomes of a call without a result. "raise" ends the loop with its error, "yield" gives the error in the
            result's place, "skip" leaves the item out.
        ordered: give pairs in the order of the items, not as they come.
        timeout: seconds for all of it; each call has the client's own besides.

    Raises:
        Error: a call has no result, or the time is over.
        TypeError: that is no such method.
    """
    receiver = getattr(method, "__self__", None)
    terms = getattr(receiver, "_session", None)
    name = getattr(getattr(method, "__func__", None), "__qualname__", None)
    if not isinstance(terms, Terms) or not isinstance(name, str):
        raise TypeError("map calls a method of a client, like lab.files.stats")
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ValueError("workers is a whole number from 1 on")
    if errors not in _ERRORS:
        raise ValueError('errors is "raise", "yield" or "skip"')
    if timeout is not None and not timeout > 0:
        raise SetupError("timeout is a number of seconds above 0, or None")
    count = getattr(items, "__len__", None)
    total = None if count is None else int(count())
    if terms.awaited:
        from labgate._async_map import Tasks

        tasks = Tasks(method, items, workers, timeout, stops=errors == "raise")
        return tasks.pairs(total, progress, errors, ordered=ordered)
    threads = _Threads(method, iter(items), workers, timeout, stops=errors == "raise")
    return threads.pairs(total, progress, errors, ordered=ordered)


class _Threads(Mapping):
    """One `map` of a client that waits."""

    def __init__(
        self, method: Any, items: Iterator[Any], workers: int, timeout: float | None, *, stops: bool
    ) -> None:
        super().__init__(method, workers, timeout, stops=stops)
        self._function = method.__func__
        self._items = items
        self._sockets = WatchedPool(self._session.link.pool)
        self._session.pool = self._sockets
        self._jobs: queue.SimpleQueue[Chunk | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Chunk] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._overs: list[threading.Event] = []
        self._ended = threading.Event()

    # --- the caller's thread

    def pairs(self, total: int | None, progress: Shown, errors: str, *, ordered: bool) -> Iterator[Pair]:
        """What `map` gives."""
        chunks = self.chunks(ordered=ordered)
        with Progress(self.name, total, shown=progress, unit="call") as shown:
            try:
                while True:
                    try:
                        chunk: Chunk = at_once(chunks.__anext__())
                    except StopAsyncIteration:
                        return
                    yield from self.pairs_of(chunk, errors, shown)
            finally:
                at_once(chunks.aclose())
                self._end()

    def next_chunk(self, *, idle: bool) -> tuple[Chunk | None, bool]:  # noqa: ARG002 - items are waited for
        """The next chunk, and whether there may be another."""
        return self.taken(self._items)

    def send_off(self, chunk: Chunk) -> None:
        """Have a thread carry it out."""
        self._jobs.put(chunk)
        if len(self._threads) < self.workers:
            thread = threading.Thread(target=self._labour, daemon=True, name="labgate.map")
            self._threads.append(thread)
            thread.start()

    def come(self) -> Chunk:
        """Wait until some chunk is over.

        Raises:
            DeadlineExceeded: the time for all of it is.
        """
        while True:
            left = self.left()
            try:
                return self._done.get(
                    timeout=_GLANCE_SECONDS if left is None else max(0.0, min(left, _GLANCE_SECONDS))
                )
            except queue.Empty:
                if left is not None and left <= _GLANCE_SECONDS:
                    raise self.late() from None

    def _end(self) -> None:
        """Nobody waits any longer: nothing more is sent, reads are given up, and writes under way come to their end."""
        self._ended.set()
        for _ in self._threads:
            self._jobs.put(None)
        if self.safe:
            self._sockets.end()
        try:
            for over in self._overs:
                while not over.wait(_GLANCE_SECONDS):
                    continue
        except BaseException:
            self._sockets.end()
            raise

    # --- the workers' threads

    def _labour(self) -> None:
        over = threading.Event()
        # By the thread itself: Ctrl-C may come before it begins, and one that never does would be waited for without end.
        self._overs.append(over)
        try:
            while (chunk := self._jobs.get()) is not None:
                if self._ended.is_set():
                    return
                if self.begins(chunk):
                    try:
                        at_once(self.carry_out(chunk))
                    except BaseException as error:  # noqa: BLE001 - it is raised where the results are taken
                        chunk.outcomes = [(None, error)] * len(chunk.items)
                    self._done.put(chunk)
        finally:
            over.set()

    @property
    def ended(self) -> bool:
        """Nobody waits for anything any more."""
        return self._ended.is_set()

    def rest(self, seconds: float) -> bool:
        """Wait so long, or until nobody waits any more: True."""
        return self._ended.wait(seconds)

    def written_by(self, recorder: Recorder) -> tuple[Callable[..., Any], Node]:
        """The method's function, and whom it is bound to, where calls are written down."""
        return self._function, self._at(recorder)

    def function(self) -> tuple[Callable[..., Any], Node]:
        """The same where they are made."""
        return self._function, self._at(self._session)

    def _at(self, session: Any) -> Node:
        """The method's client or namespace, over another session."""
        return type(self._node)(session, self._node._space)  # noqa: SLF001
