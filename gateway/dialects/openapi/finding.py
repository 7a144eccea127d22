"""Where does a REST upstream keep the document that describes it?"""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.core.faults import DeadlineExceeded, TooLarge, UpstreamBroken
from gateway.core.reply import Fields
from gateway.core.service import Description, Service
from gateway.core.upstream import Answer, Request, Upstream
from gateway.core.vouching import bearer_fields
from gateway.dialects.openapi import document
from gateway.dialects.openapi.coding import UnreadableCodingError, plain
from gateway.dialects.openapi.text import UnreadableError

PATHS: Final = (
    "/openapi.json",
    "/swagger.json",
    "/openapi.yaml",
    "/v3/api-docs",
    "/api/openapi.json",
    "/docs/openapi.json",
)
"""Where a document is looked for when the operator names no place (`describe`)."""

_FIELDS: Final[Fields] = (
    (b"Accept", b"application/json, application/yaml;q=0.9, */*;q=0.5"),
    (b"Accept-Encoding", b"identity"),
    (b"User-Agent", b"labgate"),
)
_OFF_THE_LOOP: Final = 256 * 1024
_OPENINGS: Final = (b"{", b"[")


async def find(service: Service, upstream: Upstream, deadline: float) -> Description:
    """The description in the first document that is one, at the configured place or at one of `PATHS`.

    One place that hangs has half of the time left. Raises UpstreamUnreachable, DeadlineExceeded, TooLarge for a
    document beyond `max_describe`, and UpstreamBroken where there is none.
    """
    loop = asyncio.get_running_loop()
    places = PATHS if service.describe_path is None else (service.describe_path,)
    problems: list[str] = []
    hung: DeadlineExceeded | None = None
    for place in places:
        now = loop.time()
        patience = deadline if len(places) == 1 else now + (deadline - now) / 2
        try:
            answer = await _asked(service, upstream, place, patience)
            found = await _read(answer, service, place)
        except UpstreamBroken as fault:
            problems.append(fault.message)
        except DeadlineExceeded as fault:
            hung = fault
        else:
            if isinstance(found, Description):
                return found
            problems.append(f"{place} gave HTTP {answer.status}, {found}")
    if hung is not None:
        raise hung
    raise UpstreamBroken(
        f"The service {service.qualified!r} has no OpenAPI document where one was looked for: "
        f"{'; '.join(problems)}. Set `describe` of the service to the path of its document."
    )


async def _asked(service: Service, upstream: Upstream, place: str, deadline: float) -> Answer:
    limit = service.max_describe
    try:
        return await upstream.exchange(
            Request(
                "GET",
                place,
                (*_FIELDS, *bearer_fields(service.token)),
                None,
                deadline=deadline,
                max_reply=limit,
                repeatable=True,
            )
        )
    except TooLarge as fault:
        raise _beyond(service) from fault


async def _read(answer: Answer, service: Service, place: str) -> Description | str:
    """The description in an answer, or what it is instead."""
    if 300 <= answer.status < 400:
        return "a redirect, which is not followed"
    if answer.status in (401, 403):
        return "which wants other credentials: check `headers` of the service"
    if answer.status != 200:
        return "no document"
    if len(answer.body) > _OFF_THE_LOOP or answer.body.lstrip()[:1] not in _OPENINGS:
        return await asyncio.to_thread(_read_now, answer, service, place)
    return _read_now(answer, service, place)


def _read_now(answer: Answer, service: Service, place: str) -> Description | str:
    try:
        return document.read(plain(answer, service.max_describe), service, place)
    except UnreadableError as problem:
        return str(problem)
    except UnreadableCodingError as problem:
        if problem.too_large:
            raise _beyond(service) from problem
        return str(problem)


def _beyond(service: Service) -> TooLarge:
    return TooLarge(
        f"The service {service.qualified!r} describes itself in more than {service.max_describe} bytes, "
        "which is more than the gate reads."
    )
