"""What is known of one method, and how do its Python arguments become the parameters on the wire?"""

from __future__ import annotations

from json.encoder import encode_basestring_ascii

from labgate._catalog import decoded
from labgate._defaults import fill
from labgate._names import python_name, unused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from labgate._pins import Pins

_MOST_PARAMETERS = 200
_BINARY_RESULTS = ("array", "bytes", "table", "volume")


class Omitted:
    """Stands for an argument that was not given and is therefore not sent; shown as the described default."""

    __slots__ = ("described", "value")

    def __init__(self, value: object = ..., *, described: bool = False) -> None:
        self.value = value
        self.described = described

    def __repr__(self) -> str:
        return repr(self.value) if self.described else "..."

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Omitted):
            return self.described == other.described and bool(self.value == other.value)
        return self.described and bool(self.value == other)

    def __hash__(self) -> int:
        return hash(repr(self.value))


OMITTED = Omitted()


class Parameter:
    """One parameter: its name on the wire, its Python name (None where it has none), and what is known of it."""

    __slots__ = ("default", "description", "name", "required", "schema", "wire")

    def __init__(self, described: dict[str, Any], taken: set[str]) -> None:
        self.wire: str = described["name"]
        name = python_name(self.wire)
        if name is not None and name in taken:
            name = unused(name, taken)
        self.name = name
        self.required = described.get("required") is True
        schema = described.get("schema")
        self.schema: dict[str, Any] = schema if isinstance(schema, dict) else {}
        self.default = (
            Omitted(self.schema["default"], described=True) if "default" in self.schema else OMITTED
        )
        self.description = described.get("description")


