"""How do the older describing methods answer, from the same list as `rpc.discover`?

system.describe is of the JSON-RPC 1.1 working draft (as Flask-JSONRPC 0.3 to 2 answer it), rpc.describe is
Flask-JSONRPC 4's, and system.listMethods, system.methodHelp and system.methodSignature are XML-RPC's introspection.
All of them list the services' methods only: neither themselves nor each other. system.multicall, which calls others
by name, is never offered.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from gateway.core.catalog import View
from gateway.core.faults import InvalidParams
from gateway.core.method import Method, Param
from gateway.core.naming import shown
from gateway.core.openrpc import TITLE, json_text
from gateway.core.scanner import opener

Answer = Callable[[View, bytes | None], bytes]
"""From the caller's list and the parameters' JSON (None when absent) to the result's JSON. Raises `InvalidParams`."""

_SUMMARY: Final = "One gate to all of a lab's services"
_LONGEST_PARAMS: Final = 10_000

_JSON_RPC_1_1: Final = {
    "string": "str", "integer": "num", "number": "num", "boolean": "bit", "array": "arr", "object": "obj", "null": "nil",
}  # fmt: skip
_FLASK: Final = {
    "string": "String", "integer": "Number", "number": "Number", "boolean": "Boolean", "array": "Array",
    "object": "Object", "null": "Null",
}  # fmt: skip
_XML_RPC: Final = {
    "string": "string", "integer": "int", "number": "double", "boolean": "boolean", "array": "array",
    "object": "struct", "null": "nil",
}  # fmt: skip


def _kind(schema: Mapping[str, Any] | None) -> str:
    """The one JSON type that a schema names beside null; empty where it names none or several."""
    said = (schema or {}).get("type")
    if isinstance(said, list):
        others = [one for one in said if one != "null"]
        said = others[0] if len(others) == 1 else None
    return said if isinstance(said, str) else ""


# --- without parameters ----------------------------------------------------------------------------------


def _discover(view: View) -> bytes:
    return view.openrpc()


def _system_describe(view: View) -> bytes:
    return json_text(
        {
            "sdversion": "1.0",
            "name": TITLE,
            "id": _id(view),
            "version": view.release,
            "summary": _SUMMARY,
            "procs": [_procedure(method) for method in view.methods],
        }
    )


def _procedure(method: Method) -> dict[str, Any]:
    # To the draft "idempotent" means that a GET may call it: for what changes something the gate takes none.
    said: dict[str, Any] = {
        "name": method.name,
        "summary": method.summary,
        "help": method.description or method.summary,
        "idempotent": method.safe,
    }
    if method.params is not None:
        said["params"] = [
            {"name": param.name, "type": _JSON_RPC_1_1.get(_kind(param.schema), "any")}
            for param in method.params
        ]
    said["return"] = {"type": _JSON_RPC_1_1.get(_kind(method.result), "any")}
    return said


def _rpc_describe(view: View) -> bytes:
    return json_text(
        {
            "id": _id(view),
            "version": view.release,
            "name": TITLE,
            "description": _SUMMARY,
            "servers": [{"url": f"/rpc/{view.datastack}" if view.datastack else "/rpc"}],
            "methods": {method.name: _entry(method) for method in view.methods},
        }
    )


def _entry(method: Method) -> dict[str, Any]:
    said: dict[str, Any] = {"name": method.name, "type": "method"}
    if method.summary:
        said["summary"] = method.summary
    if method.description:
        said["description"] = method.description
    if method.deprecated:
        said["deprecated"] = True
    said["validation"] = False
    said["notification"] = True
    if method.params is not None:
        said["params"] = [_field(param) for param in method.params]
    said["returns"] = {"name": "default", "type": _FLASK.get(_kind(method.result), "Object")}
    return said


def _field(param: Param) -> dict[str, Any]:
    said: dict[str, Any] = {"name": param.name, "type": _FLASK.get(_kind(param.schema), "Object")}
    if param.description:
        said["description"] = param.description
    said["required"] = param.required
    return said


def _list_methods(view: View) -> bytes:
    return json_text(view.names)


def _id(view: View) -> str:
    """The same for the same list, wherever it is rendered."""
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{TITLE}:{view.version}')}"


# --- of one method ---------------------------------------------------------------------------------------


def _method_help(method: Method) -> bytes:
    return json_text(method.description or method.summary)


def _method_signature(method: Method) -> bytes:
    if method.params is None:
        return json_text("undef")
    kinds = [_kind(method.result), *(_kind(param.schema) for param in method.params)]
    return json_text([[_XML_RPC.get(kind, "undef") for kind in kinds]])


def _without_params(name: str, answer: Callable[[View], bytes]) -> Answer:
    def answered(view: View, params: bytes | None) -> bytes:
        if params is not None and params.translate(None, b" \t\n\r") not in (b"[]", b"{}"):
            raise InvalidParams(f"{name} takes no parameters")
        return answer(view)

    return answered


def _with_name(name: str, answer: Callable[[Method], bytes]) -> Answer:
    def answered(view: View, params: bytes | None) -> bytes:
        wanted = _wanted(params)
        if wanted is None:
            raise InvalidParams(f'{name} takes one parameter: the name of a method, ["service.method"]')
        method = view.get(wanted)
        if method is not None:
            return answer(method)
        similar = view.similar(wanted)
        if similar:
            raise InvalidParams(
                f"no method is called {shown(wanted)}: did you mean {' or '.join(similar)}?",
                did_you_mean=similar,
            )
        raise InvalidParams(f"no method is called {shown(wanted)}: rpc.discover lists what you may call")

    return answered


def _wanted(params: bytes | None) -> str | None:
    """The one text in the parameters, by position or under whatever name: servers do not agree on it."""
    if params is None or len(params) > _LONGEST_PARAMS:
        return None
    try:
        read = orjson.loads(params)
    except orjson.JSONDecodeError:
        return None
    values = list(read.values()) if opener(params) == b"{" else read
    return values[0] if len(values) == 1 and isinstance(values[0], str) else None


BUILTIN: Final[Mapping[str, Answer]] = {
    "rpc.discover": _without_params("rpc.discover", _discover),
    "system.describe": _without_params("system.describe", _system_describe),
    "rpc.describe": _without_params("rpc.describe", _rpc_describe),
    "system.listMethods": _without_params("system.listMethods", _list_methods),
    "system.methodHelp": _with_name("system.methodHelp", _method_help),
    "system.methodSignature": _with_name("system.methodSignature", _method_signature),
}
"""The gate's own methods, by name."""
