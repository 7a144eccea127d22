"""In which order do the voxels of stored blocks leave: row by row, as an array has them, or block by block as they are?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from msgspec import Struct

from gateway.dialects.dvid.geometry import Box, Corner, box_of_block

_PIECE: Final = 1 << 20
"""Bytes that are put in rows at once: they are sent before they leave the processor's cache."""


Body = bytes | memoryview
"""The voxels of a block."""


class Slab(Struct, frozen=True):
    """A box that lies in one layer of blocks, and all of those that it touches."""

    box: Box
    found: Mapping[Corner, Body]


def in_rows(slab: Slab, block: Corner, unit: np.dtype[Any]) -> Iterator[memoryview]:
    """The voxels as an array has them, slowest axis first."""
    if len(slab.found) == 1:
        ((index, body),) = slab.found.items()
        if slab.box == box_of_block(index, block):
            yield from _cut(memoryview(body))
            return
    depth, height, width = slab.box.shape
    parts = [(place[1:], view) for place, view in _views(slab, block, unit)]
    step = max(1, _PIECE // (height * width * unit.itemsize))
    for at in range(0, depth, step):
        out = np.empty((min(step, depth - at), height, width), unit)
        for (y, x), view in parts:
            out[:, y, x] = view[at : at + step]
        yield from _cut(memoryview(out.reshape(-1).view(np.uint8)))  # type: ignore[arg-type]


def in_blocks(slab: Slab, block: Corner, unit: np.dtype[Any]) -> Iterator[memoryview]:
    """The voxels of one block after the other, as far as they lie in the slab."""
    for index in sorted(slab.found):
        whole = box_of_block(index, block)
        body = slab.found[index]
        part = whole.meets(slab.box)
        if part == whole:
            yield memoryview(body)
        else:
            voxels = np.frombuffer(body, unit).reshape(block)
            yield memoryview(voxels[part.within(whole)].tobytes())


def _views(
    slab: Slab, block: Corner, unit: np.dtype[Any]
) -> Iterator[tuple[tuple[slice, slice, slice], np.ndarray[Any, Any]]]:
    """Where in the slab lies what of each block."""
    for index, body in slab.found.items():
        whole = box_of_block(index, block)
        part = whole.meets(slab.box)
        yield part.within(slab.box), np.frombuffer(body, unit).reshape(block)[part.within(whole)]


def _cut(data: memoryview) -> Iterator[memoryview]:
    for at in range(0, len(data), _PIECE):
        yield data[at : at + _PIECE]