class Method:
    """One method of the catalog.

    Attributes:
        name: the whole name on the wire.
        open: any arguments are passed, because nobody described them.
        named: the parameters with a Python name, in the order of the signature.
        positional: how many of them may be given by position.
        odd: the parameters without one, by their wire names; they are given as `**{"odd-name": value}`.
        repeatable: carrying it out twice is the same as once.
        binary: its result travels better as msgpack.
        item: it is what `namespace[...]` calls.
        table: its result is a table, which travels best as an Arrow stream.
        tables: what is said of a method whose result are tables (`query`, `of`), None for others.
        volume: the methods of one whose result is a volume, by what they do (`read`, `write`, `create`); None for others.
        source: those of one whose result is a source (`read`, `entries`, `search`); None for others.
        sources: where its result has entries (`items`), and the method that opens them (`source`); None for others.
        refused: the lock file that lets it not be called, None where it may be.
        description: the catalog's object, for documentation.
    """

    __slots__ = (
        "_by_position",
        "_parameters",
        "_wires",
        "binary",
        "description",
        "head",
        "item",
        "name",
        "named",
        "odd",
        "open",
        "positional",
        "refused",
        "repeatable",
        "source",
        "sources",
        "table",
        "tables",
        "volume",
    )

    def __init__(self, name: str, text: bytes | None) -> None:
        described = decoded(text)
        notes = described.get("x-labgate")
        notes = notes if isinstance(notes, dict) else {}
        result = notes.get("result")
        parameters = _parameters(described.get("params"))
        self.name = name
        self.description = described
        self.open = parameters is None or notes.get("undescribed") is True
        if parameters is None or self.open:
            parameters = []
        self.named = [one for one in parameters if one.name is not None]
        self.odd = {one.wire: one for one in parameters if one.name is None}
        self.positional = _positional(self.named)
        self.repeatable = notes.get("safe") is True or notes.get("idempotent") is True
        self.binary = result in _BINARY_RESULTS
        self.item = notes.get("item") is True
        self.refused: Pins | None = None
        self.table = result == "table"
        self.tables = notes if result == "tables" and _has(notes, "query", "of") else None
        self.volume = _noted(notes, "volume", "read") if result == "volume" else None
        self.source = _noted(notes, "source", "read") if result == "source" else None
        self.sources = _noted(notes, "sources", "items", "source") if "sources" in notes else None
        self.head = b'{"jsonrpc":"2.0","id":1,"method":%b' % encode_basestring_ascii(name).encode("ascii")
        self._wires = [one.wire for one in self.named]
        self._by_position = described.get("paramStructure") == "by-position"
        self._parameters = parameters

    def arguments(
        self, values: tuple[Any, ...], more: dict[str, Any], defaults: Mapping[str, Any] | None = None
    ) -> list[Any] | dict[str, Any] | None:
        """The `params` of a call; None for none at all.

        Parameters with known names are sent by name, so that equal calls are equal bytes however they were written;
        by position where the method takes nothing else. What was not given is not sent.

        Args:
            values: one value for each of `named`, `Omitted` where none was given.
            more: what was given as `**`.
            defaults: what the client fills in where the method takes it by name.

        Raises:
            TypeError: a parameter is missing, unknown, or cannot be left out.
            MethodChanged: the client's lock file pins another state of the method.
        """
        if self.refused is not None:
            raise self.refused.refusal(self.name)
        given = {
            wire: value
            for wire, value in zip(self._wires, values, strict=True)
            if value.__class__ is not Omitted
        }
        if more or self.odd:
            self._add_odd(given, more)
        if self._by_position:
            return self._listed(given)
        if defaults:
            given = fill(self.name, set(self.wires), given, defaults)
        return given or None

    def open_arguments(
        self, values: tuple[Any, ...], more: dict[str, Any]
    ) -> list[Any] | dict[str, Any] | None:
        """The `params` of a call of an undescribed method: positions or names, as the caller wrote them.

        Raises:
            TypeError: the caller mixed the two.
        """
        if self.refused is not None:
            raise self.refused.refusal(self.name)
        if values and more:
            raise TypeError(
                f"{self.name}() is not described by its service: give its arguments by position or by name, not mixed"
            )
        return more or list(values) or None

    @property
    def parameters(self) -> list[Parameter]:
        """Every parameter, in the order of the description."""
        return self._parameters

    @property
    def wires(self) -> list[str]:
        """Every parameter's name on the wire."""
        return [one.wire for one in self._parameters]

    def named_for(self, wires: dict[str, Any]) -> dict[str, Any]:
        """Keyword arguments for the function, from arguments by their wire names."""
        python = {one.wire: one.name for one in self.named}
        return {python.get(wire) or wire: value for wire, value in wires.items()}

    def _add_odd(self, given: dict[str, Any], more: dict[str, Any]) -> None:
        for name in more:
            if name not in self.odd:
                raise TypeError(f"{self.name}() got an unexpected keyword argument {name!r}")
        missing = [name for name, one in self.odd.items() if one.required and name not in more]
        if missing:
            raise TypeError(
                f"{self.name}() missing 1 required keyword argument: {missing[0]!r} (give it as **{{{missing[0]!r}: ...}})"
            )
        given.update(more)

    def _listed(self, given: dict[str, Any]) -> list[Any] | None:
        last = max((at for at, one in enumerate(self._parameters) if one.wire in given), default=-1)
        values = []
        for one in self._parameters[: last + 1]:
            if one.wire in given:
                values.append(given[one.wire])
            elif one.default.described:
                values.append(one.default.value)
            else:
                raise TypeError(
                    f"{self.name}() takes its arguments by position: {one.wire!r} cannot be left out before others"
                )
        return values or None


def _noted(notes: dict[str, Any], name: str, *members: str) -> dict[str, Any] | None:
    """An object of the notes, None where it lacks one of these members."""
    found = notes.get(name)
    return found if isinstance(found, dict) and _has(found, *members) else None


def _has(found: dict[str, Any], *members: str) -> bool:
    return all(isinstance(found.get(one), str) for one in members)


def _parameters(described: object) -> list[Parameter] | None:
    """The parameters, second ones of a name left out; None where the list cannot be used."""
    if not isinstance(described, list) or len(described) > _MOST_PARAMETERS:
        return None
    parameters: list[Parameter] = []
    names: set[str] = set()
    wires: set[str] = set()
    for one in described:
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            return None
        if one["name"] not in wires:
            parameter = Parameter(one, names)
            parameters.append(parameter)
            wires.add(parameter.wire)
            if parameter.name is not None:
                names.add(parameter.name)
    return parameters


def _positional(named: Sequence[Parameter]) -> int:
    """How many parameters go by position: a required one behind an optional one can only be given by name."""
    optional = False
    for at, one in enumerate(named):
        if optional and one.required:
            return at
        optional = optional or not one.required
    return len(named)
