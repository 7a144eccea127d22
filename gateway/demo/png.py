"""How does a picture become a PNG file? (PNG specification, third edition, 5 and 11.)"""

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

_GREY, _RGBA = 0, 6


def png(pixels: npt.NDArray[Any]) -> bytes:
    """Grey `pixels` of shape (rows, columns), or RGBA of shape (rows, columns, 4); uint8 or uint16."""
    rows, columns = pixels.shape[:2]
    colour = _GREY if pixels.ndim == 2 else _RGBA
    header = struct.pack(">IIBBBBB", columns, rows, 8 * pixels.itemsize, colour, 0, 0, 0)
    samples = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder(">"))
    # Every row is preceded by the number of its filter: 0, none.
    lines = np.pad(samples.reshape(rows, -1).view(np.uint8), ((0, 0), (1, 0))).tobytes()
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
