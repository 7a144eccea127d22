"""How are pydantic's findings said to the person who wrote the file?"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from gateway.settings.document import Document, Written
from gateway.settings.problems import Problem, Where, clip, near, spell
from gateway.settings.sections import key_paths, keys, section_at
from gateway.settings.values import kind, shown

_MAPPING_TYPES = {"model_type", "model_attributes_type", "dict_type", "mapping_type"}


def explain(
    error: ValidationError, document: Document, schema: type[BaseModel], failed: set[Where]
) -> Iterator[Problem]:
    """The findings, each at its place in the file; none for what lies at or below a place in `failed`."""
    for detail in error.errors(include_url=False):
        where = _where(detail, document)
        if any(where[:length] in failed for length in range(len(where) + 1)):
            continue
        text, fix = _say(detail, where, document, schema)
        yield document.problem(where, text, fix)


def _where(detail: Mapping[str, Any], document: Document) -> Where:
    where: Where = tuple(step for step in detail["loc"] if step != "[key]")
    where += tuple(detail.get("ctx", {}).get("at", ()))
    # One item may stand where a list is expected: then the file knows no position 0.
    while where and isinstance(where[-1], int) and where not in document.spots:
        where = where[:-1]
    return where


def _say(
    detail: Mapping[str, Any], where: Where, document: Document, schema: type[BaseModel]
) -> tuple[str, str]:
    """What is wrong, and the fix."""
    context = detail.get("ctx", {})
    name = spell(where[-1:]) if where else "the file"
    match detail["type"]:
        case "setting":
            return context["text"], context["fix"]
        case "missing":
            return "is missing", f"add `{name}: …`"
        case "extra_forbidden":
            return "no such setting", _elsewhere(where, schema)
        case "literal_error":
            return _among(str(context["expected"]), _value(document, where))
        case "too_short":
            return "an empty list", "write at least one entry"
        case "tuple_type":
            return f"expected a list, found {kind(detail['input'])}", f"write `{name}: [ … ]`"
        case found if found in _MAPPING_TYPES:
            return (
                f"expected a mapping, found {kind(detail['input'])}",
                f"write keys and values below `{name}:`",
            )
        case _:
            return str(detail["msg"]), "see config/lab.yaml"


def _value(document: Document, where: Where) -> Any:
    """The value as the file has it: it knows whether it came in by a placeholder."""
    value = document.data
    for step in where:
        value = value[step]
    return value


def _among(expected: str, value: Any) -> tuple[str, str]:
    meant = near(value.raw, expected.split("'")[1::2]) if isinstance(value, Written) else None
    return (
        f"expected {expected}, found {shown(value)}",
        f"write {meant}" if meant else "write one of these words",
    )


def _elsewhere(where: Where, schema: type[BaseModel]) -> str:
    """What an unknown key was meant to be: a neighbour's misspelling, or a key of another section."""
    section = section_at(schema, where[:-1])
    known = list(keys(section)) if section else []
    key = str(where[-1])
    if meant := near(key, known):
        return f"did you mean `{meant}`?"
    homes = [path for path in key_paths(schema) if path[-1] == key]
    if len(homes) == 1 and len(homes[0]) > 1:
        return f"it belongs under `{'.'.join(homes[0][:-1]).replace('*', 'NAME')}`"
    return f"remove `{clip(key)}`; known here: {', '.join(known)}"
