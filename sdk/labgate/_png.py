"""What is an array of bytes as a picture?"""

from __future__ import annotations

import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import numpy as np

_GRAY, _COLOURS = 0, 2


def png_of(pixels: np.ndarray[Any, Any]) -> bytes:
    """The PNG (ISO 15948) of bytes with the axes y and x, and behind them red, green and blue where it has colours."""
    import numpy as np

    height, width = pixels.shape[:2]
    kind = _GRAY if pixels.ndim == 2 else _COLOURS
    lines = np.zeros((height, 1 + pixels[0].size), np.uint8)  # each begins with its filter: none
    lines[:, 1:] = pixels.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
