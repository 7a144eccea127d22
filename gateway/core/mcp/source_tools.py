"""How do agents that see tools alone find the gate's sources, and read them?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.core.faults import InvalidParams
from gateway.core.mcp import source_resources
from gateway.core.mcp.pages import Listed, Pages
from gateway.core.mcp.source_resources import SourceAsked, part_of
from gateway.core.naming import shown
from gateway.core.openrpc import json_text
from gateway.core.sources import Reader, Source

LIST: Final = "labgate_list_sources"
READ: Final = "labgate_read_source"
NAMES: Final = frozenset((LIST, READ))

_HINTS: Final = {"readOnlyHint": True, "idempotentHint": True, "destructiveHint": False}
_TOOLS: Final[tuple[dict[str, Any], ...]] = (
    {
        "name": LIST,
        "title": "The lab's catalog of data",
        "description": "Lists the arrays and tables of the lab's catalog that you may read: what each is, its parts and "
        "its parameters.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "cursor": {"type": "string", "description": "`nextCursor` of the answer before, to go on."}
            },
        },
        "annotations": _HINTS,
    },
    {
        "name": READ,
        "title": "Read from the lab's catalog of data",
        "description": "Tells what an array or a table of the lab's catalog is, with the part that tells most of it; or "
        "reads the part that is asked for. Arrays are shown as pictures, tables by their first rows; what is too large is "
        "cut, and it is said how a program reads the whole.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": f"A name that {LIST} tells."},
                "part": {
                    "type": "string",
                    "description": "The number of a table's part, or the index of an array's along each axis, like 0,1,2; "
                    "without it, what the source is.",
                },
                "parameters": {"type": "object", "description": f"Values of parameters that {LIST} tells."},
            },
            "required": ["name"],
        },
        "annotations": _HINTS,
    },
)


def listed(found: Pages) -> list[Listed]:
    """The two tools, for whoever may read a source."""
    return [Listed(one["name"], json_text(one)) for one in _TOOLS] if found.all else []


def catalog(found: Iterable[tuple[Source, Reader]]) -> Pages:
    """What is said of the sources, for those who may read them."""
    return Pages(Listed(source.name, json_text(_said(source, reader))) for source, reader in found)


def _said(source: Source, reader: Reader) -> dict[str, Any]:
    about: dict[str, Any] = {
        "name": source.name,
        "description": source_resources.about(source, reader),
        "uri": source_resources.address(source.name),
        "part": source_resources.PARTS[reader.container],
    }
    if source.declared:
        about["parameters"] = [
            {key: one[key] for key in ("name", "type", "default", "description") if one.get(key) is not None}
            for one in source.declared
        ]
    return about


def asked_of(said: Mapping[str, Any]) -> SourceAsked:
    """What the arguments of `READ` ask for. Raises InvalidParams."""
    name, part, parameters = said.get("name"), said.get("part"), said.get("parameters") or {}
    if not isinstance(name, str):
        raise InvalidParams(f"`name` must be the name of a source, as {LIST} tells it.")
    if not isinstance(parameters, Mapping):
        raise InvalidParams("`parameters` must be an object: a value for each name.")
    if unknown := said.keys() - {"name", "part", "parameters"}:
        raise InvalidParams(
            f"There is no argument {shown(min(unknown))}: there are name, part and parameters."
        )
    pairs = [(key, one if isinstance(one, str) else json.dumps(one)) for key, one in parameters.items()]
    if part is None or part == "":
        return SourceAsked(name, None, pairs)
    found = part_of(str(part).replace(" ", "").strip("[]"))
    if found is None:
        raise InvalidParams("`part` must be an index, or one along each axis, like 0,1,2.")
    return SourceAsked(name, found, pairs)
