"""How do voxels leave as pictures? As PNG with every bit of them, or as JPEG where they are grey and 8 bits deep."""

import numpy as np

from gateway.demo.dvid.errors import DvidError
from gateway.demo.dvid.http import Answer
from gateway.demo.dvid.voxels import Array
from gateway.demo.jpeg import jpeg
from gateway.demo.png import png

_QUALITY = 80


def as_image(found: Array, plane: str, wanted: str) -> Answer:
    """A slice (z, y, x), in which the axis that `plane` lacks has length 1, as `png` or `jpg[:quality]`."""
    pixels = found.squeeze("zyx".index(({*"zyx"} - {*plane}).pop()))
    return _jpeg(pixels, wanted) if wanted.partition(":")[0] in ("jpg", "jpeg") else _png(pixels, wanted)


def as_tower(found: Array, wanted: str) -> Answer:
    """A volume (z, y, x) as one tall JPEG, its sections below each other."""
    return _jpeg(found.reshape(-1, *found.shape[2:]), wanted)


def _png(pixels: Array, wanted: str) -> Answer:
    if wanted != "png":
        raise DvidError(f"unknown image format {wanted!r}")
    if pixels.ndim == 2 and pixels.itemsize >= 4:  # the bits of a voxel, spread over four samples
        sample = np.uint8 if pixels.itemsize == 4 else np.dtype("<u2")
        pixels = np.ascontiguousarray(pixels).view(sample).reshape(*pixels.shape, 4)
    return Answer([png(pixels)], "image/png")


def _jpeg(pixels: Array, wanted: str) -> Answer:
    name, colon, text = wanted.partition(":")
    if name not in ("jpg", "jpeg") or (colon and not (text.isdecimal() and 1 <= int(text) <= 100)):
        raise DvidError(f"unknown image format {wanted!r}")
    if pixels.dtype != np.uint8 or pixels.ndim != 2:
        raise DvidError("JPEG is for data of one channel and 8 bits alone")
    if max(pixels.shape) > 0xFFFF:
        raise DvidError(f"a JPEG of {pixels.shape[1]} x {pixels.shape[0]} pixels is too large")
    return Answer([jpeg(pixels, int(text or _QUALITY))], "image/jpeg")
