"""How does a method show itself in a notebook?"""

from __future__ import annotations

from labgate._names import printable
from labgate._page import (
    Markup,
    cell,
    code,
    facts,
    joined,
    line,
    mark,
    page,
    quiet,
    reference,
    table,
    text_of,
)
from labgate._shown_rows import marks_of, rest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from labgate._method import Method, Parameter


def html_of_method(method: Method) -> str:
    """A method: its signature, what it does, its parameters, and what the gate knows of it."""
    from labgate._inform import MethodInfo, signature_written

    row = MethodInfo(method.name, method.description, signature_written(method))
    described = method.description
    notes = described.get("x-labgate")
    notes = notes if isinstance(notes, dict) else {}
    result = described.get("result")
    returned = result.get("description") if isinstance(result, dict) else None
    kind = _kind(result.get("schema")) if isinstance(result, dict) else ""
    external = described.get("externalDocs")
    parts: list[object] = [
        line(
            Markup(f"<code><b>{cell(method.name, 200)}</b>{cell(row.signature, 400)}</code>"), marks_of(row)
        ),
        text_of(_description(described)),
    ]
    if method.open:
        parts.append(quiet("Its service does not describe the arguments: any are passed on."))
    elif method.named or method.odd:
        shown, count = table(
            ("parameter", "type", "default", ""),
            [_parameter(one) for one in (*method.named, *method.odd.values())],
        )
        parts += [shown, rest_of(count, len(method.named) + len(method.odd), "parameters")]
    parts.append(
        facts(
            [
                (
                    "returns",
                    joined(
                        [
                            code(notes.get("result") if isinstance(notes.get("result"), str) else kind),
                            returned,
                        ]
                    ),
                )
                if (kind or returned or notes.get("result"))
                else ("returns", ""),
                ("cached", _cached(notes.get("cache"))),
                ("needs the scope", _scopes(notes.get("scopes"))),
                ("by HTTP", code(notes["http"], 400) if isinstance(notes.get("http"), str) else ""),
                ("documented at", reference(external.get("url")) if isinstance(external, dict) else ""),
            ]
        )
    )
    return page(*parts)


def _description(described: dict[str, Any]) -> str:
    for name in ("description", "summary"):
        if isinstance(described.get(name), str) and described[name].strip():
            found: str = described[name]
            return found
    return ""


def _parameter(one: Parameter) -> Sequence[object]:
    default = "" if one.required or not one.default.described else repr(one.default)
    needed = mark("required") if one.required else code(default, 100) if default else ""
    return (
        code(one.name or one.wire, 100),
        code(_kind(one.schema), 100),
        needed,
        printable(one.description, 400),
    )


def _kind(schema: Any) -> str:
    """A schema in a few words."""
    if not isinstance(schema, dict):
        return ""
    if isinstance(schema.get("$ref"), str):
        return printable(schema["$ref"].rpartition("/")[2], 60)
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return " | ".join(printable(one, 20) for one in kinds[:8])
    for name in ("anyOf", "oneOf"):
        if isinstance(schema.get(name), list):
            return " | ".join(filter(None, map(_kind, schema[name][:8])))
    return printable(kinds, 40)


def _cached(rule: Any) -> str:
    if not isinstance(rule, dict):
        return ""
    return ", ".join(f"{printable(str(name), 40)} {printable(str(one), 80)}" for name, one in rule.items())


def _scopes(scopes: Any) -> str:
    """The scopes of which a token needs one."""
    if not isinstance(scopes, list):
        return ""
    return " or ".join(printable(one, 80) for one in scopes[:8] if isinstance(one, str))
