"""What is in the bucket that holds the segmentation's voxels? It stands for a cloud's object store: open to readers, no CAVE service.

The objects are those of Neuroglancer's precomputed format: chunks of raw little-endian uint64, x first. A supervoxel is a column.
"""

from __future__ import annotations

import re
import sys
from array import array
from typing import Any

from gateway.demo.cave.deployment import Deployment
from gateway.demo.cave.graph import SUPERVOXEL
from gateway.demo.cave.http import Asked, Refusal, Route

SIZE = (3000, 3000, 900)
CHUNK = (64, 64, 16)
COLUMN = 32
"""Voxels along x and y that belong to one supervoxel."""
SCALE = {
    "key": "8_8_40",
    "resolution": [8, 8, 40],
    "size": list(SIZE),
    "voxel_offset": [0, 0, 0],
    "chunk_sizes": [list(CHUNK)],
    "encoding": "raw",
}
_BOUNDS = re.compile("_".join([r"(\d{1,6})-(\d{1,6})"] * 3))


def routes() -> list[Route]:
    """The addresses of its objects."""
    return [
        Route("GET", "/{table}/provenance", _provenance, None),
        Route("GET", "/{table}/8_8_40/{bounds}", _chunk, None),
    ]


def supervoxel_at(deployment: Deployment, table: str, x: int, y: int) -> int:
    """Whose voxel it is: there are as many as the segmentation has supervoxels, again and again."""
    stack = deployment.of_table(table)
    if stack is None:
        raise Refusal(404, {"message": f"no object of {table}"})
    across = -(-SIZE[0] // COLUMN)
    return SUPERVOXEL + 1 + (x // COLUMN + across * (y // COLUMN)) % stack.graph.size


def _provenance(_: Asked, table: str) -> Any:
    return {"sources": [], "description": f"The voxels of {table}"}


def _chunk(asked: Asked, table: str, bounds: str) -> Any:
    found = _BOUNDS.fullmatch(bounds)
    if found is None:
        raise Refusal(404, {"message": f"no chunk {bounds}"})
    x0, x1, y0, y1, z0, z1 = map(int, found.groups())
    starts, stops = (x0, y0, z0), (x1, y1, z1)
    whole = (
        stop == min(start + side, size)
        for start, stop, side, size in zip(starts, stops, CHUNK, SIZE, strict=True)
    )
    if any(start % side for start, side in zip(starts, CHUNK, strict=True)) or not all(whole):
        raise Refusal(404, {"message": f"no chunk {bounds}"})
    plane = array("Q")
    for y in range(y0, y1):
        plane.extend(supervoxel_at(asked.deployment, table, x, y) for x in range(x0, x1))
    if sys.byteorder == "big":
        plane.byteswap()
    return plane.tobytes() * (z1 - z0), {"Content-Type": "application/octet-stream"}
