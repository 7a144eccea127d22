"""What does an opened entry give? A schema, and its data part by part."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Source(Protocol):
    """Opened data. A `partition` that there is not raises IndexError, one of a wrong type TypeError."""

    @property
    def container(self) -> str:
        """`dataframe`, `ndarray` or `python`."""

    def schema(self) -> dict[str, Any]:
        """dtype, shape and npartitions, and for arrays chunks."""

    def part(self, partition: Any) -> Any:
        """One partition."""

    def whole(self) -> Any:
        """Everything; asked for only where there are fewer than two partitions."""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length in partitions of so many rows each."""

    columns: Mapping[str, Array]
    rows: Sequence[int]
    container: str = "dataframe"

    def schema(self) -> dict[str, Any]:
        """The length is unknown until it is read, as for the original's files."""
        return {
            "dtype": {name: str(values.dtype) for name, values in self.columns.items()},
            "shape": [None, len(self.columns)],
            "npartitions": len(self.rows),
        }

    def part(self, partition: Any) -> Mapping[str, Array]:
        """The columns of some rows."""
        first, last = _span(self.rows, partition)
        return {name: values[first:last] for name, values in self.columns.items()}

    def whole(self) -> Mapping[str, Array]:
        """All rows."""
        return self.columns


@dataclass(frozen=True, slots=True)
class Blocks:
    """An array in blocks; `chunks` has the lengths of the blocks along each axis."""

    array: Array
    chunks: tuple[tuple[int, ...], ...]
    container: str = "ndarray"

    def schema(self) -> dict[str, Any]:
        """`npartitions` is the number of all blocks."""
        return {
            "dtype": str(self.array.dtype),
            "shape": self.array.shape,
            "npartitions": math.prod(len(lengths) for lengths in self.chunks),
            "chunks": self.chunks,
        }

    def part(self, partition: Any) -> Array:
        """A block by its index along each axis; an int is the index along the first where others have one block only."""
        if isinstance(partition, int) and all(len(lengths) == 1 for lengths in self.chunks[1:]):
            partition = [partition] + [0] * (len(self.chunks) - 1)
        if not isinstance(partition, list) or len(partition) != len(self.chunks):
            raise TypeError(f"a block has {len(self.chunks)} indices")
        spans = (_span(lengths, index) for lengths, index in zip(self.chunks, partition, strict=True))
        return np.ascontiguousarray(self.array[tuple(slice(first, last) for first, last in spans)])

    def whole(self) -> Array:
        """The array, below an axis more than its schema says, as the original's driver for numpy files gives it."""
        return self.array[np.newaxis]


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of text, with their ends, in one partition."""

    lines: Sequence[str]
    container: str = "python"

    def schema(self) -> dict[str, Any]:
        """Nothing is known of text."""
        return {"dtype": None, "shape": [None], "npartitions": 1}

    def part(self, partition: Any) -> list[str]:
        """All lines; the partition is 0."""
        _span([1], partition)
        return self.whole()

    def whole(self) -> list[str]:
        """All lines."""
        return list(self.lines)


def even(length: int, step: int) -> tuple[int, ...]:
    """`length` in pieces of `step`, the last of them shorter where it does not divide."""
    return tuple(min(step, length - first) for first in range(0, length, step))


def _span(lengths: Sequence[int], index: Any) -> tuple[int, int]:
    if not isinstance(index, int) or isinstance(index, bool):
        raise TypeError(f"{index!r} is no index")
    if not 0 <= index < len(lengths):
        raise IndexError(f"{index} is out of range")
    ends = list(accumulate(lengths))
    return ends[index] - lengths[index], ends[index]
