"""Which part of a volume is asked for? DVID speaks X, Y, Z; arrays here are indexed Z, Y, X."""

import re
from dataclasses import dataclass
from math import prod

from gateway.demo.dvid.errors import DvidError

Triple = tuple[int, int, int]
"""Z, Y, X."""

PAYLOAD_LIMIT = 3 << 30
_SOLIDS = {"0_1_2", "vol", "xyz"}
_PLANES = {"xy": "xy", "0_1": "xy", "xz": "xz", "0_2": "xz", "yz": "yz", "1_2": "yz"}
_NUMBER = re.compile("-?[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class Box:
    """`start` and `size` in voxels. `plane` names the two axes of an image, and is empty for a volume."""

    start: Triple
    size: Triple
    plane: str = ""


def numbers(text: str, count: int) -> list[int]:
    """So many integers, apart by `_` or `,`. Raises DvidError."""
    parts = re.split("[_,]", text)
    if len(parts) != count or not all(_NUMBER.fullmatch(part) for part in parts):
        raise DvidError(f"illegal point specification {text!r}: expected {count} integers")
    return [int(part) for part in parts]


def triple(text: str) -> Triple:
    """A point or size that is said as X_Y_Z."""
    x, y, z = numbers(text, 3)
    return z, y, x


def box(shape: str, size: str, offset: str, voxel_bytes: int) -> Box:
    """The part that `<dims>/<size>/<offset>` means. Raises DvidError for nonsense, and for more than 3 GiB."""
    said = shape.lower().replace(",", "_")
    start = triple(offset)
    if said in _SOLIDS:
        found = Box(start, triple(size))
    elif said in _PLANES:
        plane = _PLANES[said]
        sides = dict(zip(plane, numbers(size, 2), strict=True))
        found = Box(start, (sides.get("z", 1), sides.get("y", 1), sides.get("x", 1)), plane)
    else:
        raise DvidError(f"illegal data shape specification: {shape}")
    if min(found.size) < 1:
        raise DvidError(f"illegal size {size!r}: every side must be at least 1")
    if (wanted := prod(found.size) * voxel_bytes) > PAYLOAD_LIMIT:
        raise DvidError(
            f"requested payload ({wanted} bytes) exceeds this DVID server's set limit ({PAYLOAD_LIMIT})"
        )
    return found
