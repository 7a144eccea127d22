"""Which methods do servers describe, each in the words of its convention, said in those of OpenRPC?

Nothing here is trusted: members of wrong types count as absent, and nothing that only a gate can promise is taken over.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Methods = list[dict[str, Any]]

_MOST_METHODS = 100_000
_MOST_HOPS = 8
_DESCRIPTORS = "#/components/contentDescriptors/"
_KEPT = ("summary", "description", "deprecated", "paramStructure", "externalDocs", "result")
# The words of JSON-RPC 1.1's working draft (section 8), and of Flask-JSONRPC's versions.
_TYPES = {
    **dict.fromkeys(("bit", "bool", "boolean"), "boolean"),
    **dict.fromkeys(("num", "number", "float", "double"), "number"),
    **dict.fromkeys(("int", "integer"), "integer"),
    **dict.fromkeys(("str", "string"), "string"),
    **dict.fromkeys(("arr", "array", "list"), "array"),
    **dict.fromkeys(("nil", "null", "none"), "null"),
}
_OWN_PREFIXES = ("rpc.", "system.")


def openrpc(document: Any) -> Methods | None:
    """The methods of an OpenRPC document (1.2 to 1.4); None where that is none."""
    methods = document.get("methods") if isinstance(document, dict) else None
    if not isinstance(methods, list):
        return None
    components = document.get("components")
    named = components.get("contentDescriptors") if isinstance(components, dict) else None
    descriptors: dict[str, Any] = named if isinstance(named, dict) else {}
    return [_openrpc_method(one, descriptors) for one in _offered(methods)]


def _openrpc_method(said: dict[str, Any], descriptors: dict[str, Any]) -> dict[str, Any]:
    found = {name: said[name] for name in _KEPT if name in said}
    hints = said.get("x-labgate")
    hints = hints if isinstance(hints, dict) else {}
    params = said.get("params")
    resolved = [_resolved(one, descriptors) for one in params] if isinstance(params, list) else None
    known = resolved is not None and all(
        one is not None and isinstance(one.get("name"), str) for one in resolved
    )
    idempotent = hints.get("idempotent") is True or hints.get("safe") is True
    if "result" in found:
        found["result"] = _resolved(found["result"], descriptors)
    return {
        "name": said["name"],
        **found,
        "params": resolved if known else [],
        "x-labgate": _notes(idempotent=idempotent, described=known),
    }


def _resolved(descriptor: Any, descriptors: dict[str, Any]) -> dict[str, Any] | None:
    for _ in range(_MOST_HOPS):
        if not isinstance(descriptor, dict):
            return None
        reference = descriptor.get("$ref")
        if not isinstance(reference, str):
            return descriptor
        descriptor = descriptors.get(reference.removeprefix(_DESCRIPTORS))
    return None


def procs(document: Any) -> Methods | None:
    """The procedures of `system.describe`; None where that has no list of them."""
    found = document.get("procs") if isinstance(document, dict) else None
    return [_procedure(one) for one in _offered(found)] if isinstance(found, list) else None


def mapped(document: Any) -> Methods | None:
    """The methods of `rpc.describe`, which stand under their names."""
    found = document.get("methods") if isinstance(document, dict) else None
    if not isinstance(found, dict):
        return None
    entries = [{**one, "name": name} for name, one in found.items() if isinstance(one, dict)]
    return [_procedure(one) for one in _offered(entries)]


def _procedure(said: dict[str, Any]) -> dict[str, Any]:
    given = said.get("params")
    params = [_param(one) for one in given] if isinstance(given, list) else [None]
    known = all(one is not None for one in params)
    texts = [said.get(name) for name in ("description", "help", "summary")]
    text = next((one for one in texts if isinstance(one, str) and one), None)
    returned = said.get("return") or said.get("returns")
    found: dict[str, Any] = {
        "name": said["name"],
        "params": params if known else [],
        "x-labgate": _notes(idempotent=said.get("idempotent") is True, described=known),
    }
    if text is not None:
        found["description"] = text
        found["summary"] = text.strip().partition("\n")[0]
    if isinstance(returned, dict) and (schema := _schema(returned.get("type"))):
        found["result"] = {"name": "result", "schema": schema}
    return found


def _param(said: Any) -> dict[str, Any] | None:
    """A parameter; whether it can be left out is nothing that these conventions say."""
    if isinstance(said, str):
        return {"name": said, "schema": {}}
    if not isinstance(said, dict) or not isinstance(said.get("name"), str) or not said["name"]:
        return None
    found = {"name": said["name"], "schema": _schema(said.get("type"))}
    if said.get("required") is True:
        found["required"] = True
    return found


def names(said: Any) -> Methods | None:
    """The methods of `system.listMethods`, of which nothing but the names are known."""
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        return None
    notes = _notes(idempotent=False, described=False)
    return [{**one, "params": [], "x-labgate": notes} for one in _offered([{"name": name} for name in said])]


def _offered(entries: list[Any]) -> Methods:
    """What has a name, and is no word about the server itself."""
    return [
        one
        for one in entries[:_MOST_METHODS]
        if isinstance(one, dict)
        and isinstance(one.get("name"), str)
        and one["name"]
        and not one["name"].startswith(_OWN_PREFIXES)
    ]


def _notes(*, idempotent: bool, described: bool) -> dict[str, bool]:
    return {**({"idempotent": True} if idempotent else {}), **({} if described else {"undescribed": True})}


def _schema(word: Any) -> dict[str, Any]:
    """What a type's name means; `obj` and `any` say nothing: they are what typed servers call everything else."""
    kind = _TYPES.get(word.lower()) if isinstance(word, str) else None
    return {"type": kind} if kind else {}


READERS: dict[str, Callable[[Any], Methods | None]] = {
    "rpc.discover": openrpc,
    "system.describe": procs,
    "rpc.describe": mapped,
    "system.listMethods": names,
}
