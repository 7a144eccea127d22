"""Which blocks of 32 voxels does a region of interest hold?"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.demo.dvid.errors import DvidError
from gateway.demo.dvid.geometry import Triple
from gateway.demo.dvid.instances import Instance
from gateway.demo.dvid.versions import Layers, Lineage

EDGE = 32
Spans = list[list[int]]
"""[Z, Y, first X, last X] of rows of blocks."""


@dataclass
class Regions(Instance):
    """A region of interest, as spans of blocks."""

    kept: Layers[str, Spans] = field(default_factory=Layers)

    def spans(self, lineage: Lineage) -> Spans:
        """The region at a node."""
        return self.kept.get(lineage, "spans") or []

    def put(self, version: int, spans: Any) -> None:
        """Have the region be these spans. Raises DvidError."""
        if not isinstance(spans, list) or not all(_is_span(one) for one in spans):
            raise DvidError("a ROI must be a JSON array of [z, y, x0, x1]")
        self.kept.put(version, {"spans": [list(one) for one in spans]})

    def mask(self, lineage: Lineage, start: Triple, size: Triple) -> npt.NDArray[np.bool_]:
        """Which voxels of a part lie in the region; shape is `size` (z, y, x)."""
        found = np.zeros(size, bool)
        for z, y, first, last in self.spans(lineage):
            low = (z * EDGE - start[0], y * EDGE - start[1], first * EDGE - start[2])
            high = (low[0] + EDGE, low[1] + EDGE, (last + 1) * EDGE - start[2])
            found[tuple(slice(max(0, a), max(0, b)) for a, b in zip(low, high, strict=True))] = True
        return found

    def holds(self, lineage: Lineage, point: Triple) -> bool:
        """Whether a voxel lies in the region."""
        return bool(self.mask(lineage, point, (1, 1, 1))[0, 0, 0])


def _is_span(said: Any) -> bool:
    return isinstance(said, list) and len(said) == 4 and all(type(one) is int for one in said)
