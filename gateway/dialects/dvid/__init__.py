"""How are volume stores that speak DVID's API understood, and spoken to?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes

import orjson

from gateway.core import faults
from gateway.core.assembling import Known, MountAsk, Onward, Parts, Ready
from gateway.core.call import Call
from gateway.core.method import HttpBinding, Method
from gateway.core.paths import Steps
from gateway.core.ports import Messenger, Route
from gateway.core.reply import Reply
from gateway.core.room import Plain, Room
from gateway.core.service import Description, Service
from gateway.core.upstream import Answer, Upstream
from gateway.core.upstream import Request as Outgoing
from gateway.dialects.dvid import help as helping
from gateway.dialects.dvid.asking import (
    Errand,
    Knowing,
    RefusedError,
    exchange,
    in_blocks,
    in_room,
    plainly,
    refused,
    whole,
)
from gateway.dialects.dvid.cutting import Cutting, window_of
from gateway.dialects.dvid.endpoints import asked, never_changes, target_of
from gateway.dialects.dvid.methods import FAMILIES, OWN
from gateway.dialects.dvid.mounted import Inner
from gateway.dialects.dvid.own import Own, read
from gateway.dialects.dvid.places import Places
from gateway.dialects.dvid.windows import Windows
from gateway.dialects.openapi import replies
from gateway.dialects.openapi.requests import Request, request

_OFF_THE_LOOP: Final = 1 << 20
_MOST_TYPES: Final = 60


class DvidDialect:
    """The dialect `dvid`: a `Dialect` for DVID servers, an `Assembler` and an `Inbound`."""

    kind = "dvid"

    def __init__(self, wall: Callable[[], float]) -> None:
        """`wall` tells seconds since 1970."""
        self._wall = wall
        self._knowing = Knowing()
        self._places = Places()
        self._windows = Windows()
        self._own = Own(self._knowing, wall)
        self._inner = Inner(self._knowing, self._own)

    # --- describe

    async def describe(self, service: Service, upstream: Upstream, deadline: float) -> Description:
        """What every DVID offers, and what this one's own help names. Raises faults where it is none."""

        async def ask(path: str) -> Answer:
            return await upstream.exchange(
                Outgoing(
                    "GET",
                    path,
                    ((b"Accept-Encoding", b"identity"), (b"User-Agent", b"labgate")),
                    None,
                    deadline=deadline,
                    max_reply=service.max_describe,
                    repeatable=True,
                )
            )

        about = await ask("/api/server/info")
        version = _version(about)
        if version is None:
            raise faults.UpstreamBroken(
                f"The service {service.qualified!r} is no DVID: /api/server/info says HTTP {about.status} and no version. "
                "Check `url` and `dialect` in the gate's configuration."
            )
        named = helping.Calls((*OWN, *FAMILIES))
        named.add(_text(await ask("/api/help")), "")
        types = await ask("/api/server/compiled-types")
        found = await asyncio.gather(*(ask(f"/api/help/{name}") for name in _types(types)))
        for name, page in zip(_types(types), found, strict=True):
            named.add(_text(page), name)
        return Description((*OWN, *FAMILIES, *named.methods()), "DVID's help", "", version)

    # --- carry out

    async def perform(self, call: Call, service: Service, address: str, upstream: Upstream) -> Reply:  # noqa: ARG002 - a port
        """Carry out a hidden call: one request, whose answer is what is stored."""
        binding = call.method.binding
        if not isinstance(binding, HttpBinding):
            raise faults.InternalFault(f"The method {call.method.name!r} is bound to no request.")
        params = {} if call.ask.raw is None else orjson.loads(call.ask.raw)
        steps = {
            name: quote(value, "") if name in ("node", "instance") else value
            for name, value in params.items()
        }
        target = binding.path.format(**steps)
        if params.get("scale"):
            target += f"?scale={params['scale']}"
        if "bytes" in params:  # voxels: it is known how many
            verb = binding.verb

            async def ask(room: Room) -> Answer:
                return await exchange(call, service, upstream, verb, target, room=room)

            return await self._voxels(ask, params["bytes"], params["size"], params["cut"], service)
        answer = await exchange(call, service, upstream, binding.verb, target)
        if "target" in params:
            return await _shaped(whole(answer, service, target), service, safe=True)
        return plainly(answer, service, safe=True)

    async def _voxels(
        self,
        ask: Callable[[Room], Awaitable[Answer]],
        size: int,
        shape: str,
        block: list[int] | None,
        service: Service,
    ) -> Reply:
        """The voxels of a box, as they come, or in blocks; `shape` is as DVID has it."""
        if block is None:
            room = Plain(size)
            return in_room(await ask(room), room, service)
        x, y, z = (int(one) for one in shape.split("_"))
        of_each = size // (x * y * z)
        window = self._windows.take(window_of((z, y, x), of_each))
        cutting = Cutting((z, y, x), (block[0], block[1], block[2]), of_each, self._places.take, window)
        reply = in_blocks(await ask(cutting), cutting, service)
        self._windows.give(window)  # and not where an answer may still be on its way into it
        return reply

    async def assemble(self, call: Call, route: Route, parts: Parts) -> Reply:
        """Carry out a method: by steps of the dialect's own, or as the one request that it is."""
        service = route.service
        errand = Errand(
            call.id,
            call.principal,
            call.deadline,
            service,
            parts,
            self._knowing.hidden(service),
            call.demand,
        )
        try:
            if not isinstance(call.method.binding, HttpBinding):
                return await self._own.answer(call.method.binding.method, call, route, errand)
            return await self._plain(call, call.method.binding, route, errand)
        except RefusedError as error:
            return error.reply

    async def _plain(self, call: Call, binding: HttpBinding, route: Route, errand: Errand) -> Reply:
        """One request; what never changes is stored. Versions are named by their whole UUID."""
        raw = call.ask.raw
        if raw is not None and len(raw) > _OFF_THE_LOOP:
            sent = await asyncio.to_thread(request, call, binding, "ndarray")
        else:
            sent = request(call, binding, "ndarray")
        target, never = await self._meant(call, binding, sent, errand)
        if never is not None:
            asks = {"target": target, "as": never[0], "dataset": never[1]}
            return await errand.obtain(errand.hidden.data, asks)
        answer = await exchange(
            call, route.service, route.upstream, sent.verb, target, sent.fields, sent.body
        )
        if answer.status >= 400:
            return refused(answer, route.service, safe=call.method.safe)
        if call.method.safe:
            answer = whole(answer, route.service, target)
        return await _shaped(answer, route.service, safe=call.method.safe)

    async def _meant(
        self, call: Call, binding: HttpBinding, sent: Request, errand: Errand
    ) -> tuple[str, tuple[str, str] | None]:
        """The request's target with its version's UUID; if its answer never changes what stands for it, and the dataset."""
        if "{node}" not in binding.path:
            return sent.target, None
        given = read(call)
        selector = given.get("node")
        if not isinstance(selector, str):
            return sent.target, None
        known = await self._own.known(errand)
        repo, node = known.node(selector, errand.service.nodes)
        path, mark, query = sent.target.partition("?")
        steps = path.split("/")
        steps[3] = quote(node.uuid, "")
        target = "/".join(steps) + mark + query
        instance = repo.instances.get(str(given.get("instance")))
        if sent.verb != "GET" or sent.body is not None or instance is None:
            return target, None
        what = asked(tuple(unquote_to_bytes(step) for step in steps[1:]), query.encode())
        if what is None or not never_changes(repo, node, instance, what, self._wall()):
            return target, None
        if await self._knowing.may_change(errand):
            return target, None
        return target, (target_of(repo, node, instance, what).decode(), repo.alias or repo.root)

    def messenger(self, method: Method, service: Service, address: str) -> tuple[Messenger, str] | None:  # noqa: ARG002 - a port
        """None: what is sent depends on what is known of versions."""
        return None

    # --- through a mount

    def takes(self, service: Service, verb: str, inner: Steps) -> bool:
        """Whether a request is for data of a version, names a version by a name of ours, or is of DVID's first year."""
        return self._inner.takes(service, verb, inner)

    def reads(self, service: Service, verb: str, inner: Steps) -> bool:
        """Whether its body is needed: only where it means something else today."""
        return self._inner.reads(service, verb, inner)

    async def inbound(self, ask: MountAsk, route: Route, parts: Parts) -> Onward | Ready:
        """What becomes of the request. Raises faults."""
        hidden = self._knowing.hidden(route.service)
        errand = Errand(ask.id, ask.principal, ask.deadline, route.service, parts, hidden, ask.demand)
        return await self._inner.answer(ask, errand)


async def _shaped(answer: Answer, service: Service, *, safe: bool) -> Reply:
    """What a caller gets of an answer: JSON as it is, text, or bytes."""
    if len(answer.body) > _OFF_THE_LOOP:
        return await asyncio.to_thread(replies.reply, answer, service, safe=safe)
    return replies.reply(answer, service, safe=safe)


def _version(answer: Answer) -> str | None:
    try:
        said: Any = orjson.loads(answer.body) if answer.status == 200 else None
    except ValueError:
        return None
    version = said.get("DVID Version") if isinstance(said, dict) else None
    return str(version)[:80] if version is not None else None


def _types(answer: Answer) -> list[str]:
    try:
        said: Any = orjson.loads(answer.body) if answer.status == 200 else {}
    except ValueError:
        return []
    names = (
        [name for name in said if isinstance(name, str) and name.isascii() and name.isidentifier()]
        if isinstance(said, dict)
        else []
    )
    return sorted(names)[:_MOST_TYPES]


def _text(page: Answer) -> str:
    return helping.plain_text(page.body) if page.status == 200 else ""


__all__ = ["DvidDialect", "Known"]
