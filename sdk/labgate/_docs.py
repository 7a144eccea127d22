"""What do help(), a signature and a table say about a method?"""

from __future__ import annotations

from labgate._names import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from labgate._method import Method, Parameter

_TYPES: dict[object, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": None,
}
_RESULTS = {
    "array": "a numpy array",
    "bytes": "bytes",
    "source": "a source",
    "table": "a table",
    "tables": "tables",
    "volume": "a volume",
}
_MOST_REFERENCES = 8
_LONGEST_TEXT = 20_000


def hints_of(method: Method, components: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The function's annotations: Python's own types only, never text of the network, which tools would evaluate."""
    found = {}
    for one in method.named:
        kind = _type_of(one.schema, components)
        if kind is not ...:
            found[str(one.name)] = kind
    result = method.description.get("result")
    schema = result.get("schema") if isinstance(result, dict) else None
    kind = ... if method.binary or method.source else _type_of(schema, components)
    if kind is not ...:
        found["return"] = kind
    return found


def docstring(method: Method) -> str:
    """The method's documentation as plain text, from whatever of it the catalog has."""
    described = method.description
    notes = described.get("x-labgate")
    notes = notes if isinstance(notes, dict) else {}
    summary = _text(described.get("summary"))
    description = _text(described.get("description"))
    parts = [summary] if summary else []
    if description and description != summary:
        # A description often opens with the very words of the summary.
        parts = [description] if summary and description.startswith(summary) else [*parts, description]
    if not parts:
        parts.append(f"Call {printable(method.name, 200)}.")
    if described.get("deprecated") is True:
        parts.append("Deprecated.")
    if notes.get("down") is True:
        parts.append("The service was down when this list was made.")
    if isinstance(notice := notes.get("notice"), str) and notice:
        parts.append(f"Who runs the gate says: {printable(notice, 1000)}")
    if method.open:
        parts.append("Its service does not describe the arguments: any are passed on.")
    if lines := [_parameter(one) for one in (*method.named, *method.odd.values())]:
        parts.append("\n".join(["Parameters:", *lines]))
    if returned := _returned(described.get("result"), notes.get("result")):
        parts.append(f"Returns: {returned}")
    external = described.get("externalDocs")
    if isinstance(external, dict) and isinstance(external.get("url"), str):
        parts.append(f"See {printable(external['url'], 500)}")
    parts.append(f"On the wire: {printable(method.name, 200)}")
    return "\n\n".join(parts)


def summary_of(described: dict[str, Any]) -> str:
    """One line about a method or a namespace."""
    text = described.get("summary") or described.get("description") or ""
    first = text.strip().partition("\n")[0] if isinstance(text, str) else ""
    return printable(first, 200)


def _text(value: object) -> str:
    return printable(value, _LONGEST_TEXT, lines=True).strip()


def _one_line(value: object) -> str:
    if not value or not isinstance(value, str):
        return ""
    line = " ".join(value.split())
    return line if len(value) <= _LONGEST_TEXT and line.isprintable() else " ".join(_text(value).split())


def _parameter(one: Parameter) -> str:
    name = one.name or f'**{{"{printable(one.wire, 100)}": ...}}'
    marks = [] if one.required else ["optional" if not one.default.described else f"default {_default(one)}"]
    if one.name is not None and one.name != one.wire:
        marks.append(f"{printable(one.wire, 100)} on the wire")
    text = _one_line(one.description)
    line = f"    {name}" + (f" ({', '.join(marks)})" if marks else "")
    return f"{line}: {text}" if text else line


def _default(one: Parameter) -> str:
    return printable(repr(one.default), 100)


def _returned(result: object, kind: object) -> str:
    said = result.get("description") if isinstance(result, dict) else None
    text = _one_line(said)
    form = _RESULTS.get(kind, "") if isinstance(kind, str) else ""
    return ": ".join(part for part in (form, text) if part)


def _type_of(schema: object, components: Callable[[], dict[str, Any]]) -> Any:
    """The Python type of a schema; `...` where there is none to name."""
    if isinstance(schema, dict) and len(schema) == 1 and isinstance(kind := schema.get("type"), str):
        return _TYPES.get(kind, ...)
    for _ in range(_MOST_REFERENCES):
        if not isinstance(schema, dict):
            return ...
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            break
        schemas = components().get("schemas")
        schema = schemas.get(reference.rpartition("/")[2]) if isinstance(schemas, dict) else None
    else:
        return ...
    kinds = schema.get("type")
    if isinstance(kinds, str):
        return _TYPES.get(kinds, ...)
    branches = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(kinds, list):
        found = [_TYPES.get(kind, ...) if isinstance(kind, str) else ... for kind in kinds]
    elif isinstance(branches, list):
        found = [_TYPES.get(one["type"], ...) if _is_plain(one) else ... for one in branches]
    else:
        return ...
    return _union(found)


def _is_plain(schema: object) -> bool:
    return isinstance(schema, dict) and isinstance(schema.get("type"), str)


def _union(kinds: list[Any]) -> Any:
    if not kinds or ... in kinds:
        return ...
    union = kinds[0]
    for kind in kinds[1:]:
        # `None | None` is no type, and two equal ones are one.
        if kind is not None or union is not None:
            union = union | kind
    return union
