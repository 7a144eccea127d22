"""How is one method of an async client called for very many items, by tasks of its event loop?"""

from __future__ import annotations

import asyncio
import time

from labgate._mapping import PATIENCE_FOR_ITEMS, Chunk, Mapping
from labgate._progress import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Any

    from labgate._batch import Recorder
    from labgate._client import Node
    from labgate._mapping import Pair
    from labgate._progress import Shown

_END = object()


class Tasks(Mapping):
    """One `map` of an async client."""

    def __init__(self, method: Any, items: Any, workers: int, timeout: float | None, *, stops: bool) -> None:
        """`items` is an iterable, or an asynchronous one."""
        super().__init__(method, workers, timeout, stops=stops)
        self._function = method.__func__
        self._items: Iterator[Any] | None = None
        self._stream: AsyncIterator[Any] | None = None
        if hasattr(items, "__aiter__"):
            self._stream = aiter(items)
        else:
            self._items = iter(items)
        self._coming: asyncio.Task[Any] | None = None  # the next item of a stream
        self._jobs: asyncio.Queue[Chunk | None] = asyncio.Queue()
        self._done: asyncio.Queue[Chunk] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._over = asyncio.Event()

    # --- the caller's task

    async def pairs(
        self, total: int | None, progress: Shown, errors: str, *, ordered: bool
    ) -> AsyncIterator[Pair]:
        """What `map` gives."""
        with Progress(self.name, total, shown=progress, unit="call") as shown:
            try:
                async for chunk in self.chunks(ordered=ordered):
                    for pair in self.pairs_of(chunk, errors, shown):
                        yield pair
            finally:
                await self._end()

    def next_chunk(self, *, idle: bool) -> Any:
        """The next chunk, None where nothing has come yet, and whether there may be another."""
        return self._streamed(idle=idle) if self._items is None else self.taken(self._items)

    async def _streamed(self, *, idle: bool) -> tuple[Chunk | None, bool]:
        """The same of a stream: while there is other work, its items are not waited for."""
        found: list[Any] = []
        until = time.monotonic() + PATIENCE_FOR_ITEMS
        while len(found) < self.wanted:
            if self._coming is None:
                self._coming = asyncio.ensure_future(self._next())
            waits = idle and not found
            left = self.left() if waits else max(0.0, until - time.monotonic())
            done, _ = await asyncio.wait((self._coming,), timeout=left)
            if not done and waits:
                raise self.late()
            if not done:
                return self.chunk(found), True
            task, self._coming = self._coming, None
            if (item := task.result()) is _END:
                return self.chunk(found), False
            found.append(item)
        return self.chunk(found), True

    async def _next(self) -> Any:
        assert self._stream is not None  # noqa: S101 - for the types
        return await anext(self._stream, _END)

    def send_off(self, chunk: Chunk) -> None:
        """Have a task carry it out."""
        self._jobs.put_nowait(chunk)
        if len(self._tasks) < self.workers:
            self._tasks.append(asyncio.create_task(self._labour(), name="labgate.map"))

    async def come(self) -> Chunk:
        """Wait until some chunk is over.

        Raises:
            DeadlineExceeded: the time for all of it is.
        """
        try:
            async with asyncio.timeout(self.left()):
                return await self._done.get()
        except TimeoutError:
            raise self.late() from None

    async def _end(self) -> None:
        """Nobody waits any longer: nothing more is sent, reads are given up, and writes under way come to their end."""
        self._over.set()
        ending = list(self._tasks)
        if self._coming is not None:
            self._coming.cancel()
            ending.append(self._coming)
        for task in self._tasks:
            self._jobs.put_nowait(None)
            if self.safe:
                task.cancel()
        # Who is cancelled once more while writes come to their end ends them, too.
        await asyncio.gather(*ending, return_exceptions=True)

    # --- the workers' tasks

    async def _labour(self) -> None:
        while (chunk := await self._jobs.get()) is not None:
            if self.ended:
                return
            if self.begins(chunk):
                await self.carry_out(chunk)
                self._done.put_nowait(chunk)

    @property
    def ended(self) -> bool:
        """Nobody waits for anything any more."""
        return self._over.is_set()

    async def rest(self, seconds: float) -> bool:
        """Wait so long; whether nobody waits any more."""
        try:
            async with asyncio.timeout(seconds):
                return await self._over.wait()
        except TimeoutError:
            return False

    def written_by(self, recorder: Recorder) -> tuple[Callable[..., Any], Node]:
        """The method's function, and whom it is bound to, where calls are written down."""
        scribe = self._session.link.scribe()
        recorder.link = scribe
        return scribe.function(self.name), scribe.root.own_class()(recorder, scribe.root)

    def function(self) -> tuple[Callable[..., Any], Node]:
        """The same where they are made."""
        return self._function, type(self._node)(self._session, self._node._space)  # noqa: SLF001
