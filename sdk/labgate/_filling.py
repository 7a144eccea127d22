"""How does the body of a reply get straight into the memory that waits for it?"""

from __future__ import annotations

from labgate.errors import BadReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy as np

    from labgate._pieces import Pieces

SCRATCH = 256 * 1024  # what does not lie in one piece of memory comes in rows of so many bytes
# Of a socket in one read. For one connection a quarter of it is best, which stays in the processor's cache; for several
# more is, which takes the interpreter's lock less often (tests/bench/volume_reads.py).
_AT_ONCE = 1024 * 1024


async def exactly(pieces: Pieces, count: int) -> bytearray:
    """So many bytes of the body.

    Raises:
        BadReply: it ends before.
    """
    whole = bytearray(count)
    with memoryview(whole) as view:
        await _into(pieces, view, lambda _: None)
    return whole


async def fill(
    pieces: Pieces, array: np.ndarray[Any, Any], scratch: bytearray, advance: Callable[[int], object]
) -> None:
    """Fill the array from the body; by way of `scratch` where it does not lie in one piece of memory.

    Raises:
        BadReply: the body ends before.
    """
    import numpy as np

    if not array.size:
        return
    if array.flags.c_contiguous:
        with memoryview(array.reshape(-1).view(np.uint8)) as view:  # type: ignore[arg-type]
            await _into(pieces, view, advance)
    elif array.nbytes <= len(scratch):
        with memoryview(scratch) as room, room[: array.nbytes] as view:
            await _into(pieces, view, advance)
        array[...] = np.frombuffer(scratch, array.dtype, array.size).reshape(array.shape)
    else:
        row = array.nbytes // len(array)
        step = len(scratch) // row
        if step < 1:
            for one in array:
                await fill(pieces, one, scratch, advance)
        else:
            for at in range(0, len(array), step):
                await fill(pieces, array[at : at + step], scratch, advance)


async def ended(pieces: Pieces) -> None:
    """Read the end of the body.

    Raises:
        BadReply: there is more of it.
    """
    with memoryview(bytearray(1)) as surplus:
        if await pieces.into(surplus):
            raise BadReply("the reply has bytes behind the end of its array")


async def _into(pieces: Pieces, view: memoryview, advance: Callable[[int], object]) -> None:
    at = 0
    while at < len(view):
        got = await pieces.into(view[at : at + _AT_ONCE])
        if not got:
            raise BadReply(f"the reply ended {len(view) - at} bytes before its array did")
        at += got
        advance(got)
