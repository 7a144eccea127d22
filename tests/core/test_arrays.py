"""Arrays as `$ndarray`, as msgpack-numpy's map and as plain lists: every number exactly."""

import base64
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gateway.core import arrays
from gateway.core.arrays import NotSayable, array, as_json, as_lists, to_upstream


def of(values: np.ndarray[Any, Any]) -> arrays.Array:
    return array(values.dtype.str, list(values.shape), values.tobytes())


NUMBER_TYPES = hnp.integer_dtypes(endianness="?") | hnp.unsigned_integer_dtypes(endianness="?")
NUMBER_TYPES = NUMBER_TYPES | hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)) | hnp.boolean_dtypes()


@settings(max_examples=500)
@given(hnp.arrays(NUMBER_TYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)))
def test_lists_read_back_as_exactly_the_same_numbers(values: np.ndarray[Any, Any]) -> None:
    read = json.loads(as_lists(of(values)))
    again = np.array(read, dtype=values.dtype).reshape(values.shape)
    if values.dtype.kind == "f":
        nan = np.isnan(values)
        assert (np.isnan(again) == nan).all()
        assert (np.signbit(again) == np.signbit(values))[~nan].all()
        # The text is the very value, not only one that rounds to it.
        for number, token in zip(
            values.ravel().tolist(), np.array(read, dtype=np.float64).ravel(), strict=True
        ):
            assert number == token or math.isnan(number)
        values, again = values[~nan], again[~nan]
    assert (again == values).all()


@settings(max_examples=100)
@given(
    hnp.arrays(
        np.dtype("<U3"), hnp.array_shapes(min_dims=0), elements=st.text("a\u00e9\U0001f600", max_size=3)
    )
)
def test_texts_have_lists_too(values: np.ndarray[Any, Any]) -> None:
    assert json.loads(as_lists(of(values))) == values.tolist()


def test_nan_and_infinities_keep_their_places_and_minus_zero_its_sign() -> None:
    values = np.array([[np.nan, -0.0, np.inf], [1e300, -np.inf, 5e-324]])
    assert as_lists(of(values)) == b"[[NaN,-0.0,Infinity],[1e+300,-Infinity,5e-324]]"


def test_truth_values_are_literals_whatever_byte_stands_for_true() -> None:
    assert as_lists(array("|b1", [3], b"\x00\x01\x02")) == b"[false,true,true]"


@pytest.mark.parametrize("dtype", ["<c8", "<M8[s]", "<m8[ns]", "|S3", "|V4", "<f16", "<U0"])
def test_what_has_no_plain_number_has_no_lists(dtype: str) -> None:
    with pytest.raises(NotSayable):
        as_lists(array(dtype, [2], bytes(2 * np.dtype(dtype).itemsize)))


def test_a_text_array_that_holds_no_text_has_no_lists() -> None:
    for code in (0xD800, 0x110000, 0xFFFFFFFF):
        with pytest.raises(NotSayable):
            as_lists(array("<U1", [1], code.to_bytes(4, "little")))


def test_an_empty_array_cannot_blow_up_into_lists() -> None:
    assert as_lists(array("<f4", [2, 0, 10**9], b"")) == b"[[],[]]"
    with pytest.raises(NotSayable):
        as_lists(array("<f4", [70_000, 0], b""))


BAD_PARTS: dict[str, tuple[object, object, bytes]] = {
    "too few bytes": ("<f4", [2], bytes(7)),
    "too many bytes": ("<f4", [2], bytes(9)),
    "negative length": ("<f4", [-1], b""),
    "length true": ("|u1", [True], b"x"),
    "length a float": ("|u1", [1.0], b"x"),
    "shape a number": ("|u1", 1, b"x"),
    "shape missing": ("|u1", None, b"x"),
    "65 dimensions": ("|u1", [1] * 65, b"x"),
    "huge length": ("|u1", [0, 10**30], b""),
    "unknown dtype": ("<f3", [1], bytes(3)),
    "no dtype": ("nonsense", [1], b"x"),
    "several fields in a text": ("i4,i4", [1], bytes(8)),
    "sub-array in a text": ("(2,)f4", [1], bytes(8)),
    "dtype a number": (4, [1], bytes(4)),
    "dtype missing": (None, [1], bytes(8)),
    "object": ("|O", [1], bytes(8)),
    "object by name": ("object", [1], bytes(8)),
    "object in a record": ([["a", "|O"]], [1], bytes(8)),
    "record without fields": ([], [1], b""),
    "record with a field twice": ([["a", "<f4"], ["a", "<f4"]], [1], bytes(8)),
    "record with odd fields": ([["a"]], [1], b""),
    "record with a field that is a text": (["ab"], [1], b""),
    "record with a nameless field": ([[1, "<f4"]], [1], bytes(4)),
    "record with a bad shape": ([["a", "<f4", [-1]]], [1], bytes(4)),
    "record with a huge shape": ([["a", "<f4", [10**12]]], [1], bytes(4)),
}


