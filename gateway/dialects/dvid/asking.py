"""How is a DVID asked, on behalf of one caller, and what of its answers is kept?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from cachetools import LRUCache
from msgspec import Struct
from msgspec.structs import replace

from gateway.core import faults
from gateway.core.assembling import Parts
from gateway.core.call import NO_DEMAND, Call, Demand, Params
from gateway.core.method import CacheRule, HttpBinding, Method
from gateway.core.principal import Principal
from gateway.core.reply import Fields, Reply, Whole, in_memory
from gateway.core.room import Plain, Room, put
from gateway.core.service import Service
from gateway.core.upstream import Answer, Request, Upstream
from gateway.core.verdict import Pass
from gateway.core.vouching import bearer_fields
from gateway.dialects.dvid.cutting import Cutting
from gateway.dialects.dvid.repos import Repos
from gateway.dialects.openapi import replies

FOREVER: Final = 10 * 365 * 86400.0
"""Seconds for which what never changes is fresh."""
KNOWN_SECONDS: Final = 5.0
"""For how long it is believed which versions and data there are; a write through the gate ends it at once."""
MODE_SECONDS: Final = 60.0
_LARGEST: Final = 1 << 30
_TRIP = Pass("trip")  # The relay knows the verdict, and puts it here.
_OFF_THE_LOOP: Final = 1 << 20
_TOLD: Final = 300
_FIELDS: Final[Fields] = ((b"Accept-Encoding", b"identity"), (b"User-Agent", b"labgate"))


class RefusedError(Exception):
    """The service answered with an error: it is the answer to the whole call."""

    def __init__(self, reply: Reply) -> None:
        super().__init__("the service refused")
        self.reply = reply


class Hidden:
    """The calls that are made for others and stand in no list, by what they are for.

    `repos`, `mode` and `info` are what is known of the service and its data, `block` stored voxels, `region` voxels on their way into blocks, `data` other
    data that never change.
    """

    def __init__(self, service: Service) -> None:
        kept = _sharing(service)
        # `force`: what is added for callers says `private`, which is about their caches and not this one.
        self.immutable = CacheRule(
            FOREVER,
            share=kept.share,
            authorized=kept.authorized,
            max_size=kept.max_size,
            pin=kept.pin,
            force=True,
        )
        share = kept.share if kept.share == "everyone" else "nobody"
        soon = CacheRule(KNOWN_SECONDS, share=share, max_size=_LARGEST)
        writes = (f"writes:{service.qualified}",)
        self.repos = _hidden(service, "repos", "/api/repos/info", soon, writes)
        self.mode = _hidden(service, "mode", "/api/server/info", CacheRule(MODE_SECONDS, share=share))
        voxels = "/api/node/{node}/{instance}/raw/0_1_2/{size}/{offset}"
        self.block = _hidden(service, "block", voxels, self.immutable)
        info = "/api/node/{node}/{instance}/info"
        self.info = _hidden(service, "info", info, soon, writes)
        self.metadata = _hidden(service, "metadata", "{target}", soon, writes)
        self.region = _hidden(service, "region", voxels, None)
        self.data = _hidden(service, "data", "{target}", self.immutable)


def _sharing(service: Service) -> CacheRule:
    """The operator's rule for `read` says who shares what never changes, and how much of it is kept."""
    for glob in ("read", "*"):
        rule = service.rules.get(glob)
        if rule is not None and rule.cache is not None:
            return rule.cache
    # Where the service cannot see who asks, the gate alone decides, with every hit.
    return CacheRule(0, share="nobody" if service.introduced else "everyone", max_size=1 << 28)


def _hidden(
    service: Service, name: str, path: str, rule: CacheRule | None, watches: tuple[str, ...] = ()
) -> Method:
    return Method(
        f"{service.name}.{name}",
        service.qualified,
        HttpBinding("GET", path),
        safe=True,
        cache=rule,
        watches=watches,
    )


class Errand(Struct, frozen=True):
    """On whose behalf a DVID is asked, and until when (on the monotonic clock)."""

    id: str
    principal: Principal
    deadline: float
    service: Service
    parts: Parts
    hidden: Hidden
    demand: Demand = NO_DEMAND

    def call(self, method: Method, params: Mapping[str, Any] | None = None) -> Call:
        """A hidden call."""
        return self.named(
            method, None if params is None else json.dumps(params, separators=(",", ":")).encode()
        )

    def named(self, method: Method, raw: bytes | None) -> Call:
        """A hidden call with these parameters, a JSON object."""
        return Call(self.id, self.principal, method, Params(raw), self.deadline, self.demand)

    async def obtain(self, method: Method, params: Mapping[str, Any] | None = None) -> Reply:
        """The reply to a hidden call. Raises `RefusedError`, and faults."""
        reply = await self.parts.obtain(self.call(method, params))
        if reply.kind != "result":
            raise RefusedError(reply)
        return reply


