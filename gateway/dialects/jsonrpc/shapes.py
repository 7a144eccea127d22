"""Which methods does an upstream's description of itself name, in whichever convention?

Nothing here is trusted: members of the wrong type count as absent, and what cannot be read is left out. What is
said of parameters is a hint. A parameter is required only where the upstream says so: most conventions cannot
say it, and an optional one without a default refuses nobody.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

import orjson

from gateway.core.method import Param
from gateway.core.service import Described
from gateway.dialects.jsonrpc.schemas import Schemas, type_schema
from gateway.dialects.texts import MAX_SUMMARY, sayable, text

MAX_PARAMS: Final = 256
MAX_PARAM_NAME: Final = 256
_MAX_VERSION: Final = 100
_MAX_URL: Final = 2_000
_MAX_HOPS: Final = 8
_DESCRIPTORS: Final = "#/components/contentDescriptors/"


@dataclass(frozen=True)
class Offer:
    """What one convention said: methods in the upstream's order, and what belongs to them."""

    methods: tuple[Described, ...]
    version: str = ""
    summary: str = ""
    schemas: Mapping[str, Any] = field(default_factory=dict)
    left_out: int = 0


def read(convention: str, raw: bytes, max_methods: int) -> Offer | None:
    """The offer in the JSON `raw`, a result of one of `CONVENTIONS`; None when it has not that convention's shape."""
    return _READERS[convention](parsed(raw), max_methods)


