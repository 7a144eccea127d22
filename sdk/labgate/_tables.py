"""What is a method that answers tables, in the user's hands? Their names as attributes, each of which can be asked.

    lab.materialize.tables.nuclei.query(pt_root_id=[...], limit=10)
    lab.materialize.tables.nuclei(volume={">": 100}).query(select_columns=["id"])
    lab.materialize.tables["odd-name"].fields

The method is marked `result: tables` and names the method that asks one (`query`), and that one's parameter for the
table (`of`). Nothing here knows what a table holds: names and metadata are what the method answers.
"""

from __future__ import annotations

import time
from functools import partial

from labgate._names import attribute_name, closest, printable
from labgate._session import Session
from labgate._table import Table
from labgate.errors import BadReply, Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FunctionType
    from typing import Any

    from labgate._client import Node
    from labgate._method import Method

_KEPT_SECONDS = 300.0
_LOOK_SECONDS = 30.0
_NAMES = (
    "annotation_table",
    "table_name",
    "name",
    "table",
)  # where metadata have a name, the first that they have
_MOST_SHOWN = 40


class TablesMethod:
    """What stands on a namespace's class for such a method: through a namespace it is the tables."""

    def __init__(self, function: FunctionType, method: Method) -> None:
        self.function = function
        self.method = method

    def __get__(self, node: Node | None, owner: type[Node] | None = None) -> Any:
        if node is None:
            return self.function
        if not isinstance(node._session, Session):  # noqa: SLF001
            return self.function.__get__(node)  # a batch writes calls down: it has no answers yet
        held: dict[Any, Any] = node._spaces  # noqa: SLF001
        if self not in held:
            held[self] = Tables(self, node, {})
        return held[self]


class _Missing:
    """`__getattr__` for instances only: see the one of clients."""

    def __get__(self, tables: Tables | None, owner: type[Tables] | None = None) -> Callable[[str], Table]:
        if tables is None:
            raise AttributeError("__getattr__")
        return partial(_missing, tables)


class Tables:
    """Tables by their names, as attributes or by `tables["name"]`; iterating gives the names.

    Called, they are those that the method answers to other parameters: `lab.materialize.tables(version=943)`.
    """

    __slots__ = ("_asked", "_catalog", "_found", "_function", "_kwargs", "_method", "_node", "_origin")

    def __init__(self, origin: TablesMethod, node: Node, kwargs: dict[str, Any]) -> None:
        self._origin = origin
        self._function: Any = origin.function.__get__(node)
        self._method = origin.method
        self._node = node
        self._kwargs = kwargs
        self._found: dict[str, dict[str, Any]] | None = None
        self._asked = 0.0
        self._catalog: object = None

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Table: ...

    else:
        __getattr__ = _Missing()

    @property
    def __wrapped__(self) -> Any:
        """The method itself, whose signature this has."""
        return self._function

    def __call__(self, *args: Any, **kwargs: Any) -> Tables:
        """The tables that the method answers to these parameters, asked now."""
        names = [str(one.name) for one in self._method.named[: self._method.positional]][: len(args)]
        if len(names) < len(args) or kwargs.keys() & {*names}:
            self._function(*args, **kwargs)  # raises Python's own error, before anything is sent
        kwargs = {**dict(zip(names, args, strict=False)), **kwargs}
        found = Tables(self._origin, self._node, kwargs)
        found._known()
        return found

    @property
    def table_names(self) -> list[str]:
        """Every table's name, in order."""
        return sorted(self._known())

    def find(self, text: str) -> list[str]:
        """The names that have a text in them, in capitals or not."""
        return [name for name in self.table_names if text.casefold() in name.casefold()]

    def __getitem__(self, name: str) -> Table:
        if not isinstance(name, str):
            raise TypeError(f"a table is named by a str, not by {type(name).__name__}")
        about = self._known().get(name)
        if about is None and time.monotonic() - self._asked > _LOOK_SECONDS:
            about = self._known(anew=True).get(name)
        if about is None:
            near = [printable(one, 80) for one in closest(name, self._known())]
            raise KeyError(f"no table {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))
        return Table(name, about, self._node, self._method, self._kwargs)

    def __contains__(self, name: object) -> bool:
        return name in self._known()

    def __iter__(self) -> Iterator[str]:
        return iter(self.table_names)

    def __len__(self) -> int:
        return len(self._known())

    def __bool__(self) -> bool:
        return True

    def __dir__(self) -> list[str]:
        own = [name for name in object.__dir__(self) if not name.startswith("_")]
        return sorted({*own, *(name for name in self._shown() if attribute_name(name) == name)})

    def _ipython_key_completions_(self) -> list[str]:
        return self._shown()

    def __repr__(self) -> str:
        names = [printable(name, 80) for name in self._shown()]
        more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
        return f"<labgate tables {self._method.name}: {', '.join(names[:_MOST_SHOWN])}{more}>"

    def _repr_html_(self) -> str:
        from html import escape

        known = self._found or {}
        rows = [
            f"<tr><td>{escape(name)}</td><td>{escape(printable(known.get(name, {}).get('description'), 200))}</td></tr>"
            for name in self._shown()
        ]
        return f"<table><tr><th>table</th><th>description</th></tr>{''.join(rows)}</table>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (self._node, self._method.name, self._kwargs)

    def _shown(self) -> list[str]:
        """The names for eyes and completion: there, a gate that is away is no error."""
        try:
            return self.table_names
        except Error:
            return []

    def _known(self, *, anew: bool = False) -> dict[str, dict[str, Any]]:
        """Names and metadata: kept for some minutes, and until the gate's list of methods changes."""
        catalog = self._node._session.link.catalog  # noqa: SLF001
        now = time.monotonic()
        if self._found is None or anew or now - self._asked > _KEPT_SECONDS or self._catalog is not catalog:
            self._found = names_of(self._function(**self._kwargs), self._method.name)
            self._asked, self._catalog = now, catalog
        return self._found


def names_of(answer: object, method: str) -> dict[str, dict[str, Any]]:
    """The metadata by name, of an answer that is a list of names, a list of objects, or an object by names.

    Raises:
        BadReply: it is something else.
    """
    if isinstance(answer, dict):
        return {str(name): about if isinstance(about, dict) else {} for name, about in answer.items()}
    found: dict[str, dict[str, Any]] = {}
    for one in answer if isinstance(answer, list) else (None,):
        about = one if isinstance(one, dict) else {}
        name = one if isinstance(one, str) else next((about[key] for key in _NAMES if about.get(key)), None)
        if not isinstance(name, str):
            raise BadReply("the answer names no tables", method=method, hint="")
        found[name] = about
    return found


def _missing(tables: Tables, name: str) -> Table:
    if name.startswith("_"):
        raise AttributeError(f"'Tables' object has no attribute {name!r}")
    try:
        return tables[name]
    except KeyError as error:
        raise AttributeError(error.args[0]) from None


def _remade(node: Node, name: str, kwargs: dict[str, Any]) -> Tables:
    """The tables of a pickle; nothing is asked before somebody looks."""
    origin: TablesMethod = node._session.link.function(name)  # noqa: SLF001
    found: Tables = Tables(origin, node, kwargs) if kwargs else origin.__get__(node)
    return found
