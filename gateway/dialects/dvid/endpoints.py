"""Which requests ask for what never changes, and what stands for them?

A locked version never changes, but not everything that is asked for below it is its own: some data live at the root whatever
version is asked, some numbers are an instance's and not a version's, and some are derived later.
"""

from __future__ import annotations

import json
import re
from hashlib import blake2b
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from gateway.core.paths import Steps
from gateway.dialects.dvid.geometry import MOST_BYTES, SCALED, Box, Voxels, voxels_of
from gateway.dialects.dvid.repos import Instance, Node, Repo

GRACE_SECONDS: Final = 600.0
"""After a version was changed last, for which what is derived from its data may still be on its way."""

_OF_A_VERSION: Final = frozenset(
    (
        *("raw", "blocks", "subvolblocks", "specificblocks", "mask", "partition"),
        *("label", "labels", "size", "sizes", "sparsevol", "sparsevol-size", "sparsevol-coarse"),
        *("sparsevol-by-point", "sparsevols-coarse", "supervoxels", "supervoxel-splits", "index", "indices"),
        *("mapping", "mappings", "listlabels", "lastmod"),
        *("key", "keys", "keyrange", "keyrangevalues", "keyvalues", "fields", "all"),
        *("elements", "all-elements"),
    )
)
"""Not `isotropic` and `arb`: they depend on the size of voxels, which is the same for all versions."""
_DERIVED: Final = frozenset(
    ("annotation label", "annotation tag", "labelsz count", "labelsz counts", "labelsz top")
)
_NOT_IN_KEYS: Final = frozenset(("u", "app", "interactive", "throttle"))
"""What says who asks, and how politely."""
_DIMS: Final = frozenset(("0_1_2", "0,1,2", "vol", "xyz"))
_PLAIN: Final = frozenset(("scale",))
_TRIPLE: Final = re.compile(r"-?[0-9]{1,10}_-?[0-9]{1,10}_-?[0-9]{1,10}")
_SCALE: Final = re.compile("[0-9]{1,2}")
_MOST_SCALES: Final = 32


class Asked(Struct, frozen=True):
    """A request for data of one version: the steps after the data's name, and what its query says, in the order of names.

    `odd` = a name stands there twice, or a secret.
    """

    endpoint: str
    rest: tuple[str, ...]
    query: tuple[tuple[str, str], ...]
    odd: bool

    @property
    def said(self) -> dict[str, str]:
        """The query by names."""
        return dict(self.query)


def asked(inner: Steps, query: bytes) -> Asked | None:
    """What is asked below `/api/node/VERSION/DATA/`; None where that cannot be read."""
    try:
        steps = [step.decode() for step in inner[4:]]
        pairs = [pair.partition("=")[::2] for pair in query.decode("ascii").lstrip("?").split("&") if pair]
    except UnicodeDecodeError:
        return None
    named = sorted((unquote(name), value) for name, value in pairs)
    names = [name for name, _ in named]
    odd = len(set(names)) < len(names) or "admintoken" in names
    kept = tuple((name, value) for name, value in named if name not in _NOT_IN_KEYS)
    if not steps or "" in steps:
        return None
    return Asked(steps[0], tuple(steps[1:]), kept, odd)


def never_changes(repo: Repo, node: Node, instance: Instance, what: Asked, now: float) -> bool:
    """Whether a 200 to this GET will be the same for ever."""
    if what.odd:
        return False
    if what.endpoint == "blobstore":  # called by what it holds
        return len(what.rest) == 1
    if not (node.locked and instance.versioned and instance.data):
        return False
    said = what.said
    if "roi" in said:
        mask = repo.instances.get(unquote(said["roi"]))
        if mask is None or not (mask.versioned and mask.data):
            return False
    if what.endpoint == "roi":  # of other types it is what lies in another ROI, at whatever version
        return instance.type == "roi" and not what.rest
    settled = now - node.changed > GRACE_SECONDS
    if f"{instance.type} {what.endpoint}" in _DERIVED:
        return settled
    if what.endpoint not in _OF_A_VERSION:
        return False
    return settled or said.get("scale", "0") == "0" or instance.type not in SCALED


def cutout(what: Asked, instance: Instance) -> tuple[Box, Voxels, int] | None:
    """The box, voxels and scale that a request for plain 3D voxels asks for; None for any other request."""
    voxels = voxels_of(instance)
    if voxels is None or what.endpoint != "raw" or len(what.rest) != 3 or what.rest[0] not in _DIMS:
        return None
    said = what.said
    if (
        not said.keys() <= _PLAIN
        or not _SCALE.fullmatch(said.get("scale", "0"))
        or "GridStore" in instance.tags
    ):
        return None
    scale = int(said.get("scale", "0"))
    if scale and (instance.type not in SCALED or scale > _MOST_SCALES):
        return None
    if not all(map(_TRIPLE.fullmatch, what.rest[1:])):
        return None
    size, offset = ([int(one) for one in step.split("_")] for step in what.rest[1:])
    if min(size) <= 0:
        return None
    if max(map(abs, (*size, *offset))) > 1 << 31:
        return None
    x, y, z = offset
    sx, sy, sz = size
    box = Box((z, y, x), (z + sz, y + sy, x + sx))
    return (box, voxels, scale) if box.voxels * voxels.size <= MOST_BYTES else None


def length_of(what: Asked, instance: Instance) -> int | None:
    """How long the answer must be, in bytes, where the request says it."""
    found = cutout(what, instance)
    return None if found is None else found[0].voxels * found[1].size


def target_of(repo: Repo, node: Node, instance: Instance, what: Asked) -> bytes:
    """What stands for the request wherever it is the same: whose data, of which version, what of them, and what masks them."""
    mask = repo.instances.get(unquote(what.said.get("roi", "")))
    return json.dumps(
        (
            *(instance.data or instance.name, node.uuid, what.endpoint, what.rest, what.query),
            None if mask is None else mask.data,
        )
    ).encode()


def late_error(inner: Steps) -> bytes:
    """What a 200 ends with whose service failed after it had begun: `MESSAGE (PATH).` and the end of a line."""
    return b"/" + b"/".join(inner) + b").\n"


def tag_of(target: bytes) -> bytes:
    """The entity tag of what never changes: what stands for it tells it apart."""
    return b'"%b"' % blake2b(target, digest_size=16).hexdigest().encode()