class Knowing:
    """What is known of each service, read once for each answer that says it."""

    def __init__(self) -> None:
        self._hidden: LRUCache[Service, Hidden] = LRUCache(256)
        self._read: LRUCache[tuple[Service, str], tuple[bytes, Repos]] = LRUCache(64)

    def hidden(self, service: Service) -> Hidden:
        """The hidden calls of a service."""
        found = self._hidden.get(service)
        if found is None:
            found = self._hidden[service] = Hidden(service)
        return found

    async def repos(self, errand: Errand) -> Repos:
        """The repositories that the caller may see. Raises `RefusedError`, and faults."""
        body = (await errand.obtain(errand.hidden.repos)).body.data
        one = errand.principal
        who = f"{one.issuer} {one.subject} {one.rights.hex()}" if errand.service.introduced else ""
        known = self._read.get((errand.service, who))
        if known is not None and known[0] is body:
            return known[1]
        try:
            repos = await asyncio.to_thread(Repos, body) if len(body) > _OFF_THE_LOOP else Repos(body)
        except ValueError as odd:
            raise faults.UpstreamBroken(
                f"The service {errand.service.qualified!r} does not say which repositories it has: {odd}."
            ) from odd
        self._read[errand.service, who] = body, repos
        return repos

    async def may_change(self, errand: Errand) -> bool:
        """Whether the service lets locked versions be written to. Raises as above."""
        return b"committed" in (await errand.obtain(errand.hidden.mode)).body.data


async def exchange(
    call: Call,
    service: Service,
    upstream: Upstream,
    verb: str,
    target: str,
    fields: Fields = (),
    body: bytes | None = None,
    room: Room | None = None,
) -> Answer:
    """The answer to one request; a read that was turned away because the service is busy is made again, within its time.

    `room`: see `Upstream.exchange`.
    """
    loop = asyncio.get_running_loop()
    pause = 0.1
    while True:
        left = call.deadline - loop.time()
        if left <= 0:
            raise faults.DeadlineExceeded(
                f"The call's time was over before the service {service.qualified!r} was asked."
            )
        own = (
            *fields,
            *_FIELDS,
            *bearer_fields(call.bearer),
            (b"Labgate-Timeout", b"%.3f" % left),
            (b"X-Request-Id", call.id.encode("ascii", "replace")),
        )
        answer = await upstream.exchange(
            Request(
                verb,
                target,
                own,
                body,
                deadline=call.deadline,
                max_reply=service.max_reply,
                repeatable=call.method.safe,
                principal=call.principal,
                room=room,
            )
        )
        wait = max(pause, _told_to_wait(answer))
        if answer.status != 503 or not call.method.safe or loop.time() + wait >= call.deadline:
            return answer
        await asyncio.sleep(wait)
        pause = min(2.0, 2 * pause)


def _told_to_wait(answer: Answer) -> float:
    said = next((value for name, value in answer.fields if name.lower() == b"retry-after"), b"")
    return min(60.0, float(said)) if said.isdigit() and len(said) < 6 else 0.0


def plainly(answer: Answer, service: Service, *, safe: bool) -> Reply:
    """The bytes of an answer, or its error; what is refused because a version is locked is a fault of its own."""
    if answer.status in (200, 204, 206):
        return Reply("result", Whole(answer.body), _TRIP)
    return refused(answer, service, safe=safe)


def in_room(answer: Answer, room: Plain, service: Service) -> Reply:
    """The body of an answer that may have come into its room, as it lies in memory; or its error."""
    if answer.status != 200:
        return plainly(answer, service, safe=True)
    return _in_pieces(answer, [room.memory[: answer.placed], memoryview(answer.body)])


def in_blocks(answer: Answer, cutting: Cutting, service: Service) -> Reply:
    """The blocks of the box that was asked for, one after the other, and what came behind them; or the answer's error.

    There is no piece, whatever the length, where less than a box came.
    """
    if answer.status != 200:
        return plainly(answer, service, safe=True)
    surplus = memoryview(answer.body)
    if not answer.placed:  # it was gathered all the same
        place = cutting.begin()
        put(cutting, surplus[:place])
        surplus = surplus[place:]
    return _in_pieces(answer, [*blocks, surplus] if (blocks := cutting.blocks) else [])


def _in_pieces(answer: Answer, pieces: Iterable[memoryview]) -> Reply:
    made = replace(in_memory(filter(None, pieces)), length=answer.placed + len(answer.body))
    return Reply("result", Whole(b""), _TRIP, composed=made)


def whole(answer: Answer, service: Service, target: str) -> Answer:
    """The answer. Raises `UpstreamBroken` for a 200 that the service's error is appended to, which came after it had begun."""
    ending = b"/" + unquote_to_bytes(target.partition("?")[0].lstrip("/")) + b").\n"
    if answer.status != 200 or not answer.body.endswith(ending):
        return answer
    said = answer.body[-_TOLD:].decode("utf-8", "replace").strip().rpartition("\n")[2]
    raise faults.UpstreamBroken(
        f"The service {service.qualified!r} stopped in the middle of its answer, of which nothing was kept: …{said}"
    )


def refused(answer: Answer, service: Service, *, safe: bool) -> Reply:
    """What an answer says went wrong. Raises `Locked`."""
    if answer.status == 400 and not safe and b"lock" in answer.body[:2000].lower():
        said = " ".join(answer.body[:500].decode("utf-8", "replace").split())
        raise faults.Locked(f"The service {service.qualified!r} refused: {said}")
    return replies.reply(answer, service, safe=safe)
