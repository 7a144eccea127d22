"""Which parameters does an operation take, and where in its request does each of them go?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from gateway.core.method import IN_PATH, Param, Place
from gateway.core.presented import MIDDLE_AUTH
from gateway.dialects.openapi.schemas import Document, Schemas, listed, members
from gateway.dialects.texts import MAX_SUMMARY, text

MAX_PARAMS: Final = 256
_MAX_NAME: Final = 256
_MAX_PARTS: Final = 32
FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
BYTES: Final = "application/octet-stream"
JSON: Final = "application/json"

Where = Literal["path", "query", "header", "cookie", "member", "body"]
Many = Literal[
    "repeat", "comma", "space", "pipe", "tab", "json", "deep", "label", "label*", "matrix", "matrix*"
]

_media_type = re.compile(r"[!#$&^_.+A-Za-z0-9-]+/[!#$&^_.+A-Za-z0-9-]+(?:;[ !-~]*)?")
_token = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_unfit_name = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_SIDES: Final[Mapping[str, Where]] = {
    "path": "path",
    "query": "query",
    "header": "header",
    "cookie": "cookie",
}
_STYLES: Final[Mapping[str, Many]] = {
    "spaceDelimited": "space",
    "pipeDelimited": "pipe",
    "deepObject": "deep",
}
_IN_PATH: Final[Mapping[tuple[object, bool], Many]] = {
    ("label", False): "label",
    ("label", True): "label*",
    ("matrix", False): "matrix",
    ("matrix", True): "matrix*",
}
_COLLECTIONS: Final[Mapping[str, Many]] = {"multi": "repeat", "ssv": "space", "pipes": "pipe", "tsv": "tab"}
_NOT_A_SCHEMA: Final = frozenset(
    ("name", "in", "required", "description", "collectionFormat", "allowEmptyValue")
)
_ORDER: Final = ("path", "query", "header", "cookie", "member", "body")
_THE_GATES_OWN: Final = frozenset(
    (
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "labgate-timeout",
        "labgate-token",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
        "x-request-id",
    )
)


GATES_COOKIES: Final = frozenset((MIDDLE_AUTH,))
"""Cookies in which clients show the gate's token: no service is to ask for them as parameters."""


class Input(Struct, frozen=True):
    """One thing that a request can carry, before the whole of them is flattened."""

    where: Where
    name: str
    required: bool = False
    schema: dict[str, Any] = {}
    description: str = ""
    many: Many = "repeat"


class Taken(Struct, frozen=True):
    """What an operation takes: its parameters in their order, their places, and the media type of its body."""

    params: tuple[Param, ...]
    places: tuple[Place, ...]
    sends: str


