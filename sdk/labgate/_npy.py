"""How does an array that comes as a numpy file get straight into the memory that waits for it?"""

from __future__ import annotations

from labgate._arrays import npy_end, npy_header
from labgate._filling import SCRATCH, ended, exactly, fill
from labgate.errors import BadReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy as np

    from labgate._pieces import Pieces

_SHORTEST = 12  # magic, version, and the longest form of the header's length


async def receive(
    pieces: Pieces, array: np.ndarray[Any, Any], length: int | None, advance: Callable[[int], object]
) -> None:
    """Fill the array from a body that is a numpy file with the same dtype and shape, and nothing behind it.

    What lies in one piece of memory is received in its place; other arrays by way of a quarter of a MiB.

    Args:
        pieces: the body.
        array: what to fill.
        length: the body's, None where it was not announced.
        advance: is told how many bytes of the array have come.

    Raises:
        BadReply: it is another array, none, or of another length.
        MalformedReply, ReplyCut, TimeoutError, OSError: see `Pieces.into`.
    """
    import numpy as np

    head = bytearray(await exactly(pieces, _SHORTEST))
    try:
        end = npy_end(head)
        head += await exactly(pieces, max(end - _SHORTEST, 0))
        header, _ = npy_header(head)
        found = np.dtype(header["descr"]).str, tuple(header["shape"]), header["fortran_order"]
    except (ValueError, TypeError, LookupError, SyntaxError, MemoryError, RecursionError) as error:
        raise BadReply("the reply is no numpy file that can be read") from error
    wanted = array.dtype.str, array.shape, False
    if found != wanted and not (found[:2] == wanted[:2] and sum(size > 1 for size in array.shape) < 2):
        raise BadReply(
            f"the reply is an array of {found[0]!r:.80} and shape {found[1]!r:.200}"
            f"{' in Fortran order' if found[2] else ''} instead of {wanted[0]} and {wanted[1]}"
        )
    if length is not None and length != end + array.nbytes:
        raise BadReply(f"the reply has {length} bytes, and its array {end + array.nbytes} with its header")
    await fill(pieces, array, bytearray(min(SCRATCH, array.nbytes)), advance)
    await ended(pieces)
