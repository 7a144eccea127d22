"""Is what is written where it was meant to be, in whole blocks, and is nothing sent that could not be?"""

from __future__ import annotations

import threading

import msgpack
import numpy as np
import pytest

import labgate
from labgate.errors import BadReply, Conflict, Error, InvalidParams, Locked, NotFound
from tests.sdk.conftest import Gate, ScriptedError
from tests.sdk.voxels import NODE, Voxels


@pytest.fixture
def vol(voxels: Voxels) -> labgate.Volume:
    return labgate.connect(voxels.gate.url).dvid.volume("a1b2c3", "grayscale")


def noise(*shape: int, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(5).integers(0, 200, shape).astype(dtype)


def test_what_is_written_to_whole_blocks_is_read_again_bit_by_bit(vol, voxels) -> None:
    before, data = voxels.array.copy(), noise(16, 32, 48)
    vol.write((-16, 16, 48), data)
    np.testing.assert_array_equal(vol[-16:0, 16:48, 48:96], data)
    before[0:16, 16:48, 16:64] = data
    np.testing.assert_array_equal(voxels.array, before)
    assert voxels.writes == [([-16, 16, 48], [0, 48, 96])]
    assert voxels.reads[:-1] == []


def test_arrays_travel_as_they_are_and_not_as_text(vol, voxels) -> None:
    vol.write((0, 0, 32), noise(16, 32, 48))
    body = next(body for *_, body in voxels.gate.requests if b"dvid.write" in body)
    assert msgpack.unpackb(body)["params"].keys() == {"node", "instance", "start", "data"}
    assert len(body) < 16 * 32 * 48 + 500


def test_an_index_is_written_from_an_array_or_from_one_value(vol, voxels) -> None:
    data = noise(16, 16, 16)
    vol[0:16, 0:16, 32:48] = data
    np.testing.assert_array_equal(voxels.array[16:32, :16, :16], data)
    vol[0:16] = 9
    assert (voxels.array[16:32] == 9).all()
    vol[0:16, 0:16, 32:48] = np.arange(16, dtype=np.uint8)
    assert (voxels.array[16:32, :16, :16] == np.arange(16)).all()
    with pytest.raises(ValueError, match="broadcast"):
        vol[0:16, 0:16, 32:48] = noise(3, 3, 3)
    with pytest.raises(ValueError, match="without steps"):
        vol[0:16:2] = 1


def test_a_number_in_the_index_of_a_write_is_an_axis_of_one(gate: Gate) -> None:
    voxels = Voxels(gate, noise(4, 8, 8))
    voxels.block = (1, 8, 8)
    vol = labgate.connect(gate.url).dvid.volume("a1", "grayscale")
    vol[2] = noise(8, 8)
    np.testing.assert_array_equal(voxels.array[2], noise(8, 8))
    assert voxels.writes == [([2, 0, 0], [3, 8, 8])]


def test_arrays_of_any_strides_are_written(vol, voxels) -> None:
    data = noise(32, 32, 48)
    vol.write((0, 0, 32), data[::2])
    np.testing.assert_array_equal(voxels.array[16:32, :32, :48], data[::2])
    vol.write((0, 0, 32), np.asfortranarray(data[:16]))
    np.testing.assert_array_equal(voxels.array[16:32, :32, :48], data[:16])


# What follows no blocks.


def test_a_box_that_follows_no_blocks_is_refused_with_the_one_that_would(vol, voxels) -> None:
    with pytest.raises(
        ValueError, match=r"write the one from \[-16, 0, 32\] to \[16, 16, 64\], or say unaligned"
    ) as caught:
        vol.write((-3, 0, 40), noise(8, 16, 16))
    assert "blocks of [16, 16, 16]" in str(caught.value)
    assert voxels.writes == voxels.reads == []


@pytest.mark.parametrize(
    ("start", "shape"),
    [
        ((-3, 5, 40), (8, 16, 16)),
        ((1, 1, 33), (3, 3, 3)),
        ((-15, 1, 33), (46, 62, 78)),
        ((-16, 0, 32), (48, 64, 79)),
        ((0, 16, 48), (16, 16, 16)),
    ],
)
def test_an_unaligned_write_changes_its_box_and_nothing_beside(vol, voxels, start, shape) -> None:
    before, data = voxels.array.copy(), noise(*shape)
    vol.write(start, data, unaligned=True)
    inside = [
        slice(low - zero, low - zero + size)
        for low, zero, size in zip(start, (-16, 0, 32), shape, strict=True)
    ]
    before[tuple(inside)] = data
    np.testing.assert_array_equal(voxels.array, before)
    assert all(one % 16 == 0 for box in voxels.writes for corner in box for one in corner)


def test_only_blocks_that_are_filled_partly_are_read_first_and_never_from_a_cache(vol, voxels) -> None:
    vol.write((-16, 0, 33), noise(48, 64, 63), unaligned=True)
    assert voxels.reads == [([-16, 0, 32], [32, 64, 48], 0)]
    reading = next(headers for _, target, headers, _ in voxels.gate.requests if "/rpc/dvid.read" in target)
    assert reading["cache-control"] == "no-cache"


def test_blocks_beyond_the_bounds_are_filled_with_zeros(vol, voxels) -> None:
    vol.write((31, 0, 32), noise(3, 64, 80), unaligned=True)
    assert vol.shape == (64, 64, 80)
    np.testing.assert_array_equal(voxels.array[47:50], noise(3, 64, 80))
    assert not voxels.array[50:].any()


def test_a_service_that_takes_any_box_is_sent_any_box(vol, voxels) -> None:
    voxels.facts["unaligned_writes"] = True
    voxels.block = (1, 1, 1)
    vol.refresh().write((-3, 0, 40), noise(8, 16, 16))
    assert voxels.writes == [([-3, 0, 40], [5, 16, 56])]


# Growth, and large arrays.


def test_a_write_beyond_the_bounds_grows_the_volume_in_both_directions(vol, voxels) -> None:
    vol.write((-48, 0, 32), noise(16, 64, 80))
    assert (vol.offset, vol.shape) == ((-48, 0, 32), (80, 64, 80))
    vol.write((32, 64, 112), noise(16, 16, 16))
    assert (vol.offset, vol.shape) == ((-48, 0, 32), (96, 80, 96))
    np.testing.assert_array_equal(vol[32:, 64:, 112:], noise(16, 16, 16))


def test_a_write_within_the_bounds_does_not_ask_for_them_again(vol, voxels) -> None:
    asked = [call["method"] for call in voxels.gate.calls()].count("dvid.volume")
    vol.write((0, 0, 32), noise(16, 64, 80))
    assert [call["method"] for call in voxels.gate.calls()].count("dvid.volume") == asked


def test_a_large_array_leaves_in_parts_of_whole_blocks(gate: Gate) -> None:
    voxels = Voxels(gate, np.zeros((16, 16, 16), np.uint64))
    vol = labgate.connect(gate.url).dvid.volume("a1", "grayscale")
    data = noise(48, 256, 256, dtype="uint64")
    vol.write((0, 0, 0), data)
    np.testing.assert_array_equal(voxels.array, data)
    assert len(voxels.writes) > 2
    assert all(one % 16 == 0 for box in voxels.writes for corner in box for one in corner)


def test_an_empty_array_is_no_request(vol, voxels) -> None:
    vol.write((0, 0, 32), np.zeros((0, 16, 16), np.uint8))
    assert voxels.writes == []


def test_a_part_that_is_refused_says_how_many_were_written(gate: Gate) -> None:
    voxels = Voxels(gate, np.zeros((16, 16, 16), np.uint64))
    vol = labgate.connect(gate.url).dvid.volume("a1", "grayscale")
    lock, write = threading.Lock(), voxels.write

    def second_is_refused(params: dict) -> dict:
        with lock:
            if voxels.writes:
                raise ScriptedError(-32007, "no room", data={"fault": "TooLarge"})
            return write(params)

    gate.answers["dvid.write"] = second_is_refused
    with pytest.raises(Error, match="no room") as caught:
        vol.write((0, 0, 0), noise(48, 256, 256, dtype="uint64"), workers=1)
    assert caught.value.__notes__ == ["1 of 3 parts were written."]


# What is refused before anything is sent.


def test_a_locked_node_is_named_and_nothing_is_sent(vol, voxels) -> None:
    voxels.facts["locked"] = True
    vol.refresh()
    asked = len(voxels.gate.requests)
    for write in (
        lambda: vol.write((0, 0, 32), noise(16, 16, 16)),
        lambda: vol.write((1, 1, 33), noise(1, 1, 1), unaligned=True),
        lambda: vol.__setitem__(..., 0),
    ):
        with pytest.raises(Locked, match=f"the node {NODE} is locked: grayscale cannot be written there"):
            write()
    assert len(voxels.gate.requests) == asked
    assert issubclass(Locked, Conflict)


def test_what_is_not_versioned_is_written_at_a_locked_node_too(vol, voxels) -> None:
    voxels.facts.update(locked=True, versioned=False)
    vol.refresh()
    voxels.gate.answers["dvid.write"] = lambda params: {"written": [*params["data"].shape]}
    vol.write((0, 0, 32), noise(16, 16, 16))
    assert vol.locked


def test_a_node_that_was_locked_meanwhile_is_the_gates_to_refuse(vol, voxels) -> None:
    def refused(_: object) -> None:
        raise ScriptedError(-32019, f"node {NODE} is locked", data={"fault": "Locked"})

    voxels.gate.answers["dvid.write"] = refused
    with pytest.raises(Locked, match=NODE) as caught:
        vol.write((0, 0, 32), noise(16, 16, 16))
    assert caught.value.method == "dvid.write"
    voxels.facts["locked"] = True
    voxels.gate.answers["dvid.write"] = voxels.write
    with pytest.raises(InvalidParams, match="locked"):
        vol.write((0, 0, 32), noise(16, 16, 16))


def test_a_node_that_was_locked_meanwhile_is_named_before_blocks_are_read_for_an_unaligned_write(
    vol, voxels
) -> None:
    voxels.facts["locked"] = True
    with pytest.raises(Locked, match=NODE):
        vol.write((1, 1, 33), noise(1, 1, 1), unaligned=True)
    assert voxels.reads == voxels.writes == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((16, 16, 16), np.int16), "dtype int16 may change in a volume of uint8"),
        (np.zeros((16, 16, 16), np.float32), "dtype float32 may change"),
        (np.zeros((16, 16, 16), np.uint64), "convert them with astype"),
        (np.zeros((16, 16, 16), object), "dtype object may change"),
        ([[[300]]], "may change"),
        ([[[-1]]], "may change"),
        ([[[0.5]]], "may change"),
        ([[["a"]]], "may change"),
    ],
)
def test_values_that_the_dtype_would_change_are_refused(vol, voxels, value, words) -> None:
    with pytest.raises(TypeError, match=words):
        vol.write((0, 0, 32), value)
    assert voxels.writes == []


