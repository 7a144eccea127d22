"""How is an upstream's schema said in JSON Schema 2020-12, whatever it was written in?

OpenAPI 3.1 takes nothing else. Upstreams write drafts 4 to 7, the dialects of OpenAPI 3.0 and Swagger 2.0, and
mistakes. What has a successor is translated, what has none is left out: a schema is a hint, never a reason to refuse.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

TYPES: Final = frozenset(("array", "boolean", "integer", "null", "number", "object", "string"))
REF: Final = "#/components/schemas/"

_DEEPEST: Final = 40
_LONGEST_PATTERN: Final = 1_000

_ONE: Final = frozenset(
    (
        *("additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"),
        *("unevaluatedItems", "unevaluatedProperties"),
    )
)
_SEVERAL: Final = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_NAMED: Final = frozenset(("dependentSchemas", "properties"))
_ANYTHING: Final = frozenset(("const", "default", "example"))

Rename = Callable[[str], str | None]
"""From the last part of `#/components/schemas/NAME` to the name in the document; None where it has no such schema."""


def said(schema: object, rename: Rename) -> dict[str, Any]:
    """The schema in JSON Schema 2020-12; empty where there is nothing that it could say."""
    found = _schema(schema, rename, 0)
    return found if isinstance(found, dict) else {}


def _schema(schema: object, rename: Rename, depth: int) -> dict[str, Any] | bool:
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return {}
    made: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _ONE and isinstance(value, Mapping | bool):
            made[name] = _schema(value, rename, depth + 1)
        elif name in _SEVERAL and isinstance(value, Sequence) and not isinstance(value, str) and value:
            made[name] = [_schema(one, rename, depth + 2) for one in value]
        elif name in _NAMED and isinstance(value, Mapping):
            made[name] = {text(each): _schema(one, rename, depth + 2) for each, one in value.items()}
        elif name in _ANYTHING or ((keeps := _PLAIN.get(name)) is not None and keeps(value)):
            made[name] = value
    _add_translated(made, schema, rename, depth)
    if "default" in made and not fits(made["default"], made):
        del made["default"]
    return made


def _add_translated(made: dict[str, Any], schema: Mapping[str, Any], rename: Rename, depth: int) -> None:
    """What older drafts and OpenAPI 3.0 say in other words."""
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith(REF):
        target = rename(reference[len(REF) :])
        if target is not None:
            made["$ref"] = REF + target
    if isinstance(required := schema.get("required"), list):
        made["required"] = list(dict.fromkeys(text(one) for one in required if isinstance(one, str)))
    if isinstance(items := schema.get("items"), list) and items:
        made["prefixItems"] = [_schema(one, rename, depth + 2) for one in items]
        if isinstance(more := schema.get("additionalItems"), Mapping | bool):
            made["items"] = _schema(more, rename, depth + 1)
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if schema.get(bound) is True and limit in made:
            made[bound] = made.pop(limit)
    types = _types(schema.get("type"))
    if types == ["file"]:
        made["type"], made["format"] = "string", "binary"
    elif types:
        made["type"] = types[0] if len(types) == 1 else types
    if schema.get("nullable") is True:
        _allow_null(made)


def _types(written: object) -> list[str]:
    if written == "file":
        return ["file"]
    named = written if isinstance(written, list) else [written]
    return list(dict.fromkeys(one for one in named if isinstance(one, str) and one in TYPES))


def _allow_null(made: dict[str, Any]) -> None:
    types = made.get("type")
    if types is not None:
        several = [types] if isinstance(types, str) else types
        made["type"] = several if "null" in several else [*several, "null"]
        if "enum" in made and None not in made["enum"]:
            made["enum"] = [*made["enum"], None]
    elif "$ref" in made:
        made["anyOf"] = [{"$ref": made.pop("$ref")}, {"type": "null"}]
    elif "anyOf" in made:
        made["anyOf"] = [*made["anyOf"], {"type": "null"}]


def text(value: object) -> str:
    """A name as UTF-8 can say it."""
    return str(value).encode("utf-8", "replace").decode()


# --- keywords with a value of one kind -------------------------------------------------------------------


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_number(value: object) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_pattern(value: object) -> bool:
    if not isinstance(value, str) or len(value) > _LONGEST_PATTERN or not value.isprintable():
        return False
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


_PLAIN: Final[Mapping[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("contentEncoding", "contentMediaType", "description", "format", "title"), _is_text),
    **dict.fromkeys(("deprecated", "readOnly", "uniqueItems", "writeOnly"), _is_flag),
    **dict.fromkeys(("enum", "examples"), _is_list),
    **dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum"), _is_number),
    **dict.fromkeys(("maxItems", "maxLength", "maxProperties", "maxContains"), _is_count),
    **dict.fromkeys(("minItems", "minLength", "minProperties", "minContains"), _is_count),
    "multipleOf": _is_positive,
    "pattern": _is_pattern,
}


# --- defaults --------------------------------------------------------------------------------------------

_SAYS_NOTHING: Final = frozenset(
    (
        *(
            "contentEncoding",
            "contentMediaType",
            "default",
            "deprecated",
            "description",
            "example",
            "examples",
        ),
        *("readOnly", "title", "writeOnly"),
    )
)
# Some assertions say nothing of a value of another type.
_SAY_NOTHING_OF_SCALARS: Final = frozenset(
    (
        *("additionalProperties", "contains", "dependentSchemas", "items", "maxContains", "maxItems"),
        *("maxProperties", "minContains", "minItems", "minProperties", "prefixItems", "properties"),
        *("propertyNames", "required", "unevaluatedItems", "unevaluatedProperties", "uniqueItems"),
    )
)
_OF_TEXTS: Final = frozenset(("format", "maxLength", "minLength", "pattern"))
_OF_NUMBERS: Final = frozenset(("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"))


def fits(value: object, schema: Mapping[str, Any] | bool) -> bool:
    """Whether the value is surely valid; False where it would take more than a look to know."""
    if isinstance(schema, bool):
        return schema
    return all(
        _holds(name, asserted, value) for name, asserted in schema.items() if name not in _SAYS_NOTHING
    )


def _holds(name: str, asserted: Any, value: Any) -> bool:
    if name in _SAY_NOTHING_OF_SCALARS:
        return not isinstance(value, list | dict)
    if name in _OF_TEXTS and not isinstance(value, str):
        return True
    if name in _OF_NUMBERS and not _is_number(value):
        return True
    match name:
        case "type":
            return any(_is_of(one, value) for one in ([asserted] if isinstance(asserted, str) else asserted))
        case "enum":
            return any(type(one) is type(value) and one == value for one in asserted)
        case "anyOf":
            return any(fits(value, one) for one in asserted)
        case "allOf":
            return all(fits(value, one) for one in asserted)
        case "minimum":
            return bool(value >= asserted)
        case "maximum":
            return bool(value <= asserted)
        case "minLength":
            return bool(len(value) >= asserted)
        case "maxLength":
            return bool(len(value) <= asserted)
    return False


def _is_of(kind: str, value: object) -> bool:
    match kind:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return type(value) is int
        case "number":
            return _is_number(value)
        case "string":
            return isinstance(value, str)
        case "array":
            return isinstance(value, list)
    return isinstance(value, dict)
