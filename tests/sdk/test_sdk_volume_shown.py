"""Does a volume show itself in a notebook, with a picture where there can be one, and never with an error?"""

from __future__ import annotations

import base64
import re
import struct
import zlib

import numpy as np
import pytest

import labgate
from labgate._png import png_of
from labgate._volume_shown import pixels_of
from tests.sdk.voxels import Voxels, answers, refuse


def opened(voxels: Voxels) -> labgate.Volume:
    return labgate.connect(voxels.gate.url, retries=0).dvid.volume("a1", "grayscale")


def picture_in(html: str) -> np.ndarray:
    """The pixels of the image, read by what ISO 15948 says and not by what wrote them."""
    found = re.search(r'src="data:image/png;base64,([A-Za-z0-9+/=]+)"', html)
    assert found is not None
    return pixels_in(base64.b64decode(found[1]))


def pixels_in(png: bytes) -> np.ndarray:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        name, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length) == (zlib.crc32(name + data),)
        chunks[name] = data
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, colours, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, rest) == (8, [0, 0, 0])
    count = {0: 1, 2: 3}[colours]
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + width * count)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape((height, width) if count == 1 else (height, width, 3))


def test_a_notebook_shows_the_facts_and_the_middle_plane(voxels: Voxels) -> None:
    html = opened(voxels)._repr_html_()
    for fact in (
        "48 × 64 × 80",
        "-16, 0, 32",
        "40 × 4 × 4 nanometers",
        "uint8",
        "240.0 KiB",
        "(open)",
    ):
        assert fact in html
    np.testing.assert_array_equal(picture_in(html), voxels.array[24])
    assert "<figcaption>z 8</figcaption>" in html, "the middle of -16 to 32"


def test_units_that_differ_are_said_axis_by_axis(voxels: Voxels) -> None:
    voxels.facts.update(units=["micrometers", "nanometers", "nanometers"])
    assert "40 micrometers × 4 nanometers × 4 nanometers" in opened(voxels)._repr_html_()


def test_a_plane_that_is_large_is_shown_at_a_coarser_scale_and_else_its_middle(gate) -> None:
    values = np.random.default_rng(2).integers(0, 255, (4, 700, 700), np.uint8)
    voxels = Voxels(gate, values)
    html = opened(voxels)._repr_html_()
    np.testing.assert_array_equal(picture_in(html), values[2, ::2, ::2])
    assert "<figcaption>z 1, scale 1</figcaption>" in html, "in the coordinates of that scale"
    assert [scale for *_, scale in voxels.reads] == [1]
    voxels.array = np.zeros((4, 2000, 700), np.uint8)
    assert picture_in(opened(voxels)._repr_html_()).shape == (384, 350)


def test_the_text_of_services_is_escaped_and_does_not_steer_terminals(voxels: Voxels) -> None:
    evil = "<script>alert(1)</script>\x1b[2J"
    voxels.facts.update(type=evil, units=[evil] * 3, axes=["<b>", "y", "x"])
    vol = opened(voxels)
    html = vol._repr_html_()
    assert "<script" not in html
    assert "<b>" not in html
    assert "\x1b" not in html + repr(vol)


@pytest.mark.parametrize(
    "before",
    [
        lambda asked: refuse(asked, 500, -32603, "broken", "InternalFault") is None,
        answers(b"nothing"),
    ],
)
def test_a_picture_that_cannot_be_had_is_left_out(voxels: Voxels, before) -> None:
    voxels.before = before
    html = opened(voxels)._repr_html_()
    assert "48 × 64 × 80" in html
    assert "<img" not in html


def test_a_volume_without_voxels_or_with_one_axis_shows_no_picture_and_no_error(voxels: Voxels) -> None:
    voxels.facts.update(shape=[0, 0, 0], scales=[])
    assert "<img" not in opened(voxels)._repr_html_()
    one = {
        "axes": ["x"],
        "shape": [9],
        "offset": [0],
        "block_shape": [3],
        "resolution": [1.0],
        "units": ["m"],
    }
    voxels.facts.update(one)
    assert "<img" not in opened(voxels)._repr_html_()


def test_a_gate_that_is_away_leaves_the_line_and_the_facts(voxels: Voxels) -> None:
    vol = opened(voxels)
    voxels.gate.token = "another"
    assert "48 × 64 × 80" in vol._repr_html_()
    assert (
        repr(vol.at(1)) == "<labgate volume grayscale of a1b2c3d4: uint8 (z -8:16, y 0:32, x 16:56) scale=1>"
    )


def test_labels_have_colours_and_nothing_is_black() -> None:
    pixels = pixels_of(np.array([[0, 1, 2], [2**63, 1, 0]], np.uint64), labels=True)
    assert pixels.shape == (2, 3, 3)
    assert not pixels[0, 0].any()
    assert pixels[0, 1].tolist() == pixels[1, 1].tolist() != pixels[0, 2].tolist()
    np.testing.assert_array_equal(pixels_in(png_of(pixels)), pixels)


@pytest.mark.parametrize("dtype", ["int16", "uint32", "float32", "complex64", "bool"])
def test_other_values_are_shown_from_dark_to_light(dtype: str) -> None:
    pixels = pixels_of(np.array([[0, 1], [1, 0]]).astype(dtype), labels=False)
    assert pixels.tolist() == [[0, 255], [255, 0]]
    assert pixels_of(np.full((2, 2), 7, dtype), labels=False).max() == 0


def test_values_that_are_no_numbers_are_as_dark_or_light_as_can_be() -> None:
    pixels = pixels_of(np.array([[np.nan, np.inf], [-np.inf, 4.0], [2.0, 3.0]]), labels=False)
    assert pixels.tolist() == [[0, 255], [0, 255], [0, 127]]
    assert not pixels_of(np.full((2, 2), np.nan), labels=False).any()
