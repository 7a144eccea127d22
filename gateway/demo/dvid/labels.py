"""Which voxels belong to which label?"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.demo.dvid.geometry import Triple
from gateway.demo.dvid.versions import Lineage
from gateway.demo.dvid.voxels import Array, Voxels

Runs = npt.NDArray[np.int32]
"""Shape (n, 4): X, Y, Z of a run's first voxel and its length along X."""


_COUNTED = 10_000


@dataclass
class Labels(Voxels):
    """A volume of uint64 labels, of which 0 stands for none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._most = 0
        self._counted: dict[int, tuple[Array, dict[int, int]]] = {}

    def at(self, lineage: Lineage, point: Triple) -> int:
        """The label of a voxel."""
        return int(self.read(lineage, point, (1, 1, 1))[0, 0, 0])

    def sizes(self, lineage: Lineage) -> dict[int, int]:
        """How many voxels each label has, for all labels but 0."""
        total: dict[int, int] = {}
        for block in self.blocks.visible(lineage).values():
            for label, count in self._counts(block).items():
                total[label] = total.get(label, 0) + count
        return total

    def _counts(self, block: Array) -> dict[int, int]:
        # Blocks are replaced and never changed: what was counted once holds as long as the block is kept.
        known = self._counted.get(id(block))
        if known is None:
            if len(self._counted) >= _COUNTED:
                self._counted.clear()
            _, labels, lengths = _runs(block)
            unique, inverse = np.unique(labels, return_inverse=True)
            sums = np.bincount(inverse, weights=lengths)
            counts = {int(a): int(b) for a, b in zip(unique, sums, strict=True) if a}
            known = self._counted[id(block)] = block, counts
        return known[1]

    def runs(self, lineage: Lineage, label: int, step: int = 1) -> Runs:
        """Where a label is, in order of Z, Y and X; runs end where blocks do. `step` is as in `read`."""
        extents = self.extents(lineage)
        if step > 1 and extents is not None:
            low = [one // step for one in extents.first]
            size = [one // step - start + 1 for one, start in zip(extents.last, low, strict=True)]
            whole = self.read(lineage, (low[0], low[1], low[2]), (size[0], size[1], size[2]), step)
            return _ordered([_runs_of(whole, label, (low[0], low[1], low[2]))])
        found = [np.empty((0, 4), np.int32)]
        for (z, y, x), block in self.blocks.visible(lineage).items():
            if label in self._counts(block):
                corner = (z * self.block[0], y * self.block[1], x * self.block[2])
                found.append(_runs_of(block, label, corner))
        return _ordered(found)

    def coarse(self, lineage: Lineage, label: int) -> Runs:
        """The blocks in which a label is, as runs of one; places are those of blocks."""
        visible = self.blocks.visible(lineage)
        places = [
            (x, y, z, 1) for (z, y, x), block in sorted(visible.items()) if label in self._counts(block)
        ]
        return np.array(places, np.int32).reshape(-1, 4)

    def most(self, lineage: Lineage) -> int:
        """The highest label that was ever written or reserved: for all nodes together."""
        seen = max(self.sizes(lineage), default=0)
        self._most = max(self._most, seen)
        return self._most

    def reserve(self, lineage: Lineage, count: int) -> tuple[int, int]:
        """So many labels that nobody has yet: the first and the last."""
        first = self.most(lineage) + 1
        self._most += count
        return first, self._most

    def extended(self, lineage: Lineage) -> dict[str, Any]:
        """As for all voxels, and what is known of labels."""
        most = self.most(lineage)
        return super().extended(lineage) | {
            "MaxLabel": {self.root.uuid: most},
            "MaxRepoLabel": most,
            "NextLabel": 0,
            "IndexedLabels": True,
            "CountLabels": True,
            "MaxDownresLevel": int(self.settings.get("maxdownreslevel", 7)),
        }


def _runs(block: Array) -> tuple[Array, Array, Array]:
    """Flat index, label and length of every run along X."""
    flat = block.ravel()
    breaks = np.empty(flat.size, bool)
    breaks[1:] = flat[1:] != flat[:-1]
    breaks[:: block.shape[-1]] = True
    starts = np.flatnonzero(breaks)
    return starts, flat[starts], np.diff(starts, append=flat.size)


def _runs_of(block: Array, label: int, corner: Triple) -> Runs:
    starts, labels, lengths = _runs(block)
    mine = labels == label
    inner = np.stack(np.unravel_index(starts[mine], block.shape), axis=1)[:, ::-1]
    return np.column_stack([inner + np.array(corner[::-1]), lengths[mine]]).astype(np.int32)


def _ordered(found: list[Runs]) -> Runs:
    runs = np.concatenate(found)
    ordered: Runs = runs[np.lexsort((runs[:, 0], runs[:, 1], runs[:, 2]))]
    return ordered


def within(runs: Runs, low: Triple, high: Triple) -> Runs:
    """What of runs lies between two places (Z, Y, X), both included."""
    x, y, z, length = runs.T.astype(np.int64)
    first, last = np.maximum(x, low[2]), np.minimum(x + length - 1, high[2])
    kept = (y >= low[1]) & (y <= high[1]) & (z >= low[0]) & (z <= high[0]) & (first <= last)
    found: Runs = np.column_stack([first, y, z, last - first + 1])[kept].astype(np.int32)
    return found


def sparse_volume(runs: Runs) -> bytes:
    """Runs in DVID's encoding: a header of 12 bytes, then four int32 for each."""
    header = struct.pack("<BBBBII", 0, 3, 0, 0, 0, len(runs))
    return header + runs.astype("<i4").tobytes()
