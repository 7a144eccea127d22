"""How is one plane of an array looked at? As a PNG file (PNG specification, third edition, 5 and 11)."""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt

EDGE: Final = 512
"""Pixels of a picture's longer side, at most: of a larger plane every second, third, … voxel is shown."""

_GREY, _RGB = 0, 2
_LABEL_BYTES: Final = 4
"""From so many bytes on an unsigned integer is a label, and not a brightness."""


def has_picture(array: npt.NDArray[Any]) -> bool:
    """Whether there is a plane to be looked at."""
    return array.ndim >= 2 and array.size > 0 and array.dtype.kind in "buif" and min(_plane_shape(array)) > 1


def picture(array: npt.NDArray[Any]) -> bytes:
    """The middle plane of an array whose last axes are y and x, or y, x and three or four colours.

    Brightness goes from the least value to the greatest; labels get colours of their own, 0 is black.
    """
    plane = _plane(array)
    step = max(1, -(-max(plane.shape[:2]) // EDGE))
    plane = plane[::step, ::step]
    if plane.ndim == 3:
        return png(np.ascontiguousarray(plane[..., :3], np.uint8))
    if plane.dtype.kind == "u" and plane.dtype.itemsize >= _LABEL_BYTES:
        return png(_colours(plane))
    return png(_grey(plane))


def _is_colour(array: npt.NDArray[Any]) -> bool:
    return array.ndim >= 3 and array.dtype == np.uint8 and array.shape[-1] in (3, 4)


def _plane_shape(array: npt.NDArray[Any]) -> tuple[int, ...]:
    return array.shape[-3:-1] if _is_colour(array) else array.shape[-2:]


def _plane(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    kept = 3 if _is_colour(array) else 2
    while array.ndim > kept:
        array = array[array.shape[0] // 2]
    return array


def _grey(plane: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    if plane.dtype == np.uint8:
        return plane
    values = plane.astype(np.float64)
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(values.shape, np.uint8)
    least, greatest = values[known].min(), values[known].max()
    # A quarter of each first: the range of doubles is twice what a double can hold.
    span = (greatest / 4 - least / 4) or 1.0
    scaled = np.where(known, (values / 4 - least / 4) / span, 0.0)
    return np.asarray(scaled * 255, np.uint8)


def _colours(plane: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """A colour for each label: neighbours in number are none in colour (Knuth's multiplicative hash)."""
    mixed = plane.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    shifts = np.array([40, 48, 56], np.uint64)
    found = ((mixed[..., None] >> shifts) & np.uint64(0xFF)).astype(np.uint8) | np.uint8(0x40)
    found[plane == 0] = 0
    return found


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Grey `pixels` of the shape (rows, columns), or red, green and blue ones of (rows, columns, 3)."""
    rows, columns = pixels.shape[:2]
    colour = _GREY if pixels.ndim == 2 else _RGB
    header = struct.pack(">IIBBBBB", columns, rows, 8, colour, 0, 0, 0)
    # Every row is preceded by the number of its filter: 0, none.
    lines = np.pad(np.ascontiguousarray(pixels).reshape(rows, -1), ((0, 0), (1, 0))).tobytes()
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