def taken(
    document: Document, schemas: Schemas, path: str, sources: tuple[dict[str, Any], dict[str, Any]]
) -> Taken:
    """The parameters of one operation; `sources` are its path item and itself, which wins."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for source in sources:
        for item in listed(source, "parameters")[:MAX_PARAMS]:
            item = document.resolved(item)
            if _is_name(item.get("name")) and isinstance(item.get("in"), str):
                found[item["in"], item["name"]] = item
    inputs = [*_in_path(path, found, schemas), *_beside_path(document, found, schemas)]
    operation = sources[1]
    if "swagger" in document.root:
        sends, body = _swagger_body(document, schemas, operation, found.values())
    else:
        sends, body = _body(document, schemas, operation)
    return _flattened([*inputs, *body], sends)


def media_types(value: Iterable[object]) -> list[str]:
    """Those of the values that a field can name as a media type, in their order."""
    return [
        one for one in value if isinstance(one, str) and len(one) < _MAX_NAME and _media_type.fullmatch(one)
    ]


def essence(media_type: str) -> str:
    """The media type without its parameters, in lower case."""
    return media_type.partition(";")[0].strip().lower()


def is_json(media_type: str) -> bool:
    """Whether this is JSON (RFC 8259), or something written in it (RFC 6839)."""
    kind = essence(media_type)
    return kind in (JSON, "text/json") or kind.endswith("+json")


# --- in the path, the query and the head -------------------------------------------------------------------


def _in_path(path: str, found: Mapping[tuple[str, str], dict[str, Any]], schemas: Schemas) -> Iterator[Input]:
    for name in dict.fromkeys(IN_PATH.findall(path)):
        item = found.get(("path", name), {})
        yield Input("path", name, True, _schema(item, schemas), _told(item), _many(item, "path"))


def _beside_path(
    document: Document, found: Mapping[tuple[str, str], dict[str, Any]], schemas: Schemas
) -> Iterator[Input]:
    for (side, name), item in found.items():
        where = _SIDES.get(side)
        if where is None or where == "path" or not _may_be_sent(where, name):
            continue
        if members(item, "x-labgate").get("own") is True:
            continue  # of a gate that this one stands in front of: callers have it here, too
        required = item.get("required") is True
        if where == "query" and _is_spread(document, item):
            yield from _spread(document, schemas, item, required=required)
            continue
        yield Input(where, name, required, _schema(item, schemas), _told(item), _many(item, where))


def _is_spread(document: Document, item: Mapping[str, Any]) -> bool:
    """Whether it is an object whose members are the parameters, and its own name is never sent (style form, exploded)."""
    is_form = item.get("style", "form") == "form" and item.get("explode") is not False
    return is_form and "schema" in item and document.resolved(item["schema"]).get("type") == "object"


def _spread(
    document: Document, schemas: Schemas, item: Mapping[str, Any], *, required: bool
) -> Iterator[Input]:
    properties, needed = _properties(document, item["schema"])
    for name, member in list(properties.items())[:MAX_PARAMS]:
        told = _told(document.resolved(member))
        yield Input("query", name, required and name in needed, schemas.clean(member), told)


def _may_be_sent(where: Where, name: str) -> bool:
    """Whether a field or a cookie can have this name, and it is none of the gate's own."""
    if where not in ("header", "cookie"):
        return True
    own = _THE_GATES_OWN if where == "header" else GATES_COOKIES
    return _token.fullmatch(name) is not None and name.lower() not in own


def _schema(item: Mapping[str, Any], schemas: Schemas) -> dict[str, Any]:
    """What is said of the values: under `schema`, in `content`, or (Swagger 2.0) in the parameter itself."""
    if "schema" in item:
        return schemas.clean(item["schema"])
    for described in members(item, "content").values():
        return schemas.clean(described.get("schema") if isinstance(described, dict) else None)
    return schemas.clean({name: value for name, value in item.items() if name not in _NOT_A_SCHEMA})


def _many(item: Mapping[str, Any], where: Where) -> Many:
    """How an array is written: OpenAPI 3 section 4.8.12.2 (style, or the media type), Swagger 2.0 (collectionFormat)."""
    if "schema" not in item and any(map(is_json, media_types(members(item, "content")))):
        return "json"
    style = item.get("style")
    if where == "path" and isinstance(style, str):
        return _IN_PATH.get((style, item.get("explode") is True), "comma")
    if where == "cookie":
        return "comma" if item.get("explode") is False else "repeat"
    if where != "query":
        return "comma"
    if isinstance(style, str) and style in _STYLES:
        return _STYLES[style]
    collection = item.get("collectionFormat")
    if isinstance(collection, str):
        return _COLLECTIONS.get(collection, "comma")
    if "schema" not in item and "content" not in item and item.get("type") == "array":
        return "comma"
    return "comma" if item.get("explode") is False else "repeat"


# --- in the body -------------------------------------------------------------------------------------------


def _body(document: Document, schemas: Schemas, operation: Mapping[str, Any]) -> tuple[str, list[Input]]:
    body = document.resolved(operation.get("requestBody"))
    content = members(body, "content")
    if not content:
        return JSON, []
    sends = _chosen(content)
    described = content.get(sends)
    schema = described.get("schema") if isinstance(described, dict) else None
    required = body.get("required") is True
    return _of_schema(document, schemas, sends, schema, required=required, told=_told(body))


def _is_binary(schema: object) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "string" and schema.get("format") == "binary"