def test_values_that_it_would_not_change_are_written(gate: Gate) -> None:
    voxels = Voxels(gate, np.zeros((2, 2, 2), np.float64))
    voxels.block = (1, 1, 1)
    vol = labgate.connect(gate.url).dvid.volume("a1", "grayscale")
    vol[0] = np.full((2, 2), 7, np.uint16)
    vol[1] = [[1, 2], [3, 4.5]]
    np.testing.assert_array_equal(voxels.array, [[[7, 7], [7, 7]], [[1, 2], [3, 4.5]]])


def test_pythons_own_floats_are_those_of_the_volume(gate: Gate) -> None:
    voxels = Voxels(gate, np.zeros((2, 2, 2), np.float32))
    voxels.block = (1, 1, 1)
    vol = labgate.connect(gate.url).dvid.volume("a1", "grayscale")
    vol[0] = 0.1
    vol[1] = float("nan")
    assert (voxels.array[0] == np.float32(0.1)).all()
    assert np.isnan(voxels.array[1]).all()


def test_an_array_of_other_axes_a_scale_and_a_missing_method_are_refused(vol, voxels) -> None:
    with pytest.raises(ValueError, match="one coordinate for each axis: z, y, x"):
        vol.write((0, 0), noise(16, 16))
    with pytest.raises(ValueError, match="one coordinate for each axis: z, y, x"):
        vol.write((0, 0, 32), noise(16, 16))
    with pytest.raises(ValueError, match="written at scale 0"):
        vol.at(1).write((0, 0, 0), noise(16, 16, 16))
    del voxels.gate.methods["dvid.write"]
    other = labgate.connect(voxels.gate.url)
    labgate.refresh(other)
    with pytest.raises(NotFound, match="names no method to write"):
        other.dvid.volume("a1", "grayscale").write((0, 0, 32), noise(16, 16, 16))


def test_an_answer_that_tells_of_another_shape_is_a_bad_reply(vol, voxels) -> None:
    voxels.gate.answers["dvid.write"] = lambda _: {"written": [1, 2, 3]}
    with pytest.raises(BadReply, match=r"\[1, 2, 3\] were written of \[16, 16, 16\]"):
        vol.write((0, 0, 32), noise(16, 16, 16))


def test_without_msgpack_arrays_are_written_all_the_same(vol, voxels, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "msgpack", None)
    vol.write((0, 0, 32), noise(16, 16, 16))
    np.testing.assert_array_equal(voxels.array[16:32, :16, :16], noise(16, 16, 16))
