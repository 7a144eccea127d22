"""Do the partitions of a source make the whole, wherever it begins and however it is cut?"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import convert, to_builtins

from gateway.core.source_layout import (
    GOOD_SIZE,
    Layout,
    TooManyParts,
    arguments,
    corners,
    of_array,
    of_rows,
    of_volume,
)
from gateway.core.sources import Boxes, Rows, Values

ABOUT = {
    "dtype": "uint8",
    "axes": ["z", "y", "x"],
    "shape": [1000, 2000, 3000],
    "offset": [0, 0, 0],
    "read_shape": [64, 64, 64],
    "scales": [{"scale": 0}, {"scale": 1, "shape": [500, 1000, 1500], "offset": [0, 1, 2]}],
}

lengths = st.integers(0, 40)
boxes = st.integers(1, 3).flatmap(
    lambda axes: st.tuples(
        st.tuples(*[lengths] * axes),
        st.tuples(*[st.integers(1, 17)] * axes),
        st.tuples(*[st.integers(-50, 50)] * axes),
    )
)


@given(boxes)
def test_the_parts_of_an_array_are_the_array_and_each_element_is_in_one(box) -> None:
    shape, chunk, origin = box
    first = [length - place % length for length, place in zip(chunk, origin, strict=True)]
    layout = of_array("u1", shape, chunk, first=first, origin=origin)
    assert layout.parts == math.prod(map(len, layout.chunks))
    assert tuple(map(sum, layout.chunks)) == shape
    seen = np.zeros(shape, np.uint8)
    for at in itertools.product(*(range(len(along)) for along in layout.chunks)):
        start, stop = layout.box(at)
        assert [b - a for a, b in zip(start, stop, strict=True)] == [
            along[index] for along, index in zip(layout.chunks, at, strict=True)
        ]
        seen[tuple(map(slice, start, stop))] += 1
    assert (seen == 1).all()


@given(boxes)
def test_parts_begin_and_end_at_the_borders_of_the_grid(box) -> None:
    shape, unit, offset = box
    about = {
        "dtype": "u1",
        "axes": list("abc")[: len(shape)],
        "shape": shape,
        "offset": offset,
        "read_shape": unit,
    }
    layout = of_volume(about, 0, unit)
    for at in itertools.product(*(range(len(along)) for along in layout.chunks)):
        start, stop = corners(layout, at)
        for axis, (begins, ends) in enumerate(zip(start, stop, strict=True)):
            assert begins == offset[axis] or begins % unit[axis] == 0
            assert ends == offset[axis] + shape[axis] or ends % unit[axis] == 0


@given(boxes)
def test_a_layout_survives_the_id_that_it_stands_in(box) -> None:
    shape, chunk, origin = box
    layout = of_array("u1", shape, chunk, origin=origin)
    assert convert(to_builtins(layout), Layout) == layout


def test_a_volume_is_read_in_as_many_of_its_units_as_are_worth_a_trip() -> None:
    layout = of_volume(ABOUT, None)
    assert layout.chunk == (128, 256, 256)
    assert math.prod(layout.chunk) == GOOD_SIZE
    small = of_volume(ABOUT | {"shape": [10, 70, 100]}, 0)
    assert (small.parts, small.chunk) == (1, (64, 128, 128))


def test_a_coarser_scale_has_a_shape_and_a_place_of_its_own() -> None:
    layout = of_volume(ABOUT, 1)
    assert (layout.shape, layout.origin) == ((500, 1000, 1500), (0, 1, 2))
    assert layout.first == (layout.chunk[0], layout.chunk[1] - 1, layout.chunk[2] - 2)


def test_channels_that_are_no_axis_come_whole() -> None:
    layout = of_volume(ABOUT | {"shape": [64, 64, 64], "channels": 4, "offset": [0, 0, -64]}, 0)
    assert layout.shape == (64, 64, 64, 4)
    assert corners(layout, [0, 0, 0, 0]) == ([0, 0, -64], [64, 64, 0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"dtype": "O"},
        {"dtype": "things"},
        {"axes": []},
        {"axes": ["z"]},
        {"shape": [1, 2]},
        {"shape": [-1, 2, 3]},
        {"shape": [1 << 60, 2, 3]},
        {"shape": "wide"},
        {"offset": [0, 0]},
        {"read_shape": [0, 64, 64]},
        {"channels": 0},
    ],
)
def test_what_is_no_volume_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        of_volume(ABOUT | wrong, 0)


def test_parts_have_as_many_axes_as_their_volume() -> None:
    assert of_volume(ABOUT, 0, (10, 20, 30)).chunk == (10, 20, 30)
    with pytest.raises(ValueError, match="the volume has 3 axes, and its parts 2"):
        of_volume(ABOUT, 0, (10, 20))


@pytest.mark.parametrize("scale", [2, -1, "1", 1.0, True])
def test_a_scale_that_is_not_there_is_refused(scale) -> None:
    with pytest.raises(ValueError, match="no scale"):
        of_volume(ABOUT, scale)


def test_nothing_is_cut_into_more_parts_than_a_client_can_deal_with() -> None:
    with pytest.raises(TooManyParts, match="8000000 partitions"):
        of_array("u1", (200, 200, 200), (1, 1, 1))
    with pytest.raises(TooManyParts):
        of_rows(Rows(1, start="from", count=10**9), 10**9)
    with pytest.raises(TooManyParts):
        of_volume(ABOUT | {"shape": [1 << 40, 64, 64]}, 0)


@pytest.mark.parametrize(
    ("cut", "at", "expected"),
    [
        (Boxes((9, 9), (4, 4), "a", stop="b"), [2, 1], {"a": [8, 4], "b": [9, 8]}),
        (Boxes((9, 9), (4, 4), "a", size="n", reversed=True), [2, 1], {"a": [4, 8], "n": [4, 1]}),
        (Rows(4, start="from", limit="n", count=9), [2], {"from": 8, "n": 1}),
        (Rows(4, start="from", count=9), [1], {"from": 4}),
        (Rows(4, page="page", first=1, limit="n", count=9), [2], {"page": 3, "n": 4}),
        (Rows(4, start="from", limit="n", total="all"), [2], {"from": 8, "n": 4}),
        (Values("plate", ("p1", 2)), [1], {"plate": 2}),
        (None, [0], {}),
    ],
)
def test_a_part_is_asked_for_by_the_arguments_that_the_settings_name(cut, at, expected) -> None:
    layout = (
        of_array("u1", (9, 9), (4, 4), origin=(0, 0)) if isinstance(cut, Boxes) else Layout("dataframe", 3)
    )
    assert arguments(cut, layout, at) == expected
