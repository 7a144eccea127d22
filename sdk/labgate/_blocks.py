"""How does an array that comes block by block, as the gate keeps it, get into the memory that waits for it?"""

from __future__ import annotations

import json
from itertools import product

from labgate._filling import SCRATCH, ended, exactly, fill
from labgate.errors import BadReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    import numpy as np

    from labgate._pieces import Pieces

BLOCKS = "application/x-labgate-blocks"
_MOST_HEAD = 64 * 1024


async def receive_blocks(
    pieces: Pieces,
    array: np.ndarray[Any, Any],
    start: Sequence[int],
    length: int | None,
    advance: Callable[[int], object],
) -> None:
    """Fill the array from a body of blocks of the same dtype, shape and place, and nothing behind them.

    Args:
        pieces: the body.
        array: what to fill.
        start: the coordinates of its first element.
        length: the body's, None where it was not announced.
        advance: is told how many bytes of the array have come.

    Raises:
        BadReply: they are of another array, or of another length.
        MalformedReply, ReplyCut, TimeoutError, OSError: see `Pieces.into`.
    """
    size = int.from_bytes(await exactly(pieces, 4), "little")
    if size > _MOST_HEAD:
        raise BadReply(f"the head of the reply's blocks is said to have {size} bytes")
    said = _said(await exactly(pieces, size))
    wanted = {"dtype": array.dtype.str, "start": [*start], "shape": [*array.shape]}
    for name, value in wanted.items():
        if said.get(name) != value:
            raise BadReply(f"the {name} of the reply's blocks is {said.get(name)!r:.200} instead of {value}")
    block = said.get("block")
    if not (
        isinstance(block, list)
        and len(block) == array.ndim
        and all(type(one) is int and one > 0 for one in block)
    ):
        raise BadReply(f"the reply's blocks have the shape {block!r:.200}")
    if length is not None and length != 4 + size + array.nbytes:
        raise BadReply(f"the reply has {length} bytes, and its array {4 + size + array.nbytes} with its head")
    scratch = bytearray(min(SCRATCH, array.nbytes))
    for place in _places(start, array.shape, block):
        await fill(pieces, array[place], scratch, advance)
    await ended(pieces)


def _said(text: bytearray) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadReply("the head of the reply's blocks is no JSON") from error
    if not isinstance(said, dict):
        raise BadReply("the head of the reply's blocks is no object")
    return said


def _places(start: Sequence[int], shape: Sequence[int], block: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Where in the array each block lies, in their order."""
    return product(*(list(_along(*one)) for one in zip(start, shape, block, strict=True)))


def _along(first: int, length: int, block: int) -> Iterator[slice]:
    at = 0
    while at < length:
        end = min(length, at + block - (first + at) % block)
        yield slice(at, end)
        at = end
