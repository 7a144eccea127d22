"""How does an argument stand in a query, by what its description says?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

QueryForm = Literal["text", "token", "json"]
"""A text as it is; a number, `true`, `false` or `null`; or any JSON, and what is no JSON is a text."""

_TOKENS: Final = frozenset(("boolean", "integer", "null", "number"))
_TEXTS: Final = frozenset(("null", "string"))
_DEEPEST: Final = 4


def query_form(schema: Mapping[str, Any]) -> QueryForm:
    """The form of values that this schema describes; `json` where it leaves a doubt."""
    kinds = kinds_of(schema)
    if kinds and kinds <= _TOKENS:
        return "token"
    # Bytes are an object in JSON.
    if "string" in kinds and kinds <= _TEXTS and schema.get("format") != "binary":
        return "text"
    return "json"


def kinds_of(schema: Mapping[str, Any]) -> frozenset[str]:
    """The JSON types that the schema allows; empty where it does not say."""
    found = frozenset(_kinds(schema, 0))
    return frozenset() if "" in found else found


def _kinds(schema: object, depth: int) -> Iterator[str]:
    """The types; an empty text where something is open."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        yield ""
        return
    if schema.get("nullable") is True:
        yield "null"
    written = schema.get("type")
    if isinstance(written, str):
        yield written
    elif isinstance(written, list) and written:
        yield from (one if isinstance(one, str) else "" for one in written)
    elif isinstance(choices := schema.get("anyOf") or schema.get("oneOf"), list) and choices:
        for one in choices:
            yield from _kinds(one, depth + 1)
    elif isinstance(values := schema.get("enum"), list) and values:
        yield from ("string" if isinstance(one, str) else "" for one in values)
    else:
        yield ""
