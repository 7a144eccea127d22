"""How do pixels leave and enter? As raw tiles of a pyramid, as PNG thumbnails, and as uploaded .npy files."""

import io
import math
import tokenize
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.demo.files.errors import InvalidError, NotFoundError
from gateway.demo.jobs.images import binned
from gateway.demo.png import png

Picture = npt.NDArray[np.float32]

TILE_SIDE = 64
MAX_SIDE = 1024

_DTYPE = np.dtype("<f4")
_KINDS = "biuf"
_MEMBERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_UNREADABLE = (ValueError, TypeError, SyntaxError, KeyError, RecursionError, MemoryError, tokenize.TokenError)


def to_blob(picture: Picture) -> bytes:
    """The pixels of `picture`, row after row, as little-endian float32."""
    return picture.astype(_DTYPE).tobytes()


def from_blob(blob: bytes, rows: int, columns: int) -> Picture:
    """The picture of shape (rows, columns) whose `to_blob` is `blob`."""
    return np.frombuffer(blob, _DTYPE).reshape(rows, columns)


def levels(rows: int, columns: int) -> int:
    """How many levels the pyramid has; each halves the one before, until all of it fits in one tile."""
    count = 1
    while max(rows, columns) >> (count - 1) > TILE_SIDE and min(rows, columns) >> count:
        count += 1
    return count


def tile(picture: Picture, level: int, x: int, y: int) -> Picture:
    """Tile column `x`, row `y` of a level; smaller than TILE_SIDE at the rim. Raises NotFoundError."""
    if level >= levels(*picture.shape):
        raise NotFoundError(f"there is no level {level}; the last is {levels(*picture.shape) - 1}")
    reduced: Picture = binned(picture, 1 << level)
    top, left = y * TILE_SIDE, x * TILE_SIDE
    cut = reduced[top : top + TILE_SIDE, left : left + TILE_SIDE]
    if not cut.size:
        raise NotFoundError(f"level {level} has no tile {x}, {y}")
    return cut


def thumbnail(picture: Picture) -> bytes:
    """The highest level of the pyramid as an 8-bit grey PNG, from its darkest to its brightest pixel."""
    small = binned(picture, 1 << (levels(*picture.shape) - 1)).astype(np.float64)
    low, high = small.min(), small.max()
    grey = (small - low) * (255 / (high - low)) if high > low else np.zeros_like(small)
    return png(grey.round().astype(np.uint8))


def read_npy(data: bytes) -> Picture:
    """The picture in a .npy file (NEP 1, versions 1.0 and 2.0). Raises InvalidError."""
    stream = io.BytesIO(data)
    try:
        shape, fortran, dtype = _MEMBERS[np.lib.format.read_magic(stream)](stream)
    except _UNREADABLE:
        raise InvalidError("the body must be a .npy file, as numpy.save writes it") from None
    if len(shape) != 2 or not all(1 <= side <= MAX_SIDE for side in shape) or dtype.kind not in _KINDS:
        raise InvalidError(f"the array must be numbers in two dimensions of 1 to {MAX_SIDE}")
    content = data[stream.tell() :]
    # numpy's own reader would first allocate whatever shape the header claims.
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise InvalidError("the length of the .npy file does not fit its header")
    array: npt.NDArray[Any] = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
    # A float64 beyond float32's range becomes infinite here, and is refused with the rest.
    with np.errstate(over="ignore"):
        picture = array.astype(np.float32)
    if not np.isfinite(picture).all():
        raise InvalidError("pixels must be finite as float32")
    return picture
