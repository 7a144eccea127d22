"""Which part of a volume is meant, and into which parts that follow its blocks does it fall? Arithmetic only.

A box is (start, stop): two tuples of absolute coordinates, half-open as numpy's slices are, which may be negative.
"""

from __future__ import annotations

import math
from itertools import product
from operator import index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    Box = tuple[tuple[int, ...], tuple[int, ...]]

# In nanometers. A unit that is not here is never guessed.
_LENGTHS = {
    **dict.fromkeys(("nanometers", "nanometer", "nm"), 1.0),
    **dict.fromkeys(("angstroms", "angstrom", "Å"), 0.1),
    **dict.fromkeys(("picometers", "picometer", "pm"), 1e-3),
    **dict.fromkeys(("micrometers", "micrometer", "microns", "micron", "um", "µm", "μm"), 1e3),
    **dict.fromkeys(("millimeters", "millimeter", "mm"), 1e6),
    **dict.fromkeys(("meters", "meter", "m"), 1e9),
}
_DIGITS = 6  # of a voxel: what floating point makes of 4000 / 40 is no further voxel


class Selection:
    """What `volume[key]` means.

    Attributes:
        box: what is to be read.
        steps: for each axis, every how many-th voxel of it is wanted.
        dropped: the axes that were given by a single number.
    """

    __slots__ = ("box", "dropped", "steps")

    def __init__(self, box: Box, steps: tuple[int, ...], dropped: frozenset[int]) -> None:
        self.box = box
        self.steps = steps
        self.dropped = dropped

    @property
    def local(self) -> tuple[Any, ...]:
        """The index that makes the wanted array of one with the box's contents."""
        return tuple(
            0 if axis in self.dropped else slice(None, None, step) for axis, step in enumerate(self.steps)
        )


def selection(key: Any, axes: Sequence[str], extents: Box) -> Selection:
    """What an index means; missing bounds and axes are those of the extents.

    Raises:
        IndexError, TypeError: it means nothing for a volume with these axes.
    """
    parts = _expanded(key if isinstance(key, tuple) else (key,), axes)
    start, stop, steps, dropped = [], [], [], set()
    for axis, part in enumerate(parts):
        step = 1
        if isinstance(part, slice):
            first = extents[0][axis] if part.start is None else _whole(part.start, axes[axis])
            last = extents[1][axis] if part.stop is None else _whole(part.stop, axes[axis])
            step = 1 if part.step is None else _whole(part.step, axes[axis])
            if step < 1:
                raise IndexError(f"the step along {axes[axis]} is {step}: volumes are read forwards")
            last = max(first, last)
        else:
            first = _whole(part, axes[axis])
            last = first + 1
            dropped.add(axis)
        start.append(first)
        stop.append(last)
        steps.append(step)
    return Selection((tuple(start), tuple(stop)), tuple(steps), frozenset(dropped))


