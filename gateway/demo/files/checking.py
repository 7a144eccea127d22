"""What is wrong with a value that does not fit its schema? For the few words of JSON Schema that are used here."""

import math
import re
from typing import Any

from gateway.demo.files.errors import InvalidError
from gateway.demo.files.schemas import SCHEMAS, Schema

_WHOLE = re.compile("[0-9]{1,15}")


def from_text(name: str, texts: list[str], schema: Schema) -> Any:
    """The value that stands in the texts of a path or query parameter. Raises InvalidError."""
    value: Any = texts if schema["type"] == "array" else texts[-1]
    if schema["type"] == "integer":
        if not _WHOLE.fullmatch(texts[-1]):
            raise InvalidError(f"{name} must be a whole number, and not negative")
        value = int(texts[-1])
    check(name, value, schema)
    return value


def check(name: str, value: Any, schema: Schema) -> None:
    """Raise InvalidError, which calls the value `name`, unless it fits."""
    if "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    if "enum" in schema and value not in schema["enum"]:
        raise InvalidError(f"{name} must be one of {', '.join(schema['enum'])}")
    _CHECKS[schema["type"]](name, value, schema)


def _check_string(name: str, value: Any, schema: Schema) -> None:
    if not isinstance(value, str) or not _is_unicode(value):
        raise InvalidError(f"{name} must be text")
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf):
        raise InvalidError(
            f"{name} must have {schema.get('minLength', 0)} to {schema['maxLength']} characters"
        )


def _is_unicode(text: str) -> bool:
    """Whether UTF-8 can hold it; a lone surrogate, which JSON can write, is no character."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _check_number(name: str, value: Any, schema: Schema) -> None:
    # JSON as Python reads it may hold NaN, which no comparison lets pass.
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", 1e15)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InvalidError(f"{name} must be a number from {low} to {high:g}")


def _check_array(name: str, value: Any, schema: Schema) -> None:
    if not isinstance(value, list) or len(value) > schema["maxItems"]:
        raise InvalidError(f"{name} must be a list of at most {schema['maxItems']}")
    for item in value:
        check(f"each {name}", item, schema["items"])


def _check_object(name: str, value: Any, schema: Schema) -> None:
    if not isinstance(value, dict):
        raise InvalidError(f"{name} must be an object")
    for member in schema.get("required", ()):
        if member not in value:
            raise InvalidError(f"{name} needs {member}")
    for member, inner in schema["properties"].items():
        if member in value:
            check(member, value[member], inner)


_CHECKS = {
    "string": _check_string,
    "integer": _check_number,
    "number": _check_number,
    "array": _check_array,
    "object": _check_object,
}
