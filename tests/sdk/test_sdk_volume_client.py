"""Does a program that was written for dvidclient go on with another import line?"""

from __future__ import annotations

import pickle  # noqa: TID251 - the law is that users can pickle what this package gives them
import sys
from types import ModuleType

import numpy as np
import pytest

import labgate
from labgate import ErrorResponse, MetaInfo, VolumeClient
from labgate.errors import Conflict, Error, GateUnreachable, InvalidParams, Locked, NotFound, SetupError
from tests.sdk.conftest import TOKEN, Gate, ScriptedError
from tests.sdk.voxels import NODE, Voxels, refuse


@pytest.fixture
def client(voxels: Voxels) -> VolumeClient:
    return labgate.VolumeClient(voxels.gate.url, "a1b2c3", "grayscale")


@pytest.fixture(params=["an axis", "no axis"])
def rgba(gate: Gate, request: pytest.FixtureRequest) -> Voxels:
    """Four channels, side by side in 16 x 32 x 48 voxels; they are an axis of the volume, or only of its arrays."""
    values = np.random.default_rng(8).integers(0, 256, (16, 32, 48, 4), np.uint8)
    made = Voxels(gate, values, (0, 0, 0, 0))
    made.block = (16, 16, 16, 4)
    made.facts.update(
        axes=["z", "y", "x", "c"],
        resolution=[40.0, 4.0, 4.0, 1.0],
        units=["nm", "nm", "nm", ""],
        channels=4,
        scales=[],
        type="rgba8blk",
    )
    if request.param == "no axis":
        made.facts.update(axes=["z", "y", "x"], resolution=[40.0, 4.0, 4.0], units=["nm"] * 3)
    return made


def test_the_metainfo_has_the_channels_first_and_the_fastest_axis_next(client: VolumeClient) -> None:
    info = client.metainfo
    assert (info.shape, info.dtype, info.keys) == ((1, 80, 64, 48), np.uint8, "cxyz")
    assert info.resolution == (1.0, 4.0, 4.0, 40.0)
    assert info.units == ("", "nanometers", "nanometers", "nanometers")
    assert info.offset == (0, 32, 0, -16)


def test_a_cutout_in_fortran_order_is_the_transposed_one_in_numpys(client, voxels) -> None:
    cutout = client.retrieve_subvolume((0, 40, 20, -6), (1, 90, 60, 30))
    assert cutout.shape == (1, 50, 40, 36)
    np.testing.assert_array_equal(cutout[0].transpose(), voxels.array[10:46, 20:60, 8:58])
    assert cutout.flags.f_contiguous, "the transposed array is a view, not a copy"


def test_some_channels_are_read_and_all_are_written(rgba: Voxels) -> None:
    client = VolumeClient(rgba.gate.url, "a1", "grayscale")
    assert (client.metainfo.shape, client.metainfo.keys) == ((4, 48, 32, 16), "cxyz")
    whole = client.retrieve_subvolume((0, 0, 0, 0), (4, 48, 32, 16))
    assert whole.flags.f_contiguous
    np.testing.assert_array_equal(whole.transpose(), rgba.array)
    some = client.retrieve_subvolume((1, 5, 6, 7), (3, 15, 26, 8))
    np.testing.assert_array_equal(some, whole[1:3, 5:15, 6:26, 7:8])
    client.modify_subvolume((0, 0, 0, 0), (4, 48, 32, 16), 255 - whole)
    np.testing.assert_array_equal(rgba.array.transpose(), 255 - whole)
    with pytest.raises(ValueError, match="all 4 channels are written at once"):
        client.modify_subvolume((0, 0, 0, 0), (2, 48, 32, 16), whole[:2])


