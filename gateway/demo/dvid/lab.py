"""What does the demo's server hold? Two repos of made-up tissue, and who may see which."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from gateway.demo.dvid.access import Person
from gateway.demo.dvid.annotations import Annotations
from gateway.demo.dvid.dag import Node, Repo
from gateway.demo.dvid.instances import Instance
from gateway.demo.dvid.keyvalues import KeyValues
from gateway.demo.dvid.labels import Labels
from gateway.demo.dvid.regions import Regions
from gateway.demo.dvid.store import Mode, Store
from gateway.demo.dvid.synthetic import Tissue, halved, tissue
from gateway.demo.dvid.voxels import Array, Voxels

I = TypeVar("I", bound=Instance)  # noqa: E741 - an instance
Shape = tuple[int, int, int]
_ISOTROPIC = {"VoxelSize": "8,8,8"}
_TWICE = {"VoxelSize": "16,16,16"}
_FLAT = {"VoxelSize": "4,4,40"}


def node_uuid(name: str) -> str:
    """The UUID of a demo's node: the same at every start."""
    return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()


def demo_store(shape: Shape = (64, 512, 512), mode: Mode = "") -> Store:
    """A fresh store; `shape` (z, y, x) is that of the larger volume: multiples of 64 make whole blocks."""
    store = Store(mode)
    _medulla(store, tissue(shape))
    depth, height, width = shape
    _optic(store, tissue((depth // 4, height // 2, width // 2), seed=20131123))
    return store


def people(tokens: Mapping[str, str]) -> dict[str, Person]:
    """The people of the lab by their credentials; `tokens` has these by name."""
    both, view = frozenset({"view", "edit"}), frozenset({"view"})
    known = (
        Person("ada", {"medulla": both, "optic": view}),
        Person("eve", {"optic": view}),
        Person("gate", {"medulla": view, "optic": view}),
        Person("root", admin=True),
    )
    return {tokens.get(one.name) or secrets.token_hex(16): one for one in known}


def add_volume(
    store: Store, repo: Repo, node: Node, kind: str, name: str, array: Array, **settings: Any
) -> Voxels:
    """A new instance with voxels (z, y, x[, channel]) from the origin on, written at a node."""
    made = _new(Voxels, store, repo, kind, name, settings)
    made.load(made.lineage(repo, node), (0, 0, 0), array.astype(made.dtype, copy=False))
    return made


def _new(as_class: type[I], store: Store, repo: Repo, kind: str, name: str, settings: dict[str, Any]) -> I:
    made = store.new_instance(repo, kind, name, settings)
    if not isinstance(made, as_class):
        raise TypeError(f"{kind} is no kind of {as_class.__name__}")
    return made


def _medulla(store: Store, made: Tissue) -> None:
    """A locked root, a locked child in which bodies were merged, its open child, and a branch with another merge."""
    repo = store.new_repo("medulla", "Made-up neuropil with a segmentation", node_uuid("medulla"))
    root = repo.root
    add_volume(store, repo, root, "uint8blk", "grayscale", made.grey, **_ISOTROPIC)
    add_volume(store, repo, root, "uint8blk", "grayscale_1", halved(made.grey), **_TWICE)
    labels = _new(Labels, store, repo, "labelmap", "segmentation", {**_ISOTROPIC})
    labels.load([root.version], (0, 0, 0), made.labels)
    _points(store, repo, root, labels)
    _names(store, repo, root, labels)
    region = _new(Regions, store, repo, "roi", "centre", {})
    z, y, x = (side // 32 for side in made.grey.shape)
    rows = range(y // 4, y - y // 4)
    region.put(root.version, [[at, row, x // 4, x - x // 4 - 1] for at in range(z) for row in rows])
    _work(store, repo, root, region)
    store.commit(root, "imported", ["tissue imported"])

    traced = store.new_child(repo, [root], note="first merges", uuid=node_uuid("medulla traced"))
    _merge(repo, traced, labels, *_largest(labels, [root.version], 2))
    store.commit(traced, log=["two bodies merged"])
    store.new_child(repo, [traced], note="open for work", uuid=node_uuid("medulla open"))
    branch = store.new_child(
        repo, [traced], branch="proofreading", note="another opinion", uuid=node_uuid("medulla proofreading")
    )
    _merge(repo, branch, labels, *_largest(labels, repo.lineage(traced), 2))


def _optic(store: Store, made: Tissue) -> None:
    """A locked root with thick sections and an open child."""
    repo = store.new_repo("optic", "Made-up serial sections, 4 x 4 x 40 nm", node_uuid("optic"))
    deep = made.grey.astype(np.uint16) * np.uint16(257)
    add_volume(store, repo, repo.root, "uint16blk", "em", deep, **_FLAT)
    inside = (made.labels > 0).astype(np.float32) * (made.grey / np.float32(255))
    add_volume(store, repo, repo.root, "float32blk", "cytoplasm", inside, **_FLAT)
    store.commit(repo.root, "imported")
    store.new_child(repo, [repo.root], uuid=node_uuid("optic open"))


def _largest(labels: Labels, lineage: list[int], count: int) -> list[int]:
    sizes = labels.sizes(lineage)
    return sorted(sizes, key=lambda label: (-sizes[label], label))[:count]


def _merge(repo: Repo, node: Node, labels: Labels, keep: int, gone: int) -> None:
    """Give a body's voxels to another one, at this node; only blocks that change are written."""
    lineage = labels.lineage(repo, node)
    changed: dict[tuple[int, int, int], Array | None] = {}
    for at, block in labels.blocks.visible(lineage).items():
        if (mine := block == gone).any():
            changed[at] = np.where(mine, np.uint64(keep), block)
    labels.blocks.put(node.version, changed)


def _points(store: Store, repo: Repo, node: Node, labels: Labels) -> None:
    """Pairs of points on different bodies, as synapses."""
    points = _new(
        Annotations, store, repo, "annotation", "synapses", {"sync": labels.name, "Tags": "type=synapses"}
    )
    elements = []
    for number, (start, end) in enumerate(_contacts(labels, [node.version], 80)):
        tags = [f"round-{number % 3 + 1}"]
        to, back = {"Rel": "PreSynTo", "To": end}, {"Rel": "PostSynTo", "To": start}
        elements.append({"Pos": start, "Kind": "PreSyn", "Tags": tags, "Rels": [to], "Prop": {"conf": "0.9"}})
        elements.append(
            {"Pos": end, "Kind": "PostSyn", "Tags": tags, "Rels": [back], "Prop": {"conf": "0.8"}}
        )
    points.put(node.version, elements)


def _work(store: Store, repo: Repo, node: Node, region: Regions) -> None:
    """What people of the lab note for each other, where dvidtools looks for it: regions, things to do, bookmarks."""
    regions = _new(KeyValues, store, repo, "keyvalue", "rois", {})
    regions.values.put(node.version, {region.name: json.dumps({"description": "The middle"}).encode()})
    to_do = _new(Annotations, store, repo, "annotation", "segmentation_todo", {"sync": "segmentation"})
    marks = _new(Annotations, store, repo, "annotation", "bookmark_annotations", {})
    places = [[10, 20, 5], [30, 40, 10], [60, 60, 12]]
    for number, place in enumerate(places):
        said = {"Pos": place, "Kind": "Note", "Rels": []}
        done = {"checked": str(number % 2), "comment": "look again", "user": "ada"}
        to_do.put(node.version, [said | {"Tags": ["priority:1"], "Prop": done}])
        mark = {"comment": f"place {number + 1}", "type": "Other", "user": "ada"}
        marks.put(node.version, [said | {"Tags": ["user:ada"], "Prop": mark}])


def _contacts(labels: Labels, lineage: list[int], count: int) -> list[tuple[list[int], list[int]]]:
    """Places (X, Y, Z) on both sides of membranes that are crossed along X."""
    chance = np.random.default_rng(7)
    extents = labels.extents(lineage)
    depth, height, width = (1, 1, 1) if extents is None else (one + 1 for one in extents.last)
    found = []
    for z, y in zip(chance.integers(0, depth, count), chance.integers(0, height, count), strict=True):
        row = labels.read(lineage, (int(z), int(y), 0), (1, 1, width))[0, 0]
        inside = np.flatnonzero(row)
        crossed = np.flatnonzero(row[inside[1:]] != row[inside[:-1]])
        if len(crossed):
            at = int(chance.choice(crossed))
            left, right = (int(inside[one]) for one in (at, at + 1))
            found.append(([left, int(y), int(z)], [right, int(y), int(z)]))
    return found


def _names(store: Store, repo: Repo, node: Node, labels: Labels) -> None:
    """What is known of the larger bodies, by version; and the settings of a viewer, for all versions alike."""
    bodies = _new(KeyValues, store, repo, "keyvalue", "segmentation_annotations", {})
    settings = _new(KeyValues, store, repo, "keyvalue", "settings", {"versioned": "false"})
    assert isinstance(settings, KeyValues)  # noqa: S101 - as above
    known = {
        str(label): json.dumps({"body": label, "name": f"Mi{number % 9 + 1}", "status": "Traced"}).encode()
        for number, label in enumerate(_largest(labels, [node.version], 24))
    }
    bodies.values.put(node.version, known)
    _skeletons(store, repo, labels, [int(label) for label in known])
    viewer = {"layers": ["grayscale", "segmentation"], "position": [256, 256, 32]}
    settings.values.put(
        repo.root.version, {"viewer": json.dumps(viewer).encode(), "motto": b"Look before you merge.\n"}
    )


def _skeletons(store: Store, repo: Repo, labels: Labels, bodies: list[int]) -> None:
    """A line through each body, as SWC; unversioned, as skeletons usually are."""
    made = _new(KeyValues, store, repo, "keyvalue", "segmentation_skeletons", {"versioned": "false"})
    lines: dict[str, bytes | None] = {}
    for body in bodies:
        runs = labels.runs([repo.root.version], body)
        rows: list[str] = []
        parent = -1
        for z in np.unique(runs[:, 2])[::4]:
            here = runs[runs[:, 2] == z]
            middle = np.average(here[:, 0] + here[:, 3] / 2, weights=here[:, 3])
            height = np.average(here[:, 1], weights=here[:, 3])
            radius = np.sqrt(here[:, 3].sum() / np.pi)
            rows.append(f"{len(rows) + 1} 0 {middle:.1f} {height:.1f} {z} {radius:.1f} {parent}\n")
            parent = len(rows)
        lines[f"{body}_swc"] = "".join(rows).encode()
    made.values.put(repo.root.version, lines)
