"""How do the voxels of a read get into blocks? While they come, a few planes at a time, as long as they are in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.dialects.dvid.geometry import Corner
from gateway.dialects.dvid.places import Place
from gateway.dialects.dvid.windows import SIZE


class Cutting:
    """A `Room` for the voxels of a box of whole blocks, one block deep."""

    def __init__(
        self, shape: Corner, block: Corner, size: int, take: Callable[[int], Place], window: memoryview
    ) -> None:
        """`shape` is that of the box in voxels of `size` bytes. `take` gives places for blocks, `window` is of `window_of`."""
        (_, height, width), (depth, tall, wide) = shape, block
        self._take = take
        self._rows = np.dtype(f"V{wide * size}")  # moved as a whole
        self._block = depth, tall
        self._across = width // wide
        self._count = height // tall * self._across
        self._window = window
        self._plane = height * width * size
        # plane, block of rows, row, block of columns
        self._planes: npt.NDArray[Any] = np.frombuffer(window, self._rows).reshape(
            -1, height // tall, tall, self._across
        )
        self._length = depth * self._plane
        self._places: list[Place] = []
        self._ways: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = []
        self._came = self._filled = 0

    @property
    def blocks(self) -> list[memoryview] | None:
        """The blocks of the box in their order, once all of it has come."""
        if self._came < self._length:
            return None
        return [place.data.toreadonly() for place in self._places]

    def begin(self) -> int:
        """See `Room`."""
        if not self._places:  # and not before something comes
            size = self._length // self._count
            self._places = [self._take(size) for _ in range(self._count)]
            self._ways = [
                (
                    place.view(self._rows).reshape(self._block),
                    self._planes[:, at // self._across, :, at % self._across],
                )
                for at, place in enumerate(self._places)
            ]
        self._came = self._filled = 0
        return self._length

    def open(self) -> memoryview:
        """See `Room`."""
        end = min(len(self._window), self._filled + self._length - self._came)
        return self._window[self._filled : end]

    def came(self, size: int) -> None:
        """See `Room`."""
        self._came += size
        self._filled += size
        if self._filled == len(self._window) or self._came == self._length:
            self._cut(self._came // self._plane, self._filled // self._plane)
            self._filled = 0

    def _cut(self, end: int, count: int) -> None:
        """Put the planes of the window, so many, where they belong."""
        for rows, planes in self._ways:
            rows[end - count : end] = planes[:count]


def window_of(shape: Corner, size: int) -> int:
    """How many bytes a window has for a box of this shape, in voxels of so many bytes: as many whole planes as fit."""
    plane = shape[1] * shape[2] * size
    return min(shape[0], max(1, SIZE // plane)) * plane
