"""How is a tool of an MCP server understood as a method? (2025-06-18 and 2026-07-28, server/tools)"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.core.method import Param, RpcBinding
from gateway.core.service import Described
from gateway.dialects.jsonrpc.schemas import Schemas
from gateway.dialects.texts import MAX_SUMMARY, sayable, text

MAX_PARAMS: Final = 200
MAX_PARAM_NAME: Final = 200
MIRROR: Final = "x-mcp-header"
"""In a parameter's schema: the header field `Mcp-Param-…` that repeats its value (2026-07-28, custom headers)."""

_DEFS, _REF = "#/$defs/", "#/components/schemas/"
_token = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}").fullmatch
_MIRRORED: Final = frozenset(("integer", "string", "boolean"))
_DEEPEST: Final = 32


def method_of(tool: object, *, trusted: bool) -> tuple[Described, dict[str, Any]] | None:
    """The method that a tool is, and its schemas under names of the whole description; None where it cannot be taken.

    What a server says of its own tools' safety is believed only where it is `trusted`: whoever is asked for a second time, or
    from a cache, has to be what it says it is.
    """
    if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
        return None
    name = tool["name"]
    taken, output = _object(tool.get("inputSchema")), _object(tool.get("outputSchema"))
    if not _fit_mirrors(taken):
        return None
    named = {
        f"{sayable(name)}.{side}.{one}": _led(schema, name, side)
        for side, whole in (("in", taken), ("out", output))
        for one, schema in _object(whole.get("$defs")).items()
    }
    schemas = Schemas(named)
    hints = _object(tool.get("annotations"))
    read_only = trusted and hints.get("readOnlyHint") is True
    described = text(tool.get("description"))
    summary = " ".join((described.partition("\n\n")[0] or text(tool.get("title"))).split())
    if len(summary) > MAX_SUMMARY:
        summary = summary[: MAX_SUMMARY - 1] + "…"
    method = Described(
        name=name,
        params=_params(taken, name, schemas),
        structure="by-name",
        result=schemas.clean(_led(output, name, "out")) if output else None,
        summary=summary,
        description="" if described == summary else described,
        safe=read_only,
        idempotent=read_only or (trusted and hints.get("idempotentHint") is True),
        binding=RpcBinding(name),
    )
    return method, schemas.components


def _params(taken: Mapping[str, Any], name: str, schemas: Schemas) -> tuple[Param, ...] | None:
    properties = taken.get("properties")
    if not isinstance(properties, dict):
        # An object without a word about its members: nobody knows what it takes.
        return () if taken.get("additionalProperties") is False else None
    if len(properties) > MAX_PARAMS or not all(0 < len(one) <= MAX_PARAM_NAME for one in properties):
        return None
    required = taken.get("required")
    needed = {one for one in required if isinstance(one, str)} if isinstance(required, list) else set()
    return tuple(
        Param(
            sayable(one),
            one in needed,
            schemas.clean(_led(schema, name, "in")),
            text(schema.get("description")) if isinstance(schema, dict) else "",
        )
        for one, schema in properties.items()
    )


def _led(schema: Any, name: str, side: str, depth: int = 0) -> Any:
    """The schema, its references into the tool's own `$defs` led to those of the whole description."""
    if depth > _DEEPEST:
        return {}
    if isinstance(schema, list):
        return [_led(one, name, side, depth + 1) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {one: _led(value, name, side, depth + 1) for one, value in schema.items() if one != "$defs"}
    reference = schema.get("$ref")
    if isinstance(reference, str):
        if reference.startswith(_DEFS):
            made["$ref"] = f"{_REF}{sayable(name)}.{side}.{reference.removeprefix(_DEFS)}"
        else:
            made.pop("$ref")
    return made


def mirrors(schema: Mapping[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The header fields that repeat arguments: what stands behind `Mcp-Param-`, and where in the argument the value is."""
    if isinstance(name := schema.get(MIRROR), str):
        yield name, at
    for member, one in _object(schema.get("properties")).items():
        if isinstance(one, dict) and len(at) < _DEEPEST:
            yield from mirrors(one, (*at, member))


def _fit_mirrors(taken: Mapping[str, Any]) -> bool:
    """Whether every mark of such a field is where one may be; a tool with another must not be used."""
    found = [name for name, _ in mirrors(taken)]
    alike = len({name.lower() for name in found}) == len(found)
    return alike and _count(taken) == len(found) and all(map(_token, found)) and _are_plain(taken)


def _count(schema: object, depth: int = 0) -> int:
    if depth > _DEEPEST:
        return 0
    if isinstance(schema, list):
        return sum(_count(one, depth + 1) for one in schema)
    if not isinstance(schema, dict):
        return 0
    # A property may be called so: its schema is no mark.
    own = 1 if MIRROR in schema and not isinstance(schema[MIRROR], dict) else 0
    return own + sum(_count(one, depth + 1) for one in schema.values())


def _are_plain(schema: Mapping[str, Any], depth: int = 0) -> bool:
    if isinstance(schema.get(MIRROR), str) and schema.get("type") not in _MIRRORED:
        return False
    parts = (one for one in _object(schema.get("properties")).values() if isinstance(one, dict))
    return depth > _DEEPEST or all(_are_plain(one, depth + 1) for one in parts)


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
