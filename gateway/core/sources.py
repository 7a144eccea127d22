"""What are sources: results of methods that callers read as tables and arrays, in partitions, from a catalog of the gate's own?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final, Literal

import orjson
from msgspec import Struct

from gateway.core.catalog import Catalog
from gateway.core.intake.entries import Entry
from gateway.core.method import Method

Container = Literal["ndarray", "dataframe"]
_CONTAINERS: Final[Mapping[str, Container]] = {
    "array": "ndarray",
    "volume": "ndarray",
    "table": "dataframe",
}
"""What a result of a known kind is in Intake's words."""


class Blocks(Struct, frozen=True):
    """A volume in parts of this shape, the slowest axis first, whose borders lie at multiples of it."""

    chunks: tuple[int, ...]


class Boxes(Struct, frozen=True):
    """An array in boxes: the method takes the corners of one, and gives it.

    `start` and either `stop` (the corner behind) or `size` are names of arguments, each a list with a number for every
    axis, the slowest first, or last where they are `reversed`. `origin` is the coordinate of the array's first element.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    start: str
    stop: str = ""
    size: str = ""
    origin: tuple[int, ...] = ()
    reversed: bool = False
    dtype: str = ""


class Rows(Struct, frozen=True):
    """A table, or an array along its first axis, `size` rows at a time.

    `start` is the argument for the number of the first row, or `page` that for the number of the page, the first of which
    has the number `first`; `limit` is the argument for how many rows are wanted. There are `count` rows, or as many as the
    member `total` of a result says.
    """

    size: int
    start: str = ""
    page: str = ""
    first: int = 0
    limit: str = ""
    count: int | None = None
    total: str = ""


class Values(Struct, frozen=True):
    """One partition for each of some values of an argument; arrays of one shape are stacked along a new first axis."""

    argument: str
    values: tuple[Any, ...]


Cut = Blocks | Boxes | Rows | Values


@dataclass(frozen=True, eq=False)
class Source:
    """One entry: the method that it is read by, what the method is given, and how the result is cut.

    `declared` are the parameters that callers choose, as Intake declares them, `arguments` the names that the method has for
    them. `items` is the member of the result that is meant, empty for the result itself. Without a `cut`, and unless the
    method reads a volume, it is one partition.
    """

    name: str
    method: str
    datastack: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    declared: tuple[Mapping[str, Any], ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    container: Container | None = None
    description: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    items: str = ""
    cut: Cut | None = None

    @cached_property
    def mark(self) -> str:
        """What stands for how it is read: an id that was given out before a change is not taken for one after it."""
        cut = None if self.cut is None else [type(self.cut).__name__, self.cut]
        said = [self.method, self.datastack, self.params, self.arguments, self.container, self.items, cut]
        return blake2b(
            orjson.dumps(said, default=_plain, option=orjson.OPT_SORT_KEYS), digest_size=9
        ).hexdigest()

    def told(self, container: str) -> dict[str, Any]:
        """The entry as Intake's clients are told of it; what the method is given is the operator's matter."""
        return {
            "name": self.name,
            "container": container,
            "plugin": ["labgate"],
            "driver": ["labgate"],
            "description": self.description,
            "direct_access": "forbid",
            "user_parameters": [dict(one) for one in self.declared],
            "metadata": dict(self.metadata),
            "args": {},
        }

    def entry(self) -> Entry:
        """What the parameters of a caller are checked by."""
        return Entry({}, self.name, "", "forbid", (), self.declared)

    def given(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of every call: those of the settings, and what the caller chose."""
        named = {self.arguments.get(name, name): value for name, value in chosen.items()}
        return {**self.params, **named}


class Reader(Struct, frozen=True):
    """How a source is read: the method that brings its parts; `describes` says what a volume is before it is read."""

    container: Container
    reads: Method
    describes: Method | None = None

    @property
    def methods(self) -> tuple[Method, ...]:
        """All that a caller has to be allowed."""
        return (self.reads,) if self.describes is None else (self.describes, self.reads)


class Unfit(Exception):  # noqa: N818 - names the situation
    """A source cannot be read by its method; the text says why, and what its operator can do."""


def reader_of(source: Source, method: Method, catalog: Catalog) -> Reader:
    """How the source is read, whose method was found. Raises Unfit."""
    whole = source.cut is None or isinstance(source.cut, Blocks)
    describes, reads = _of_volume(method, catalog) if whole else (None, method)
    if describes is None and isinstance(source.cut, Blocks):
        raise Unfit(f"{method.name} reads no volume: say with `boxes` which arguments mean a part")
    kind = reads.facts.get("result")
    container = source.container or _CONTAINERS.get(str(kind))
    if container is None:
        raise Unfit(
            f"{method.name} does not say whether it gives an array or a table: add `container` to the entry"
        )
    if describes is not None and container != "ndarray":
        raise Unfit(f"{method.name} gives a volume, which is an ndarray")
    for one in (reads, describes):
        if one is not None and not one.safe:
            raise Unfit(
                f"{one.name} may change something: say `safe: true` of it where its service is described"
            )
    return Reader(container, reads, describes)


def _of_volume(method: Method, catalog: Catalog) -> tuple[Method | None, Method]:
    """The methods that describe and read a volume, whichever of the two was named; no first one where it is none."""
    listing = catalog.listings.get(method.service)
    known = {} if listing is None else {name: item.method for name, item in listing.items.items()}
    if method.facts.get("result") == "volume":
        reads = known.get(_read_by(method))
        if reads is None:
            raise Unfit(f"{method.name} does not say which method reads its volumes")
        return method, reads
    if method.facts.get("result") == "array":
        for one in known.values():
            if "volume" in one.facts and _read_by(one) == method.name:
                return one, method
    return None, method


def _read_by(describes: Method) -> str:
    does = describes.facts.get("volume")
    read = does.get("read") if isinstance(does, Mapping) else None
    return f"{describes.namespace}.{read}"


def warnings(sources: tuple[Source, ...], catalog: Catalog) -> tuple[str, ...]:
    """What an operator should know of sources that cannot be read at this moment."""
    found = []
    for source in sources:
        namespace = source.method.partition(".")[0]
        qualified = f"{source.datastack}/{namespace}" if source.datastack else namespace
        listing = catalog.listings.get(qualified)
        item = None if listing is None else listing.items.get(source.method)
        if item is None:
            found.append(f"source {source.name}: there is no method {source.method}")
            continue
        try:
            reader_of(source, item.method, catalog)
        except Unfit as problem:
            found.append(f"source {source.name}: {problem}")
    return tuple(found)


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    raise TypeError(type(value).__name__)
