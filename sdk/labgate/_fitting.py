"""Does every value of one JSON schema fit another one, as far as the two of them say?

Descriptions of services are hints: where one of the two says nothing, nothing is held against it.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Schemas = dict[str, Any]

_KINDS = ("string", "integer", "number", "boolean", "null", "array", "object")
_DEEPEST = 16
_MEANING = frozenset(
    (
        *("type", "enum", "const", "default", "format", "nullable", "items", "properties", "required"),
        *("additionalProperties", "anyOf", "oneOf", "allOf", "$ref"),
    )
)
_LISTS = ("anyOf", "oneOf", "allOf")


class Fitting:
    """Comparisons of schemas that come from two documents.

    Args:
        inner, outer: the documents' named schemas, for `$ref`.
        expects: what reads the inner values was written for the outer ones: members that it knows must stay.
    """

    def __init__(self, inner: Schemas, outer: Schemas, *, expects: bool) -> None:
        self._inner = inner
        self._outer = outer
        self._expects = expects
        self._known: dict[tuple[int, int], str | None] = {}

    def misfit(self, inner: object, outer: object, place: str = "", depth: int = 0) -> str | None:
        """The first reason why a value of `inner` would not fit `outer`; None when there is none."""
        inner, outer = _resolved(inner, self._inner), _resolved(outer, self._outer)
        if depth > _DEEPEST or not isinstance(inner, dict) or not isinstance(outer, dict):
            return None
        # Both are parts of documents that live as long as this does, so that their ids are theirs.
        pair = id(inner), id(outer)
        if pair not in self._known:
            # Until it is known, a kind that holds its own kind fits: otherwise this would go on for ever.
            self._known[pair] = None
            self._known[pair] = self._misfit(inner, outer, place, depth)
        return self._known[pair]

    def _misfit(self, inner: dict[str, Any], outer: dict[str, Any], place: str, depth: int) -> str | None:
        given, accepted = list(_branches(inner)), list(_branches(outer))
        if given == [inner] and accepted == [outer]:
            return self._one(inner, outer, place, depth)
        for branch in given:
            if len(accepted) == 1:
                reason = self.misfit(branch, accepted[0], place, depth + 1)
                if reason:
                    return reason
            elif all(self.misfit(branch, one, place, depth + 1) for one in accepted):
                return f"{_at(place)}{_shown(branch)} is none of {', '.join(map(_shown, accepted))}"
        return None

    def _one(self, inner: dict[str, Any], outer: dict[str, Any], place: str, depth: int) -> str | None:
        kinds, accepted = _kinds(inner), _kinds(outer)
        if "number" in accepted:
            accepted.add("integer")
        if kinds and accepted and not kinds <= accepted:
            return f"{_at(place)}{_shown(inner)} is no {_shown(outer)}"
        choices = _choices(outer)
        if choices is not None:
            own = _choices(inner)
            lost = None if own is None else [one for one in own if one not in choices]
            if lost is None and kinds:
                return f"{_at(place)}it is one of {len(choices)} values"
            if lost:
                return f"{_at(place)}{lost[0]} is none of its values"
        items = inner.get("items"), outer.get("items")
        return self.misfit(*items, f"{place}[]", depth + 1) or self._members(inner, outer, place, depth)

    def _members(self, inner: dict[str, Any], outer: dict[str, Any], place: str, depth: int) -> str | None:
        own, accepted = inner.get("properties"), outer.get("properties")
        if not isinstance(own, dict) or not isinstance(accepted, dict):
            return None
        given, needed = _texts(inner.get("required")), _texts(outer.get("required"))
        for key in sorted(needed - given):
            return f"{_at(place)}the member {key!r} is {'not always there' if self._expects else 'required'}"
        for key, schema in accepted.items():
            if key in own:
                reason = self.misfit(own[key], schema, f"{place}.{key}" if place else key, depth + 1)
                if reason:
                    return reason
            elif self._expects:
                return f"{_at(place)}the member {key!r} is gone"
        return None


def meaning_of(schema: object, depth: int = 0) -> object:
    """A schema without what says nothing of values, such as descriptions and examples."""
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return schema if isinstance(schema, bool) else {}
    found: dict[str, Any] = {}
    for key in sorted(_MEANING & schema.keys()):
        value = schema[key]
        if key in ("items", "additionalProperties"):
            found[key] = meaning_of(value, depth + 1)
        elif key == "properties" and isinstance(value, dict):
            found[key] = {name: meaning_of(one, depth + 1) for name, one in sorted(value.items())}
        elif key in _LISTS and isinstance(value, list):
            found[key] = [meaning_of(one, depth + 1) for one in value]
        elif key == "required":
            found[key] = sorted(_texts(value))
        else:
            found[key] = value
    return found


def references_of(schema: object, depth: int = 0) -> Iterator[str]:
    """The names of the schemas that a schema refers to."""
    if depth > 4 * _DEEPEST:
        return
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield reference.rpartition("/")[2]
        for value in schema.values():
            yield from references_of(value, depth + 1)
    elif isinstance(schema, list):
        for value in schema:
            yield from references_of(value, depth + 1)


def _resolved(schema: object, schemas: Schemas) -> object:
    for _ in range(_DEEPEST):
        if not isinstance(schema, dict) or not isinstance(schema.get("$ref"), str):
            return schema
        schema = schemas.get(schema["$ref"].rpartition("/")[2])
    return None


def _branches(schema: dict[str, Any]) -> Iterator[Any]:
    """The schemas of which a value has to fit one; the schema itself where it has no others within."""
    for kind in ("anyOf", "oneOf"):
        branches = schema.get(kind)
        if isinstance(branches, list) and branches:
            yield from branches
            return
    whole = schema.get("allOf")
    yield whole[0] if isinstance(whole, list) and len(whole) == 1 else schema


def _kinds(schema: dict[str, Any]) -> set[str]:
    kinds = schema.get("type")
    listed = kinds if isinstance(kinds, list) else [kinds]
    found = {kind for kind in listed if isinstance(kind, str) and kind in _KINDS}
    if len(found) != len(set(map(str, listed))):
        return set()
    return found | {"null"} if schema.get("nullable") is True else found


def _choices(schema: dict[str, Any]) -> list[str] | None:
    """The values that are allowed, as JSON: True is not 1 there."""
    choices = [schema["const"]] if "const" in schema else schema.get("enum")
    return [json.dumps(one) for one in choices] if isinstance(choices, list) else None


def _texts(value: object) -> set[str]:
    return {one for one in value if isinstance(one, str)} if isinstance(value, list) else set()


def _shown(schema: object) -> str:
    kinds = sorted(_kinds(schema)) if isinstance(schema, dict) else []
    return " or ".join(kinds) or "anything"


def _at(place: str) -> str:
    return f"{place}: " if place else ""
