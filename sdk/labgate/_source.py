"""What is an entry of a catalog in the user's hands? Something to read, whole or partition by partition, or a catalog itself.

    runs = lab.data["runs"]                           # nothing of it is read yet
    runs.read(); runs.read(partition=3); runs.read(sample="a")
    for part in runs: ...                             # partitions, in their order
    list(lab.data["detectors"]); lab.data["detectors"]["front"]

The method is marked `result: source`, takes `name` and `parameters`, and may name the methods that read (`name`,
`parameters`, `partition`), list (`catalog` and a page) and search (`query`, `catalog`).
"""

from __future__ import annotations

from functools import partial

from labgate._at_once import at_once
from labgate._method import Method
from labgate._names import attribute_name, closest, printable
from labgate._source_about import about_of
from labgate._source_opened import Opened
from labgate.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from labgate._progress import Shown
    from labgate._session import Session
    from labgate._source_found import Found

_AHEAD = 8  # partitions that iterating fetches at once


class _Missing:
    """`__getattr__` for instances only: see the one of clients."""

    def __get__(self, source: Source | None, owner: type[Source] | None = None) -> Callable[[str], Source]:
        if source is None:
            raise AttributeError("__getattr__")
        return partial(_missing, source)


class Source(Opened):
    """An entry of a catalog, opened: what it is is known, and nothing of it is read before that is asked for.

    A table comes as a pandas data frame (as a pyarrow table where pandas is not installed), an array as numpy's, anything
    else as what it is. Iterating gives the partitions in their order, some of which are fetched ahead.

    A nested catalog gives its entries by name, as `detectors["front"]` or `detectors.front`; iterating gives their names.

    Called, it is the same entry with other parameters: `curve(sample="b")`; a catalog's reach its entries.

    Attributes:
        name: with dots where it leads through catalogs.
        container: what it holds: `dataframe`, `ndarray`, `python`, `catalog`, or a word of the service's own.
        nested: it is a catalog.
        shape: lengths along the axes, None for those that nobody knows; None where there is no such thing.
        dtype: of an array as numpy has it; of others as the service tells it.
        npartitions: how many partitions there are, None where nobody says.
        chunks: the lengths of an array's blocks along each axis, None where nobody says.
        metadata, description: what the catalog says of it.
        parameters: those that it takes, as the catalog describes them.
        arguments: those that it was opened with, defaults included.
    """

    __slots__ = ("__weakref__",)

    _session: Session

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Source: ...

    else:
        __getattr__ = _Missing()

    def __call__(self, /, **parameters: Any) -> Source:
        """The same entry with these parameters beside those that it has, opened now.

        Raises:
            Error: it does not take them, or cannot be opened with them.
            TypeError: it is a catalog, whose entries this gate does not let its parameters reach.
        """
        return self._opened(self._with(parameters))

    def refresh(self) -> Source:
        """Ask the gate again what the source is. Returns the source.

        Raises:
            Error: the gate does not say.
        """
        at_once(self._refresh())
        return self

    # What is in it.

    def read(
        self, partition: Any = None, *, workers: int = 8, progress: Shown = False, **parameters: Any
    ) -> Any:
        """A partition, or all of it: a data frame, an array, or what else the source holds.

        All of it comes in its partitions, several at once, and is joined in their order; blocks of an array are received
        in their place. It comes whole, or there is an error; Ctrl-C ends all of it.

        Args:
            partition: its number, or the indices of a block of an array; None is all of it.
            workers: how many partitions are on their way at once.
            progress: show how far it is; or a function that is told: how much is done, and of how much.
            parameters: read it with these, as `source(**parameters).read()` does; that also takes those whose names are
                arguments here.

        Raises:
            Error: it did not come whole.
            MissingExtra: it is a table or an array, and what holds one is not installed.
            TypeError: it is a catalog, or that is no partition.
        """
        if parameters:
            return self(**parameters).read(partition, workers=workers, progress=progress)
        return at_once(self._read(partition, workers, progress=progress))

    def partitions(self, workers: int = _AHEAD) -> Iterator[Any]:
        """The partitions in their order; so many are fetched at once, and no more are in memory.

        Raises:
            Error: one of them did not come.
            TypeError: it is a catalog.
        """
        self._need_data()
        wanted = self._about.partitions()
        return (
            part
            for at in range(0, len(wanted), workers)
            for part in at_once(self._parts(wanted[at : at + workers], workers))
        )

    def to_dask(self) -> Any:
        """A dask data frame, array or bag of the partitions, which dask's workers read from the gate.

        They find a token as any program does: none travels with the task.

        Raises:
            MissingExtra: dask is not installed.
            TypeError: it is a catalog.
        """
        from labgate._source_dask import dask_of

        self._need_data()
        return dask_of(self)

    # What is in a catalog.

    def __getitem__(self, name: str) -> Source:
        return self._opened(self._inner(name))

    def __iter__(self) -> Iterator[Any]:
        """The names of a catalog's entries; of anything else, its partitions."""
        return iter(at_once(self._listed())) if self.nested else self.partitions()

    def __contains__(self, name: object) -> bool:
        self._need_catalog()
        return name in at_once(self._listed())

    def search(self, query: str) -> Found:
        """The catalog's entries that have one of some words in what describes them.

        Raises:
            Error: there is no answer.
            TypeError: it is no catalog.
        """
        found: Found = self._session.call(*self._searched(query))
        return found

    # How it shows itself.

    def __dir__(self) -> list[str]:
        own = [name for name in object.__dir__(self) if not name.startswith("_")]
        return sorted({*own, *(name for name in self._shown() if attribute_name(name) == name)})

    def _ipython_key_completions_(self) -> list[str]:
        return self._shown()

    def __reduce__(self) -> tuple[Any, ...]:
        link = self._session.link
        client = link.root.own_class()(self._session, link.root)
        return _remade, (client, self._method.name, self._about.answer)

    # How it is done.

    def _opened(self, asked: dict[str, Any]) -> Source:
        found: Source = self._session.call(self._method, asked)
        return found

    def _shown(self) -> list[str]:
        """The names for eyes and completion: there, a gate that is away is no error."""
        if not self.nested:
            return []
        try:
            return at_once(self._listed()) if self._names is None else self._names
        except Error:
            return []


def source_of(answer: object, session: Session, method: Method) -> Source:
    """The source that a method answered.

    Raises:
        BadReply: the answer describes none.
    """
    return Source(session, method, about_of(answer, method.name))


def _missing(source: Source, name: str) -> Source:
    if name.startswith("_") or not source.nested:
        raise AttributeError(f"'Source' object has no attribute {name!r}")
    names = source._shown()  # noqa: SLF001
    if name in names:
        return source[name]
    near = closest(name, names)
    hint = f"; did you mean {' or '.join(printable(one, 80) for one in near)}?" if near else ""
    raise AttributeError(f"the catalog {source.name} has no entry {name!r}{hint}")


def _remade(client: Any, method: str, answer: dict[str, Any]) -> Source:
    """The source of a pickle; the gate is not asked."""
    session = client._session  # noqa: SLF001
    made = Method(method, session.link.catalog.text(method))
    return Source(session, made, about_of(answer, method))
