"""What do the methods answer that are more than one request: lists, handles, voxels?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

import orjson
from msgspec.structs import replace

from gateway.core import scanner
from gateway.core.call import Call
from gateway.core.faults import InvalidParams, UpstreamBroken
from gateway.core.ports import Route
from gateway.core.reply import Reply, Whole
from gateway.core.verdict import Pass
from gateway.dialects.dvid import volumes, writing
from gateway.dialects.dvid.asking import Errand, Knowing, RefusedError
from gateway.dialects.dvid.cutouts import Cutout
from gateway.dialects.dvid.endpoints import GRACE_SECONDS
from gateway.dialects.dvid.geometry import (
    MOST_BYTES,
    MOST_VOXELS,
    Box,
    block_shape,
    box_of,
    in_blocks,
    voxels_of,
)
from gateway.dialects.dvid.repos import Instance, Node, Repo, Repos, mapping
from gateway.dialects.dvid.stored import Coming, Source, Stored
from gateway.dialects.openapi.requests import arguments

_TRIP = Pass("assembled")
_Given = Mapping[str, Any]


class Own:
    """The methods that are carried out by steps of the dialect's own."""

    def __init__(self, knowing: Knowing, wall: Callable[[], float]) -> None:
        """`wall` tells seconds since 1970."""
        self._knowing = knowing
        self._wall = wall
        self._coming = Coming()

    async def answer(self, name: str, call: Call, route: Route, errand: Errand) -> Reply:
        """The reply to a call of one of them. Raises `RefusedError`, and faults."""
        given = read(call)
        found = _STEPS[name]
        return await found(self, given, call, route, errand)

    # --- what there is

    async def repos(self, given: _Given, call: Call, route: Route, errand: Errand) -> Reply:  # noqa: ARG002
        """Every repository, shortly."""
        known = await self._knowing.repos(errand)
        return _json([_about_repo(one) for one in known.all.values()])

    async def repo(self, given: _Given, call: Call, route: Route, errand: Errand) -> Reply:  # noqa: ARG002
        """One repository with its versions and data."""
        known = await self._knowing.repos(errand)
        repo = known.repo(text(given, "repo"), errand.service.nodes)
        nodes = sorted(repo.nodes.values(), key=lambda one: one.version)
        return _json(
            {
                **_about_repo(repo),
                "nodes": [_about_node(repo, node) for node in nodes],
                "instances": [_about_instance(one) for one in repo.instances.values()],
            }
        )

    async def node(self, given: _Given, call: Call, route: Route, errand: Errand) -> Reply:  # noqa: ARG002
        """One version: parents, children, branch, note, dates, whether it is locked."""
        repo, node = await self._version(given, errand)
        return _json({"repo": repo.root, "alias": repo.alias, **_about_node(repo, node)})

    async def instances(self, given: _Given, call: Call, route: Route, errand: Errand) -> Reply:  # noqa: ARG002
        """The data of a version's repository."""
        repo, _ = await self._version(given, errand)
        return _json([_about_instance(one) for one in repo.instances.values()])

    async def info(self, given: _Given, call: Call, route: Route, errand: Errand) -> Reply:  # noqa: ARG002
        """What the service says of some data at a version."""
        _, node, instance = await self.data_of(given, errand)
        return Reply("result", Whole(await self._info(errand, node, instance)), _TRIP)

    async def volume(self, given: _Given, call: Call, route: Route, errand: Errand) -> Reply:  # noqa: ARG002
        """What a handle to a volume begins with."""
        repo, node, instance = await self.data_of(given, errand)
        info = mapping(orjson.loads(await self._info(errand, node, instance)))
        return _json(volumes.described(repo, node, instance, info, text(given, "node")))

    async def _info(self, errand: Errand, node: Node, instance: Instance) -> bytes:
        reply = await errand.obtain(errand.hidden.info, {"node": node.uuid, "instance": instance.name})
        try:
            scanner.check(reply.body.data)
        except scanner.MalformedJson as odd:
            raise UpstreamBroken(
                f"What the service {errand.service.qualified!r} says of {instance.name!r} is no JSON: {odd}."
            ) from odd
        return reply.body.data

    # --- voxels

    async def read(self, given: _Given, call: Call, route: Route, errand: Errand) -> Reply:  # noqa: ARG002
        """The voxels of a box, as an array with the slowest axis first."""
        repo, node, instance = await self.data_of(given, errand)
        box = box_of(given.get("start"), given.get("stop"))
        scale = given.get("scale") or 0
        if type(scale) is not int or scale < 0:
            raise InvalidParams(f"scale is a number from 0 on, and not {str(scale)[:40]}.")
        instance, own_scale = volumes.at_scale(repo, instance, scale)
        voxels = voxels_of(instance)
        if voxels is None:
            raise InvalidParams(f"{instance.name!r} is of the type {instance.type}, and has no voxels.")
        if box.voxels * voxels.size > MOST_BYTES:
            raise InvalidParams(
                f"{list(box.shape)} voxels are {box.voxels * voxels.size >> 20} MiB, and at most {MOST_BYTES >> 20} MiB are "
                "read at once: read it in parts."
            )
        return await self.cutout(errand, Source(repo, node, instance, voxels, own_scale), box)

    async def cutout(self, errand: Errand, source: Source, box: Box) -> Reply:
        """A cutout, of blocks where its version never changes, in one read where it may and that is small enough."""
        kept = await self.of_stored(errand, source, box)
        if kept is not None:
            return kept
        if box.voxels <= MOST_VOXELS:
            return await self._one_read(errand, source, box)
        if not in_blocks(box, block_shape(source.voxels)):
            raise InvalidParams(
                f"{list(box.shape)} voxels are a thin line through very many blocks: read it in parts of at most "
                f"{MOST_VOXELS} voxels."
            )
        return await self._of_blocks(errand, replace(source, kept=False), box)

    async def of_stored(self, errand: Errand, source: Source, box: Box) -> Reply | None:
        """A cutout of stored blocks, None where its voxels may change, or are too few of too many blocks."""
        if in_blocks(box, block_shape(source.voxels)) and await self.is_settled(errand, source):
            return await self._of_blocks(errand, source, box)
        return None

    async def _of_blocks(self, errand: Errand, source: Source, box: Box) -> Reply:
        made, verdict = await Cutout(errand, source, box, self._coming).composed()
        return Reply("result", Whole(b"null"), verdict, composed=made)

    async def _one_read(self, errand: Errand, source: Source, box: Box) -> Reply:
        """The voxels as they came: doors say them in the caller's encoding."""
        voxels = source.voxels
        made = await Stored(errand, source, self._coming).region(box, cut=False)
        shape = (*box.shape, *((voxels.channels,) if voxels.channels > 1 else ()))
        return Reply("result", Whole(b"null"), _TRIP, composed=replace(made, dtype=voxels.told, shape=shape))

    async def is_settled(self, errand: Errand, source: Source) -> bool:
        """Whether these voxels never change: their version is locked, and what is derived of them was made long ago."""
        node, instance = source.node, source.instance
        if not (node.locked and instance.versioned and instance.data):
            return False
        if source.scale and self._wall() - node.changed <= GRACE_SECONDS:
            return False
        return not await self._knowing.may_change(errand)

    # --- changes

    async def write(self, given: _Given, call: Call, route: Route, errand: Errand) -> Reply:
        """Write an array, whose corners lie at the borders of blocks, into an open version."""
        repo, node, instance = await self.data_of(given, errand)
        del repo
        return _json(await writing.write(call, route, node, instance, given))

    async def create_volume(self, given: _Given, call: Call, route: Route, errand: Errand) -> Reply:
        """Make new data for voxels, and say what they are."""
        repo, node = await self._version(given, errand)
        await writing.create(call, route, repo, node, given)
        # What was known of the repository is so no longer.
        fresh = replace(errand, demand=replace(errand.demand, max_age=-1.0))
        return await self.volume(given, call, route, fresh)

    async def commit(self, given: _Given, call: Call, route: Route, errand: Errand) -> Reply:
        """Lock a version."""
        return await self._of_node("commit", given, call, route, errand, ("note", "log"))

    async def branch(self, given: _Given, call: Call, route: Route, errand: Errand) -> Reply:
        """Begin a branch at a locked version."""
        return await self._of_node("branch", given, call, route, errand, ("branch", "note", "uuid"))

    async def newversion(self, given: _Given, call: Call, route: Route, errand: Errand) -> Reply:
        """Go on at a locked version."""
        return await self._of_node("newversion", given, call, route, errand, ("note", "uuid"))

    async def _of_node(
        self, what: str, given: _Given, call: Call, route: Route, errand: Errand, names: tuple[str, ...]
    ) -> Reply:
        _, node = await self._version(given, errand)
        said = {name: given[name] for name in names if given.get(name) is not None}
        target = f"/api/node/{quote(node.uuid, '')}/{what}"
        return await writing.post(call, route, target, orjson.dumps(said))

    # --- what is meant

    async def _version(self, given: _Given, errand: Errand) -> tuple[Repo, Node]:
        known = await self._knowing.repos(errand)
        return known.node(text(given, "node"), errand.service.nodes)

    async def data_of(self, given: _Given, errand: Errand) -> tuple[Repo, Node, Instance]:
        """The version and the data that arguments name. Raises `InvalidParams`."""
        repo, node = await self._version(given, errand)
        return repo, node, repo.instance(text(given, "instance"))

    async def known(self, errand: Errand) -> Repos:
        """The repositories that the caller may see."""
        return await self._knowing.repos(errand)


