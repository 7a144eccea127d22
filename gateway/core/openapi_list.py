"""How is a list of methods said in OpenAPI 3.1, so that each can be called as it is described there?

One operation for each method: a safe one is a GET whose query holds the arguments, any other a POST whose body is an
object of them. A safe method one of whose parameters has a name that the gate needs for itself in a query is a POST,
too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from gateway.core.json_schema import REF, said, text
from gateway.core.method import Method, Param
from gateway.core.openrpc import TITLE, Rendered, extension, json_text, reachable, schema_name
from gateway.core.query_form import query_form

OPENAPI: Final = "3.1.0"
RESERVED: Final = frozenset(("format", "datastack"))
"""Query names that are the gate's own, whatever a method's parameters are called."""

FORMATS: Final[Mapping[str, str]] = {
    "json": "application/json",
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
    "npy": "application/x-npy",
    "bytes": "application/octet-stream",
}
"""The media type of each form in which a result can be had."""

_OF_RESULTS: Final = {"bytes": ("json", "bytes"), "array": ("json", "npy"), "table": ("json", "csv", "arrow")}
"""The forms of results of which the kind is known; any other may have any."""

_ABOUT: Final = (
    "Safe methods are called by GET, with their arguments in the query; all others by POST, with an object of their "
    "arguments as body. Any method takes a POST, and names that are not described are passed on."
)
_no_component_name = re.compile(r"[^a-zA-Z0-9._-]")


class Operations(Struct, frozen=True):
    """A service's operations by the names of their methods, and the schemas they lead to by those in the document."""

    paths: Mapping[str, Rendered]
    schemas: Mapping[str, Rendered]

    def reached(self, names: Iterable[str]) -> list[str]:
        """The names of the schemas that the operations of these methods lead to, sorted."""
        return sorted(
            reachable((schema for name in names for schema in self.paths[name].schemas), self.schemas)
        )


def operations(
    namespace: str, datastack: str | None, methods: Iterable[tuple[Method, bool]], schemas: Mapping[str, Any]
) -> Operations:
    """Every method (and whether its service is down) of one service, whose description has these schemas."""
    names = _component_names(namespace, schemas)
    return Operations(
        paths={
            method.name: _Writing(names).path_item(method, down, datastack, namespace)
            for method, down in methods
        },
        schemas={names[name]: _Writing(names).schema(schema) for name, schema in schemas.items()},
    )


def _component_names(namespace: str, schemas: Mapping[str, Any]) -> dict[str, str]:
    """For each schema a key as section 4.8.7 wants it; the gate's own have no dot."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for name in schemas:
        key = whole = f"{namespace}.{_no_component_name.sub('_', str(name))}"
        number = 1
        while key in taken:
            number += 1
            key = f"{whole}_{number}"
        taken.add(key)
        names[str(name)] = key
    return names


class _Writing:
    """One piece of the document, while the schemas that it refers to are counted."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._used: set[str] = set()

    def path_item(self, method: Method, down: bool, datastack: str | None, namespace: str) -> Rendered:
        """`"/rpc/NAME":{"get":{…}}`: a member of `paths`."""
        verb = "get" if _fits_a_query(method) else "post"
        operation: dict[str, Any] = {"operationId": method.name, "tags": [namespace]}
        if method.summary:
            operation["summary"] = method.summary
        if method.description:
            operation["description"] = method.description
        if method.docs.startswith(("https://", "http://")):
            operation["externalDocs"] = {"url": method.docs}
        if method.deprecated:
            operation["deprecated"] = True
        parameters = self._arguments(method) if verb == "get" else []
        operation["parameters"] = [*parameters, *_of_the_gate(method, datastack)]
        if verb == "post" and method.params != ():
            operation["requestBody"] = self._body(method)
        operation["responses"] = self._responses(method, verb)
        if about := extension(method, down):
            operation["x-labgate"] = about
        written = self._written({f"/rpc/{quote(method.name, safe='')}": {verb: operation}}, bare=True)
        return replace(written, ends=2, noted=bool(about))

    def schema(self, schema: object) -> Rendered:
        """One of the description's own schemas."""
        return self._written(self._said(schema))

    def _written(self, value: Any, *, bare: bool = False) -> Rendered:
        written = json_text(value)
        return Rendered(written[1:-1] if bare else written, b"", tuple(sorted(self._used)))

    def _said(self, schema: object) -> dict[str, Any]:
        return said(schema, self._renamed)

    def _renamed(self, token: str) -> str | None:
        name = self._names.get(token) or self._names.get(schema_name(token))
        if name is not None:
            self._used.add(name)
        return name

    def _of_param(self, param: Param) -> dict[str, Any]:
        schema = self._said(param.schema)
        if schema.get("type") == "string" and schema.get("format") == "binary":
            return {"anyOf": [{"type": "string"}, {"$ref": f"{REF}Bytes"}]}
        return schema

    # what goes in

    def _arguments(self, method: Method) -> list[dict[str, Any]]:
        if method.params is None:
            return [{"$ref": "#/components/parameters/arguments"}]
        return [self._parameter(param) for param in _told_apart(method.params)]

    def _parameter(self, param: Param) -> dict[str, Any]:
        made: dict[str, Any] = {"name": param.name, "in": "query", "required": param.required}
        if param.description:
            made["description"] = param.description
        schema = self._of_param(param)
        if query_form(param.schema) == "json":
            made["content"] = {"application/json": {"schema": schema}}
        else:
            made["schema"] = schema
        return made

    def _body(self, method: Method) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "object"}
        params = _told_apart(method.params or ())
        if params:
            schema["properties"] = {param.name: self._told(param) for param in params}
        required = [param.name for param in params if param.required]
        if required:
            schema["required"] = required
        return {"required": bool(required), "content": {"application/json": {"schema": schema}}}

    def _told(self, param: Param) -> dict[str, Any]:
        schema = self._of_param(param)
        if param.description and "description" not in schema:
            schema["description"] = param.description
        return schema

    # what comes out

    def _responses(self, method: Method, verb: str) -> dict[str, Any]:
        kind = method.facts.get("result")
        schema = self._said(method.result) or ({"$ref": f"{REF}Bytes"} if kind == "bytes" else {})
        content: dict[str, Any] = {"application/json": {"schema": schema} if schema else {}}
        forms = _OF_RESULTS.get(kind) if isinstance(kind, str) else None
        content |= {FORMATS[form]: {} for form in forms[1:]} if forms else {"*/*": {}}
        responses: dict[str, Any] = {"200": {"description": "The result.", "content": content}}
        if verb == "get":
            responses["304"] = {"$ref": "#/components/responses/NotModified"}
        responses["default"] = {"$ref": "#/components/responses/Fault"}
        return responses