def test_channels_that_are_no_axis_of_the_service_are_the_last_one_of_the_volume(gate: Gate) -> None:
    values = np.random.default_rng(8).integers(0, 256, (16, 32, 48, 4), np.uint8)
    rgba = Voxels(gate, values, (0, 0, 0, 0))
    rgba.block = (16, 16, 16, 4)
    rgba.facts.update(channels=4, scales=None)
    vol = labgate.connect(gate.url).dvid.volume("a1", "grayscale")
    assert (vol.axes, vol.shape, vol.block_shape) == (("z", "y", "x", "c"), (16, 32, 48, 4), (16, 16, 16, 4))
    np.testing.assert_array_equal(vol[3:5, ..., 1], values[3:5, ..., 1])
    assert rgba.reads == [([3, 0, 0], [5, 32, 48], 0)]
    out = np.zeros((16, 32, 48, 2), np.uint8)
    np.testing.assert_array_equal(vol.read((0, 0, 0, 2), out=out, workers=1), values[..., 2:])
    vol.write((1, 1, 1, 0), 255 - values[1:9, 1:9, 1:9], unaligned=True)
    np.testing.assert_array_equal(rgba.array[1:9, 1:9, 1:9], 255 - values[1:9, 1:9, 1:9])
    with pytest.raises(ValueError, match="all 4 channels are written at once"):
        vol[..., 0] = 0


def test_what_is_written_anywhere_is_read_again(client, voxels) -> None:
    before = voxels.array.copy()
    data = np.random.default_rng(4).integers(0, 256, (1, 30, 20, 10), np.uint8)
    client.modify_subvolume((0, 41, 21, -9), (1, 71, 41, 1), data)
    np.testing.assert_array_equal(client.retrieve_subvolume((0, 41, 21, -9), (1, 71, 41, 1)), data)
    before[7:17, 21:41, 9:39] = data[0].transpose()
    np.testing.assert_array_equal(voxels.array, before)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_cutout_is_read_into_an_array_of_any_order(client, voxels, order) -> None:
    out = np.zeros((1, 80, 64, 48), np.uint8, order=order)
    assert client.retrieve_subvolume((0, 32, 0, -16), (1, 112, 64, 32), out=out) is out
    np.testing.assert_array_equal(out[0].transpose(), voxels.array)
    with pytest.raises(ValueError, match="out has 3 axes, and not cxyz"):
        client.retrieve_subvolume((0, 32, 0, -16), (1, 112, 64, 32), out=out[0])


@pytest.mark.parametrize(
    ("start", "stop", "words"),
    [
        ((0, 32, 0), (1, 40, 8), "one coordinate for each axis: cxyz"),
        ((0, 32, 8, 0), (1, 40, 8, 8), "along y the box stops at 8, and starts at 8"),
        ((0, 31, 0, 0), (1, 40, 8, 8), "x is from 32 to 112"),
        ((0, 32, 0, 0), (2, 40, 8, 33), "c is from 0 to 1, z is from -16 to 32"),
        ((-1, 32, 0, 0), (1, 40, 8, 8), "c is from 0 to 1"),
    ],
)
def test_corners_that_do_not_lie_in_the_volume_are_refused(client, voxels, start, stop, words) -> None:
    with pytest.raises(ValueError, match=words):
        client.retrieve_subvolume(start, stop)
    assert voxels.reads == []


def test_a_volume_that_has_grown_is_asked_about_before_a_corner_is_refused(client, voxels) -> None:
    voxels.array = np.concatenate([voxels.array, voxels.array])
    cutout = client.retrieve_subvolume((0, 32, 0, 70), (1, 112, 64, 80))
    np.testing.assert_array_equal(cutout[0].transpose(), voxels.array[86:96])
    assert client.metainfo.shape == (1, 80, 64, 96)


def test_where_vigra_is_installed_a_cutout_is_its_tagged_array(client: VolumeClient, monkeypatch) -> None:
    vigra = ModuleType("vigra")
    vigra.taggedView = lambda array, tags: ("tagged", tags, array.shape)
    monkeypatch.setitem(sys.modules, "vigra", vigra)
    assert client.retrieve_subvolume((0, 32, 0, 0), (1, 33, 2, 3)) == ("tagged", "cxyz", (1, 1, 2, 3))


