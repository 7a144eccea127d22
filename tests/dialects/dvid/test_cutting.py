"""Voxels that come in any pieces are, block by block, what numpy cuts out of the box that they are of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.room import put
from gateway.core.service import Service
from gateway.core.upstream import Answer
from gateway.dialects.dvid import cutting
from gateway.dialects.dvid.asking import in_blocks
from gateway.dialects.dvid.cutting import Cutting, window_of
from gateway.dialects.dvid.geometry import Box, blocks, box_of_block

BLOCK = (4, 2, 3)
SERVICE = Service("dvid", "dvid", ("http://127.0.0.1:1",))
counts = st.tuples(st.just(1), st.integers(1, 4), st.integers(1, 4))


def made(count, size, most=1 << 20):
    """A box of so many blocks, its room, its bytes, and its blocks as numpy has them."""
    box = Box((0, 0, 0), tuple(n * edge for n, edge in zip(count, BLOCK, strict=True)))
    data = np.random.default_rng(3).integers(0, 256, (*box.shape, size), np.uint8)
    expected = [data[box_of_block(one, BLOCK).within(box)].tobytes() for one in blocks(box, BLOCK)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cutting, "SIZE", most)
        window = memoryview(bytearray(window_of(box.shape, size)))
    room = Cutting(box.shape, BLOCK, size, lambda n: np.empty(n, np.uint8), window)
    return room, data.tobytes(), expected


@given(
    counts, st.sampled_from([1, 2, 4, 8, 3]), st.integers(1, 900), st.lists(st.integers(1, 400), min_size=1)
)
def test_however_they_come_voxels_are_in_their_blocks_in_the_end(count, size, most, sizes):
    room, data, expected = made(count, size, most)
    place, at, turn = room.begin(), 0, 0
    assert place == len(data)
    while at < len(data):
        assert room.blocks is None
        space = room.open()
        part = data[at : at + min(len(space), sizes[turn % len(sizes)])]
        space[: len(part)] = part
        room.came(len(part))
        at, turn = at + len(part), turn + 1
    assert [bytes(one) for one in room.blocks] == expected
    assert all(one.readonly for one in room.blocks)


def test_what_came_before_the_request_was_made_again_is_forgotten():
    room, data, expected = made((1, 2, 2), 1, 30)
    room.begin()
    put(room, b"\xff" * (len(data) - 1))
    room.begin()
    put(room, data)
    assert [bytes(one) for one in room.blocks] == expected


@pytest.mark.parametrize("placed", [True, False])
@pytest.mark.parametrize("surplus", [b"", b"it failed late"])
async def test_an_answer_that_was_gathered_is_cut_as_one_that_came_into_its_room(placed, surplus):
    room, data, expected = made((1, 2, 2), 2)
    if placed:
        room.begin()
        put(room, data)
    came = Answer(200, "OK", (), surplus if placed else data + surplus, len(data) if placed else 0)
    composed = in_blocks(came, room, SERVICE).composed
    assert composed.length == len(data + surplus)
    assert [bytes(one) async for one in composed.pieces] == [*expected, *([surplus] if surplus else [])]


@pytest.mark.parametrize("placed", [True, False])
async def test_of_an_answer_that_is_too_short_there_are_no_blocks(placed):
    room, data, _ = made((1, 2, 2), 2)
    if placed:
        room.begin()
        put(room, data[:-1])
    came = Answer(200, "OK", (), b"" if placed else data[:-1], len(data) - 1 if placed else 0)
    composed = in_blocks(came, room, SERVICE).composed
    assert composed.length == len(data) - 1
    assert [one async for one in composed.pieces] == []
