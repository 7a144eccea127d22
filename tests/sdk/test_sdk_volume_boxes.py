"""Do the parts of a box make the box, and do they follow the blocks?"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgate._volume_boxes import around, box_of_lengths, common, parts, seams, shape_of, slices

Box = tuple[tuple[int, ...], tuple[int, ...]]
coordinates = st.integers(-70, 70)
lengths = st.integers(0, 40)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[Box, tuple[int, ...]]:
    """A box of one to three axes, and the shape of its blocks."""
    count = draw(st.integers(1, 3))
    start = tuple(draw(coordinates) for _ in range(count))
    stop = tuple(low + draw(lengths) for low in start)
    return (start, stop), tuple(draw(st.integers(1, 9)) for _ in range(count))


def counted(found: list[Box], box: Box) -> np.ndarray:
    """How often each voxel of a box is in the boxes."""
    counts = np.zeros(shape_of(box), int)
    for one in found:
        counts[slices(one, box[0])] += 1
    return counts


@given(boxes(), st.integers(1, 5000))
def test_parts_have_every_voxel_once_and_are_cut_between_blocks(made, most: int) -> None:
    box, blocks = made
    found = parts(box, blocks, most)
    assert (counted(found, box) == 1).all()
    for one in found:
        assert math.prod(shape_of(one)) > 0
        for at, block in enumerate(blocks):
            assert one[0][at] == box[0][at] or one[0][at] % block == 0
            assert one[1][at] == box[1][at] or one[1][at] % block == 0


@given(boxes(), st.integers(1, 5000))
def test_no_part_is_larger_than_it_may_be_unless_it_is_one_block(made, most: int) -> None:
    box, blocks = made
    for one in parts(box, blocks, most):
        assert math.prod(shape_of(one)) <= max(most, math.prod(blocks))


@given(boxes())
def test_seams_are_whole_blocks_that_have_every_voxel_around_the_box_once(made) -> None:
    box, blocks = made
    if 0 in shape_of(box):
        return
    outer = around(box, blocks)
    found = seams(box, blocks)
    assert (counted([one for one, _ in found], outer) == 1).all()
    for one, filled in found:
        assert all(low % block == 0 for corner in one for low, block in zip(corner, blocks, strict=True))
        assert filled == (common(one, box) == one)
    # Nothing that the box fills is read first.
    assert sum(filled for _, filled in found) <= 1


def test_what_boxes_have_in_common_is_a_box_or_nothing() -> None:
    assert common(((0, 0), (4, 4)), ((-3, 2), (2, 9))) == ((0, 2), (2, 4))
    assert common(((0,), (4,)), ((4,), (5,))) is None


@pytest.mark.parametrize("unit", ["nanometers", "nm"])
def test_lengths_are_not_lost_to_floating_point_and_channels_are_whole(unit: str) -> None:
    axes, units = ("c", "z", "x"), ("", unit, unit)
    extents = ((0, -5, -5), (3, 100, 100))
    box = box_of_lengths(((0.3, 0), (0.9, 4.1)), axes, (1.0, 0.1, 4.1), units, extents)
    assert box == ((0, 3, 0), (3, 9, 1))