# Making volumes, and listing them.


def test_a_volume_is_made_from_its_metainfo(voxels: Voxels) -> None:
    info = MetaInfo(
        (1, 30, 20, 10),
        np.uint8,
        "cxyz",
        resolution=(1, 4, 4, 40),
        units=("", "nm", "nm", "nm"),
        offset=(0, 3, 0, -5),
    )
    made = VolumeClient.create_volume(voxels.gate.url, "a1b2c3", "my_volume", info)
    assert voxels.created == {
        "node": "a1b2c3",
        "instance": "my_volume",
        "dtype": "uint8",
        "axes": ["z", "y", "x"],
        "shape": [10, 20, 30],
        "resolution": [40.0, 4.0, 4.0],
        "units": ["nm", "nm", "nm"],
        "channels": 1,
        "offset": [-5, 0, 3],
    }
    assert "volume client" in repr(made)
    assert made.volume.instance == "my_volume"


def test_a_name_that_is_taken_is_an_error_response_with_the_status_that_says_so(voxels: Voxels) -> None:
    with pytest.raises(ErrorResponse) as caught:
        VolumeClient.create_volume(voxels.gate.url, "a1", "taken", MetaInfo((1, 3, 2, 1), np.uint8))
    error = caught.value
    assert (error.action, error.status, error.reason) == ("creating the volume taken in a1", 409, "Conflict")
    assert error.body == "there is one already"
    assert isinstance(error.__cause__, Conflict)


def test_the_list_of_datasets_is_what_the_service_says(voxels: Voxels) -> None:
    with pytest.raises(NotFound, match="the service dvid has no method that lists its data"):
        VolumeClient.query_datasets_info(voxels.gate.url)
    voxels.gate.add("dvid.repos_info", {"Datasets": []})
    lab = labgate.connect(voxels.gate.url)
    labgate.refresh(lab)
    assert VolumeClient.query_datasets_info(lab) == {"Datasets": []}


# What is refused.


def test_an_unknown_volume_is_an_error_response_that_is_an_error_of_this_package(voxels: Voxels) -> None:
    with pytest.raises(labgate.ErrorResponseException) as caught:
        labgate.VolumeClient(voxels.gate.url, "a1", "nothing")
    error = caught.value
    assert (error.action, error.status) == ("opening the volume nothing of a1", 400)
    assert (error.reason, error.body) == ("Bad Request", "no such instance")
    assert isinstance(error, Error)
    assert isinstance(error.__cause__, InvalidParams)
    assert str(error).startswith("dvid.volume: opening the volume nothing of a1: 400 Bad Request: no such")


def test_a_locked_node_is_an_error_response_that_names_it(client, voxels) -> None:
    voxels.facts["locked"] = True
    client.volume.refresh()
    with pytest.raises(ErrorResponse, match=NODE) as caught:
        client.modify_subvolume((0, 32, 0, 0), (1, 33, 1, 1), np.zeros((1, 1, 1, 1), np.uint8))
    assert (caught.value.status, caught.value.reason) == (409, "Conflict")
    assert isinstance(caught.value.__cause__, Locked)
    assert voxels.writes == []


@pytest.mark.parametrize(
    ("data", "status", "given"),
    [
        ({"fault": "InvalidParams", "upstream_status": 409}, 409, 400),
        ({"fault": "InvalidParams"}, 418, 418),
        ({"fault": "Unheard"}, 500, 200),
    ],
)
def test_the_status_is_the_upstreams_or_the_gates_or_what_the_error_amounts_to(
    voxels: Voxels, data, status, given
) -> None:
    def refused(_: object) -> None:
        raise ScriptedError(-32602 if given != 200 else -32099, "no", given, data=data)

    voxels.gate.answers["dvid.volume"] = refused
    with pytest.raises(ErrorResponse) as caught:
        labgate.VolumeClient(voxels.gate.url, "a1", "grayscale")
    assert caught.value.status == status


