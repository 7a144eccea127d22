"""How are volumes for a server kept in an HDF5 file? In the layout of dvidclient's mock server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from gateway.demo.dvid.dag import Node, Repo
from gateway.demo.dvid.lab import add_volume
from gateway.demo.dvid.store import Store
from gateway.demo.dvid.voxels import Array, Voxels

ORDER = "zyxc"
"""In which order a file has its axes: C order, the channel fastest."""
_SPACE = 2  # vigra's flag for an axis of space; 1 is for channels
_KINDS = {
    ("uint8", 1): "uint8blk",
    ("uint16", 1): "uint16blk",
    ("uint32", 1): "uint32blk",
    ("uint64", 1): "labelmap",
    ("float32", 1): "float32blk",
    ("uint8", 4): "rgba8blk",
}


class H5Error(Exception):
    """The file, or what was to go into it, is not as it must be; the text says what."""


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise H5Error("HDF5 files need the package h5py: pip install 'labgate-gateway[hdf5]'") from None
    return h5py


class H5MockServerDataFile:
    """A file that is being made or extended. As a context manager it is closed on leaving.

    Raises H5Error for what no server could show, and where h5py is missing; OSError where the file cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = _h5py().File(path, "a")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write all, and close the file."""
        self._file.close()

    def add_node(self, dataset: str, uuid: str, *, parent: str | None = None) -> None:
        """A node, which sees every volume of its dataset. Without a `parent` it continues from the node before."""
        nodes = self._group(f"datasets/{dataset}/nodes")
        if uuid in self._group("all_nodes"):
            raise H5Error(f"there is a node {uuid!r} already")
        if parent is not None and parent not in nodes:
            raise H5Error(f"dataset {dataset!r} has no node {parent!r}")
        node = nodes.create_group(uuid, track_order=True)
        if parent is not None:
            node.attrs["parent"] = parent
        for name in self._group(f"datasets/{dataset}/volumes"):
            self._link(dataset, uuid, name)
        self._file["all_nodes"][uuid] = _h5py().SoftLink(node.name)

    def add_volume(
        self,
        dataset: str,
        name: str,
        array: Array,
        axes: str,
        *,
        resolution: Mapping[str, float] | None = None,
    ) -> None:
        """A volume for all nodes of the dataset.

        `axes` names the array's axes, of z, y, x and c: "zyx", "cxyz". `resolution` is the edge of a voxel in nanometers,
        by axis.
        """
        array = np.asarray(array)
        if len(set(axes)) != len(axes) or set(axes) - set(ORDER) or len(axes) != array.ndim:
            raise H5Error(f"axes {axes!r} must name the {array.ndim} axes of the array, of z, y, x and c")
        volumes = self._group(f"datasets/{dataset}/volumes")
        if name in volumes:
            raise H5Error(f"dataset {dataset!r} has a volume {name!r} already")
        channels = array.shape[axes.index("c")] if "c" in axes else 1
        _kind(array.dtype.name, channels)
        order = sorted(axes, key=ORDER.index)
        stored = volumes.create_dataset(name, data=array.transpose([axes.index(key) for key in order]))
        stored.attrs["axistags"] = _tags(order, resolution or {})
        for uuid in self._group(f"datasets/{dataset}/nodes"):
            self._link(dataset, uuid, name)

    def _group(self, path: str) -> Any:
        return self._file[path] if path in self._file else self._file.create_group(path, track_order=True)

    def _link(self, dataset: str, uuid: str, name: str) -> None:
        target = _h5py().SoftLink(f"/datasets/{dataset}/volumes/{name}")
        self._file[f"datasets/{dataset}/nodes/{uuid}"][name] = target


def _tags(order: list[str], resolution: Mapping[str, float]) -> str:
    """The axes as vigra writes them."""
    axes = [
        {
            "key": key,
            "typeFlags": 1 if key == "c" else _SPACE,
            "resolution": float(resolution.get(key, 0)),
            "description": "",
        }
        for key in order
    ]
    return json.dumps({"axes": axes})


def _kind(dtype: str, channels: int) -> str:
    found = _KINDS.get((dtype, channels))
    if found is None:
        raise H5Error(f"no server has voxels of {channels} channels of {dtype}")
    return found


def read(path: str | Path) -> Store:
    """What the file has: a repo for each dataset. Nodes with children are locked. Raises H5Error, OSError.

    Everything is read now: what is written to the store does not reach the file.
    """
    store = Store()
    with _h5py().File(path, "r") as file:
        for dataset in file.get("datasets", {}):
            group = file["datasets"][dataset]
            if len(group.get("nodes", {})):
                _repo(store, dataset, group["nodes"])
    if not store.repos:
        raise H5Error(f"{path} has no nodes below /datasets: it is not laid out for a mock server")
    return store


def _repo(store: Store, dataset: str, nodes: Any) -> None:
    repo: Repo | None = None
    made: dict[str, Node] = {}
    links: dict[str, Any] = {}
    for uuid in nodes:
        parent = made.get(nodes[uuid].attrs.get("parent", next(reversed(made), "")))
        if repo is None or parent is None:
            if repo is not None:
                raise H5Error(f"node {uuid!r} comes before its parent")
            repo = store.new_repo(dataset, root=uuid)
            made[uuid] = repo.root
        else:
            if not parent.locked:
                store.commit(parent)
            taken = {repo.nodes[child].branch for child in parent.children}
            branch = uuid if parent.branch in taken else None
            made[uuid] = store.new_child(repo, [parent], branch=branch, uuid=uuid)
        for name in nodes[uuid]:
            volume = nodes[uuid][name]
            if links.get(name) != volume:
                _load(store, repo, made[uuid], name, volume)
            links[name] = volume


def _load(store: Store, repo: Repo, node: Node, name: str, volume: Any) -> None:
    """The voxels of a volume, from a node on."""
    tags = json.loads(volume.attrs["axistags"])["axes"] if "axistags" in volume.attrs else []
    keys = "".join(tag["key"] for tag in tags) or ORDER[: volume.ndim]
    if len(keys) != volume.ndim or set(keys) - set(ORDER):
        raise H5Error(f"volume {name!r} has the axes {keys!r}: only z, y, x and c can be served")
    order = sorted(keys, key=ORDER.index)
    array = volume[()].transpose([keys.index(key) for key in order])
    array = array.reshape([array.shape[order.index(key)] if key in order else 1 for key in ORDER])
    if array.shape[3] == 1:
        array = array[..., 0]
    kind = _kind(array.dtype.name, array.shape[3] if array.ndim == 4 else 1)
    known = repo.instances.get(name)
    if isinstance(known, Voxels):
        known.load(known.lineage(repo, node), (0, 0, 0), array.astype(known.dtype))
        return
    sizes = {tag["key"]: tag.get("resolution", 0) for tag in tags}
    edges = [sizes.get(key, 0) or 1.0 for key in "xyz"]
    add_volume(store, repo, node, kind, name, array, VoxelSize=edges)