def _expanded(key: tuple[Any, ...], axes: Sequence[str]) -> list[Any]:
    """One part of the key for each axis."""
    dots = [at for at, part in enumerate(key) if part is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index has one '...' at most")
    given = len(key) - len(dots)
    if given > len(axes):
        raise IndexError(f"{given} indices were given for {len(axes)} axes: {', '.join(axes)}")
    at = dots[0] if dots else len(key)
    whole = [slice(None)] * (len(axes) - given)
    return [*key[:at], *whole, *key[at + len(dots) :]]


def _whole(value: Any, axis: str) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(
            f"the index along {axis} is no whole number and no slice, but a {type(value).__name__}"
        )
    return index(value)


def box_of(start: Iterable[Any], stop: Iterable[Any], axes: Sequence[str]) -> Box:
    """The box between two corners.

    Raises:
        ValueError, TypeError: they have not one whole number for each axis, or stop before they start.
    """
    first, last = [*start], [*stop]
    if len(first) != len(axes) or len(last) != len(axes):
        raise ValueError(f"start and stop have one coordinate for each axis: {', '.join(axes)}")
    box = (
        tuple(_whole(one, axis) for one, axis in zip(first, axes, strict=True)),
        tuple(_whole(one, axis) for one, axis in zip(last, axes, strict=True)),
    )
    for axis, low, high in zip(axes, *box, strict=True):
        if high < low:
            raise ValueError(f"the box stops at {axis}={high}, before it starts at {low}")
    return box


def box_of_lengths(
    box_nm: Any, axes: Sequence[str], resolution: Sequence[float], units: Sequence[str], extents: Box
) -> Box:
    """The voxels that lie in a box of nanometers, those that lie in it partly too; channels are taken whole.

    Raises:
        ValueError: it has not one length for each axis in space, or the volume has an axis without a unit of length.
    """
    spatial = [axis for axis, name in enumerate(axes) if name != "c"]
    try:
        low, high = ([float(length) for length in corner] for corner in box_nm)
    except (TypeError, ValueError):
        low = high = []
    if len(low) != len(spatial) or len(high) != len(spatial):
        order = ", ".join(axes[axis] for axis in spatial)
        raise ValueError(f"box_nm has two corners of {len(spatial)} nanometers each, in the order {order}")
    start, stop = [*extents[0]], [*extents[1]]
    for at, axis in enumerate(spatial):
        unit = _LENGTHS.get(units[axis])
        if unit is None:
            raise ValueError(
                f"the axis {axes[axis]} is measured in {units[axis][:40] or 'nothing'!r}, which is no length"
            )
        size = unit * resolution[axis]
        start[axis] = math.floor(round(low[at] / size, _DIGITS))
        stop[axis] = math.ceil(round(high[at] / size, _DIGITS))
    return box_of(start, stop, axes)


def shape_of(box: Box) -> tuple[int, ...]:
    """How many voxels the box has along each axis."""
    return tuple(high - low for low, high in zip(*box, strict=True))


def slices(box: Box, origin: Sequence[int]) -> tuple[slice, ...]:
    """Where the box lies in an array whose first element is at `origin`."""
    return tuple(slice(low - zero, high - zero) for low, high, zero in zip(*box, origin, strict=True))


def common(one: Box, other: Box) -> Box | None:
    """What two boxes have in common, None for nothing."""
    start = tuple(map(max, one[0], other[0]))
    stop = tuple(map(min, one[1], other[1]))
    return (start, stop) if all(low < high for low, high in zip(start, stop, strict=True)) else None


def around(box: Box, blocks: Sequence[int]) -> Box:
    """The smallest box of whole blocks that has all of it."""
    return (
        tuple(low // block * block for low, block in zip(box[0], blocks, strict=True)),
        tuple(-(-high // block) * block for high, block in zip(box[1], blocks, strict=True)),
    )


def parts(box: Box, blocks: Sequence[int], most: int) -> list[Box]:
    """The box in parts of at most `most` voxels, cut between blocks; a part has at least one block's worth.

    Cuts go across the first axis as long as that suffices: such parts are one piece of memory each.
    """
    lengths = list(shape_of(box))
    if 0 in lengths:
        return []
    steps = list(lengths)
    for axis, block in enumerate(blocks):
        rest = math.prod(steps) // steps[axis]
        if rest * steps[axis] <= most:
            break
        steps[axis] = max(1, most // (rest * block)) * block
    along = [_cut(low, high, step, block) for low, high, step, block in zip(*box, steps, blocks, strict=True)]
    return [(tuple(one[0] for one in found), tuple(one[1] for one in found)) for found in product(*along)]


def _cut(low: int, high: int, step: int, block: int) -> list[tuple[int, int]]:
    """The pieces of one axis: `step` long, but for the first, which ends between two blocks, and the last."""
    if high - low <= step:
        return [(low, high)]
    ends = [*range(low // block * block + step, high, step), high]
    return list(zip([low, *ends[:-1]], ends, strict=True))


def seams(box: Box, blocks: Sequence[int]) -> list[tuple[Box, bool]]:
    """The whole blocks around a box: in one box those that it fills, in others those that it fills partly.

    Returns:
        Boxes of whole blocks, and whether the box fills all of it.
    """
    outer = around(box, blocks)
    along = []
    for low, high, first, last, block in zip(*box, *outer, blocks, strict=True):
        inner = -(-low // block) * block, high // block * block
        if inner[0] >= inner[1]:
            along.append([(first, last, False)])
        else:
            found = [(first, inner[0], False), (*inner, True), (inner[1], last, False)]
            along.append([one for one in found if one[0] < one[1]])
    return [
        ((tuple(one[0] for one in each), tuple(one[1] for one in each)), all(one[2] for one in each))
        for each in product(*along)
    ]
