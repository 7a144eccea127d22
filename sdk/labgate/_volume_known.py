"""What does a volume know of itself, without any of its voxels?"""

from __future__ import annotations

import math

from labgate.errors import BadReply, MissingExtra

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    import numpy as np

    from labgate._volume_about import About, Scale
    from labgate._volume_boxes import Box

_SLACK = 1 + 1e-6  # resolutions are measured: 8.0000001 is 8


class Known:
    """The attributes of a volume; see `labgate.Volume`."""

    __slots__ = ("_about", "_dtype", "_scale")

    def __init__(self, about: About, scale: int, method: str) -> None:
        self._about = about
        self._dtype = _dtype(about, method)
        self._scale = self._found(scale).scale

    @property
    def about(self) -> dict[str, Any]:
        """All that the gate says of it."""
        return dict(self._about.answer)

    @property
    def node(self) -> str:
        return self._about.node

    @property
    def instance(self) -> str:
        return self._about.instance

    @property
    def type(self) -> str:
        return self._about.type

    @property
    def axes(self) -> tuple[str, ...]:
        return self._about.axes

    @property
    def units(self) -> tuple[str, ...]:
        return self._about.units

    @property
    def block_shape(self) -> tuple[int, ...]:
        return self._about.block_shape

    @property
    def channels(self) -> int:
        return self._about.channels

    @property
    def locked(self) -> bool:
        return self._about.locked

    @property
    def scales(self) -> tuple[Scale, ...]:
        return self._about.scales

    @property
    def scale(self) -> int:
        return self._scale

    @property
    def shape(self) -> tuple[int, ...]:
        return self._found(self._scale).shape

    @property
    def offset(self) -> tuple[int, ...]:
        return self._found(self._scale).offset

    @property
    def resolution(self) -> tuple[float, ...]:
        return self._found(self._scale).resolution

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._dtype

    @property
    def ndim(self) -> int:
        return len(self._about.axes)

    @property
    def size(self) -> int:
        """How many voxels it has."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How much memory all of it takes."""
        return self.size * self._dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __bool__(self) -> bool:
        return True

    def _found(self, number: int) -> Scale:
        for one in self._about.scales:
            if one.scale == number:
                return one
        known = ", ".join(str(one.scale) for one in self._about.scales)
        raise ValueError(f"{self._about.instance} has no scale {number!r}; it has {known}")

    def _scale_for(self, resolution: float | Iterable[float]) -> int:
        spatial = [axis for axis, name in enumerate(self.axes) if name != "c"]
        wanted = [*resolution] if hasattr(resolution, "__iter__") else [resolution] * len(spatial)
        if len(wanted) != len(spatial) or not all(one > 0 for one in wanted):
            raise ValueError(f"resolution is one number above 0, or {len(spatial)} of them")
        found = 0
        for one in self._about.scales:
            sizes = [one.resolution[axis] for axis in spatial]
            if all(size <= most * _SLACK for size, most in zip(sizes, wanted, strict=True)):
                found = one.scale
        return found

    def _extents(self) -> Box:
        one = self._found(self._scale)
        return one.offset, one.stop


def _dtype(about: About, method: str) -> np.dtype[Any]:
    """The voxels' dtype, as it travels: little-endian."""
    try:
        import numpy as np
    except ImportError as error:
        raise MissingExtra("volumes are numpy arrays, and numpy is not installed", method=method) from error
    try:
        found = np.dtype(about.dtype)
    except (TypeError, ValueError, SyntaxError) as error:
        raise BadReply("the volume has a dtype that numpy does not know", method=method) from error
    if found.kind not in "biufc":
        raise BadReply(f"the volume has the dtype {found}, which is no number", method=method)
    return found.newbyteorder("<")
