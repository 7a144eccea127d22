"""What is a method that answers tables, in the hands of a user with an event loop?

await lab.materialize.tables.nuclei.query(pt_root_id=[...], limit=10)
tables = await lab.materialize.tables()
tables.nuclei.fields
"""

from __future__ import annotations

from labgate._table import AnyTable
from labgate._tables_known import KnownTables, checked_name, names_of
from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class AsyncTables(KnownTables):
    """Tables by their names, whose rows are awaited.

    Nothing that is not awaited asks the gate. So a table can be asked by any name, which the service judges; which names
    there are, and what is said of each table, is known of what `await lab.materialize.tables()` gives, with or without
    parameters.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> AsyncTable: ...

    async def __call__(self, *args: Any, **kwargs: Any) -> AsyncTables:
        """The tables that the method answers to these parameters, asked now.

        Raises:
            Error: there is no answer.
            TypeError: the method does not take these parameters.
        """
        answer = await self._function(*args, **kwargs)
        found = AsyncTables(self._origin, self._node, self._named(args, kwargs) or {})
        found._found = names_of(answer, self._method.name)
        return found

    def __getitem__(self, name: str) -> AsyncTable:
        checked_name(name)
        about = None if self._found is None else self._found.get(name)
        if about is None and self._found is not None:
            raise self._absent(name)
        return AsyncTable(name, about, self._node, self._method, self._kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._node._session.recipe()  # noqa: SLF001

    def _known(self) -> dict[str, dict[str, Any]]:
        if self._found is None:
            raise _unasked(self._method.name)
        return self._found


class AsyncTable(AnyTable):
    """One table, whose rows are awaited; see `labgate.Table` for filters and attributes."""

    __slots__ = ()

    @property
    def about(self) -> dict[str, Any]:
        """Its metadata, as the service has them.

        Raises:
            SetupError: nobody has awaited them.
        """
        if self._about is None:
            raise _unasked(self._method.name)
        return self._about

    async def query(self, **given: Any) -> Any:
        """The rows that pass the filters; see `Table.query`.

        Raises:
            Error: there is no answer.
            TypeError, ValueError: a filter cannot be said to this table.
        """
        return await self._asked("query", given)

    async def live_query(self, timestamp: Any, **given: Any) -> Any:
        """The same at a moment in time, where the service has a query for that."""
        return await self._asked("live", {"timestamp": timestamp, **given})

    async def get_all(self, **given: Any) -> Any:
        """The same without the filters that were given so far."""
        return await self._with({}).query(**given)

    def _repr_html_(self) -> str:
        from labgate._shown_told import html_of_table

        known = self._about or {}
        return html_of_table(
            AsyncTable(self.name, known, self._node, self._method, self._kwargs, self.filters)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return self._node._session.recipe()  # noqa: SLF001


def _unasked(method: str) -> SetupError:
    return SetupError(
        "nobody has asked which tables there are",
        method=method,
        hint=f'Await it first: tables = await lab["{method}"]().',
    )
