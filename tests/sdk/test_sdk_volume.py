"""Is a volume a numpy array by absolute coordinates, and does it say of itself what the gate says?"""

from __future__ import annotations

import json
import pickle  # noqa: TID251 - the law is that users can pickle what this package gives them

import numpy as np
import pytest

import labgate
from labgate._volume_found import wire_of
from labgate.cli import main
from labgate.errors import BadReply, InvalidParams, NotFound
from tests.sdk.conftest import TOKEN
from tests.sdk.voxels import NODE, Voxels


@pytest.fixture
def vol(voxels: Voxels) -> labgate.Volume:
    return labgate.connect(voxels.gate.url).dvid.volume("a1b2c3", "grayscale")


def test_a_volume_says_what_the_gate_says_of_it(vol: labgate.Volume) -> None:
    assert isinstance(vol, labgate.Volume)
    assert (vol.shape, vol.offset, vol.axes) == ((48, 64, 80), (-16, 0, 32), ("z", "y", "x"))
    assert (vol.resolution, vol.units) == ((40.0, 4.0, 4.0), ("nanometers",) * 3)
    assert (vol.dtype, vol.ndim, vol.size, vol.nbytes) == (np.uint8, 3, 245760, 245760)
    assert (vol.node, vol.instance, vol.type, vol.block_shape) == (
        NODE,
        "grayscale",
        "uint8blk",
        (16, 16, 16),
    )
    assert (vol.locked, vol.channels, vol.scale, len(vol)) == (False, 1, 0, 48)
    assert [(one.scale, one.instance) for one in vol.scales] == [(0, "grayscale"), (1, "grayscale_1")]
    assert vol.about["asked"] == "a1b2c3"
    assert repr(vol) == "<labgate volume grayscale of a1b2c3d4: uint8 (z -16:32, y 0:64, x 32:112)>"


def test_asking_for_a_volume_reads_none_of_its_voxels(vol: labgate.Volume, voxels: Voxels) -> None:
    assert bool(vol)
    assert voxels.reads == []


@pytest.mark.parametrize(
    ("key", "inner"),
    [
        (np.s_[...], np.s_[...]),
        (np.s_[:], np.s_[:]),
        (np.s_[-16:0, 0:16, 32:48], np.s_[0:16, 0:16, 0:16]),
        (np.s_[-10:20], np.s_[6:36]),
        (np.s_[-1], np.s_[15]),
        (np.s_[-1, 5, 40], np.s_[15, 5, 8]),
        (np.s_[..., 40], np.s_[..., 8]),
        (np.s_[-16, ..., 40:44], np.s_[0, ..., 8:12]),
        (np.s_[::4, 1:60:7, 33::2], np.s_[::4, 1:60:7, 1::2]),
        (np.s_[np.int64(3) : np.int32(5)], np.s_[19:21]),
        (np.s_[5:5], np.s_[21:21]),
        (np.s_[9:5, 3], np.s_[25:21, 3]),
    ],
)
def test_an_index_means_absolute_coordinates_and_gives_what_numpy_would(vol, voxels, key, inner) -> None:
    found = vol[key]
    np.testing.assert_array_equal(found, voxels.array[inner])
    assert np.shape(found) == voxels.array[inner].shape
    assert found.dtype == np.uint8


@pytest.mark.parametrize(
    ("key", "error"),
    [
        (np.s_[..., ...], IndexError),
        (np.s_[0, 0, 0, 0], IndexError),
        (np.s_[::-1], IndexError),
        (np.s_[0:4:0], IndexError),
        (np.s_[None], TypeError),
        (np.s_[[1, 2]], TypeError),
        (np.s_[True], TypeError),
        (np.s_["a"], TypeError),
        (np.s_[0.5:2], TypeError),
    ],
)
def test_an_index_that_no_box_is_meant_by_is_refused_before_anything_is_sent(vol, voxels, key, error) -> None:
    with pytest.raises(error):
        vol[key]
    assert voxels.reads == []


def test_what_lies_beyond_the_bounds_is_the_services_to_answer(vol: labgate.Volume) -> None:
    with pytest.raises(InvalidParams, match="not within the volume") as caught:
        vol[0:100]
    assert (caught.value.method, caught.value.request_id) == ("dvid.read", "r-9")