def test_a_read_that_is_refused_is_an_error_response_too(client, voxels) -> None:
    voxels.before = lambda asked: refuse(asked, 403, -32002, "not for you", "Forbidden") is None
    with pytest.raises(ErrorResponse, match="not for you") as caught:
        client.retrieve_subvolume((0, 32, 0, 0), (1, 33, 1, 1))
    assert (caught.value.status, caught.value.reason, caught.value.body) == (403, "Forbidden", "not for you")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.action, again.status, again.body) == (caught.value.action, 403, "not for you")
    assert str(again) == str(caught.value)


def test_no_answer_at_all_is_no_error_response(voxels: Voxels) -> None:
    labgate.VolumeClient(voxels.gate.url, "a1", "grayscale")
    with pytest.raises(GateUnreachable):
        VolumeClient("http://127.0.0.1:1", "a1", "grayscale", retries=0)


def test_an_array_that_does_not_fit_the_box_is_refused(client: VolumeClient) -> None:
    with pytest.raises(
        ValueError, match=r"the array has the shape \(1, 2, 2, 2\), and the box \(1, 1, 1, 1\)"
    ):
        client.modify_subvolume((0, 32, 0, 0), (1, 33, 1, 1), np.zeros((1, 2, 2, 2), np.uint8))
    with pytest.raises(TypeError, match="astype"):
        client.modify_subvolume((0, 32, 0, 0), (1, 33, 1, 1), np.zeros((1, 1, 1, 1), np.uint32))


# Which service.


def test_the_host_may_be_an_address_with_a_path_and_its_token_or_a_client(
    voxels: Voxels, monkeypatch
) -> None:
    monkeypatch.delenv("LABGATE_TOKEN")
    host = voxels.gate.url.removeprefix("http://")
    assert VolumeClient(host, "a1", "grayscale", token=TOKEN).metainfo.shape == (1, 80, 64, 48)
    below = VolumeClient(f"{host}/lab", "a1", "grayscale", token=TOKEN)
    assert below.retrieve_subvolume((0, 32, 0, 0), (1, 33, 1, 1)).shape == (1, 1, 1, 1)
    assert voxels.gate.requests[-1][1].startswith("/lab/rpc/dvid.read?")
    lab = labgate.connect(voxels.gate.url, token=TOKEN)
    assert VolumeClient(lab, "a1", "grayscale", service="dvid").volume.node == NODE
    voxels.gate.token = "another"
    with pytest.raises(ErrorResponse, match="401 Unauthorized"):
        VolumeClient(lab, "a1", "grayscale")


def test_without_a_service_it_is_the_only_one_with_volumes_else_all_are_named(voxels: Voxels) -> None:
    marks = {"result": "volume", "volume": {"read": "read"}}
    voxels.gate.add("archive.volume", **{"x-labgate": marks})
    with pytest.raises(SetupError, match="several services with volumes: archive, dvid"):
        labgate.VolumeClient(voxels.gate.url, "a1", "grayscale")
    assert labgate.VolumeClient(voxels.gate.url, "a1", "grayscale", service="dvid").volume.node == NODE
    with pytest.raises(SetupError, match="no service 'jobs' with volumes; it has archive, dvid"):
        labgate.VolumeClient(voxels.gate.url, "a1", "grayscale", service="jobs")


def test_a_gate_without_volumes_says_so(gate: Gate) -> None:
    with pytest.raises(SetupError, match="the gate has no service with volumes"):
        VolumeClient(gate.url, "a1", "grayscale")


def test_a_client_can_be_pickled_without_its_token(client, voxels) -> None:
    text = pickle.dumps(client)
    assert TOKEN.encode() not in text
    cutout = pickle.loads(text).retrieve_subvolume((0, 32, 0, 0), (1, 33, 1, 1))
    assert cutout.item() == voxels.array[16, 0, 0]
    assert repr(client).startswith("<labgate volume client of <labgate volume grayscale")
