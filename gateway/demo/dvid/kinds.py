"""Which types of data are there, and what is particular to each?"""

from dataclasses import dataclass
from typing import Any

import numpy as np

_NONE = np.dtype(np.void)
_HOME = "github.com/janelia-flyem/dvid/datatype/"


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of data. Voxels have a `dtype` (little-endian), `channels` and a default `block` edge."""

    name: str
    package: str
    dtype: np.dtype[Any]
    channels: int = 1
    block: int = 0
    labels: bool = False
    values: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """What DVID knows the type by."""
        return _HOME + self.package


def _voxels(name: str, package: str, dtype: str, block: int, **more: Any) -> Kind:
    values = more.pop("values", (name,))
    return Kind(name, package, np.dtype(dtype), channels=len(values), block=block, values=values, **more)


KINDS = {
    one.name: one
    for one in (
        _voxels("uint8blk", "imageblk", "<u1", 32),
        _voxels("uint16blk", "imageblk", "<u2", 32),
        _voxels("uint32blk", "imageblk", "<u4", 32),
        _voxels("uint64blk", "imageblk", "<u8", 32),
        _voxels("float32blk", "imageblk", "<f4", 32),
        _voxels("rgba8blk", "imageblk", "<u1", 32, values=("Red", "Green", "Blue", "Alpha")),
        _voxels("labelblk", "labelblk", "<u8", 32, labels=True),
        _voxels("labelarray", "labelarray", "<u8", 64, labels=True),
        _voxels("labelmap", "labelmap", "<u8", 64, labels=True),
        Kind("keyvalue", "keyvalue", _NONE),
        Kind("annotation", "annotation", _NONE),
        Kind("roi", "roi", _NONE, block=32),
    )
}
"""Every type that the server was compiled with."""