@pytest.mark.parametrize(("dtype", "shape", "data"), BAD_PARTS.values(), ids=BAD_PARTS)
def test_parts_that_do_not_fit_make_no_array(dtype: object, shape: object, data: bytes) -> None:
    with pytest.raises(NotSayable):
        array(dtype, shape, data)


def test_records_within_records_have_an_end() -> None:
    dtype: list[Any] = [["a", "<f4"]]
    for _ in range(400):
        dtype = [["a", dtype]]
    with pytest.raises(NotSayable):
        array(dtype, [1], bytes(4))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("float32", "<f4"), ("uint8", "|u1"), ("bool", "|b1"), ("datetime64[ns]", "<M8[ns]")],
)
def test_dtypes_by_name_are_read_and_written_as_numpys_text(name: str, expected: str) -> None:
    assert array(name, [0], b"").dtype_name == expected


# --- params on their way to a service --------------------------------------------------------------------

PAIR = as_json(of(np.array([1, 2], "<i2")))


def test_only_the_spans_of_arrays_change() -> None:
    params = b' { "a" : [ 1E400 , %b ], "b\\u0062":"\\ud800", "c" :{ "d": %b } , "n":NaN }\n' % (PAIR, PAIR)
    assert to_upstream(params, "lists") == params.replace(PAIR, b"[1,2]")
    assert to_upstream(params, "ndarray") is params


def test_params_without_arrays_are_the_same_object() -> None:
    params = b'{"a": {"$binary": {"base64": "AA=="}}}'
    assert to_upstream(params, "lists") is params


def test_an_array_may_be_spaced_and_its_members_in_any_order() -> None:
    params = b'[{ "$ndarray"\n: {"shape": [ ], "dtype":"float64", "base64": "AAAAAAAA8H8="} }]'
    assert to_upstream(params, "lists") == b"[Infinity]"


@pytest.mark.parametrize(
    "params",
    [
        b'["{\\"$ndarray\\": {", "$ndarray"]',
        b'{"$ndarray": 5}',
        b'{"$ndarray": {"base64": "AA==", "dtype": "|u1"}}',
        b'{"$ndarray": {"base64": "AA==", "dtype": "|u1", "shape": [1], "more": 1}}',
        b'{"$ndarray": {"base64": "AA==", "dtype": "|u1", "shape": [1], "shape": [1]}}',
        b'{"$ndarray": {"base64": "AA==", "dtype": "|u1", "shape": [1]}, "more": 1}',
        b'{"$ndarray": {"base64": "AA==", "dtype": "|u1", "shape": [%b]}}' % (b"[" * 400 + b"]" * 400),
        b'{"$ndarray": {"base64": "AA==", "dtype": "|u1", "shape": %b}, "x": 1}' % (b"7" * 5000),
    ],
)
def test_what_only_resembles_an_array_stays(params: bytes) -> None:
    if params.count(b"[") > 100:
        with pytest.raises(NotSayable):
            arrays.from_json({"base64": "AA==", "dtype": "|u1", "shape": [[[]]]})
    assert to_upstream(params, "lists") == params


def test_arrays_are_found_within_what_only_resembles_one() -> None:
    params = b'{"$ndarray": {"x": %b}, "y": {"$ndarray": [%b]}}' % (PAIR, PAIR)
    assert to_upstream(params, "lists") == params.replace(PAIR, b"[1,2]")


@pytest.mark.parametrize(
    "form",
    [
        {"base64": "AA=", "dtype": "|u1", "shape": [1]},
        {"base64": "A A=", "dtype": "|u1", "shape": [1]},
        {"base64": "\u00e9", "dtype": "|u1", "shape": [1]},
        {"base64": 1, "dtype": "|u1", "shape": [1]},
        {"base64": "AA==", "dtype": "|u1", "shape": [2]},
        {"base64": "AA==", "dtype": "|O", "shape": [1]},
        {"base64": base64.b64encode(bytes(8)).decode(), "dtype": "<c8", "shape": [1]},
    ],
)
def test_an_array_that_is_malformed_or_has_no_lists_is_refused(form: dict[str, object]) -> None:
    with pytest.raises(NotSayable):
        to_upstream(json.dumps([{"$ndarray": form}]).encode(), "lists")
