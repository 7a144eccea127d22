"""How does an array stand for a volume of a scripted gate?"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    import numpy as np

_AXES = ("z", "y", "x")


class ScriptedVolume:
    """A volume made of an array; see `labgate.testing.volume`."""

    def __init__(self, array: np.ndarray[Any, Any], said: dict[str, Any]) -> None:
        self._array = array
        self._said = said

    def about(self, node: str = "main", instance: str = "volume") -> dict[str, Any]:
        """What the gate says of it."""
        return {"node": node, "instance": instance, **self._said}

    def read(
        self,
        start: Sequence[int] | str | None = None,
        stop: Sequence[int] | str | None = None,
        node: str = "main",  # noqa: ARG002 - a volume has one version here, and one scale
        instance: str = "volume",  # noqa: ARG002
        scale: int = 0,  # noqa: ARG002
    ) -> np.ndarray[Any, Any]:
        """A box of it; what lies beyond the array is 0."""
        import numpy as np

        low = _corner(start) or list(self._said["offset"])
        high = _corner(stop) or [a + b for a, b in zip(self._said["offset"], self._array.shape, strict=True)]
        found = np.zeros([b - a for a, b in zip(low, high, strict=True)], self._array.dtype)
        here, there = [], []
        for a, b, first, length in zip(low, high, self._said["offset"], self._array.shape, strict=True):
            begin, end = max(a, first), min(b, first + length)
            if begin >= end:
                return found
            here.append(slice(begin - first, end - first))
            there.append(slice(begin - a, end - a))
        found[tuple(there)] = self._array[tuple(here)]
        return found


def volume(
    array: np.ndarray[Any, Any],
    *,
    axes: Sequence[str] = _AXES,
    offset: Sequence[int] | None = None,
    resolution: Sequence[float] | None = None,
    units: Sequence[str] | None = None,
    block_shape: Sequence[int] | None = None,
    locked: bool = True,
) -> ScriptedVolume:
    """An array as a volume that can be opened and read: `gate(dvid={"volume": volume(array)})`.

    Args:
        array: the voxels.
        axes: their names, the slowest first.
        offset: the coordinate of the first voxel; default: zeros.
        resolution, units: the size of a voxel along each axis, and in what it is measured; default: 8 nanometers.
        block_shape: in what parts a service would keep it; default: 64 voxels along each axis.
        locked: the version does not change any more.

    Raises:
        ValueError: the array has another number of axes.
    """
    if len(axes) != array.ndim:
        raise ValueError(f"the array has {array.ndim} axes, and {len(axes)} are named: give axes=")
    said: dict[str, Any] = {
        "type": "uint8blk" if array.dtype.name == "uint8" else "labelmap",
        "dtype": array.dtype.name,
        "axes": [*axes],
        "shape": [*array.shape],
        "offset": [0] * array.ndim if offset is None else [*offset],
        "resolution": [8.0] * array.ndim if resolution is None else [*resolution],
        "units": ["nanometers"] * array.ndim if units is None else [*units],
        "block_shape": [64] * array.ndim if block_shape is None else [*block_shape],
        "locked": locked,
    }
    return ScriptedVolume(array, said)


def _corner(given: Sequence[int] | str | None) -> list[int] | None:
    """A corner, which plain URLs write as JSON."""
    if given is None:
        return None
    found = json.loads(given) if isinstance(given, str) else [*given]
    return [int(one) for one in found]
