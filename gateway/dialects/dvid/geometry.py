"""Where are the voxels? Boxes, the blocks that they are stored in, and the boxes in which missing blocks are fetched.

Everything is in voxels, slowest axis first (z, y, x), half open, and may be negative.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
from msgspec import Struct

from gateway.core.faults import InvalidParams
from gateway.dialects.dvid.repos import Instance

Corner = tuple[int, int, int]

MOST_VOXELS: Final = 256**3
"""Of one read: DVID has a lock for larger ones, which all callers share."""
READ_BYTES: Final = 4 << 20
"""Of one read into blocks: several of them are in memory at once."""
MOST_BYTES: Final = 3 << 30
"""Of one cutout: DVID refuses more."""
_BLOCK: Final = 64
_BLOCK_BYTES: Final = 1 << 20
_FARTHEST: Final = 1 << 31
_FEW_BLOCKS: Final = 64
_MOST_WASTE: Final = 64
"""How many times its own voxels the blocks of a box may have that touches more than a few of them."""

_VOXELS: Final = {
    "uint8blk": ("uint8", 1),
    "uint16blk": ("uint16", 1),
    "uint32blk": ("uint32", 1),
    "uint64blk": ("uint64", 1),
    "float32blk": ("float32", 1),
    "rgba8blk": ("uint8", 4),
    "labelblk": ("uint64", 1),
    "labelarray": ("uint64", 1),
    "labelmap": ("uint64", 1),
}
SCALED: Final = frozenset(("labelarray", "labelmap"))
"""Types whose data have scales of their own."""


class Box(Struct, frozen=True):
    """From `start` up to, and without, `stop`."""

    start: Corner
    stop: Corner

    @property
    def shape(self) -> Corner:
        """How many voxels it has along each axis."""
        z, y, x = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return z, y, x

    @property
    def voxels(self) -> int:
        """How many voxels it has."""
        return math.prod(self.shape)

    def meets(self, other: Box) -> Box:
        """What it has in common with one that it overlaps."""
        return Box(tuple(map(max, self.start, other.start)), tuple(map(min, self.stop, other.stop)))  # type: ignore[arg-type]

    def within(self, outer: Box) -> tuple[slice, slice, slice]:
        """Where it lies in an array of `outer`."""
        z, y, x = (slice(a - o, b - o) for a, b, o in zip(self.start, self.stop, outer.start, strict=True))
        return z, y, x


class Voxels(Struct, frozen=True):
    """What the voxels of some data are: numpy's type, and how many channels stand side by side in one."""

    dtype: str
    channels: int

    @property
    def size(self) -> int:
        """Bytes of one voxel."""
        return np.dtype(self.dtype).itemsize * self.channels

    @property
    def told(self) -> str:
        """The type as it travels: little-endian, whatever this machine is."""
        return np.dtype(self.dtype).newbyteorder("<").str

    @property
    def unit(self) -> np.dtype[Any]:
        """A type for whole voxels, to be moved and not to be counted with."""
        size = self.size
        return np.dtype(f"u{size}") if size in (1, 2, 4, 8) else np.dtype(f"V{size}")


def voxels_of(instance: Instance) -> Voxels | None:
    """What the voxels are, None for data that have none."""
    found = _VOXELS.get(instance.type)
    return None if found is None else Voxels(*found)


def block_shape(voxels: Voxels) -> Corner:
    """The shape of stored blocks: a multiple of DVID's own 64, up to about 1 MiB, longest where bytes lie side by side.

    Whoever puts blocks together copies row by row, and the shorter the rows the slower.
    """
    z = y = x = _BLOCK
    while 2 * z * y * x * voxels.size <= _BLOCK_BYTES:
        x *= 2
    return z, y, x


