"""How is one table asked: which of the caller's words are filters, and which are options of the query?

Filters are written as in CAVE's own client: a value means equal, a list one of these, `{">": 1, "<=": 5}` a range, and
`NAME_bbox` a box in which the point NAME lies.
"""

from __future__ import annotations

from labgate._defaults import checked_defaults, fill
from labgate._names import printable
from labgate.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Self

    from labgate._client import Node
    from labgate._method import Method

# Which parameter of the query takes which kind of filter; the method's `x-labgate` may say otherwise.
_PLACES = {
    "=": "filter_equal_dict",
    "in": "filter_in_dict",
    "<": "filter_less_dict",
    ">": "filter_greater_dict",
    "<=": "filter_less_equal_dict",
    ">=": "filter_greater_equal_dict",
    "bbox": "filter_spatial_dict",
}
_RANGES = ("<", ">", "<=", ">=")
_BOX = "_bbox"


class AnyTable:
    """What every table has, whether its rows are awaited or not; see `labgate.Table`."""

    __slots__ = ("_about", "_kwargs", "_method", "_node", "filters", "name")

    def __init__(
        self,
        name: str,
        about: dict[str, Any] | None,
        node: Node,
        method: Method,
        kwargs: Mapping[str, Any],
        filters: Mapping[str, Any] | None = None,
    ) -> None:
        """`about` is None where nobody has asked for it."""
        self.name = name
        self.filters = dict(filters or {})
        self._about = about
        self._node = node
        self._method = method
        self._kwargs = kwargs

    def __call__(self, **filters: Any) -> Self:
        """The table with these filters: every name is a column, whatever the query's options are called."""
        return self._with({**self.filters, **filters})

    @property
    def about(self) -> dict[str, Any]:
        """Its metadata, as the service has them."""
        return self._about or {}

    @property
    def fields(self) -> list[str]:
        """The columns, where the metadata name them."""
        for member in ("fields", "columns", "schema"):
            named = self.about.get(member)
            if isinstance(named, (list, dict)) and all(isinstance(name, str) for name in named):
                return list(named)
        return []

    @property
    def description(self) -> str:
        """What the service says about the table; may be empty."""
        found = self.about.get("description")
        return found if isinstance(found, str) else ""

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if not name.startswith("_")]

    def __repr__(self) -> str:
        filters = "".join(f" {name}={printable(repr(value), 80)}" for name, value in self.filters.items())
        return f"<labgate table {printable(self.name, 200)}{filters}>"

    def _repr_html_(self) -> str:
        from labgate._shown_told import html_of_table

        return html_of_table(self)

    def _with(self, filters: Mapping[str, Any]) -> Self:
        return type(self)(self.name, self._about, self._node, self._method, self._kwargs, filters)

    def _asked(self, which: str, given: dict[str, Any]) -> Any:
        from labgate._method import Method

        marks = self._method.tables or {}
        wire = marks.get(which)
        if not isinstance(wire, str):
            raise NotFound(f"{self._method.name} names no method for a {which}", method=self._method.name)
        link = self._node._session.link  # noqa: SLF001
        function = link.function(wire)
        asks = Method(wire, link.catalog.text(wire))
        options, filters = self._split(asks, given)
        places = {**_PLACES, **_texts(marks.get("filters"))}
        sent = placed(filters, places, None if asks.open else set(asks.wires), wire)
        for place, told in sent.items():
            options[place] = {**(options.get(place) or {}), **told}
        options[str(marks["of"])] = self.name
        client: Node = link.root.own_class()(self._node._session, link.root)  # noqa: SLF001
        return function.__get__(client)(**(options if asks.open else asks.named_for(options)))

    def _split(self, asks: Method, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Options by their wire names, and filters."""
        wires = {str(one.name): one.wire for one in asks.named} | {wire: wire for wire in asks.odd}
        options: dict[str, Any] = {}
        filters = dict(self.filters)
        for name, value in given.items():
            if asks.open or name in wires:
                options[wires.get(name, name)] = value
            else:
                filters[name] = value
        # The tables of a version are asked in that version.
        return fill(asks.name, wires.values(), options, checked_defaults(self._kwargs)), filters


class Table(AnyTable):
    """One table.

    Attributes:
        name: its name.
        about: its metadata, as the service has them.
        filters: those that were given so far.
    """

    __slots__ = ()

    def query(self, **given: Any) -> Any:
        """The rows that pass the filters.

        Args:
            given: options of the query by their names (`limit`, `select_columns`, ...); all other names are filters.

        Raises:
            Error: there is no answer.
            TypeError, ValueError: a filter cannot be said to this table.
        """
        return self._asked("query", given)

    def live_query(self, timestamp: Any, **given: Any) -> Any:
        """The same at a moment in time, where the service has a query for that."""
        return self._asked("live", {"timestamp": timestamp, **given})

    def get_all(self, **given: Any) -> Any:
        """The same without the filters that were given so far."""
        return self._with({}).query(**given)

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (
            self._node,
            self._method.name,
            self._kwargs,
            (self.name, self.about, self.filters),
        )


def placed(
    filters: Mapping[str, Any], places: Mapping[str, str], known: set[str] | None, method: str
) -> dict[str, dict[str, Any]]:
    """The filters as the query's parameters have them: an object of columns for each kind.

    Args:
        filters: value, list, range or box by column; None is no filter.
        places: the parameter for each kind of filter.
        known: the parameters that the query has, None where nobody described them.
        method: the query's name, for error texts.

    Raises:
        TypeError: the query takes no such filter.
        ValueError: a list is empty.
    """
    found: dict[str, dict[str, Any]] = {}
    for column, value in filters.items():
        if value is None:
            continue
        for kind, name, told in _kinds(column, value):
            place = places[kind]
            if known is not None and place not in known:
                raise TypeError(f"{method}() takes no filter {column!r}: it has no parameter {place!r}")
            found.setdefault(place, {})[name] = told
    return found


def _kinds(column: str, value: Any) -> list[tuple[str, str, Any]]:
    """Kind, column and value of what one word of the caller means."""
    if column.endswith(_BOX) and column != _BOX:
        return [("bbox", column.removesuffix(_BOX), value)]
    if isinstance(value, dict):
        unknown = [mark for mark in value if mark not in _RANGES]
        if unknown or not value:
            raise TypeError(f"the filter {column!r} is a range: it has the members {', '.join(_RANGES)}")
        return [(mark, column, limit) for mark, limit in value.items()]
    if not _is_many(value):
        return [("=", column, value)]
    if len(value) == 0:
        # CAVE's own client would leave the filter out, and answer every row there is.
        raise ValueError(f"the filter {column!r} is an empty list: no row passes it")
    return [("in", column, value)]


def _is_many(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (str, bytes)) and getattr(value, "ndim", 1) > 0


def _texts(found: object) -> dict[str, str]:
    members = found if isinstance(found, dict) else {}
    return {kind: place for kind, place in members.items() if kind in _PLACES and isinstance(place, str)}


def _remade(node: Node, method: str, kwargs: dict[str, Any], own: tuple[Any, ...]) -> Table:
    """The table of a pickle."""
    name, about, filters = own
    origin = node._session.link.function(method)  # noqa: SLF001
    return Table(name, about, node, origin.method, kwargs, filters)
