"""What becomes of a request below a DVID's mount? Most pass as they are; what never changes is stored, cutouts come from blocks."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote_to_bytes

from gateway.core.assembling import Known, MountAsk, Onward, Ready
from gateway.core.faults import Fault, InvalidParams
from gateway.core.paths import Steps
from gateway.core.reply import Fields
from gateway.core.service import Service
from gateway.core.verdict import pass_for
from gateway.dialects.dvid import old
from gateway.dialects.dvid.asking import Errand, Knowing, RefusedError
from gateway.dialects.dvid.endpoints import (
    Asked,
    asked,
    cutout,
    late_error,
    length_of,
    never_changes,
    tag_of,
    target_of,
)
from gateway.dialects.dvid.geometry import Box, block_shape, in_blocks
from gateway.dialects.dvid.own import Own
from gateway.dialects.dvid.repos import Instance, Node, Repo
from gateway.dialects.dvid.stored import Source

_READ = ("GET", "HEAD")
_OF_VERSIONS = (b"node", b"repo")
_JSON: Fields = ((b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store"))
_NEVER = b"private, max-age=31536000, immutable"


class Inner:
    """What is done with requests that came through a mount."""

    def __init__(self, knowing: Knowing, own: Own) -> None:
        self._knowing = knowing
        self._own = own

    def takes(self, service: Service, verb: str, inner: Steps) -> bool:
        """Whether there is anything to be done."""
        if inner[:1] != (b"api",) or len(inner) < 3:
            return False
        if inner[1] in _OF_VERSIONS and _alias(service.nodes, inner) is not None:
            return True
        if old.is_old(inner):
            return True
        return inner[1] == b"node" and len(inner) > 4 and verb in _READ

    def reads(self, service: Service, verb: str, inner: Steps) -> bool:  # noqa: ARG002 - a port
        """Whether the body is needed for it."""
        return inner[:2] == (b"api", b"dataset") and verb == "POST"

    async def answer(self, ask: MountAsk, errand: Errand) -> Onward | Ready:
        """What becomes of the request. Raises faults."""
        rest, inner = ask.rest, ask.inner
        turns: tuple[tuple[int, int], ...] = ()
        try:
            if old.is_old(inner):
                found = await self._old(ask, errand)
                if isinstance(found, Ready) or found.body is not None:
                    return found
                rest, inner, turns = found.rest, _steps(found.rest), found.turns
            rest, inner = await self._with_uuid(rest, inner, errand)
            onward = Onward(rest, ask.query, None, turns)
            what = asked(inner, ask.query)
            if ask.verb not in _READ or ask.credential or ask.body or what is None or inner[1] != b"node":
                return onward
            return await self._known(ask, errand, onward, inner, what)
        except (RefusedError, InvalidParams):
            # Whatever is wrong, the service says it in its own words.
            return Onward(rest, ask.query, None, turns)

    async def _known(
        self, ask: MountAsk, errand: Errand, onward: Onward, inner: Steps, what: Asked
    ) -> Onward | Ready:
        """What is known of the answer: that it never changes, or the answer itself."""
        try:
            known = await self._knowing.repos(errand)
            if await self._knowing.may_change(errand):
                return onward
        except Fault:
            return onward  # it is asked for all the same, and the service may answer
        repo, node = known.node(inner[2].decode("utf-8", "replace"))
        instance = repo.instances.get(inner[3].decode("utf-8", "replace"))
        if instance is None or not never_changes(repo, node, instance, what, ask.wall):
            return onward
        target = target_of(repo, node, instance, what)
        fields = ((b"ETag", tag_of(target)), (b"Cache-Control", _NEVER))
        voxels = cutout(what, instance)
        if voxels is None or not in_blocks(voxels[0], block_shape(voxels[1])):
            length = length_of(what, instance)
            named = {"dataset": repo.alias or repo.root}
            found = Known(errand.hidden.immutable, target, fields, length, late_error(inner), named)
            return Onward(onward.rest, onward.query, found, onward.turns)
        box, kind, scale = voxels
        return await self._cutout(ask, errand, Source(repo, node, instance, kind, scale), box, fields)

    async def _cutout(self, ask: MountAsk, errand: Errand, source: Source, box: Box, fields: Fields) -> Ready:
        reply = await self._own.of_stored(errand, source, box)
        if reply is None or reply.composed is None:
            raise InvalidParams("no cutout")
        if not errand.service.introduced and _has(ask.fields, fields[0][1]):
            await reply.composed.pieces.aclose()
            return Ready(304, fields, b"", reply.verdict)
        told = ((b"Content-Type", b"application/octet-stream"), *fields)
        return Ready(200, told, reply.composed, reply.verdict)

    async def _with_uuid(self, rest: bytes, inner: Steps, errand: Errand) -> tuple[bytes, Steps]:
        """The path with a version's UUID in the place of a name of ours."""
        name = _alias(errand.service.nodes, inner) if inner[1:2] and inner[1] in _OF_VERSIONS else None
        if name is None:
            return rest, inner
        known = await self._knowing.repos(errand)
        uuid = known.node(name, errand.service.nodes)[1].uuid
        return _with_step(rest, 2, quote(uuid, "").encode()), (*inner[:2], uuid.encode(), *inner[3:])

    # --- of DVID's first year

    async def _old(self, ask: MountAsk, errand: Errand) -> Onward | Ready:
        inner = ask.inner
        if inner[1] == b"datasets" and inner[2:] == (b"info",) and ask.verb in _READ:
            known = await self._knowing.repos(errand)
            return Ready(200, _JSON, old.datasets(known), pass_for("assembled"))
        if inner[1] == b"dataset" and len(inner) == 6 and inner[3] == b"new" and ask.verb == "POST":
            return await self._new(ask, errand)
        if inner[1] == b"node" and inner[4] == b"schema" and ask.verb in _READ:
            repo, node, instance = await self._data(ask, errand)
            del repo
            asks = {"target": f"/api/node/{quote(node.uuid, '')}/{quote(instance.name, '')}/metadata"}
            reply = await errand.obtain(errand.hidden.metadata, asks)
            return Ready(200, _JSON, old.schema(reply.body.data), pass_for("assembled"))
        if inner[1] == b"node" and len(inner) == 7:
            rest = _with_step(ask.rest, 4, b"raw/" + ask.rest.split(b"/")[5])
            return Onward(rest, ask.query, None, ((200, 204),) if ask.verb == "POST" else ())
        return Onward(ask.rest, ask.query)

    async def _new(self, ask: MountAsk, errand: Errand) -> Onward:
        _, _, version, _, kind, name = ask.inner
        known = await self._knowing.repos(errand)
        node = known.node(version.decode("utf-8", "replace"), errand.service.nodes)[1]
        made = old.new_instance(kind, name, ask.body or b"")
        return Onward(f"/api/repo/{quote(node.uuid, '')}/instance".encode(), b"", None, ((200, 204),), made)

    async def _data(self, ask: MountAsk, errand: Errand) -> tuple[Repo, Node, Instance]:
        known = await self._knowing.repos(errand)
        repo, node = known.node(ask.inner[2].decode("utf-8", "replace"), errand.service.nodes)
        return repo, node, repo.instance(ask.inner[3].decode("utf-8", "replace"))


def _alias(nodes: Mapping[str, str], inner: Steps) -> str | None:
    """The name of ours that a path calls a version by."""
    name = inner[2].decode("utf-8", "replace") if len(inner) > 2 else ""
    return name if name in nodes else None


def _with_step(rest: bytes, at: int, step: bytes) -> bytes:
    """The path with another step in this place."""
    steps = rest.split(b"/")
    steps[at + 1] = step
    return b"/".join(steps)


def _steps(rest: bytes) -> Steps:
    return tuple(unquote_to_bytes(step) for step in rest.split(b"/")[1:])


def _has(fields: Fields, tag: bytes) -> bool:
    """Whether `If-None-Match` names this tag; comparison is weak (RFC 9110 section 8.8.3.2)."""
    given = [value for name, value in fields if name.lower() == b"if-none-match"]
    tags = [one.strip().removeprefix(b"W/") for value in given for one in value.split(b",")]
    return tag in tags or b"*" in tags
