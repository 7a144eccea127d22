"""What of an upstream's schemas can be told to everybody?

Descriptions come from elsewhere and may hold anything. What leaves here can be written as JSON, has a bounded
size and depth, and refers to nothing but the description's own schemas.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote

from gateway.dialects.texts import VALUES, UnsayableError, number, sayable, unique

MAX_SCHEMAS: Final = 10_000
_MAX_DEPTH: Final = 32
_MAX_COST: Final = 10_000
_CHARACTERS_PER_COST: Final = 100

_REF: Final = "#/components/schemas/"
_no_component_name = re.compile(r"[^A-Za-z0-9._-]")

_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        name: kind
        for kind, names in {
            "boolean": "bit bool boolean",
            "number": "num number float double",
            "integer": "int integer i4 i8 long",
            "string": "str string text",
            "array": "arr array list tuple set",
            "object": "obj object dict struct map",
            "null": "nil null none nonetype",
        }.items()
        for name in names.split()
    }
)


def type_schema(name: object) -> dict[str, Any]:
    """The JSON Schema of a type as other conventions name it (bit, num, "Number", int, …); empty where it says nothing.

    A hint: Flask-JSONRPC, for one, describes `typing.Any` as "Object".
    """
    kind = _TYPES.get(name.strip().lower()) if isinstance(name, str) and len(name) < 32 else None
    return {"type": kind} if kind else {}


class Schemas:
    """The named schemas of one description, and how schemas that refer to them are cleaned."""

    def __init__(self, named: object = None) -> None:
        """`named` is `components.schemas` of an OpenRPC document, or whatever stands there."""
        found = named if isinstance(named, dict) else {}
        self._names: dict[str, str] = {}
        taken: set[str] = set()
        for name in list(found)[:MAX_SCHEMAS]:
            self._names[name] = unique(_no_component_name.sub("_", name)[:128] or "_", taken)
        self.components: dict[str, dict[str, Any]] = {
            renamed: self.clean(found[name]) for name, renamed in self._names.items()
        }
        """The named schemas, under names that a `$ref` can hold as they are."""

    def clean(self, schema: object) -> dict[str, Any]:
        """The schema, with `$ref`s to `#/components/schemas/NAME` alone; empty when it is none, or too large.

        A member that holds a number which cannot be told is left out.
        """
        if not isinstance(schema, dict):
            return {}
        try:
            cleaned = _Cleaning(self._names).value(schema, 0)
        except _TooMuchError:
            return {}
        return cleaned if isinstance(cleaned, dict) else {}


class _TooMuchError(Exception):
    """The schema is too large to be passed on."""


class _Cleaning:
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._cost = 0

    def value(self, value: Any, depth: int, *, whole: bool = False) -> Any:
        """The value; with `whole` nothing within is left out: it is told as it is, or not at all."""
        self._spend(1)
        if depth > _MAX_DEPTH:
            raise _TooMuchError
        match value:
            case dict():
                return self._members(value, depth, whole=whole)
            case list():
                return [self.value(item, depth + 1, whole=whole) for item in value]
            case str():
                return self._text(value)
            case bool():
                return value
            case int() | float():
                return number(value)
            case _:
                return value

    def _members(self, members: dict[str, Any], depth: int, *, whole: bool) -> dict[str, Any]:
        cleaned = {}
        for name, value in members.items():
            if name == "$ref" and isinstance(value, str):
                target = self._target(value)
                if target is not None:
                    cleaned[name] = _REF + target
                continue
            try:
                cleaned[self._text(name)] = self.value(value, depth + 1, whole=whole or name in VALUES)
            except UnsayableError:
                if whole:
                    raise
        return cleaned

    def _text(self, value: str) -> str:
        self._spend(len(value) // _CHARACTERS_PER_COST)
        return sayable(value)

    def _target(self, ref: str) -> str | None:
        """What the reference names (RFC 6901 section 6); None when it leads out of the named schemas."""
        if not ref.startswith(_REF):
            return None
        written = ref.removeprefix(_REF)
        return self._names.get(written) or self._names.get(
            unquote(written).replace("~1", "/").replace("~0", "~")
        )

    def _spend(self, cost: int) -> None:
        self._cost += cost
        if self._cost > _MAX_COST:
            raise _TooMuchError
