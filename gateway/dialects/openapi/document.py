"""Which operations does an OpenAPI document name, and how is each of them carried out?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote, urljoin, urlsplit

from gateway.core.method import IDEMPOTENT_VERBS, IN_PATH, SAFE_VERBS, HttpBinding
from gateway.core.service import Described, Description, Service
from gateway.dialects.openapi.naming import dotted, names
from gateway.dialects.openapi.parameters import JSON, essence, is_json, media_types, taken
from gateway.dialects.openapi.schemas import Document, Schemas, listed, members
from gateway.dialects.openapi.text import UnreadableError, parsed
from gateway.dialects.texts import MAX_SUMMARY, text

_VERBS: Final = ("get", "head", "options", "query", "put", "delete", "post", "patch")
_ACCEPTS: Final = f"{JSON}, */*;q=0.5"
_MAX_PATH: Final = 2_000
_MAX_URL: Final = 2_000
_MAX_VERSION: Final = 100
_MAX_ACCEPTED: Final = 8
_PATH_KEPT: Final = "/:@!$&'()*+,;=?%~-._"
_unfit_path = re.compile("[\x00-\x1f\x7f\\\\\ud800-\udfff]")
_broken_escape = re.compile("%(?![0-9A-Fa-f]{2})")


def read(raw: bytes, service: Service, found_at: str) -> Description:
    """The description in the text `raw`, found at the path `found_at` below the service's address.

    Raises UnreadableError where it is no document of OpenAPI 3 or Swagger 2.0.
    """
    root = parsed(raw)
    convention = _convention(root)
    document = Document(root)
    schemas = Schemas(document)
    operations, left_out = _operations(document, service.max_methods)
    named = names([(verb, path, _called(operation, service)) for verb, path, _, operation in operations])
    methods = tuple(
        _described(document, schemas, name, verb, path, (item, operation))
        for name, (verb, path, item, operation) in zip(named, operations, strict=True)
    )
    info = members(document.root, "info")
    return Description(
        methods=methods,
        convention=convention,
        address=_base(document, service, found_at),
        version=text(str(info.get("version", "")), _MAX_VERSION),
        summary=text(info.get("description"), MAX_SUMMARY) or text(info.get("title"), MAX_SUMMARY),
        schemas=schemas.components,
        left_out=left_out,
    )


def _called(operation: Mapping[str, Any], service: Service) -> list[object]:
    """What the document calls an operation, the best name first."""
    by_id = operation.get("operationId")
    return [dotted(operation.get("summary")), by_id] if service.names == "summary" else [by_id]


def _convention(root: object) -> str:
    """`OpenAPI 3.1.0` or `Swagger 2.0`."""
    if isinstance(root, dict):
        for member, word, major in (("openapi", "OpenAPI", "3."), ("swagger", "Swagger", "2")):
            version = str(root.get(member, ""))
            if version.startswith(major) and len(version) < 16 and version.isprintable():
                return f"{word} {version}"
    raise UnreadableError("no document of OpenAPI 3 or Swagger 2.0")


def _operations(
    document: Document, most: int
) -> tuple[list[tuple[str, str, dict[str, Any], dict[str, Any]]], int]:
    """(verb, path, path item, operation) of at most `most` operations, and how many could not be taken."""
    found: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = []
    left_out = 0
    for path, item in members(document.root, "paths").items():
        item = document.resolved(item)
        for verb in _VERBS:
            operation = item.get(verb)
            if operation is None:
                continue
            if not isinstance(operation, dict) or len(found) >= most or not _is_path(path):
                left_out += 1
            else:
                found.append((verb, path, item, operation))
    return found, left_out


def _is_path(path: str) -> bool:
    """Whether requests can be sent there: without controls and dot segments, however these are spelled."""
    return (
        path.startswith("/")
        and len(path) <= _MAX_PATH
        and _unfit_path.search(path) is None
        and not any(unquote(step) in (".", "..") for step in path.partition("?")[0].split("/"))
    )


def _described(
    document: Document,
    schemas: Schemas,
    name: str,
    verb: str,
    path: str,
    sources: tuple[dict[str, Any], dict[str, Any]],
) -> Described:
    operation = sources[1]
    takes = taken(document, schemas, path, sources)
    summary = text(operation.get("summary"))
    whole = text(operation.get("description")) or summary
    first = " ".join((summary or whole).partition("\n\n")[0].split())
    if len(first) > MAX_SUMMARY:
        first = first[: MAX_SUMMARY - 1] + "…"
    result, accepts, facts = _result(document, schemas, operation)
    return Described(
        name=name,
        params=takes.params,
        structure="by-name",
        result=result,
        summary=first,
        description="" if whole == first else whole,
        docs=_url(members(operation, "externalDocs").get("url")),
        deprecated=operation.get("deprecated") is True,
        safe=verb.upper() in SAFE_VERBS,
        idempotent=verb.upper() in IDEMPOTENT_VERBS,
        binding=HttpBinding(verb.upper(), _escaped(path), takes.places, takes.sends, accepts),
        facts=facts,
    )


def _escaped(path: str) -> str:
    """The path as a request line can hold it, with `{name}` as it is."""
    parts = IN_PATH.split(path)  # literals at even places, names at odd ones
    return "".join(
        f"{{{part}}}" if at % 2 else quote(_broken_escape.sub("%25", part), safe=_PATH_KEPT)
        for at, part in enumerate(parts)
    )


# --- results -----------------------------------------------------------------------------------------------


def _result(
    document: Document, schemas: Schemas, operation: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, str, dict[str, Any]]:
    """What comes back: its schema where one is known, the field Accept, and what `x-labgate` says of it."""
    response = _success(document, operation)
    if "swagger" in document.root:
        schema = response.get("schema")
        kinds = listed(operation, "produces") or listed(document.root, "produces")
        content: dict[Any, Any] = {kind: {"schema": schema} for kind in kinds if isinstance(kind, str)}
        if not content and schema is not None:
            content = {JSON: {"schema": schema}}
    else:
        content = members(response, "content")
    kinds = media_types(content)[:_MAX_ACCEPTED]
    if not kinds:
        return None, _ACCEPTS, {}
    for kind in kinds:
        if is_json(kind):
            described = content[kind]
            schema = described.get("schema") if isinstance(described, dict) else None
            cleaned = schemas.clean(schema) or None
            return cleaned, _ACCEPTS if kind == JSON else f"{kind}, {_ACCEPTS}", {}
    accepts = ", ".join((*kinds, "*/*;q=0.5"))
    if all(essence(kind).startswith("text/") for kind in kinds):
        return {"type": "string"}, accepts, {}
    return None, accepts, {} if essence(kinds[0]).startswith("text/") else {"result": "bytes"}


def _success(document: Document, operation: Mapping[str, Any]) -> dict[str, Any]:
    """The response to success: 200 before the lowest other of its class, before `default`."""
    responses = members(operation, "responses")
    successes = sorted(code for code in map(str, responses) if code[:1] == "2")
    for code in ("200", *successes, "default"):
        if code in responses:
            return document.resolved(responses[code])
    return {}


# --- addresses ---------------------------------------------------------------------------------------------


def _base(document: Document, service: Service, found_at: str) -> str:
    """Where the paths of the document begin, below the service's address.

    A document may be elsewhere than its calls, but never sends them to another host: of its servers only the path of
    the first that is relative or on the configured host counts.
    """
    configured = urlsplit(service.urls[0])
    prefix = configured.path.rstrip("/")
    hosts = {urlsplit(url).hostname for url in service.urls}
    here = f"http://{configured.netloc}{prefix}{found_at}"
    for written in _servers(document):
        try:
            server = urlsplit(urljoin(here, written))
            known = server.hostname in hosts and server.scheme in ("http", "https")
        except ValueError:
            continue
        path = server.path.rstrip("/")
        if known and (not path or _is_path(path)) and "{" not in path:
            path = _escaped(path)
            return path[len(prefix) :] if f"{path}/".startswith(f"{prefix}/") else path
    return ""


def _servers(document: Document) -> Iterator[str]:
    """The URLs of the servers as written, their variables replaced by the defaults."""
    if "swagger" in document.root:
        host, base = (document.root.get(name) for name in ("host", "basePath"))
        if isinstance(base, str) and len(base) < _MAX_URL:
            yield f"//{host}{base}" if isinstance(host, str) and host else base
        return
    for server in listed(document.root, "servers")[:_MAX_ACCEPTED]:
        url = server.get("url") if isinstance(server, dict) else None
        if isinstance(url, str) and len(url) < _MAX_URL:
            yield _filled(url, members(server, "variables"))


def _filled(url: str, variables: Mapping[str, Any]) -> str:
    return IN_PATH.sub(lambda name: str(members(variables, name[1]).get("default", "")), url)


def _url(value: object) -> str:
    url = text(value, _MAX_URL)
    return url if url == value and url.startswith(("https://", "http://")) else ""
