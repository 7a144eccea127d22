"""What is a method that answers tables, in the user's hands? Their names as attributes, each of which can be asked.

    lab.materialize.tables.nuclei.query(pt_root_id=[...], limit=10)
    lab.materialize.tables.nuclei(volume={">": 100}).query(select_columns=["id"])
    lab.materialize.tables["odd-name"].fields

The method is marked `result: tables` and names the method that asks one (`query`), and that one's parameter for the
table (`of`). Nothing here knows what a table holds: names and metadata are what the method answers.
"""

from __future__ import annotations

import time

from labgate._session import Terms
from labgate._table import Table
from labgate._tables_known import KnownTables, checked_name, names_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType
    from typing import Any

    from labgate._client import Node
    from labgate._method import Method
    from labgate._tables_known import Origin

_KEPT_SECONDS = 300.0
_LOOK_SECONDS = 30.0


class TablesMethod:
    """What stands on a namespace's class for such a method: through a namespace it is the tables."""

    def __init__(self, function: FunctionType, method: Method) -> None:
        self.function = function
        self.method = method

    def __get__(self, node: Node | None, owner: type[Node] | None = None) -> Any:
        if node is None:
            return self.function
        session = node._session  # noqa: SLF001
        if not isinstance(session, Terms):
            return self.function.__get__(node)  # a batch writes calls down: it has no answers yet
        held: dict[Any, Any] = node._spaces  # noqa: SLF001
        if self not in held:
            held[self] = self._tables(node, awaited=session.awaited)
        return held[self]

    def _tables(self, node: Node, *, awaited: bool) -> KnownTables:
        if awaited:
            from labgate._async_tables import AsyncTables

            return AsyncTables(self, node, {})
        return Tables(self, node, {})


class Tables(KnownTables):
    """Tables by their names, as attributes or by `tables["name"]`; iterating gives the names.

    Called, they are those that the method answers to other parameters: `lab.materialize.tables(version=943)`.
    """

    __slots__ = ("_asked", "_catalog")

    def __init__(self, origin: Origin, node: Node, kwargs: dict[str, Any]) -> None:
        super().__init__(origin, node, kwargs)
        self._asked = 0.0
        self._catalog: object = None

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Table: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Tables:
        """The tables that the method answers to these parameters, asked now."""
        named = self._named(args, kwargs)
        if named is None:
            self._function(*args, **kwargs)  # raises Python's own error, before anything is sent
        found = Tables(self._origin, self._node, named or {})
        found._known()
        return found

    def __getitem__(self, name: str) -> Table:
        checked_name(name)
        about = self._known().get(name)
        if about is None and time.monotonic() - self._asked > _LOOK_SECONDS:
            about = self._known(anew=True).get(name)
        if about is None:
            raise self._absent(name)
        return Table(name, about, self._node, self._method, self._kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (self._node, self._method.name, self._kwargs)

    def _known(self, *, anew: bool = False) -> dict[str, dict[str, Any]]:
        """Names and metadata: kept for some minutes, and until the gate's list of methods changes."""
        catalog = self._node._session.link.catalog  # noqa: SLF001
        now = time.monotonic()
        if self._found is None or anew or now - self._asked > _KEPT_SECONDS or self._catalog is not catalog:
            self._found = names_of(self._function(**self._kwargs), self._method.name)
            self._asked, self._catalog = now, catalog
        return self._found


def _remade(node: Node, name: str, kwargs: dict[str, Any]) -> Tables:
    """The tables of a pickle; nothing is asked before somebody looks."""
    origin: TablesMethod = node._session.link.function(name)  # noqa: SLF001
    found: Tables = Tables(origin, node, kwargs) if kwargs else origin.__get__(node)
    return found
