"""Which methods does a catalog server make? The same for all: what is in it are arguments, and no methods."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from gateway.core.faults import DeadlineExceeded, UpstreamBroken
from gateway.core.intake.wire import UnreadableError, unpack
from gateway.core.method import HttpBinding, Param
from gateway.core.reply import Fields
from gateway.core.service import Described, Description, Service
from gateway.core.upstream import Request, Upstream
from gateway.core.vouching import bearer_fields

_FIELDS: Final[Fields] = ((b"Accept-Encoding", b"identity"), (b"User-Agent", b"labgate"))
_TEXT: Final[dict[str, Any]] = {"type": "string"}
_COUNT: Final[dict[str, Any]] = {"type": "integer", "minimum": 0}
_NAME: Final = Param(
    "name", required=True, schema=_TEXT, description="The entry's name; dots lead into nested catalogs."
)
_CATALOG: Final = Param(
    "catalog", schema=_TEXT, description="A nested catalog, by its dotted name; default: the outermost."
)
_PARAMETERS: Final = Param(
    "parameters",
    schema={"type": "object"},
    description="The entry's own parameters by name; others have their defaults.",
)
AT_ONCE: Final = 2
"""Calls on their way to a catalog server: it does one thing at a time, and whoever waits within it keeps all others waiting."""
_WITHIN: Final = Param(
    "within",
    schema={"type": "array", "items": {"type": "object"}},
    description="The nested catalogs that lead there, each with its own parameters: [{name, parameters}]; default: none.",
)
PAGE: Final = 1000
"""Entries on a page where nothing is said."""


def methods() -> tuple[Described, ...]:
    """What every catalog server offers."""
    return (
        _method(
            "entries",
            "Entries of a catalog, page by page, in its own order",
            (
                _CATALOG,
                _WITHIN,
                Param("page_size", schema={**_COUNT, "default": PAGE}),
                Param("page_offset", schema={**_COUNT, "default": 0}),
            ),
            {"page": {"size": "page_size", "offset": "page_offset", "items": "entries"}},
            HttpBinding("GET", "/v1/info"),
        ),
        _method(
            "describe",
            "What a catalog says of one entry",
            (_NAME, _WITHIN),
            {},
            HttpBinding("GET", "/v1/source"),
        ),
        _method(
            "search",
            "Entries that have one of some words in what describes them",
            (Param("query", required=True, schema=_TEXT), _CATALOG, _WITHIN),
            {"sources": {"items": "entries", "source": "source"}},
        ),
        _method(
            "source",
            "What an entry is once it is opened with its parameters: container, schema, partitions, metadata",
            (_NAME, _PARAMETERS, _WITHIN),
            {"result": "source", "source": {one: one for one in ("read", "entries", "search")}, "item": True},
            HttpBinding("POST", "/v1/source"),
        ),
        _method(
            "read",
            "A partition of an entry, or the whole of it: a table as an Arrow stream, an array, or text",
            (
                _NAME,
                _PARAMETERS,
                Param(
                    "partition", schema={"type": ["integer", "array", "null"], "items": {"type": "integer"}}
                ),
                _WITHIN,
            ),
            {"result": "table"},
        ),
    )


def _method(
    name: str,
    about: str,
    params: tuple[Param, ...],
    facts: dict[str, Any],
    binding: HttpBinding | None = None,
) -> Described:
    return Described(
        name,
        params=params,
        structure="either",
        summary=about,
        safe=True,
        idempotent=True,
        facts=facts,
        binding=binding,
        assembled=True,
    )


async def describe(service: Service, upstream: Upstream, deadline: float) -> Description:
    """The methods, if the service answers as a catalog server does. Raises UpstreamBroken and what its exchange does."""
    if deadline <= asyncio.get_running_loop().time():
        raise DeadlineExceeded(f"There was no time to ask {service.qualified!r}.")
    answer = await upstream.exchange(
        Request(
            "GET",
            "/v1/info?page_size=0",
            (*_FIELDS, *bearer_fields(service.token)),
            None,
            deadline=deadline,
            max_reply=service.max_describe,
            repeatable=True,
        )
    )
    if answer.status in (401, 403) and service.dialect != "auto":
        if service.sees_callers:  # it knows its callers, and not the gate
            return Description(methods=methods(), convention="intake", address="", concurrency=AT_ONCE)
        raise UpstreamBroken(
            f"The service {service.qualified!r} refuses the gate (HTTP {answer.status}): its secret belongs under `headers`."
        )
    try:
        said = unpack(answer.body) if answer.status == 200 else None
    except UnreadableError:
        said = None
    if not isinstance(said, dict) or not isinstance(said.get("sources"), list):
        raise UpstreamBroken(
            f"The service {service.qualified!r} does not answer as an Intake server: there is no /v1/info."
        )
    version = said.get("version")
    return Description(
        methods=methods(),
        convention="intake",
        address="",
        version=version[:100] if isinstance(version, str) else "",
        concurrency=AT_ONCE,
    )
