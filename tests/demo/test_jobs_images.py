"""Are the picture functions right, each by itself?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gateway.demo.jobs import arrays, images

DTYPES = st.sampled_from(["<f4", ">f8", "|u1", "<i2", ">u4", "|b1", "<i8"]).map(np.dtype)


@given(DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0))))
def test_an_array_survives_the_ndarray_form_exactly(array: np.ndarray) -> None:
    back = arrays.decode(arrays.encode(array, "ndarray"))
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tobytes() == array.tobytes()


@given(hnp.arrays(np.float32, (3, 4), elements=st.floats(-1e6, 1e6, width=32)))
def test_an_array_survives_the_lists_form_in_its_values(array: np.ndarray) -> None:
    assert np.array_equal(arrays.decode(arrays.encode(array, "lists")), array)


def test_equal_seeds_make_equal_micrographs_and_others_differ() -> None:
    first, again, other = images.synthesize(1), images.synthesize(1), images.synthesize(2)
    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, other.pixels)


@pytest.mark.parametrize("seed", range(20))
def test_particles_are_found_where_they_are_and_nowhere_else(seed: int) -> None:
    truth = images.synthesize(seed + 1000, particles=10)
    found = images.find_particles(truth.pixels)
    assert len(found) == len(truth.particles)
    assert all(np.hypot(*(truth.particles - position).T).min() < 2 for position in found)


def test_noise_alone_holds_no_particles() -> None:
    assert len(images.find_particles(images.synthesize(5, particles=0).pixels)) == 0


def test_a_small_picture_holds_as_many_particles_as_fit() -> None:
    assert 1 <= len(images.synthesize(3, size=32, particles=30).particles) < 30


@given(st.floats(0.5, 5), hnp.arrays(np.float32, (12, 17), elements=st.floats(-100, 100, width=32)))
def test_blurring_keeps_shape_and_mean_and_stays_within_bounds(sigma: float, pixels: np.ndarray) -> None:
    blurred = images.blur(pixels, sigma)
    assert blurred.shape == pixels.shape
    assert blurred.min() >= pixels.min() - 1e-3
    assert blurred.max() <= pixels.max() + 1e-3


def test_blurring_a_point_gives_the_gaussian() -> None:
    point = np.zeros((41, 41))
    point[20, 20] = 1
    blurred = images.blur(point, 2.0)
    assert blurred[20, 20] == pytest.approx(1 / (2 * np.pi * 4), rel=0.02)
    assert blurred[20, 22] / blurred[20, 20] == pytest.approx(np.exp(-0.5), rel=1e-4)


def test_otsus_level_lies_between_two_heaps() -> None:
    chance = np.random.default_rng(0)
    heaps = np.concatenate([chance.normal(0, 0.1, 500), chance.normal(5, 0.1, 500)]).reshape(20, 50)
    assert heaps[:10].max() < images.otsu_level(heaps) <= heaps[10:].min()
    assert images.threshold(heaps).sum() == 500


def test_an_even_picture_has_a_level_too() -> None:
    assert images.threshold(np.ones((4, 4))).shape == (4, 4)


def test_averaging_needs_pictures_of_one_shape() -> None:
    with pytest.raises(ValueError, match="one shape"):
        images.average([np.zeros((2, 2)), np.zeros((2, 3))])
    with pytest.raises(ValueError, match="at least one"):
        images.average([])


def test_boxes_lie_within_the_picture() -> None:
    picture = np.arange(100).reshape(10, 10)
    positions = np.array([[0, 0], [2, 2], [5, 5], [8, 8], [9, 9]])
    boxes = images.cut_boxes(picture, positions, 4)
    assert [box[2, 2] for box in boxes] == [22, 55, 88]
    assert all(box.shape == (4, 4) for box in boxes)


@given(st.integers(1, 7))
def test_binning_averages_squares_and_cuts_the_rest(binning: int) -> None:
    picture = np.arange(7 * 9, dtype=np.float32).reshape(7, 9)
    binned = images.binned(picture, binning)
    assert binned.shape == (7 // binning, 9 // binning)
    assert binned[0, 0] == pytest.approx(picture[:binning, :binning].mean())