def _fits_a_query(method: Method) -> bool:
    return method.safe and not any(param.name in RESERVED for param in method.params or ())


def _told_apart(params: Iterable[Param]) -> list[Param]:
    """The parameters under names that can be written, each once."""
    found: dict[str, Param] = {}
    for param in params:
        name = text(param.name)
        found.setdefault(name, Param(name, param.required, param.schema, param.description))
    return list(found.values())


def _of_the_gate(method: Method, datastack: str | None) -> list[dict[str, Any]]:
    kind = method.facts.get("result")
    known = f"format.{kind}" if isinstance(kind, str) and kind in _OF_RESULTS else "format"
    parameters: list[dict[str, Any]] = [{"$ref": f"#/components/parameters/{known}"}]
    if datastack is not None:
        only = {"type": "string", "enum": [datastack]}
        parameters.append({"name": "datastack", "in": "query", "required": True, "schema": only})
    return parameters


# --- the document ----------------------------------------------------------------------------------------


def document(
    release: str, about: Mapping[str, Any], server: str, paths: list[bytes], schemas: Mapping[str, Rendered]
) -> bytes:
    """The whole list; `about` is the root's `x-labgate`, `server` where `/rpc` is."""
    namespaces = about.get("namespaces") or {}
    named = [b"," + json_text(name) + b":" + piece.text for name, piece in schemas.items()]
    return b"".join(
        (
            b'{"openapi":"%b","info":' % OPENAPI.encode(),
            json_text({"title": TITLE, "version": release, "description": _ABOUT}),
            b',"servers":',
            json_text([{"url": server}]),
            b',"security":[{"bearer":[]}],"tags":',
            json_text([_tag(name, one) for name, one in namespaces.items()]),
            b',"paths":{',
            b",".join(paths),
            b'},"components":{',
            _components(),
            b',"schemas":{',
            _own_schemas(),
            *named,
            b'}},"x-labgate":',
            json_text(about),
            b"}",
        )
    )


def _tag(name: str, about: Mapping[str, Any]) -> dict[str, str]:
    summary = about.get("summary")
    return {"name": name, "description": summary} if summary else {"name": name}


def _format(*forms: str) -> dict[str, Any]:
    return {
        "name": "format",
        "in": "query",
        "required": False,
        "description": "The form of the result, where the result allows it.",
        "schema": {"type": "string", "enum": list(forms), "default": "json"},
        "x-labgate": {"own": True},
    }


@cache
def _components() -> bytes:
    components = {
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        "parameters": {
            "format": _format(*FORMATS),
            **{f"format.{kind}": _format(*forms) for kind, forms in _OF_RESULTS.items()},
            "arguments": {
                "name": "arguments",
                "in": "query",
                "required": False,
                "description": "Nobody describes them: any name; a value that is JSON is taken as that.",
                "style": "form",
                "explode": True,
                "schema": {"type": "object"},
            },
        },
        "responses": {
            "Fault": {
                "description": "Why there is no result: the gate's fault, or the service's error.",
                "content": {"application/json": {"schema": {"$ref": f"{REF}Fault"}}},
            },
            "NotModified": {"description": "The result is still the one that If-None-Match names."},
        },
    }
    return json_text(components)[1:-1]


@cache
def _own_schemas() -> bytes:
    error: dict[str, Any] = {
        "type": "object",
        "required": ["code", "message"],
        "properties": {"code": {"type": "integer"}, "message": {"type": "string"}, "data": {}},
    }
    whole = {"type": "object", "required": ["error"], "properties": {"error": {"$ref": f"{REF}Error"}}}
    encoded = {"type": "object", "required": ["base64"], "properties": {"base64": {"type": "string"}}}
    schemas = {
        "Bytes": {"type": "object", "required": ["$binary"], "properties": {"$binary": encoded}},
        "Error": error,
        "Fault": {"anyOf": [{"$ref": f"{REF}Error"}, whole]},
    }
    return json_text(schemas)[1:-1]
