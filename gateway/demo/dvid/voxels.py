"""How are voxels kept and read? In blocks, of which every node has those that were written to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.demo.dvid.errors import DvidError
from gateway.demo.dvid.geometry import Triple
from gateway.demo.dvid.instances import Instance, listed
from gateway.demo.dvid.versions import Layers, Lineage

Array = npt.NDArray[Any]
_MANY = 4096


@dataclass(frozen=True, slots=True)
class Extents:
    """The first and the last voxel, both included."""

    first: Triple
    last: Triple

    def grown(self, other: Extents) -> Extents:
        """What holds both."""
        low, high = zip(self.first, other.first, strict=True), zip(self.last, other.last, strict=True)
        return Extents(_triple(min(a, b) for a, b in low), _triple(max(a, b) for a, b in high))


def _triple(values: Any) -> Triple:
    z, y, x = values
    return int(z), int(y), int(x)


def xyz(values: Any) -> list[Any]:
    """Z, Y, X the other way round, as DVID says it."""
    return list(values)[::-1]


@dataclass
class Voxels(Instance):
    """A volume of voxels: arrays are (z, y, x), for several channels (z, y, x, channel), little-endian."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.dtype = self.kind.dtype
        self.trailing = (self.kind.channels,) if self.kind.channels > 1 else ()
        self.block: Triple = _triple(xyz(listed(self.settings, "blocksize", [self.kind.block] * 3, int)))
        if min(self.block) < 1:
            raise DvidError(f"block size {xyz(self.block)} must be positive")
        self.voxel_size: list[float] = listed(self.settings, "voxelsize", [8.0] * 3, float)
        self.voxel_units: list[str] = listed(self.settings, "voxelunits", ["nanometers"] * 3, str)
        self.background = int(self.settings.get("background", 0))
        self.blocks: Layers[Triple, Array] = Layers()
        self._extents: Layers[str, Extents] = Layers()

    @property
    def voxel_bytes(self) -> int:
        """What a voxel takes on the wire."""
        return self.dtype.itemsize * self.kind.channels

    @cached_property
    def block_bytes(self) -> int:
        """What a block takes on the wire, uncompressed."""
        return prod(self.block) * self.voxel_bytes

    # --- reading

    def read(self, lineage: Lineage, start: Triple, size: Triple, step: int = 1) -> Array:
        """The voxels from `start` on; where none were written there is background.

        With a `step`, start and size count in voxels of that many times the edge, each the first of those it stands for.
        """
        found = np.full(size + self.trailing, self.background, self.dtype)
        for at in self._candidates(lineage, start, size, step):
            block = self.blocks.get(lineage, at)
            cuts = [self._cut(at[axis], axis, start[axis], size[axis], step) for axis in range(3)]
            if block is not None:
                found[tuple(out for out, _ in cuts)] = block[tuple(inner for _, inner in cuts)]
        return found

    def _cut(self, at: int, axis: int, start: int, size: int, step: int) -> tuple[slice, slice]:
        edge = self.block[axis]
        low = max(0, -(-at * edge // step) - start)
        high = max(low, min(size, -(-(at + 1) * edge // step) - start))
        first = (start + low) * step - at * edge
        return slice(low, high), slice(
            first, first + (high - low - 1) * step + 1 if high > low else first, step
        )

    def _candidates(self, lineage: Lineage, start: Triple, size: Triple, step: int) -> Iterator[Triple]:
        ranges = [
            range(low * step // edge, ((low + count - 1) * step) // edge + 1)
            for low, count, edge in zip(start, size, self.block, strict=True)
        ]
        if prod(map(len, ranges)) <= _MANY:
            yield from product(*ranges)
            return
        for at in self.blocks.visible(lineage):
            if all(one in inside for one, inside in zip(at, ranges, strict=True)):
                yield at

    def extents(self, lineage: Lineage) -> Extents | None:
        """Where a node has voxels, None while it has none."""
        return self._extents.get(lineage, "extents")

    # --- writing

    def write(self, lineage: Lineage, start: Triple, array: Array) -> None:
        """Replace whole blocks at the first node of `lineage`. Raises DvidError where the part is not aligned."""
        for axis in range(3):
            if start[axis] % self.block[axis] or array.shape[axis] % self.block[axis]:
                raise DvidError(
                    f"cannot store voxels of size {xyz(array.shape[:3])} at {xyz(start)} in data {self.name!r}: "
                    f"not aligned to blocks of {xyz(self.block)}"
                )
        self.load(lineage, start, array)

    def load(self, lineage: Lineage, start: Triple, array: Array) -> None:
        """The same for an array that begins with a block, and may end within one: the rest is background."""
        entries: dict[Triple, Array | None] = {}
        counts = [-(-side // edge) for side, edge in zip(array.shape, self.block, strict=False)]
        first = [low // edge for low, edge in zip(start, self.block, strict=True)]
        for at in product(*map(range, counts)):
            cut = tuple(slice(i * edge, (i + 1) * edge) for i, edge in zip(at, self.block, strict=True))
            part = array[cut]
            whole = np.full(self.block + self.trailing, self.background, self.dtype)
            whole[tuple(slice(side) for side in part.shape)] = part
            entries[_triple(a + b for a, b in zip(first, at, strict=True))] = whole
        self.blocks.put(lineage[0], entries)
        last = _triple(low + side - 1 for low, side in zip(start, array.shape, strict=False))
        self.grow(lineage, Extents(start, last))

    def grow(self, lineage: Lineage, more: Extents) -> None:
        """Have the extents at a node hold these too."""
        known = self.extents(lineage)
        self._extents.put(lineage[0], {"extents": more if known is None else known.grown(more)})

    def set_extents(self, lineage: Lineage, extents: Extents) -> None:
        """Have the extents at a node be these."""
        self._extents.put(lineage[0], {"extents": extents})

    # --- telling

    def extended(self, lineage: Lineage) -> dict[str, Any]:
        """Values, block and voxel sizes, and extents, which are null while there are no voxels."""
        extents = self.extents(lineage)
        return {
            "Values": [{"DataType": self.dtype.name, "Label": label} for label in self.kind.values],
            "Interpolable": not self.kind.labels,
            "BlockSize": xyz(self.block),
            "VoxelSize": list(self.voxel_size),
            "VoxelUnits": list(self.voxel_units),
            "Background": self.background,
            "MinPoint": None if extents is None else xyz(extents.first),
            "MaxPoint": None if extents is None else xyz(extents.last),
            "MinIndex": None if extents is None else xyz(self._index(extents.first)),
            "MaxIndex": None if extents is None else xyz(self._index(extents.last)),
        }

    def _index(self, point: Triple) -> Triple:
        return _triple(one // edge for one, edge in zip(point, self.block, strict=True))

    def document(self, lineage: Lineage) -> dict[str, Any]:
        """As for every instance, and the extents once more."""
        told = super().document(lineage)
        extended = told["Extended"]
        return told | {"Extents": {name: extended[name] for name in ("MinPoint", "MaxPoint")}}

    def axes(self, lineage: Lineage) -> dict[str, Any]:
        """The layout of the bytes of a cutout, as `metadata` tells of it."""
        extents = self.extents(lineage)
        first = (0, 0, 0) if extents is None else extents.first
        size = [0] * 3 if extents is None else [b - a + 1 for a, b in zip(first, extents.last, strict=True)]
        names = zip("XYZ", self.voxel_size, self.voxel_units, xyz(size), xyz(first), strict=True)
        fields = ("Label", "Resolution", "Units", "Size", "Offset")
        return {
            "Axes": [dict(zip(fields, values, strict=True)) for values in names],
            "Properties": self.extended(lineage),
        }
