"""How are voxels written, and new data and versions made? Nothing of it is ever sent twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import numpy as np
import orjson

from gateway.core import arrays
from gateway.core.call import Call
from gateway.core.faults import Conflict, InvalidParams, Locked
from gateway.core.ports import Route
from gateway.core.reply import Reply
from gateway.dialects.dvid.asking import RefusedError, exchange, refused
from gateway.dialects.dvid.geometry import MOST_VOXELS, SCALED, Voxels, voxels_of
from gateway.dialects.dvid.repos import Instance, Node, Repo
from gateway.dialects.dvid.volumes import block_of
from gateway.dialects.openapi import replies

_TYPES: Final = {
    ("uint8", 1): "uint8blk",
    ("uint16", 1): "uint16blk",
    ("uint32", 1): "uint32blk",
    ("uint64", 1): "labelmap",
    ("float32", 1): "float32blk",
    ("uint8", 4): "rgba8blk",
}
_Given = Mapping[str, Any]


async def post(
    call: Call, route: Route, target: str, body: bytes, kind: bytes = b"application/json"
) -> Reply:
    """Send it once. The reply is what the service answers; raises `Locked`, and faults."""
    answer = await exchange(
        call, route.service, route.upstream, "POST", target, ((b"Content-Type", kind),), body
    )
    if answer.status >= 400:
        return refused(answer, route.service, safe=False)
    return replies.reply(answer, route.service, safe=False)


async def write(call: Call, route: Route, node: Node, instance: Instance, given: _Given) -> dict[str, Any]:
    """Write an array at `start`; what was written. Raises `Locked`, `InvalidParams`, `RefusedError`, and faults."""
    if node.locked and instance.versioned:
        raise Locked(
            f"The version {node.uuid} is locked: write {instance.name!r} to an open one below it "
            "(newversion or branch makes one)."
        )
    voxels = voxels_of(instance)
    if voxels is None:
        raise InvalidParams(f"{instance.name!r} is of the type {instance.type}, and has no voxels.")
    array = await asyncio.to_thread(_array, given.get("data"), voxels, instance)
    start = given.get("start")
    if not isinstance(start, list) or len(start) != 3 or not all(type(one) is int for one in start):
        raise InvalidParams(f"start is three whole numbers [z, y, x], and not {str(start)[:80]}.")
    block = block_of(instance)
    shape = list(array.shape[:3])
    for axis, at, size, step in zip("zyx", start, shape, block, strict=True):
        if at % step or size % step:
            raise InvalidParams(
                f"Along {axis}, {size} voxels from {at} do not begin and end at the borders of blocks of {step}: widen the "
                "box, or write with unaligned=True of a volume, which reads and writes the blocks at its border."
            )
    mutate = given.get("mutate")
    mutate = instance.type in SCALED if mutate is None else bool(mutate)
    rows = max(block[0], MOST_VOXELS // (shape[1] * shape[2]) // block[0] * block[0])
    for at in range(0, shape[0], rows):
        part = array[at : at + rows]
        size = "_".join(map(str, reversed(part.shape[:3])))
        corner = "_".join(map(str, (start[2], start[1], start[0] + at)))
        target = f"/api/node/{quote(node.uuid, '')}/{quote(instance.name, '')}/raw/0_1_2/{size}/{corner}"
        body = await asyncio.to_thread(part.tobytes)
        reply = await post(
            call, route, target + ("?mutate=true" if mutate else ""), body, b"application/octet-stream"
        )
        if reply.kind != "result":
            raise RefusedError(reply)
    return {"written": shape, "start": start}


def _array(raw: Any, voxels: Voxels, instance: Instance) -> np.ndarray[Any, Any]:
    """The array that an argument says: `$ndarray`, or nested lists of numbers that fit the type."""
    if not isinstance(raw, bytes):
        raise InvalidParams("data is missing: the array to write.")
    value = json.loads(raw)
    wanted = np.dtype(voxels.told)
    try:
        if isinstance(value, dict) and set(value) == {"$ndarray"}:
            found = arrays.from_json(value["$ndarray"])
            if found is None:
                raise InvalidParams("data is no array.")
            array = np.frombuffer(found.data, found.dtype).reshape(found.shape)
        else:
            array = np.array(value)
            if array.dtype.kind in "iu" and wanted.kind in "iu" and (array == array.astype(wanted)).all():
                array = array.astype(wanted)
    except (arrays.NotSayable, ValueError, OverflowError, TypeError) as odd:
        raise InvalidParams(f"data is no array: {odd}.") from odd
    dims = 3 if voxels.channels == 1 else 4
    if array.dtype.newbyteorder("<") != wanted or array.ndim != dims or not array.size:
        raise InvalidParams(
            f"{instance.name!r} has voxels of {voxels.dtype} in {dims} dimensions, and data is an array of {array.dtype} with "
            f"the shape {array.shape}: convert it before."
        )
    if voxels.channels > 1 and array.shape[3] != voxels.channels:
        raise InvalidParams(
            f"{instance.name!r} has {voxels.channels} channels, and data has {array.shape[3]}."
        )
    return np.ascontiguousarray(array.astype(wanted, copy=False))


async def create(call: Call, route: Route, repo: Repo, node: Node, given: _Given) -> None:
    """Make new data. Raises `Conflict`, `InvalidParams`, `RefusedError`, and faults."""
    name, dtype = given.get("instance"), given.get("dtype")
    if not isinstance(name, str) or not name or "/" in name:
        raise InvalidParams("instance is the name of the new data, without slashes.")
    if name in repo.instances:
        raise Conflict(f"The repository {repo.alias or repo.root[:8]} has data {name!r} already.")
    channels = given.get("channels") or 1
    kind = given.get("type") or _TYPES.get((str(dtype), channels))
    if kind is None:
        known = ", ".join(f"{one} x {count}" if count > 1 else one for one, count in _TYPES)
        raise InvalidParams(f"No type holds {channels} x {str(dtype)[:40]}; there are {known}.")
    said: dict[str, Any] = {"typename": kind, "dataname": name}
    if given.get("versioned") is False:
        said["versioned"] = "false"
    for key, option in (("block_shape", "BlockSize"), ("resolution", "VoxelSize"), ("units", "VoxelUnits")):
        if (value := given.get(key)) is not None:
            if not isinstance(value, list) or len(value) != 3:
                raise InvalidParams(f"{key} has three values, [z, y, x].")
            said[option] = ",".join(map(str, reversed(value)))
    reply = await post(call, route, f"/api/repo/{quote(node.uuid, '')}/instance", orjson.dumps(said))
    if reply.kind != "result":
        raise RefusedError(reply)
    shape = given.get("shape")
    if shape is not None:
        offset = given.get("offset") or [0, 0, 0]
        low = list(reversed(offset))
        high = [a + size - 1 for a, size in zip(low, reversed(shape), strict=True)]
        extents = orjson.dumps({"MinPoint": low, "MaxPoint": high})
        target = f"/api/node/{quote(node.uuid, '')}/{quote(name, '')}/extents"
        reply = await post(call, route, target, extents)
        if reply.kind != "result":
            raise RefusedError(reply)
