"""How is a method said as a tool?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

from gateway.core.catalog import View
from gateway.core.json_schema import REF, Rename, said
from gateway.core.mcp.exposure import Exposure
from gateway.core.mcp.pages import Listed, Pages
from gateway.core.mcp.texts import readable, readable_schema
from gateway.core.method import Method
from gateway.core.openrpc import json_text, schema_name

LONGEST_NAME: Final = 64
"""Characters of a tool's name; the protocol would let it have 128, and some clients take no more than these."""

LARGEST_SCHEMA: Final = 32 << 10
"""Bytes of an input schema; of a larger one only the names of the arguments are said."""

_UNUSUAL = re.compile(r"[^A-Za-z0-9_-]")
_MARK_DIGITS: Final = 8
_MOST_DEFS: Final = 100


class Tools:
    """The tools of one kind of caller."""

    def __init__(self, found: Mapping[str, tuple[Method, bytes]], own: Sequence[Listed] = ()) -> None:
        """`found` are the methods by the names of their tools, each with what a list says of it; `own` are the gate's tools."""
        self._methods = {name: method for name, (method, _) in found.items()}
        self.pages = Pages([*own, *(Listed(name, text) for name, (_, text) in found.items())])

    def get(self, name: str) -> Method | None:
        """The method that is the tool of this name."""
        return self._methods.get(name)


def tools_of(view: View, exposure: Exposure, own: Sequence[Listed] = ()) -> Tools:
    """What of a view is shown to agents, beside the gate's own tools. It takes a while where there are thousands."""
    chosen = [method for method in view.methods if exposure.exposes(method)]
    plain = Counter(map(_plain_name, chosen))
    plain.update(one.name for one in own)
    named = {_name(method, plain): method for method in chosen}
    told = {name: (one, _tool(name, one, view.schemas(one.namespace))) for name, one in named.items()}
    return Tools(told, own)


def _plain_name(method: Method) -> str:
    return _UNUSUAL.sub("_", method.name)


def _name(method: Method, plain: Mapping[str, int]) -> str:
    """`service_method`; with a mark of the whole name where that is too long, or means another method as well."""
    name = _plain_name(method)
    if len(name) <= LONGEST_NAME and plain[name] == 1:
        return name
    mark = sha256(method.qualified.encode("utf-8", "surrogatepass")).hexdigest()[:_MARK_DIGITS]
    return f"{name[: LONGEST_NAME - _MARK_DIGITS - 1]}_{mark}"


def _tool(name: str, method: Method, schemas: Mapping[str, Any]) -> bytes:
    about: dict[str, Any] = {"name": name, "title": readable(method.name, 200)}
    words = [readable(one) for one in (method.summary, method.description)]
    if method.deprecated:
        words.insert(0, "Deprecated.")
    described = readable("\n\n".join(dict.fromkeys(one for one in words if one)))
    about["description"] = described or about["title"]
    about["inputSchema"] = input_schema(method, schemas)
    if is_object(method):
        about["outputSchema"] = _output_schema(method)
    about["annotations"] = {
        "readOnlyHint": method.safe,
        "idempotentHint": method.idempotent,
        "destructiveHint": not method.safe,
    }
    return json_text(about)


def input_schema(method: Method, schemas: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of the arguments, whole in itself. It is a hint: arguments that it does not know are taken."""
    params = method.params or ()
    used: set[str] = set()
    properties: dict[str, Any] = {}
    for param in params:
        one = readable_schema(said(param.schema, _known(schemas)), used, REF)
        if words := readable(param.description):
            one["description"] = words
        properties[param.name] = one
    made: dict[str, Any] = {"type": "object", "properties": properties}
    if required := [param.name for param in params if param.required]:
        made["required"] = required
    defs = _defs(used, schemas)
    if defs:
        made["$defs"] = defs
    if defs is None or len(json_text(made)) > LARGEST_SCHEMA:
        made = {**made, "properties": {param.name: {} for param in params}}
        made.pop("$defs", None)
    return made


def _known(schemas: Mapping[str, Any]) -> Rename:
    """From a name in a reference to the schema's own, spelled as a JSON Pointer in a fragment (RFC 6901 section 6)."""

    def known(token: str) -> str | None:
        name = schema_name(token)
        if name not in schemas:
            return None
        return quote(name.replace("~", "~0").replace("/", "~1"), safe="")

    return known


def _defs(used: set[str], schemas: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schemas that these references lead to, also from one to the other; None where they are too many."""
    made: dict[str, Any] = {}
    while ahead := sorted(used - made.keys()):
        if len(used) > _MOST_DEFS:
            return None
        for token in ahead:
            made[token] = readable_schema(said(schemas[schema_name(token)], _known(schemas)), used, REF)
    return {schema_name(token): one for token, one in made.items()}


def is_object(method: Method) -> bool:
    """Whether the method's results are described as JSON objects."""
    return (method.result or {}).get("type") == "object" and "result" not in method.facts


def _output_schema(method: Method) -> dict[str, Any]:
    """That the result is an object, and what its members are called.

    No more: upstream documents are hints, and clients refuse results that do not agree with what was promised.
    """
    found = (method.result or {}).get("properties")
    made: dict[str, Any] = {"type": "object"}
    if isinstance(found, Mapping):
        members = {str(name): one for name, one in found.items() if isinstance(one, Mapping)}
        made["properties"] = {
            name: {"description": words} if (words := readable(one.get("description"))) else {}
            for name, one in members.items()
        }
    return made
