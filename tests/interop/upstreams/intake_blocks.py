"""How does a driver look that has blocks along every axis, as those of plugins (xarray and its like) do?"""

from typing import Any

import numpy as np
from intake.source.base import DataSource, Schema


class BlocksSource(DataSource):
    """A .npy file in blocks of `edge` along each axis; unlike ndzarr it says the length of each block."""

    name = "blocks"
    container = "ndarray"
    version = "1"
    partition_access = True

    def __init__(self, path: str, edge: int, metadata: dict[str, Any] | None = None) -> None:
        self.array = np.load(path)
        self.edge = edge
        super().__init__(metadata=metadata)

    def _get_schema(self) -> Schema:
        starts = [range(0, length, self.edge) for length in self.array.shape]
        chunks = tuple(
            tuple(min(self.edge, length - start) for start in axis)
            for axis, length in zip(starts, self.array.shape, strict=True)
        )
        self.npartitions = int(np.prod([len(axis) for axis in chunks]))
        return Schema(
            dtype=str(self.array.dtype),
            shape=self.array.shape,
            npartitions=self.npartitions,
            extra_metadata=self.metadata,
            chunks=chunks,
        )

    def read_partition(self, i: list[int]) -> np.ndarray:
        """One block."""
        return self.array[tuple(slice(at * self.edge, (at + 1) * self.edge) for at in i)]

    def read(self) -> np.ndarray:
        """All of it."""
        return self.array

    def _close(self) -> None:
        pass
