"""What can agents read? A safe method's result is a resource, at the address that is its plain URL; and the gate's sources."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

from gateway.core.catalog import View
from gateway.core.mcp import source_resources
from gateway.core.mcp.addresses import LONGEST, SCHEME, parsed
from gateway.core.mcp.exposure import Exposure
from gateway.core.mcp.pages import Listed, Pages
from gateway.core.mcp.texts import readable
from gateway.core.method import Method
from gateway.core.openapi_list import RESERVED
from gateway.core.openrpc import json_text
from gateway.core.query_form import query_form
from gateway.core.scanner import MalformedJson, check, decoded, members, opener
from gateway.core.sources import Reader, Source

_PATH: Final = "/rpc/"
_KINDS: Final = {
    "array": "image/png",
    "table": "text/csv",
    "tables": "text/csv",
    "volume": "application/json",
}


class Resources:
    """What one kind of caller can read: `fixed` need no arguments, `templates` do (RFC 6570, form-style queries).

    Volumes, arrays and tables are listed; any other safe method that is exposed can be read as well.
    """

    def __init__(self, view: View, exposure: Exposure, sources: Sequence[tuple[Source, Reader]] = ()) -> None:
        """`sources` are those that the caller may read, and how."""
        listed = [one for one in view.methods if one.safe and _kind(one) and exposure.exposes(one)]
        of_methods = [_said(one, "uri") for one in listed if not _required(one)]
        self.fixed = Pages(of_methods + source_resources.fixed(sources))
        of_methods = [_said(one, "uriTemplate") for one in listed if one.params]
        self.templates = Pages(of_methods + source_resources.templates(sources))


def _kind(method: Method) -> str:
    return _KINDS.get(str(method.facts.get("result")), "")


def _required(method: Method) -> bool:
    return any(param.required for param in method.params or ())


def _said(method: Method, key: str) -> Listed:
    address = f"{SCHEME}{_PATH}{quote(method.name, safe='')}"
    if key == "uriTemplate":
        address += "{?" + ",".join(quote(param.name, safe="") for param in method.params or ()) + "}"
    about: dict[str, Any] = {key: address, "name": readable(method.name, 200), "mimeType": _kind(method)}
    if words := readable(method.summary or method.description):
        about["description"] = words
    return Listed(method.name, json_text(about))


def asked_in(uri: str) -> tuple[str, list[tuple[str, str]]] | None:
    """The method's name and the arguments in a resource's address; None for an address that is none of ours."""
    found = parsed(uri, _PATH)
    try:
        return None if found is None else (unquote(found[0], errors="strict"), found[1])
    except ValueError:
        return None


def plain_address(method: Method, raw: bytes | None, datastack: str | None, form: str = "json") -> str | None:
    """Path and query of the plain URL that has the same result as these arguments; None where there is none.

    `form` is how the result is written there. The counterpart of how such a URL is read: the query says texts as they are, and anything else as JSON.
    """
    if not method.safe:
        return None
    pairs: list[tuple[str, str]] = [] if datastack is None else [("datastack", datastack)]
    schemas: Mapping[str, Mapping[str, Any]] = {one.name: one.schema for one in method.params or ()}
    if raw is not None:
        for token, start, end in members(raw):
            name = decoded(token)
            if name in RESERVED:
                return None
            value = _in_query(raw[start:end], schemas.get(name, {}))
            if value is None:
                return None
            pairs.append((name, value))
    if form != "json":
        pairs.append(("format", form))
    try:
        address = _PATH + quote(method.name, safe="") + ("?" + urlencode(pairs) if pairs else "")
    except UnicodeEncodeError:  # a lone surrogate
        return None
    return address if len(address) <= LONGEST else None


def _in_query(raw: bytes, schema: Mapping[str, Any]) -> str | None:
    try:
        written = raw.strip().decode()
    except UnicodeDecodeError:
        return None
    form = query_form(schema)
    if opener(raw) != b'"':
        # Where a text is expected, a query has no way to say anything else; an array of one would be read as its item.
        return None if form == "text" else written
    text = decoded(raw)
    if form == "text" or not _is_json(text):
        return text
    return json.dumps(text)


def _is_json(text: str) -> bool:
    try:
        check(text.encode("utf-8", "surrogatepass"))
    except MalformedJson:
        return False
    return True
