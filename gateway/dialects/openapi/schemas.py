"""What do the schemas of a document say, bounded and with references to its named schemas alone?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from gateway.dialects.texts import VALUES, UnsayableError, number, sayable, unique

MAX_SCHEMAS: Final = 10_000
_MAX_HOPS: Final = 16
_MAX_DEPTH: Final = 32
_MAX_COST: Final = 10_000
_MAX_TOTAL: Final = 3_000_000
_CHARACTERS_PER_COST: Final = 100
_REF: Final = "#/components/schemas/"
_SWAGGER_REF: Final = "#/definitions/"
_no_component_name = re.compile(r"[^A-Za-z0-9._-]")


class Document:
    """A description as it was read: nothing in it is trusted, and no reference leads out of it."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root

    def resolved(self, value: object) -> dict[str, Any]:
        """The object itself, or what it refers to (RFC 6901); empty when that is none, elsewhere, or a circle."""
        for _ in range(_MAX_HOPS):
            if not isinstance(value, dict):
                return {}
            ref = value.get("$ref")
            if not isinstance(ref, str):
                return value
            value = self._target(ref)
        return {}

    def _target(self, ref: str) -> object:
        if not ref.startswith("#/"):
            return None
        at: object = self.root
        for step in ref[2:].split("/"):
            if not isinstance(at, dict):
                return None
            name = step if step in at else unquote(step).replace("~1", "/").replace("~0", "~")
            at = at.get(name)
        return at


class Schemas:
    """The named schemas of one document, and how schemas that refer to them are cleaned."""

    def __init__(self, document: Document) -> None:
        named = members(members(document.root, "components"), "schemas") or members(
            document.root, "definitions"
        )
        self._total = 0
        self._names: dict[str, str] = {}
        taken: set[str] = set()
        for name in list(named)[:MAX_SCHEMAS]:
            wanted = _no_component_name.sub("_", str(name))[:128] or "_"
            self._names[name] = unique(wanted, taken)
        self.components: dict[str, dict[str, Any]] = {
            renamed: self.clean(named[name]) for name, renamed in self._names.items()
        }
        """The named schemas, under names that a `$ref` can hold as they are."""

    def clean(self, schema: object) -> dict[str, Any]:
        """The schema with `$ref`s to `#/components/schemas/NAME` alone; empty when it is none, or too large.

        A member that holds a number which cannot be told is left out.
        """
        if not isinstance(schema, dict) or self._total > _MAX_TOTAL:
            return {}
        self._cost = 0
        try:
            cleaned: dict[str, Any] = self._value(schema, 0)
        except _TooMuchError:
            return {}
        finally:
            self._total += self._cost
        return cleaned

    def _value(self, value: Any, depth: int, *, whole: bool = False) -> Any:
        """The value; with `whole` nothing within is left out: it is told as it is, or not at all."""
        self._cost += 1
        if self._cost > _MAX_COST or depth > _MAX_DEPTH:
            raise _TooMuchError
        kind = type(value)
        if kind is str:
            return self._text(value)
        if kind is dict:
            return self._members(value, depth + 1, whole=whole)
        if kind is list:
            return [self._value(each, depth + 1, whole=whole) for each in value]
        return number(value) if kind is int or kind is float else value

    def _members(self, members: Mapping[str, Any], depth: int, *, whole: bool) -> dict[str, Any]:
        cleaned = {}
        for name, each in members.items():
            if name == "$ref" and isinstance(each, str):
                if (target := self._target(each)) is not None:
                    cleaned[name] = _REF + target
                continue
            try:
                cleaned[self._text(name)] = self._value(each, depth, whole=whole or name in VALUES)
            except UnsayableError:
                if whole:
                    raise
        return cleaned

    def _text(self, value: str) -> str:
        if value.isascii() and len(value) < _CHARACTERS_PER_COST:
            return value
        self._cost += len(value) // _CHARACTERS_PER_COST
        return sayable(value)

    def _target(self, ref: str) -> str | None:
        for start in (_REF, _SWAGGER_REF):
            if ref.startswith(start):
                written = ref[len(start) :]
                return self._names.get(written) or self._names.get(
                    unquote(written).replace("~1", "/").replace("~0", "~")
                )
        return None


class _TooMuchError(Exception):
    """The schema is too large to be passed on."""


def members(parent: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The object that is the member `name`; empty when there is none."""
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def listed(parent: Mapping[str, Any], name: str) -> list[Any]:
    """The array that is the member `name`; empty when there is none."""
    value = parent.get(name)
    return value if isinstance(value, list) else []