def box_of(start: object, stop: object) -> Box:
    """The box of two corners as callers give them. Raises `InvalidParams`."""
    corners = []
    for name, given in (("start", start), ("stop", stop)):
        if not isinstance(given, list) or len(given) != 3 or not all(type(one) is int for one in given):
            raise InvalidParams(f"{name} is three whole numbers [z, y, x], and not {str(given)[:80]}.")
        if any(abs(one) > _FARTHEST for one in given):
            raise InvalidParams(f"{name} {given} is farther away than any voxel.")
        corners.append(tuple(given))
    box = Box(*corners)
    if min(box.shape) <= 0:
        raise InvalidParams(
            f"The box from {list(box.start)} to {list(box.stop)} is empty: stop lies beyond start."
        )
    return box


def slabs(box: Box, block: Corner) -> Iterator[Box]:
    """The box cut at the blocks' borders along the slowest axis."""
    at = box.start[0]
    while at < box.stop[0]:
        end = min(box.stop[0], (at // block[0] + 1) * block[0])
        yield Box((at, *box.start[1:]), (end, *box.stop[1:]))
        at = end


def blocks(box: Box, block: Corner) -> list[Corner]:
    """The indices of the blocks that the box touches, in order."""
    ranges = [range(a // n, (b - 1) // n + 1) for a, b, n in zip(box.start, box.stop, block, strict=True)]
    return [(z, y, x) for z in ranges[0] for y in ranges[1] for x in ranges[2]]


def in_blocks(box: Box, block: Corner) -> bool:
    """Whether a box is worth being made of whole blocks: thin lines through a volume are not."""
    count = math.prod((b - 1) // n - a // n + 1 for a, b, n in zip(box.start, box.stop, block, strict=True))
    return count <= _FEW_BLOCKS or count * math.prod(block) <= _MOST_WASTE * box.voxels


def filling(box: Box, block: Corner) -> float:
    """Which part of the blocks that the box touches lies in it."""
    counts = ((b - 1) // n - a // n + 1 for a, b, n in zip(box.start, box.stop, block, strict=True))
    return box.voxels / (math.prod(counts) * math.prod(block))


def box_of_block(index: Corner, block: Corner) -> Box:
    """The voxels of a block."""
    (z, y, x), (dz, dy, dx) = index, block
    z, y, x = z * dz, y * dy, x * dx
    return Box((z, y, x), (z + dz, y + dy, x + dx))


def regions(
    missing: Iterable[Corner], block: Corner, size: int = 1, most_bytes: int = READ_BYTES
) -> list[list[Corner]]:
    """Missing blocks of one slab, in groups that fill a box each: at most `MOST_VOXELS` of `size` bytes, and so many bytes."""
    most = max(1, min(MOST_VOXELS, most_bytes // size) // math.prod(block))
    rows: dict[tuple[int, int], list[int]] = {}
    for z, y, x in sorted(missing):
        rows.setdefault((z, y), []).append(x)
    found: list[list[Corner]] = []
    open_boxes: dict[
        tuple[int, int, int], list[Corner]
    ] = {}  # (z, first x, end x) -> what goes on in the next row
    for (z, y), row in rows.items():
        going: dict[tuple[int, int, int], list[Corner]] = {}
        for first, end in _runs(row, most):
            run = [(z, y, x) for x in range(first, end)]
            group = open_boxes.get((z, first, end))
            if group is not None and group[-1][1] == y - 1 and len(group) + len(run) <= most:
                group += run
            else:
                group = run
                found.append(group)
            going[z, first, end] = group
        open_boxes = going
    return found


def _runs(row: list[int], most: int) -> Iterator[tuple[int, int]]:
    first = end = row[0]
    for x in (*row, None):
        if x is not None and x == end and end - first < most:
            end += 1
            continue
        if end > first:
            yield first, end
        if x is not None:
            first, end = x, x + 1


def around(group: list[Corner], block: Corner) -> Box:
    """The box that a group of blocks fills."""
    return Box(box_of_block(group[0], block).start, box_of_block(group[-1], block).stop)