def test_numpy_takes_a_volume_as_an_array_and_iterating_gives_its_planes(vol, voxels) -> None:
    np.testing.assert_array_equal(np.asarray(vol), voxels.array)
    assert np.asarray(vol, np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="always a copy"):
        np.array(vol, copy=False)
    planes = [*vol]
    assert len(planes) == 48
    np.testing.assert_array_equal(planes[-1], voxels.array[-1])


def test_a_coarser_scale_has_its_own_shape_and_coordinates(vol, voxels) -> None:
    half = vol.at(scale=1)
    assert (half.shape, half.offset, half.resolution, half.scale) == (
        (24, 32, 40),
        (-8, 0, 16),
        (80.0, 8.0, 8.0),
        1,
    )
    np.testing.assert_array_equal(half[...], voxels.coarse)
    np.testing.assert_array_equal(vol.read((-8, 0, 16), (0, 8, 24), scale=1), voxels.coarse[:8, :8, :8])
    assert [scale for *_, scale in voxels.reads] == [1, 1]
    with pytest.raises(ValueError, match="grayscale has no scale 7; it has 0, 1"):
        vol.at(scale=7)


@pytest.mark.parametrize(
    ("resolution", "scale"),
    [((80, 8, 8), 1), (100, 1), ((79, 8, 8), 0), (1, 0), ((80.00000001, 8, 8), 1), (80, 1), (79, 0)],
)
def test_a_resolution_picks_the_coarsest_scale_whose_voxels_are_not_larger(vol, resolution, scale) -> None:
    assert vol.at(resolution=resolution).scale == scale


def test_a_resolution_that_is_none_is_refused(vol: labgate.Volume) -> None:
    for wrong in (0, (1, 2), (1, 2, -3)):
        with pytest.raises(ValueError, match="resolution is one number above 0, or 3 of them"):
            vol.read(resolution=wrong)


def test_a_box_of_nanometers_is_read_in_the_voxels_that_it_touches(vol, voxels) -> None:
    whole = vol.read(box_nm=((0, 0, 128), (400, 40, 168)))
    np.testing.assert_array_equal(whole, voxels.array[16:26, 0:10, 0:10])
    touched = vol.read(box_nm=((-1, 1, 129), (1, 5, 130)))
    np.testing.assert_array_equal(touched, voxels.array[15:17, 0:2, 0:1])
    coarse = vol.read(box_nm=((0, 0, 128), (400, 40, 168)), resolution=(80, 8, 8))
    np.testing.assert_array_equal(coarse, voxels.coarse[8:13, 0:5, 0:5])


def test_units_are_the_volumes_own_and_never_guessed(voxels: Voxels) -> None:
    voxels.facts.update(units=["microns", "micrometers", "um"], resolution=[0.04, 0.004, 0.004])
    lab = labgate.connect(voxels.gate.url)
    found = lab.dvid.volume("a1", "grayscale").read(box_nm=((0, 0, 128), (400, 40, 168)))
    np.testing.assert_array_equal(found, voxels.array[16:26, 0:10, 0:10])
    voxels.facts["units"] = ["parsecs", "nm", "nm"]
    with pytest.raises(ValueError, match="the axis z is measured in 'parsecs', which is no length"):
        lab.dvid.volume("a1", "grayscale").read(box_nm=((0, 0, 0), (1, 1, 1)))


@pytest.mark.parametrize(
    ("start", "stop", "words"),
    [
        ((0, 0), (1, 1), "one coordinate for each axis: z, y, x"),
        ((0, 0, 40), (1, 1, 30), "stops at x=30, before it starts at 40"),
    ],
)
def test_a_box_that_is_none_is_a_value_error(vol, start, stop, words) -> None:
    with pytest.raises(ValueError, match=words):
        vol.read(start, stop)
    with pytest.raises(TypeError, match="start and stop, or by box_nm"):
        vol.read(start, stop, box_nm=((0, 0, 0), (1, 1, 1)))
    with pytest.raises(ValueError, match="two corners of 3 nanometers"):
        vol.read(box_nm=((0, 0), (1, 1)))
    for wrong in ((0, 0, 0), ((0, 0, 0),), 4, (("a", 0, 0), (1, 1, 1))):
        with pytest.raises(
            ValueError, match="box_nm has two corners of 3 nanometers each, in the order z, y, x"
        ):
            vol.read(box_nm=wrong)


