"""How does an array that comes as a numpy file get straight into the memory that waits for it?"""

from __future__ import annotations

from labgate._arrays import npy_end, npy_header
from labgate.errors import BadReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy as np

    from labgate._pieces import Pieces

_SHORTEST = 12  # magic, version, and the longest form of the header's length
_SCRATCH = 256 * 1024  # what does not lie in one piece of memory comes in rows of so many bytes
# Of a socket in one read. For one connection a quarter of it is best, which stays in the processor's cache; for several
# more is, which takes the interpreter's lock less often (tests/bench/volume_reads.py).
_AT_ONCE = 1024 * 1024


def receive(
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

    head = bytearray(_exactly(pieces, _SHORTEST))
    try:
        end = npy_end(head)
        head += _exactly(pieces, max(end - _SHORTEST, 0))
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
    _fill(pieces, array, bytearray(min(_SCRATCH, array.nbytes)), advance)
    with memoryview(bytearray(1)) as surplus:
        if pieces.into(surplus):
            raise BadReply("the reply has bytes behind the end of its array")


def _exactly(pieces: Pieces, count: int) -> bytearray:
    """So many bytes of the body.

    Raises:
        BadReply: it ends before.
    """
    whole = bytearray(count)
    with memoryview(whole) as view:
        _into(pieces, view, lambda _: None)
    return whole


def _fill(
    pieces: Pieces, array: np.ndarray[Any, Any], scratch: bytearray, advance: Callable[[int], object]
) -> None:
    import numpy as np

    if not array.size:
        return
    if array.flags.c_contiguous:
        with memoryview(array.reshape(-1).view(np.uint8)) as view:  # type: ignore[arg-type]
            _into(pieces, view, advance)
    elif array.nbytes <= len(scratch):
        with memoryview(scratch) as room, room[: array.nbytes] as view:
            _into(pieces, view, advance)
        array[...] = np.frombuffer(scratch, array.dtype, array.size).reshape(array.shape)
    else:
        row = array.nbytes // len(array)
        step = len(scratch) // row
        if step < 1:
            for one in array:
                _fill(pieces, one, scratch, advance)
        else:
            for at in range(0, len(array), step):
                _fill(pieces, array[at : at + step], scratch, advance)


def _into(pieces: Pieces, view: memoryview, advance: Callable[[int], object]) -> None:
    at = 0
    while at < len(view):
        got = pieces.into(view[at : at + _AT_ONCE])
        if not got:
            raise BadReply(f"the reply ended {len(view) - at} bytes before its array did")
        at += got
        advance(got)
