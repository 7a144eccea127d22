"""What does a service of a deployment offer, by what is known of its kind and by what it says of itself?"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from msgspec import structs

from gateway.core.faults import Fault, UpstreamBroken
from gateway.core.method import HttpBinding
from gateway.core.reply import Fields
from gateway.core.service import Described, Description, Service
from gateway.core.upstream import Answer, Request, Upstream
from gateway.core.vouching import bearer_fields
from gateway.dialects.cave.parts import is_known
from gateway.dialects.cave.routes import described, routes
from gateway.dialects.openapi.finding import find

VERSIONS: Final = {
    "info": "/version",
    "state": "/api/v1/version",
    "schema": "/versions",
    "chunkedgraph": "/api/version",
    "materialize": "/version",
    "annotation": "/api/versions",
    "skeleton": "/api/version",
}
"""Where the parts say which version they are; the others say nothing of themselves."""

DOCUMENTS: Final = {
    "info": "/api/swagger.json",
    "schema": "/api/swagger.json",
    "materialize": "/swagger.json",
    "annotation": "/api/swagger.json",
    "skeleton": "/api/swagger.json",
}
"""Where those that describe themselves do."""

_FIELDS: Final[Fields] = (
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"identity"),
    (b"User-Agent", b"labgate"),
)
_AT_ONCE: Final = 8
_LARGEST: Final = 1 << 20
_unfit = re.compile(r"[^a-z0-9]+")


Known = tuple[Service, Upstream]


async def describe(
    service: Service, upstream: Upstream, deadline: float, auth: Callable[[], Known | None]
) -> Description:
    """The endpoints that are known of the service's part, and those that its document adds.

    `auth` is the service of the same deployment that knows permissions.

    Raises the fault of a service that does not answer. One that does not say its version is none the less there.
    """
    if not service.part:
        return Description(methods=(), convention="cave", address="")
    known = [described(route, service.part, service.fills) for route in routes(service.part).values()]
    # Who asks as nobody is told by every service that it is there, and by some no more.
    version = await _version(service, upstream, deadline)
    added, schemas = await _added(service, upstream, deadline, known)
    found = await datastacks(service, upstream, deadline, auth()) if service.part == "info" else None
    return Description(
        methods=(*known, *added),
        convention="cave",
        address="",
        version=version,
        schemas=schemas,
        datastacks=found,
    )


async def _version(service: Service, upstream: Upstream, deadline: float) -> str:
    path = VERSIONS.get(service.part)
    if path is None:
        # Any answer says that it is there.
        await _get(service, upstream, "/", deadline)
        return ""
    answer = await _get(service, upstream, path, deadline)
    if answer.status >= 500:
        raise UpstreamBroken(
            f"The service {service.qualified!r} answered HTTP {answer.status} when asked for its version."
        )
    said = _read(answer)
    if isinstance(said, list):
        return ", ".join(map(str, said[:20]))[:100]
    return said[:100] if isinstance(said, str) else ""


async def _added(
    service: Service, upstream: Upstream, deadline: float, known: list[Described]
) -> tuple[list[Described], Mapping[str, Any]]:
    """The operations of the service's document that are not known, named by verb and path."""
    place = DOCUMENTS.get(service.part)
    if place is None:
        return [], {}
    try:
        found = await find(replace(service, describe_path=place), upstream, deadline)
    except Fault:
        return [], {}
    taken = {_target(one, "") for one in known}
    names = {one.name for one in known}
    added: list[Described] = []
    for one in found.methods:
        target = _target(one, found.address.removeprefix(_base(service)))
        if not isinstance(one.binding, HttpBinding) or target in taken:
            continue
        verb, _, path = target.partition(" ")
        name = _name(verb, path)
        if name not in names:
            names.add(name)
            taken.add(target)
            added.append(
                replace(
                    one,
                    name=name,
                    binding=structs.replace(one.binding, path=path),
                    summary=one.summary or one.name,
                )
            )
    return added, found.schemas


def _base(service: Service) -> str:
    """The path of the service's own address, which its document says too."""
    return "/" + service.urls[0].partition("://")[2].partition("/")[2].rstrip("/")


def _target(one: Described, address: str) -> str:
    """Verb and path, with nothing in them that two writers could call otherwise."""
    binding = one.binding
    if binding is None:
        return ""
    verb, _, path = binding.target.partition(" ")
    return f"{verb} {address.rstrip('/')}{path}"


def _name(verb: str, path: str) -> str:
    """`get_api_v2_datastack_version` for what the document calls `simple_query`, three times."""
    words = _unfit.sub("_", path.lower().replace("{", "by_").replace("}", "")).strip("_")
    return f"{verb.lower()}_{words}" if words else verb.lower()


# --- which datastacks there are


async def datastacks(
    service: Service, upstream: Upstream, deadline: float, auth: Known | None
) -> dict[str, dict[str, Any] | None] | None:
    """What the info service tells the gate of each datastack; None where the gate has no token to ask with.

    A record that cannot be had now is None: what was known of it stays.
    """
    if service.token is None:
        return None
    listed = _read(await _get(service, upstream, "/api/v2/datastacks", deadline))
    if not isinstance(listed, list):
        raise UpstreamBroken(
            f"The service {service.qualified!r} does not list its datastacks: has `token` the right to see them?"
        )
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> dict[str, Any] | None:
        async with turns:
            try:
                answer = await _get(service, upstream, f"/api/v2/datastack/full/{name}", deadline)
            except Fault:
                return None
        said = _read(answer)
        if not isinstance(said, dict):
            return None
        return {**_kept(said), "dataset": await _dataset(auth, name, deadline)}

    names = [name for name in listed if is_known(name)]
    return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))


def _kept(record: Mapping[str, Any]) -> dict[str, Any]:
    volume = record.get("aligned_volume")
    name = volume.get("name") if isinstance(volume, dict) else volume
    said = {key: record.get(key) for key in ("local_server", "segmentation_source", "description")}
    return {**said, "aligned_volume": {"name": name}}


async def _dataset(auth: Known | None, datastack: str, deadline: float) -> str | None:
    """Whose permissions hold for a datastack, as the auth service says; None where it does not."""
    if auth is None:
        return None
    path = f"/api/v1/service/datastack/table/{datastack}/dataset"
    try:
        said = _read(await _get(*auth, path, deadline))
    except Fault:
        return None
    return said if is_known(said) else None


# --- asking


async def _get(service: Service, upstream: Upstream, path: str, deadline: float) -> Answer:
    return await upstream.exchange(
        Request(
            "GET",
            path,
            (*_FIELDS, *bearer_fields(service.token)),
            None,
            deadline=deadline,
            max_reply=_LARGEST,
            repeatable=True,
        )
    )


def _read(answer: Answer) -> Any:
    if answer.status != 200:
        return None
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
