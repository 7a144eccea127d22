"""A result that is made while it is sent is the same in each encoding, however its pieces came."""

import asyncio
import io
import json
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gateway.core.arrays import array as array_of
from gateway.core.arrays import as_json, from_json, from_msgpack
from gateway.core.method import Method, RpcBinding
from gateway.core.reply import Composed, Reply, Whole
from gateway.core.verdict import Pass
from gateway.doors.encodings import JSON, MSGPACK
from gateway.doors.forms import as_npy
from gateway.doors.gathering import as_file, at_hand, gathered, told_apart, whole

_METHOD = Method("some.array", "some", RpcBinding("array"))
_KINDS = st.one_of(
    hnp.integer_dtypes(),
    hnp.unsigned_integer_dtypes(),
    hnp.floating_dtypes(sizes=(16, 32, 64)),
    hnp.boolean_dtypes(),
)
_ARRAYS = hnp.arrays(_KINDS, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
_CUTS = st.lists(st.integers(0, 2000), max_size=4)


def composed(array: np.ndarray[Any, Any], cuts: list[int]) -> Composed:
    """The array, in pieces that end at these bytes."""
    data = array.tobytes()

    async def pieces() -> Any:
        ends = sorted(min(cut, len(data)) for cut in cuts)
        for start, end in zip([0, *ends], [*ends, len(data)], strict=True):
            yield memoryview(data)[start:end]

    return Composed(len(data), pieces(), array.dtype.str, array.shape)


def same(found: Any, array: np.ndarray[Any, Any]) -> bool:
    """Whether this is the array, to the bit."""
    return (found.dtype, found.shape) == (array.dtype, array.shape) and found.tobytes() == array.tobytes()


@given(_ARRAYS, _CUTS)
def test_any_array_is_the_same_in_json_msgpack_and_as_a_file(array: Any, cuts: list[int]) -> None:
    async def made() -> tuple[bytes, bytes, tuple[bytes, int, bytes]]:
        said = []
        for encoding in (JSON, MSGPACK):
            reply = Reply("result", Whole(b"null"), Pass("assembled"), composed=composed(array, cuts))
            said.append((await gathered(reply, _METHOD, encoding)).body.data)
        tag, length, pieces = await at_hand(composed(array, cuts))
        return said[0], said[1], (tag, length, b"".join([piece async for piece in pieces]))

    in_json, in_msgpack, (tag, length, file) = asyncio.run(made())
    for found in (
        from_json(json.loads(in_json)["$ndarray"]),
        from_msgpack(
            {key.decode(): one for key, one in msgpack.unpackb(in_msgpack, strict_map_key=False).items()}
        ),
    ):
        assert found is not None
        assert same(np.frombuffer(found.data, found.dtype).reshape(found.shape), array)
    assert same(np.load(io.BytesIO(file), allow_pickle=False), array)
    assert (length, tag) == (len(file), told_apart((file,)))


@given(_ARRAYS)
def test_a_file_is_what_numpy_writes_whether_its_array_was_in_json_or_not(array: Any) -> None:
    async def streamed() -> bytes:
        _, pieces = as_file(composed(array, []))
        return b"".join([piece async for piece in pieces])

    told = as_json(array_of(array.dtype.str, list(array.shape), array.tobytes()))
    written = io.BytesIO()
    np.save(written, array)
    assert as_npy(told) == asyncio.run(streamed()) == written.getvalue()


@pytest.mark.parametrize("size", [1 << 20, (1 << 20) + 1, 3 << 20])
async def test_a_large_piece_that_is_at_hand_leaves_a_little_at_a_time(size: int) -> None:
    array = np.arange(size, dtype=np.uint32).astype(np.uint8)
    tag, length, pieces = await at_hand(composed(array, []))
    sent = [bytes(piece) async for piece in pieces]
    assert max(map(len, sent)) <= 1 << 20
    assert b"".join(sent).endswith(array.tobytes())
    assert (length, tag) == (sum(map(len, sent)), told_apart(sent))


async def test_what_breaks_off_is_nothing_whole() -> None:
    async def pieces() -> Any:
        yield b"half"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await whole(Composed(8, pieces()))