_Step = Callable[[Own, _Given, Call, Route, Errand], Awaitable[Reply]]
_STEPS: Final[Mapping[str, _Step]] = {
    "repos": Own.repos,
    "repo": Own.repo,
    "node": Own.node,
    "instances": Own.instances,
    "info": Own.info,
    "volume": Own.volume,
    "read": Own.read,
    "write": Own.write,
    "create_volume": Own.create_volume,
    "commit": Own.commit,
    "branch": Own.branch,
    "newversion": Own.newversion,
}


def read(call: Call) -> dict[str, Any]:
    """The arguments of a call by name; what is large stays the bytes that it came in (see `writing`)."""
    found: dict[str, Any] = {}
    for name, raw in arguments(call, "ndarray").items():
        found[name] = raw if name == "data" else orjson.loads(raw)
    return found


def text(given: _Given, name: str) -> str:
    """An argument that must be a text. Raises `InvalidParams`."""
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidParams(
            f"{name} is missing." if value is None else f"{name} is a text, and not {str(value)[:80]}."
        )
    return value


def _json(value: Any) -> Reply:
    return Reply("result", Whole(orjson.dumps(value)), _TRIP)


def _about_repo(repo: Repo) -> dict[str, Any]:
    return {
        "root": repo.root,
        "alias": repo.alias,
        "description": repo.description,
        "versions": len(repo.nodes),
        "branches": {branch or "master": leaf.uuid for branch, leaf in repo.branches.items()},
    }


def _about_node(repo: Repo, node: Node) -> dict[str, Any]:
    def named(versions: tuple[int, ...]) -> list[str]:
        return [repo.by_version[one].uuid for one in versions if one in repo.by_version]

    return {
        "uuid": node.uuid,
        "version": node.version,
        "locked": node.locked,
        "branch": node.branch or "master",
        "note": node.note,
        "log": list(node.log),
        "parents": named(node.parents),
        "children": named(node.children),
        "created": node.created,
        "updated": node.updated,
    }


def _about_instance(one: Instance) -> dict[str, Any]:
    voxels = voxels_of(one)
    about = {
        "name": one.name,
        "type": one.type,
        "versioned": one.versioned,
        "data": one.data,
        "tags": dict(one.tags),
    }
    if voxels is None:
        return about
    return about | {"dtype": voxels.dtype, "channels": voxels.channels, "block_shape": volumes.block_of(one)}


__all__ = ["Own", "RefusedError", "read", "text"]
