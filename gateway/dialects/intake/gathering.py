"""How is a whole array made of its blocks, while it is sent?"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import numpy as np

from gateway.core.arrays import Array
from gateway.core.faults import UpstreamBroken
from gateway.core.reply import Composed

Block = Callable[[list[int]], Awaitable[Array]]
"""Brings the block of these indices."""
Lengths = tuple[tuple[int, ...], ...]


async def whole(lengths: Lengths, block: Block) -> Composed:
    """The array whose blocks have these lengths along each axis, slowest first. One row of blocks is in memory at a time."""
    first = await block([0] * len(lengths))
    shape = tuple(sum(along) for along in lengths)
    pieces = _rows(lengths, block, first.dtype)
    return Composed(math.prod(shape) * first.dtype.itemsize, pieces, first.dtype.str, shape)


def single(array: Array) -> Composed:
    """The array, in one piece."""
    return Composed(len(array.data), _piece(array.data), array.dtype.str, array.shape)


def plain(data: bytes) -> Composed:
    """The bytes, in one piece."""
    return Composed(len(data), _piece(data))


async def _piece(data: bytes) -> AsyncGenerator[bytes | memoryview]:
    yield data


async def _rows(lengths: Lengths, block: Block, dtype: np.dtype[Any]) -> AsyncGenerator[bytes | memoryview]:
    inner = [list(itertools.accumulate(along, initial=0)) for along in lengths[1:]]
    for at, depth in enumerate(lengths[0]):
        row = np.empty((depth, *(starts[-1] for starts in inner)), dtype)

        async def put(place: tuple[int, ...], row: Any = row, at: int = at) -> None:
            found = await block([at, *place])
            box = tuple(
                slice(starts[index], starts[index + 1]) for starts, index in zip(inner, place, strict=True)
            )
            target = row[(slice(None), *box)]
            if found.dtype != dtype or found.shape != target.shape:
                raise UpstreamBroken(f"Block {[at, *place]} has another dtype or shape than its source says.")
            target[...] = np.frombuffer(found.data, dtype).reshape(found.shape)

        places = itertools.product(*(range(len(starts) - 1) for starts in inner))
        try:
            async with asyncio.TaskGroup() as group:
                for place in places:
                    group.create_task(put(place))
        except BaseExceptionGroup as problems:  # whoever sends it expects a fault, and one
            raise problems.exceptions[0] from problems
        yield row.tobytes()
