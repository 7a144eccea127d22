"""The header of a numpy file is read as numpy reads it, in any number of threads at once."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgate._arrays import npy_header

TYPES = st.sampled_from(["|u1", "<u2", ">i4", "<f8", "|b1", "<c16", "<U7", "|S3", "<M8[us]"])


def header_of(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


@given(TYPES, st.lists(st.integers(0, 3), max_size=6), st.booleans())
def test_the_header_says_what_numpy_wrote(dtype: str, shape: list[int], backwards: bool) -> None:
    array = np.zeros(shape, dtype, order="F" if backwards else "C")
    body = header_of(array)
    header, start = npy_header(body)
    assert (np.dtype(header["descr"]), header["shape"]) == (array.dtype, array.shape)
    assert header["fortran_order"] == (array.flags.f_contiguous and not array.flags.c_contiguous)
    assert len(body) - start == array.nbytes


@pytest.mark.parametrize("shape", ["(,)", "(1 2)", "(-1,)", "(1,2", "[1]", "(1.0,)"])
def test_a_shape_that_is_none_is_not_taken_for_one(shape: str) -> None:
    text = f"{{'descr': '<u2', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    body = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    try:
        header, _ = npy_header(body)
    except (SyntaxError, ValueError):
        return
    assert (
        not isinstance(header["shape"], tuple)
        or min(header["shape"], default=0) < 0
        or header["shape"] == (1.0,)
    )


def test_many_threads_read_headers_at_once() -> None:
    bodies = [header_of(np.zeros((3, 4), "<u2")), header_of(np.zeros(3, [("a", "<i4"), ("b", "<f8")]))]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda at: npy_header(bodies[at % 2])[0]["shape"], range(4000)))
    assert found == [(3, 4), (3,)] * 2000