def test_a_refresh_knows_how_far_the_volume_has_grown(vol: labgate.Volume, voxels: Voxels) -> None:
    voxels.array = np.concatenate([voxels.array, voxels.array])
    assert vol.shape == (48, 64, 80)
    assert vol.refresh() is vol
    assert vol.shape == (96, 64, 80)
    assert voxels.gate.calls()[-1]["params"] == {"node": NODE, "instance": "grayscale"}
    assert voxels.gate.requests[-1][2]["cache-control"] == "no-cache"
    np.testing.assert_array_equal(vol[...], voxels.array)


def test_a_pickled_volume_is_the_same_one_without_its_token(vol, voxels) -> None:
    text = pickle.dumps(vol.at(1))
    assert TOKEN.encode() not in text
    asked = len(voxels.gate.requests)
    again = pickle.loads(text)
    assert len(voxels.gate.requests) == asked
    assert (again.node, again.scale, again.shape) == (NODE, 1, (24, 32, 40))
    np.testing.assert_array_equal(again[-8], voxels.coarse[0])


def test_a_batch_gives_volumes_too(voxels: Voxels) -> None:
    lab = labgate.connect(voxels.gate.url)
    with labgate.batch(lab) as b:
        found, wrong = b.dvid.volume("a1", "grayscale"), b.dvid.volume("a1", "other")
    np.testing.assert_array_equal(found.result()[0], voxels.array[16])
    assert isinstance(wrong.exception(), InvalidParams)


def test_the_command_line_shows_a_volume_as_what_the_gate_says_of_it(voxels, capsys, monkeypatch) -> None:
    monkeypatch.setenv("LABGATE_URL", voxels.gate.url)
    assert main(["call", "dvid.volume", "node=a1", "instance=grayscale"]) == 0
    assert json.loads(capsys.readouterr().out)["node"] == NODE


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"shape": [1, 2]}, "shape is no list of 3 whole numbers from 0 on"),
        ({"shape": [1, 2, "3"]}, "shape is no list of 3"),
        ({"shape": [1, 2, -3]}, "from 0 on"),
        ({"offset": [1, 2, 0.5]}, "offset is no list of 3 whole numbers"),
        ({"axes": []}, "axes are 1 to 8 different names"),
        ({"axes": ["z", "z", "x"]}, "different names"),
        ({"axes": "zyx"}, "axes is no list of texts"),
        ({"units": ["nm"]}, "units are 3 texts"),
        ({"resolution": [1, 2, 0]}, "resolution is no list of 3 numbers above 0"),
        ({"block_shape": [1, 2, 0]}, "block_shape is no list of 3 whole numbers from 1 on"),
        ({"node": 5}, "node is no text"),
        ({"scales": [5]}, r"scales\[0\].scale is no whole number"),
        ({"scales": [{"scale": 1, "instance": "a", "shape": [1]}]}, r"scales\[0\].shape is no list of 3"),
        ({"channels": 0}, "channels is no whole number from 1 on"),
        ({"dtype": "unheard"}, "a dtype that numpy does not know"),
        ({"dtype": "O"}, "which is no number"),
    ],
)
def test_an_answer_that_describes_no_volume_is_a_bad_reply_that_names_the_member(
    voxels, facts, words
) -> None:
    voxels.facts.update(facts)
    lab = labgate.connect(voxels.gate.url)
    with pytest.raises(BadReply, match=words) as caught:
        lab.dvid.volume("a1", "grayscale")
    assert caught.value.method == "dvid.volume"


def test_a_volume_whose_reader_the_gate_does_not_show_names_what_is_missing(voxels: Voxels) -> None:
    del voxels.gate.methods["dvid.read"]
    vol = labgate.connect(voxels.gate.url).dvid.volume("a1", "grayscale")
    with pytest.raises(NotFound, match=r"dvid\.volume names no method to read that the gate has"):
        vol[0]


def test_the_names_of_the_methods_may_leave_out_the_namespace(voxels: Voxels) -> None:
    lab = labgate.connect(voxels.gate.url)
    vol = lab.dvid.volume("a1", "grayscale")
    assert wire_of(vol._session, vol._method, "write") == "dvid.write"
    assert wire_of(vol._session, vol._method, "read") == "dvid.read"
    voxels.gate.add("write", None)
    labgate.refresh(lab)
    assert wire_of(vol._session, vol._method, "write") == "dvid.write"


def test_a_box_that_no_memory_holds_is_named_with_its_size(vol: labgate.Volume) -> None:
    with pytest.raises(MemoryError, match=r"has 1,000,000,000,000,000,000,000 bytes, .*read it in parts"):
        vol.read((0, 0, 0), (10**7, 10**7, 10**7))
