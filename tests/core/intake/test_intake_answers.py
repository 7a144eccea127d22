"""Is an answer that is written around its data the one that msgpack would write?"""

from __future__ import annotations

import msgpack
import msgpack_numpy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.arrays import Array
from gateway.core.intake.answers import MOST, before_array_data, before_data


@pytest.mark.parametrize("length", [0, 1, 255, 256, 65535, 65536, 70000])
def test_the_data_are_the_end_of_the_answer(length: int) -> None:
    data = b"\xff" * length
    said = {"format": "msgpack", "compression": "none", "container": "dataframe", "data": data}
    assert before_data("dataframe", length) + data == msgpack.packb(said)


@given(
    st.sampled_from(["<u1", ">i2", "<f8", "<c16", "|b1", "<U3", "<M8[s]"]),
    st.lists(st.integers(0, 9), max_size=4).map(tuple),
)
def test_an_array_is_read_as_msgpack_numpy_wrote_it(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.zeros(shape, dtype)
    data = array.tobytes()
    answer = msgpack.unpackb(before_array_data(array.dtype.str, shape, len(data)) + data)
    found = msgpack.unpackb(answer["data"], object_hook=msgpack_numpy.decode)
    assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, shape, data)


def test_records_keep_their_names() -> None:
    records = np.array([(1, 2.5)], [("n", "<i4"), ("x", "<f8")])
    made = Array(records.dtype, records.shape, records.tobytes())
    answer = msgpack.unpackb(before_array_data(made.dtype_name, made.shape, len(made.data)) + made.data)
    assert msgpack.unpackb(answer["data"], object_hook=msgpack_numpy.decode).tolist() == [(1, 2.5)]


def test_what_msgpack_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="more than msgpack can say"):
        before_array_data("|u1", (MOST,), MOST)