def parsed(raw: bytes) -> Any:
    """The value of a JSON text, with NaN, lone surrogates and numbers of any size; None when it is none."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


# --- OpenRPC -----------------------------------------------------------------------------------------------


def _openrpc(document: Any, max_methods: int) -> Offer | None:
    """An OpenRPC document (spec.open-rpc.org, 1.2 to 1.4)."""
    if not isinstance(document, dict) or not isinstance(document.get("methods"), list):
        return None
    components = _object(document, "components")
    schemas = Schemas(components.get("schemas"))
    descriptors = _object(components, "contentDescriptors")

    def method(item: Mapping[str, Any]) -> Described:
        result = _resolved(item.get("result"), descriptors)
        structure = item.get("paramStructure")
        hints = _object(item, "x-labgate")
        return replace(
            _told(item),
            params=_openrpc_params(item.get("params"), descriptors, schemas),
            structure=structure if structure in ("by-name", "by-position") else "either",
            result=None if result is None else schemas.clean(result.get("schema")),
            docs=_url(_object(item, "externalDocs").get("url")),
            # What an upstream says of safety is a hint and no leave: the operator's rules decide that.
            idempotent=hints.get("idempotent") is True or hints.get("safe") is True,
        )

    methods, left_out = _taken(document["methods"], method, max_methods)
    info = _object(document, "info")
    return Offer(
        methods,
        version=text(info.get("version"), _MAX_VERSION),
        summary=text(info.get("description"), MAX_SUMMARY) or text(info.get("title"), MAX_SUMMARY),
        schemas=schemas.components,
        left_out=left_out,
    )


def _openrpc_params(
    params: Any, descriptors: Mapping[str, Any], schemas: Schemas
) -> tuple[Param, ...] | None:
    def param(item: Any) -> Param | None:
        item = _resolved(item, descriptors)
        if item is None or not _is_param_name(item.get("name")):
            return None
        return Param(
            name=sayable(item["name"]),
            required=item.get("required") is True,
            schema=schemas.clean(item.get("schema")),
            description=text(item.get("description"), MAX_SUMMARY) or text(item.get("summary"), MAX_SUMMARY),
        )

    return _params(params, param)


def _resolved(descriptor: Any, descriptors: Mapping[str, Any]) -> dict[str, Any] | None:
    for _ in range(_MAX_HOPS):
        if not isinstance(descriptor, dict):
            return None
        ref = descriptor.get("$ref")
        if not isinstance(ref, str):
            return descriptor
        descriptor = descriptors.get(ref.removeprefix(_DESCRIPTORS))
    return None


# --- system.describe and rpc.describe ----------------------------------------------------------------------


def _system_describe(document: Any, max_methods: int) -> Offer | None:
    """The service description of JSON-RPC 1.1 (working draft of 2006, section 8), as Flask-JSONRPC 0.3 to 2 give it."""
    return _service(document, "procs", max_methods)


def _rpc_describe(document: Any, max_methods: int) -> Offer | None:
    """The service description of Flask-JSONRPC 3 and 4: a map of methods."""
    return _service(document, "methods", max_methods)


def _service(document: Any, member: str, max_methods: int) -> Offer | None:
    if not isinstance(document, dict):
        return None
    entries = document.get(member)
    if isinstance(entries, dict):
        entries = [
            {**(entry if isinstance(entry, dict) else {}), "name": name} for name, entry in entries.items()
        ]
    if not isinstance(entries, list):
        return None
    methods, left_out = _taken(entries, _procedure, max_methods)
    about = (text(document.get(name), MAX_SUMMARY) for name in ("summary", "description", "help", "name"))
    return Offer(
        methods,
        version=text(document.get("version"), _MAX_VERSION),
        summary=next(filter(None, about), ""),
        left_out=left_out,
    )


def _procedure(item: Mapping[str, Any]) -> Described:
    result = item["return"] if "return" in item else item.get("returns")
    return replace(
        _told(item),
        params=_params(item.get("params"), _typed_param),
        result=None if result is None else _typed(result),
        # Flask-JSONRPC 0.3 says it of what also answers GET.
        idempotent=item.get("idempotent") is True,
    )


def _typed_param(item: Any) -> Param | None:
    if isinstance(item, str):
        item = {"name": item}
    if not isinstance(item, dict) or not _is_param_name(item.get("name")):
        return None
    schema = _typed(item)
    if "default" in item:
        schema = Schemas().clean(schema | {"default": item["default"]})
    return Param(
        name=sayable(item["name"]),
        required=item.get("required") is True,
        schema=schema,
        description=text(item.get("description"), MAX_SUMMARY),
    )


def _typed(item: Any) -> dict[str, Any]:
    return type_schema(item.get("type") if isinstance(item, dict) else item)


# --- lists of names ----------------------------------------------------------------------------------------


def _list_methods(names: Any, max_methods: int) -> Offer | None:
    """`system.listMethods` (XML-RPC introspection), and `rpc_methods` of Substrate: names, bare or under `methods`."""
    if isinstance(names, dict):
        names = names.get("methods")
    if not isinstance(names, list):
        return None
    methods, left_out = _taken(names, _told, max_methods)
    return Offer(methods, left_out=left_out)


def explained(method: Described, help_text: Any, signatures: Any) -> Described:
    """The method with what `system.methodHelp` and `system.methodSignature` said of it.

    A signature has types and no names, so it goes into the description and not into the parameters: an invented
    name would forbid the real one. Prose ("signatures not supported") is no signature.
    """
    told = _told({"name": method.name, "description": help_text})
    first = signatures[0] if isinstance(signatures, list) and signatures else None
    types = [text(name, 32) for name in first[: MAX_PARAMS + 1]] if isinstance(first, list) else []
    if not types or not all(types):
        return told
    line = f"Types: ({', '.join(types[1:])}) -> {types[0]}"
    described = "\n\n".join(filter(None, (told.description or told.summary, line)))
    return replace(told, description=described, result=type_schema(types[0]))


# --- parts -------------------------------------------------------------------------------------------------

_READERS: Mapping[str, Callable[[Any, int], Offer | None]] = MappingProxyType(
    {
        "rpc.discover": _openrpc,
        "system.describe": _system_describe,
        "rpc.describe": _rpc_describe,
        "system.listMethods": _list_methods,
        "rpc_methods": _list_methods,
    }
)

CONVENTIONS: Final = tuple(_READERS)
"""The methods by which upstreams describe themselves, in the order in which they are asked; none takes params."""


def _taken(
    items: Iterable[Any], reader: Callable[[Mapping[str, Any]], Described], most: int
) -> tuple[tuple[Described, ...], int]:
    """The methods that these items describe, at most `most`, and how many could not be taken."""
    methods: list[Described] = []
    left_out = 0
    for item in _named(items):
        if item is None or len(methods) >= most:
            left_out += 1
        else:
            methods.append(reader(item))
    return tuple(methods), left_out


def _named(items: Iterable[Any]) -> Iterator[Mapping[str, Any] | None]:
    for item in items:
        if isinstance(item, str):
            yield {"name": item}
        elif isinstance(item, dict) and isinstance(item.get("name"), str):
            yield item
        else:
            yield None


def _told(item: Mapping[str, Any]) -> Described:
    """The method with its texts: a summary of one paragraph, and a description where there is more to say."""
    whole = text(item.get("description")) or text(item.get("help"))
    summary = text(item.get("summary"))
    whole = whole or summary
    first = " ".join((summary or whole).partition("\n\n")[0].split())
    if len(first) > MAX_SUMMARY:
        first = first[: MAX_SUMMARY - 1] + "…"
    return Described(
        name=item["name"],
        summary=first,
        description="" if whole == first else whole,
        deprecated=item.get("deprecated") is True,
    )


def _params(params: Any, reader: Callable[[Any], Param | None]) -> tuple[Param, ...] | None:
    """The parameters, or None when one cannot be read: without it the others would stand in the wrong places."""
    if not isinstance(params, list) or len(params) > MAX_PARAMS:
        return None
    found = [reader(item) for item in params]
    known = tuple(param for param in found if param is not None)
    if len(known) < len(found) or len({param.name for param in known}) < len(known):
        return None
    return known


def _is_param_name(name: Any) -> bool:
    return isinstance(name, str) and 0 < len(name) <= MAX_PARAM_NAME


def _object(parent: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _url(value: Any) -> str:
    url = text(value, _MAX_URL)
    return url if url == value and url.startswith(("https://", "http://")) else ""
