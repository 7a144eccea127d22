"""What is a volume: shape, scales, units? Said of the data of one version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.core.faults import InvalidParams
from gateway.dialects.dvid.geometry import SCALED, block_shape, voxels_of
from gateway.dialects.dvid.repos import Instance, Node, Repo

_AXES: Final = ("z", "y", "x")
_BLOCK: Final = {"labelmap": 64, "labelarray": 64}
_MOST_SCALES: Final = 32


def described(
    repo: Repo, node: Node, instance: Instance, info: Mapping[str, Any], asked: str
) -> dict[str, Any]:
    """What a handle to a volume begins with; `info` is what the service says of the data at this version.

    Raises `InvalidParams` for data without voxels.
    """
    voxels = voxels_of(instance)
    if voxels is None:
        raise InvalidParams(f"{instance.name!r} is of the type {instance.type}, and has no voxels.")
    extended = info.get("Extended") or instance.extended
    here = _extents(info.get("Extents") or extended)
    first = {
        "scale": 0,
        "instance": instance.name,
        "resolution": _zyx(extended.get("VoxelSize"), 1.0),
        **here,
    }
    return {
        "node": node.uuid,
        "asked": asked,
        "instance": instance.name,
        "type": instance.type,
        "dtype": voxels.dtype,
        "axes": list(_AXES),
        "shape": first["shape"],
        "offset": first["offset"],
        "block_shape": block_of(instance),
        "read_shape": list(block_shape(voxels)),
        "resolution": first["resolution"],
        "units": _zyx(extended.get("VoxelUnits"), "nanometers"),
        "channels": voxels.channels,
        "locked": node.locked,
        "versioned": instance.versioned,
        "unaligned_writes": False,
        "scales": [first, *_coarser(repo, instance, extended, first)],
    }


def block_of(instance: Instance) -> list[int]:
    """The shape of the service's own blocks: what is written begins and ends at their borders."""
    usual = _BLOCK.get(instance.type, 32)
    return [int(one) for one in _zyx(instance.extended.get("BlockSize"), usual)]


def at_scale(repo: Repo, instance: Instance, scale: int) -> tuple[Instance, int]:
    """The data and their own scale that hold a scale of a volume. Raises `InvalidParams`."""
    if scale == 0 or instance.type in SCALED:
        return instance, scale
    coarser = repo.instances.get(f"{instance.name}_{scale}")
    if coarser is None or coarser.type != instance.type:
        raise InvalidParams(f"{instance.name!r} has no scale {scale}: there is no {instance.name}_{scale}.")
    return coarser, 0


def _coarser(
    repo: Repo, instance: Instance, extended: Mapping[str, Any], first: Mapping[str, Any]
) -> list[dict[str, Any]]:
    if instance.type in SCALED:
        levels = min(_MOST_SCALES, int(extended.get("MaxDownresLevel") or 0))
        return [_halved(instance, first, level) for level in range(1, levels + 1)]
    found = []
    for level in range(1, _MOST_SCALES):
        other = repo.instances.get(f"{instance.name}_{level}")
        if other is None or other.type != instance.type:
            break
        resolution = _zyx(other.extended.get("VoxelSize"), 1.0)
        found.append(
            {"scale": level, "instance": other.name, "resolution": resolution, **_extents(other.extents)}
        )
    return found


def _halved(instance: Instance, first: Mapping[str, Any], level: int) -> dict[str, Any]:
    factor = 1 << level
    start = [one // factor for one in first["offset"]]
    ends = [offset + size for offset, size in zip(first["offset"], first["shape"], strict=True)]
    return {
        "scale": level,
        "instance": instance.name,
        "resolution": [one * factor for one in first["resolution"]],
        "shape": [-(-end // factor) - begin for end, begin in zip(ends, start, strict=True)],
        "offset": start,
    }


def _extents(said: Mapping[str, Any]) -> dict[str, list[int]]:
    low, high = said.get("MinPoint"), said.get("MaxPoint")
    if not (isinstance(low, list) and isinstance(high, list) and len(low) == len(high) == 3):
        return {"shape": [0, 0, 0], "offset": [0, 0, 0]}
    pairs = list(zip(reversed(low), reversed(high), strict=True))
    return {"shape": [max(0, int(b) - int(a) + 1) for a, b in pairs], "offset": [int(a) for a, _ in pairs]}


def _zyx(said: Any, usual: Any) -> list[Any]:
    if isinstance(said, list) and len(said) == 3:
        return list(reversed(said))
    return [usual] * 3
