"""Arrays that come block by block are what they were, however their bytes are cut; what is something else is refused in time."""

from __future__ import annotations

import json
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labgate
from labgate._at_once import at_once
from labgate._blocks import receive_blocks
from labgate.errors import BadReply
from tests.sdk.conftest import Gate, Handler
from tests.sdk.test_sdk_volume_read import large, opened
from tests.sdk.voxels import answers, once, refuse, traced

KIND = "application/x-labgate-blocks"


class Body:
    """A body that comes in pieces of these sizes, over and over."""

    def __init__(self, data: bytes, sizes: list[int] | None = None) -> None:
        self.data, self.sizes, self.turn = data, sizes or [1 << 30], 0

    async def into(self, view: memoryview) -> int:
        size = min(len(view), len(self.data), self.sizes[self.turn % len(self.sizes)])
        self.turn += 1
        view[:size], self.data = self.data[:size], self.data[size:]
        return size


def blocks_of(array: np.ndarray, start: tuple[int, ...], block: tuple[int, ...], /, **said: object) -> bytes:
    """The body that the gate sends of an array."""
    head = {"dtype": array.dtype.str, "start": [*start], "shape": [*array.shape], "block": [*block], **said}
    text = json.dumps(head).encode()
    edges = [
        [n for n in range(first, first + size + 1) if n in (first, first + size) or n % step == 0]
        for first, size, step in zip(start, array.shape, block, strict=True)
    ]
    parts = [
        array[
            tuple(slice(a - first, b - first) for (a, b), first in zip(corner, start, strict=True))
        ].tobytes()
        for corner in product(*(pairwise(along) for along in edges))
    ]
    return len(text).to_bytes(4, "little") + text + b"".join(parts)


axis = st.tuples(st.integers(-20, 20), st.integers(1, 9), st.integers(1, 6))


@settings(max_examples=60)
@given(
    st.lists(axis, min_size=1, max_size=4),
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.sampled_from(["|u1", "<u2", "<f4", "<u8"]),
    st.booleans(),
)
def test_an_array_is_what_it_was_however_its_blocks_are_cut_and_its_bytes_come(axes, sizes, dtype, strided):
    start, shape, block = (tuple(column) for column in zip(*axes, strict=True))
    array = np.arange(np.prod(shape)).astype(dtype).reshape(shape)
    room = np.zeros([2 * one for one in shape] if strided else shape, dtype)
    out = room[tuple(slice(None, None, 2) for _ in shape)] if strided else room
    body, came = blocks_of(array, start, block), []
    at_once(receive_blocks(Body(body, sizes), out, start, len(body), came.append))
    np.testing.assert_array_equal(out, array)
    assert sum(came) == array.nbytes


ARRAY = np.arange(60, dtype="<u2").reshape(3, 4, 5)
WHOLE = blocks_of(ARRAY, (1, 2, 3), (2, 2, 2))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\xff\xff\xff\xffx", "said to have 4294967295 bytes"),
        (b"\x02\0\0\0[]", "no object"),
        (b"\x02\0\0\0{!", "no JSON"),
        (b"\x05\0", "ended 2 bytes before"),
        (blocks_of(ARRAY, (1, 2, 3), (2, 2, 2), dtype="<u4"), "dtype of the reply's blocks is '<u4'"),
        (blocks_of(ARRAY, (1, 2, 3), (2, 2, 2), shape=[1 << 40, 1, 1]), "shape of the reply's blocks"),
        (blocks_of(ARRAY, (1, 2, 3), (2, 2, 2), start=[0, 0, 0]), "start of the reply's blocks"),
        *(
            (blocks_of(ARRAY, (1, 2, 3), (2, 2, 2), block=wrong), "blocks have the shape")
            for wrong in ([0, 1, 1], [1, 1], [1, 1, -4], [True, 1, 1], "abc", None, [1.0, 1, 1])
        ),
        (WHOLE[:-1], "ended 1 bytes before"),
        (WHOLE + b"x", "behind the end"),
    ],
)
def test_what_is_no_array_or_another_one_is_said_to_be(body, words):
    with traced() as peak, pytest.raises(BadReply, match=words):
        at_once(receive_blocks(Body(body), np.empty_like(ARRAY), (1, 2, 3), None, bool))
    assert peak() < 1 << 20


def test_a_length_that_is_not_the_arrays_is_said_before_any_of_it_is_read():
    body = Body(WHOLE)
    with pytest.raises(BadReply, match="the reply has 7 bytes"):
        at_once(receive_blocks(body, np.empty_like(ARRAY), (1, 2, 3), 7, bool))
    assert len(body.data) == ARRAY.nbytes


def in_blocks(asked: Handler, voxels) -> bool:
    """Answer a read block by block."""
    start, stop, _ = voxels.reads[-1]
    place = tuple(slice(low, high) for low, high in zip(start, stop, strict=True))
    body = blocks_of(voxels.array[place], tuple(start), (16, 48, 64))
    asked.reply(200, body, ("Content-Type", KIND))
    return True


def test_a_gate_that_sends_blocks_is_understood_and_told_that_they_are_taken(gate: Gate) -> None:
    voxels = large(gate, 40, 100, 150)
    voxels.before = lambda asked: in_blocks(asked, voxels)
    found = opened(voxels).read((3, 5, 7), (39, 99, 149), workers=1)
    np.testing.assert_array_equal(found, voxels.array[3:39, 5:99, 7:149])
    assert gate.requests[-1][2]["accept"].startswith(f"{KIND}, application/x-npy, ")


def test_a_part_that_broke_off_in_the_middle_of_its_blocks_is_asked_for_again(gate: Gate) -> None:
    voxels = large(gate, 40, 100, 150)
    whole = blocks_of(voxels.array, (0, 0, 0), (16, 48, 64))
    first = once(answers(whole[:90_000], length=len(whole), kind=KIND))
    voxels.before = lambda asked: first(asked) or in_blocks(asked, voxels)
    np.testing.assert_array_equal(opened(voxels, retries=1).read(workers=1), voxels.array)
    assert len(voxels.reads) == 2


def test_a_refusal_is_the_error_that_it_is_whatever_was_taken(gate: Gate) -> None:
    voxels = large(gate, 4, 4, 4)

    def refused(asked: Handler) -> bool:
        refuse(asked, 400, -32602, "no such box", "InvalidParams")
        return True

    voxels.before = refused
    with pytest.raises(labgate.errors.InvalidParams, match="no such box"):
        opened(voxels).read()


def test_the_memory_beside_the_array_is_a_quarter_of_a_mib() -> None:
    array = np.arange(4 << 20, dtype=np.uint32).astype(np.uint8).reshape(16, 256, 1024)
    data = blocks_of(array, (0, 0, 0), (16, 128, 512))
    beside = []
    for _ in range(5):  # what is traced is the whole process: threads of other tests may be at their end
        body, out = Counted(data), np.empty_like(array)
        with traced() as peak:
            at_once(receive_blocks(body, out, (0, 0, 0), len(body.data), bool))
            beside.append(peak())
        np.testing.assert_array_equal(out, array)
    assert min(beside) < 300_000


class Counted(Body):
    """The same, without copies of what is left."""

    at = 0

    async def into(self, view: memoryview) -> int:
        size = min(len(view), len(self.data) - self.at)
        with memoryview(self.data) as data:
            view[:size] = data[self.at : self.at + size]
        self.at += size
        return size
