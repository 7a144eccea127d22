"""What do the addresses of DVID's first year mean today? They live on for clients that were never changed (facts of the seed).

| then | now |
|---|---|
| `GET /api/datasets/info` | `GET /api/repos/info`, otherwise arranged |
| `GET /api/node/U/NAME/schema` | `GET /api/node/U/NAME/metadata`, with `Values` at the top |
| `POST /api/dataset/U/new/TYPE/NAME` | `POST /api/repo/U/instance` |
| `…/NAME/0_1_2/SIZE/OFFSET` | `…/NAME/raw/0_1_2/SIZE/OFFSET`; a POST was answered with 204 |
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson

from gateway.core.faults import BadRequest
from gateway.core.paths import Steps
from gateway.dialects.dvid.repos import Instance, Node, Repo, Repos

_DIMS: Final = re.compile(rb"[0-9]+(?:[_,][0-9]+)+|vol|x[yz]|yz|xyz").fullmatch
_TYPES: Final = {
    "grayscale8": "uint8blk",
    "labels32": "uint32blk",
    "labels64": "labelblk",
    "rgba8": "rgba8blk",
}
_OLD_TYPES: Final = {"uint8blk": "grayscale8", "uint32blk": "labels32", "rgba8blk": "rgba8"}
_BYTES = ("Resolution", "Units", "Size", "Offset")


def is_old(inner: Steps) -> bool:
    """Whether it is an address of then."""
    if inner[:2] == (b"api", b"datasets") or inner[:2] == (b"api", b"dataset"):
        return True
    if inner[:2] != (b"api", b"node"):
        return False
    return (len(inner) == 5 and inner[4] == b"schema") or (len(inner) == 7 and _DIMS(inner[4]) is not None)


def datasets(repos: Repos) -> bytes:
    """`/api/datasets/info` as it was."""
    return orjson.dumps(
        {"Datasets": [_dataset(number, repo) for number, repo in enumerate(repos.all.values(), 1)]}
    )


def _dataset(number: int, repo: Repo) -> dict[str, Any]:
    return {
        "Root": repo.root,
        "Alias": repo.alias,
        "DatasetID": number,
        "Nodes": {uuid: _node(repo, node) for uuid, node in repo.nodes.items()},
        "DataMap": {name: _data(one) for name, one in repo.instances.items()},
    }


def _node(repo: Repo, node: Node) -> dict[str, Any]:
    def named(versions: tuple[int, ...]) -> list[str] | None:
        return [repo.by_version[one].uuid for one in versions if one in repo.by_version] or None

    return {
        "GlobalID": node.uuid,
        "VersionID": node.version,
        "Locked": node.locked,
        "Parents": named(node.parents),
        "Children": named(node.children),
        "Created": node.created,
        "Updated": node.updated,
    }


def _data(one: Instance) -> dict[str, Any]:
    said = {
        key: one.extended[key]
        for key in ("Values", "BlockSize", "VoxelSize", "VoxelUnits")
        if key in one.extended
    }
    points = {key: one.extents[key] for key in ("MinPoint", "MaxPoint") if key in one.extents}
    return {"TypeService": {"Name": _OLD_TYPES.get(one.type, one.type)}, **said, **points}


def schema(metadata: bytes) -> bytes:
    """`schema` as it was, of what `metadata` says now. Raises BadRequest for what is none."""
    try:
        said = orjson.loads(metadata)
        return orjson.dumps({"Axes": said["Axes"], "Values": said["Properties"]["Values"]})
    except (ValueError, KeyError, TypeError) as odd:
        raise BadRequest("The service's metadata cannot be read as a schema.") from odd


def new_instance(kind: bytes, name: bytes, body: bytes) -> bytes:
    """What makes new data now. Raises BadRequest for a body that is no schema."""
    try:
        said = json.loads(body) if body.strip() else {}
        axes = said.get("Axes") or []
        made = {"typename": _TYPES.get(kind.decode(), kind.decode()), "dataname": name.decode()}
        if len(axes) == 3:
            made["VoxelSize"] = ",".join(str(axis.get("Resolution", 1)) for axis in axes)
            made["VoxelUnits"] = ",".join(str(axis.get("Units") or "nanometers") for axis in axes)
    except (ValueError, AttributeError, UnicodeDecodeError) as odd:
        raise BadRequest(
            'The body is {"Axes": [{"Label", "Resolution", "Units", "Size"}, …], "Values": […]}.'
        ) from odd
    return orjson.dumps(made)
