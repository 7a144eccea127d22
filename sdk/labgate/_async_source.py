"""What is an entry of a catalog in the hands of a user with an event loop?

runs = await lab.data["runs"]
await runs.read(); await runs.read(partition=3)
async for part in runs: ...
inner = await (await lab.data["detectors"])["front"]
"""

from __future__ import annotations

from labgate._source_about import about_of
from labgate._source_found import Found
from labgate._source_opened import Opened
from labgate.errors import BadReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from typing import Any, ClassVar, Self

    from labgate._async_session import AsyncSession
    from labgate._method import Method
    from labgate._progress import Shown

_AHEAD = 8  # partitions that iterating fetches at once


class AsyncSource(Opened):
    """An entry of a catalog, opened, whose partitions are awaited; see `labgate.Source` for what it knows of itself.

    Iterating, by `async for`, gives the partitions in their order, of a nested catalog the names of its entries.
    `catalog["front"]` is to be awaited, as is `source(sample="b")`, the same entry with other parameters.
    """

    __slots__ = ("__weakref__",)

    _session: AsyncSession
    __iter__: ClassVar[None] = None

    def __call__(self, /, **parameters: Any) -> Coroutine[Any, Any, AsyncSource]:
        """The same entry with these parameters beside those that it has, to be awaited.

        Raises:
            Error: it does not take them, or cannot be opened with them.
            TypeError: it is a catalog, whose entries this gate does not let its parameters reach.
        """
        return self._session.call(self._method, self._with(parameters))

    async def refresh(self) -> Self:
        """Ask the gate again what the source is. Returns the source.

        Raises:
            Error: the gate does not say.
        """
        await self._refresh()
        return self

    async def read(
        self, partition: Any = None, *, workers: int = 8, progress: Shown = False, **parameters: Any
    ) -> Any:
        """A partition, or all of it: a data frame, an array, or what else the source holds. See `Source.read`.

        Raises:
            Error: it did not come whole.
            MissingExtra: it is a table or an array, and what holds one is not installed.
            TypeError: it is a catalog, or that is no partition.
        """
        if parameters:
            return await (await self(**parameters)).read(partition, workers=workers, progress=progress)
        return await self._read(partition, workers, progress=progress)

    async def partitions(self, workers: int = _AHEAD) -> AsyncIterator[Any]:
        """The partitions in their order; so many are fetched at once, and no more are in memory.

        Raises:
            Error: one of them did not come.
            TypeError: it is a catalog.
        """
        self._need_data()
        wanted = self._about.partitions()
        for at in range(0, len(wanted), workers):
            for part in await self._parts(wanted[at : at + workers], workers):
                yield part

    def __getitem__(self, name: str) -> Coroutine[Any, Any, AsyncSource]:
        """An entry of a catalog, to be awaited."""
        return self._session.call(self._method, self._inner(name))

    async def __aiter__(self) -> AsyncIterator[Any]:
        """The names of a catalog's entries; of anything else, its partitions."""
        if self.nested:
            for name in await self._listed():
                yield name
        else:
            async for part in self.partitions():
                yield part

    async def search(self, query: str) -> AsyncFound:
        """The catalog's entries that have one of some words in what describes them.

        Raises:
            Error: there is no answer.
            TypeError: it is no catalog.
        """
        found: AsyncFound = await self._session.call(*self._searched(query))
        return found

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if not name.startswith("_")]

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._names or [])

    def __reduce__(self) -> tuple[Any, ...]:
        return self._session.recipe()


class AsyncFound(Found):
    """What a search answered; `await found[0]` opens the first of its entries, `await found["name"]` the one of that name."""

    __slots__ = ()

    _session: AsyncSession

    def __missing__(self, key: object) -> Coroutine[Any, Any, AsyncSource]:  # type: ignore[override]
        return self._session.call(*self._opening(key))

    def __reduce__(self) -> tuple[Any, ...]:
        return self._session.recipe()


def source_of(answer: object, session: AsyncSession, method: Method) -> AsyncSource:
    """The source that a method answered.

    Raises:
        BadReply: the answer describes none.
    """
    return AsyncSource(session, method, about_of(answer, method.name))


def found_of(answer: object, session: AsyncSession, method: Method) -> AsyncFound:
    """What a search answered.

    Raises:
        BadReply: it is no object.
    """
    if not isinstance(answer, dict):
        raise BadReply("the answer has no entries", method=method.name, hint="")
    return AsyncFound(session, method, answer)