def _swagger_body(
    document: Document, schemas: Schemas, operation: Mapping[str, Any], found: Iterable[dict[str, Any]]
) -> tuple[str, list[Input]]:
    offered = media_types(listed(operation, "consumes") or listed(document.root, "consumes"))
    form: list[Input] = []
    has_file = False
    for item in found:
        if item["in"] == "body":
            sends = _chosen(offered) if offered else JSON
            if essence(sends) in (FORM, MULTIPART):
                sends = JSON
            if is_json(sends) and _is_binary(item.get("schema")):
                sends = BYTES  # no JSON is `format: binary`: flask-restx names no media type of an operation's own
            required = item.get("required") is True
            return _of_schema(
                document, schemas, sends, item.get("schema"), required=required, told=_told(item)
            )
        if item["in"] == "formData":
            is_file = item.get("type") == "file"
            has_file |= is_file
            schema = {"type": "string", "format": "binary"} if is_file else _schema(item, schemas)
            form.append(Input("member", item["name"], item.get("required") is True, schema, _told(item)))
    kinds = {essence(one) for one in offered}
    return (
        (MULTIPART if has_file or (MULTIPART in kinds and FORM not in kinds) else FORM, form)
        if form
        else (JSON, [])
    )


def _chosen(offered: Iterable[object]) -> str:
    """JSON before forms before the first of the others; as the document spells it."""
    known = media_types(offered)
    ranks = (is_json, lambda one: essence(one) == MULTIPART, lambda one: essence(one) == FORM)
    for is_one in ranks:
        for one in known:
            if is_one(one):
                return one
    return known[0] if known else BYTES


def _of_schema(
    document: Document, schemas: Schemas, sends: str, schema: object, *, required: bool, told: str
) -> tuple[str, list[Input]]:
    """The members of a body that is an object with named members or a form, else the body as a whole."""
    kind = essence(sends)
    structured = is_json(sends) or kind in (FORM, MULTIPART)
    properties, needed = _properties(document, schema) if structured else ({}, set())
    if not properties or len(properties) > MAX_PARAMS:
        shape = schemas.clean(schema) if structured else {"type": "string", "format": "binary"}
        return sends, [Input("body", "body", required, shape, told)]
    found: list[Input] = []
    for name, member in properties.items():
        described = document.resolved(member)
        if described.get("readOnly") is not True:
            must = required and name in needed
            found.append(Input("member", name, must, schemas.clean(member), _told(described)))
    return sends, found


def _properties(document: Document, schema: object) -> tuple[dict[str, Any], set[str]]:
    """The named members of an object, those of every part of its `allOf` too, and which of them are required."""
    properties: dict[str, Any] = {}
    needed: set[str] = set()
    ahead = [schema]
    for _ in range(_MAX_PARTS):
        if not ahead:
            break
        part = document.resolved(ahead.pop(0))
        kind = part.get("type", "object")
        if (
            (kind != "object" and not (isinstance(kind, list) and "object" in kind))
            or "oneOf" in part
            or "anyOf" in part
        ):
            return {}, set()
        for name, member in members(part, "properties").items():
            if _is_name(name):
                properties.setdefault(name, member)
        needed.update(name for name in listed(part, "required") if isinstance(name, str))
        ahead += listed(part, "allOf")[:_MAX_PARTS]
    return properties, needed


# --- all together ------------------------------------------------------------------------------------------


def _flattened(inputs: list[Input], sends: str) -> Taken:
    """Path, required query, head and body, then the optional ones; a name that is used twice keeps its first place."""
    inputs.sort(key=lambda one: (not one.required, _ORDER.index(one.where)))
    names = _apart(inputs)
    return Taken(
        tuple(
            Param(name, one.required, one.schema, one.description)
            for name, one in zip(names, inputs, strict=True)
        ),
        tuple(Place(name, one.where, one.name, one.many) for name, one in zip(names, inputs, strict=True)),
        sends,
    )


def _apart(inputs: list[Input]) -> list[str]:
    """A name for each input: its own where no earlier place has it, in the order path, query, head, cookies, body."""
    taken: set[str] = set()
    names = [""] * len(inputs)
    apart: list[int] = []
    for at in sorted(range(len(inputs)), key=lambda at: _ORDER.index(inputs[at].where)):
        name = inputs[at].name
        if name in taken:
            apart.append(at)
        else:
            taken.add(name)
            names[at] = name
    for at in apart:
        one = inputs[at]
        name = f"{'body' if one.where in ('member', 'body') else one.where}_{one.name}"
        while name in taken:
            name += "_"
        taken.add(name)
        names[at] = name
    return names


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= _MAX_NAME and _unfit_name.search(name) is None


def _told(item: Mapping[str, Any]) -> str:
    return text(item.get("description"), MAX_SUMMARY)
