"""Which of the gate's sources can an agent read, at which addresses, and what does an address ask for?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

from msgspec import Struct

from gateway.core.catalog import Catalog
from gateway.core.faults import Fault
from gateway.core.intake.refusals import Refusal
from gateway.core.mcp.addresses import SCHEME, parsed
from gateway.core.mcp.exposure import Exposure
from gateway.core.mcp.pages import Listed
from gateway.core.mcp.texts import readable
from gateway.core.naming import shown
from gateway.core.openrpc import json_text
from gateway.core.policy import Access
from gateway.core.sources import Reader, Source, Unfit, reader_of

_PATH: Final = "/sources/"
_PART = re.compile(r"[0-9]{1,10}(?:,[0-9]{1,10}){0,63}")
_KINDS: Final = {"ndarray": "An array", "dataframe": "A table"}


class SourceAsked(Struct, frozen=True):
    """What an address asks for: a source, one part of it or (None) what it is, and what stands for its parameters."""

    name: str
    part: tuple[int, ...] | None
    pairs: Sequence[tuple[str, str]]


def reader_for(source: Source, catalog: Catalog, access: Access, exposure: Exposure) -> Reader | None:
    """How the source is read; None where it cannot be, or not by this caller, or its methods are none of agents'."""
    try:
        method = catalog.find(source.method, source.datastack, access)
        reader = reader_of(source, method, catalog)
    except (Fault, Unfit):
        return None
    methods = (method, *reader.methods)
    return reader if all(access.allows(one.qualified) and exposure.exposes(one) for one in methods) else None


def fixed(found: Iterable[tuple[Source, Reader]]) -> list[Listed]:
    """The sources as resources: each can be read without a parameter, for all of these have defaults."""
    return [
        _listed(source, {"uri": address(source.name), "mimeType": "application/json"}, about(source, reader))
        for source, reader in found
    ]


def templates(found: Iterable[tuple[Source, Reader]]) -> list[Listed]:
    """Their parts, and what their parameters choose (RFC 6570, path segments and form-style queries)."""
    return [_template(source, reader) for source, reader in found]


PARTS: Final = {
    "ndarray": "the index of a part along each axis, like 0,1,2; without it, what the array is.",
    "dataframe": "the number of a part, from 0 on; without it, what the table is.",
}


def address(name: str, part: Sequence[int | str] | None = None, pairs: Sequence[tuple[str, str]] = ()) -> str:
    """The address of a source, or of a part of it, whose indices may be words that stand for them."""
    found = f"{SCHEME}{_PATH}{name}"
    if part is not None:
        found += "/" + ",".join(map(str, part))
    return found + ("?" + urlencode(pairs) if pairs else "")


def source_asked(uri: str) -> SourceAsked | None:
    """What a resource's address asks of the sources; None for an address of anything else."""
    found = parsed(uri, _PATH)
    if found is None:
        return None
    path, pairs = found
    name, slash, written = path.partition("/")
    if not slash:
        return SourceAsked(name, None, pairs)
    part = part_of(unquote(written))
    return None if part is None else SourceAsked(name, part, pairs)


def part_of(written: str) -> tuple[int, ...] | None:
    """The indices of a part, as an address says them; None for anything else."""
    return tuple(map(int, written.split(","))) if _PART.fullmatch(written) else None


def given(source: Source, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The parameters that a query says, before they are checked. Raises Refusal."""
    kinds: Mapping[str, Any] = {one["name"]: one["type"] for one in source.declared}
    found: dict[str, Any] = {}
    for name, text in pairs:
        if kinds.get(name) == "list":
            found.setdefault(name, []).append(_item(text))
        elif name in found:
            raise Refusal(400, f"parameter {shown(name)} is given twice")
        else:
            found[name] = text
    return {name: _items(value) if kinds.get(name) == "list" else value for name, value in found.items()}


def _items(values: list[Any]) -> list[Any]:
    """The items of a list, which one value may be."""
    return values[0] if len(values) == 1 and isinstance(values[0], list) else values


def _item(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _listed(source: Source, said: dict[str, Any], words: str) -> Listed:
    return Listed(source.name, json_text({**said, "name": source.name, "description": readable(words)}))


def about(source: Source, reader: Reader) -> str:
    """What the source is, in a sentence or two."""
    kind = f"{_KINDS[reader.container]} in the lab's catalog."
    return f"{source.description.strip().rstrip('.')}. {kind}" if source.description.strip() else kind


def _template(source: Source, reader: Reader) -> Listed:
    names = [quote(one["name"], safe="") for one in source.declared]
    part = "part"
    while part in names:
        part += "_"
    query = f"{{?{','.join(names)}}}" if names else ""
    words = f"{about(source, reader)} {part}: {PARTS[reader.container]}{_parameters(source)}"
    return _listed(source, {"uriTemplate": f"{address(source.name)}{{/{part}}}{query}"}, words)


def _parameters(source: Source) -> str:
    words = [
        f" {one['name']}: {one['type']}, by default {one['default']}. {one['description']}".rstrip()
        for one in source.declared
    ]
    return "".join(words)
