"""JSON and msgpack say the same: held against a slow reading of both into what they mean."""

import base64
import json
import math
import struct
from typing import Any

import msgpack
import numpy as np
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.core.transcode import NotSayable, TooDeep, json_to_msgpack, msgpack_to_json

# --- what a text means -----------------------------------------------------------------------------------


class CannotSayError(Exception):
    """The model's word for what the other encoding cannot say."""


def _double(number: float) -> tuple[str, object]:
    return ("float", "nan") if math.isnan(number) else ("float", struct.pack(">d", number))


def _double_of_text(token: str) -> tuple[str, object]:
    number = float(token)
    mantissa = token.lower().split("e")[0]
    if math.isinf(number) or (number == 0 and any(digit in mantissa for digit in "123456789")):
        raise CannotSayError
    return _double(number)


def _text(text: str) -> tuple[str, str]:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise CannotSayError
    return ("text", text)


def _object(pairs: list[tuple[str, Any]]) -> tuple[str, object]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise CannotSayError
    members = [(_text(name), _tagged(value)) for name, value in pairs]
    if [name for name, _ in pairs] == ["$binary"]:
        form = members[0][1]
        if form[0] == "object" and [name for name, _ in form[1]] == [("text", "base64")]:
            inner = form[1][0][1]
            if inner[0] != "text":
                raise CannotSayError
            try:
                return ("bytes", base64.b64decode(inner[1], validate=True))
            except ValueError:
                raise CannotSayError from None
    return ("object", members)


def _tagged(value: Any) -> Any:
    if isinstance(value, tuple):
        return value
    if isinstance(value, list):
        return ("array", [_tagged(item) for item in value])
    return _text(value) if isinstance(value, str) else ("literal", value)


def meaning_of_json(raw: bytes) -> Any:
    return _tagged(
        json.loads(
            raw.decode(),
            object_pairs_hook=_object,
            parse_int=lambda token: ("int", int(token)),
            parse_float=_double_of_text,
            parse_constant=lambda name: _double(float(name)),
        )
    )


def _packed(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return ("literal", value)
    if isinstance(value, int):
        return ("int", value)
    if isinstance(value, float):
        return _double(value)
    if isinstance(value, msgpack.ExtType):
        assert value.code == 1
        return ("int", int(value.data))
    if isinstance(value, list):
        return ("array", [_packed(item) for item in value])
    if isinstance(value, bytes):
        return ("bytes", value)
    return _text(value) if isinstance(value, str) else value


def meaning_of_msgpack(raw: bytes) -> Any:
    return _packed(
        msgpack.unpackb(
            raw,
            object_pairs_hook=lambda pairs: (
                "object",
                [(_packed(key), _packed(value)) for key, value in pairs],
            ),
        )
    )


# --- JSON to msgpack and back ----------------------------------------------------------------------------

HARD_NUMBERS = [
    *("18446744073709551615", "18446744073709551616", "-9223372036854775808", "-9223372036854775809"),
    *("9" * 19, "-" + "9" * 19, "9" * 19 + ".0", "0.00012345678901234567890", "0.1", "1E+2", "-0", "-0.0"),
    *("1e400", "1e-400", "0e999", "0.0e-999", "5e-324", "1e308", "1.7976931348623159e308"),
    *("1" * 310 + ".5", "0." + "0" * 330 + "1"),
]
NUMBERS = st.sampled_from(HARD_NUMBERS) | st.from_regex(
    r"\A-?(0|[1-9][0-9]{0,22})(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,3})?\Z"
)
STRINGS = st.text(max_size=4).map(json.dumps) | st.sampled_from(
    [
        '"\\ud800"',
        '"\\u00e9"',
        '"\u00e9"',
        '"\\/\\n"',
        '"null"',
        '"$binary"',
        '"base64"',
        '"AAAA"',
        '"nd"',
        '"data"',
    ]
)
SCALARS = NUMBERS | STRINGS | st.sampled_from(["true", "false", "null", "NaN", "Infinity", "-Infinity"])


def _containers(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.lists(st.tuples(STRINGS, values), max_size=4)
    return (
        st.lists(values, max_size=6).map(lambda items: "[" + ", ".join(items) + "]")
        | members.map(lambda pairs: "{" + ",".join(f"{name}: {value}" for name, value in pairs) + "}")
        | values.map(lambda value: '{"$binary": {"base64": ' + value + "}}")
        | values.map(lambda value: '{"$binary": ' + value + "}")
    )


TEXTS = st.recursive(SCALARS, _containers, max_leaves=15)


@settings(max_examples=1500)
@given(TEXTS | st.lists(NUMBERS, max_size=9).map(lambda items: "[" + ",".join(items) + "]"))
@example('{"a": [1], "a": [1]}')
@example('[0.012345678901234567, "x"]')
@example('{"$binary": {"base64": "AAA"}}')
@example('{"$binary": {"base64": 1}}')
@example('{"$binary": {"base64": "AA==", "x": 1}}')
def test_json_means_the_same_in_msgpack_or_cannot_be_said(text: str) -> None:
    raw = text.encode()
    try:
        meaning = meaning_of_json(raw)
    except CannotSayError:
        with pytest.raises(NotSayable):
            json_to_msgpack(raw)
        return
    packed = json_to_msgpack(raw)
    assert meaning_of_msgpack(packed) == meaning
    # And back again: the same value, though perhaps spelled otherwise.
    assert meaning_of_json(msgpack_to_json(packed)) == meaning


@pytest.mark.parametrize("raw", [b"", b"[1", b"nul", b"[1,]", b'"\x01"', b'"\xff"', b"{} {}"])
def test_what_is_no_json_cannot_be_said(raw: bytes) -> None:
    with pytest.raises(NotSayable):
        json_to_msgpack(raw)


def test_integers_of_any_length_go_both_ways_as_their_decimal_text() -> None:
    digits = b"-" + b"7" * 6000
    packed = json_to_msgpack(b'{"a":[' + digits + b"]}")
    assert msgpack.unpackb(packed) == {"a": [msgpack.ExtType(1, digits)]}
    assert msgpack_to_json(packed) == b'{"a":[' + digits + b"]}"
    assert json_to_msgpack(digits) == msgpack.packb(msgpack.ExtType(1, digits))


@pytest.mark.parametrize("opener", [b"[", b'{"a":'])
def test_depth_is_capped_both_ways_and_the_cap_is_exact(opener: bytes) -> None:
    closer = b"]" if opener == b"[" else b"}"
    for depth, cap in ((512, 512), (300, 300), (3, 3)):
        raw = opener * depth + b"1" + closer * depth
        packed = json_to_msgpack(raw, max_depth=cap)
        assert msgpack_to_json(packed, max_depth=cap) == raw
        with pytest.raises(TooDeep):
            json_to_msgpack(raw, max_depth=cap - 1)
        with pytest.raises(TooDeep):
            msgpack_to_json(packed, max_depth=cap - 1)
    with pytest.raises(TooDeep):
        json_to_msgpack(b"[" * 100_000 + b"]" * 100_000)
    with pytest.raises(NotSayable):
        msgpack_to_json(b"\x91" * 100_000 + b"\xc0")


def test_the_order_of_members_is_kept() -> None:
    raw = b'{"b":1,"a":{"z":null,"y":[NaN]},"$":2}'
    assert msgpack_to_json(json_to_msgpack(raw)) == raw


# --- msgpack to JSON -------------------------------------------------------------------------------------

SHALLOW = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.floats(width=32)
    | st.text(max_size=4)
    | st.binary(max_size=6)
    | st.sampled_from(["null", "NaN", "nd"])
    | st.integers(2**64, 2**90).map(lambda number: msgpack.ExtType(1, str(number).encode())),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
        | st.lists(st.floats(), min_size=1, max_size=5)
    ),
    max_leaves=12,
)
# orjson writes 254 levels and no more.
VALUES = SHALLOW | SHALLOW.map(lambda value: _wrapped(value, 260))


def _wrapped(value: object, levels: int) -> object:
    for level in range(levels):
        value = [value] if level % 2 else {"k": value, "n": None}
    return value


@settings(max_examples=1000)
@given(VALUES)
@example([math.nan, None, "null"])
@example(math.inf)
def test_msgpack_means_the_same_in_json_and_comes_back_as_the_same_bytes(value: Any) -> None:
    packed = msgpack.packb(value)
    raw = msgpack_to_json(packed)
    assert meaning_of_json(raw) == meaning_of_msgpack(packed)
    if not _has_nan(value):
        assert json_to_msgpack(raw) == packed


@settings(max_examples=200)
@given(st.lists(st.none() | st.floats(width=32), max_size=5))
def test_single_floats_are_said_with_all_their_digits(values: list[float | None]) -> None:
    packed = msgpack.packb(values, use_single_float=True)
    assert meaning_of_json(msgpack_to_json(packed)) == meaning_of_msgpack(packed)


def _has_nan(value: Any) -> bool:
    """Whether there is a NaN: its payload bits are the one thing that JSON has no words for."""
    if isinstance(value, float):
        return math.isnan(value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return any(map(_has_nan, inner))


@settings(max_examples=300)
@given(st.binary(max_size=12) | VALUES.map(lambda value: msgpack.packb(value)[:-1]))
def test_any_bytes_become_json_or_cannot_be_said(raw: bytes) -> None:
    try:
        text = msgpack_to_json(raw)
    except NotSayable:
        return
    json.loads(text)


@pytest.mark.parametrize(
    "raw",
    [
        msgpack.packb({1: 2}),
        msgpack.packb({b"a": 2}),
        msgpack.packb({None: 2}),
        msgpack.packb({1.5: 2, "a": 1}),
        b"\x81\x91\x01\x01",
        b"\x82\xa1a\x01\xa1a\x01",
        msgpack.packb([msgpack.ExtType(2, b"12")]),
        msgpack.packb([msgpack.ExtType(1, b"012")]),
        msgpack.packb([msgpack.ExtType(1, b"1e5")]),
        msgpack.packb([msgpack.ExtType(1, "\u0661".encode())]),
        msgpack.packb(msgpack.Timestamp(1)),
        msgpack.packb({"a": [msgpack.Timestamp(1, 5)]}),
        msgpack.packb(_wrapped([msgpack.Timestamp(1)], 260)),
        b"\xa1\xff",
        b"\xa3\xed\xa0\x80",
        b"\x81\xa1\xff\x01",
        b"\xc1",
        b"",
        b"\x01\x01",
        b"\x92\x01",
    ],
)
def test_what_json_cannot_say_is_never_bent_into_it(raw: bytes) -> None:
    with pytest.raises(NotSayable):
        msgpack_to_json(raw)


def test_random_floats_that_look_like_nan_in_the_bytes_are_not_taken_for_it() -> None:
    # The bytes 7f ff stand within this float, behind another that ends in cb.
    first = struct.unpack(">d", bytes.fromhex("3ff00000000000cb"))[0]
    second = struct.unpack(">d", bytes.fromhex("3fcb7ff000000000"))[0]
    value = [None, first, second, "null"]
    assert orjson.loads(msgpack_to_json(msgpack.packb(value))) == value


# --- bytes and arrays ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", ["<f4", ">f8", "|b1", "<i2", ">u8", "<c16", "<M8[ns]", "<m8[s]", "<U3", "|S2", "<f2"]
)
@pytest.mark.parametrize("shape", [(), (0,), (2,), (2, 0, 3), (2, 3)])
def test_arrays_go_both_ways_as_the_same_bytes(dtype: str, shape: tuple[int, ...]) -> None:
    size = np.dtype(dtype).itemsize * math.prod(shape)
    array = np.ndarray(shape, dtype, buffer=bytes(index % 7 for index in range(size)))
    packed = msgpack.packb(
        # As msgpack-numpy writes it, which itself fails on times.
        {"a": [{b"nd": True, b"type": dtype, b"kind": b"", b"shape": shape, b"data": array.tobytes()}]}
    )
    raw = msgpack_to_json(packed)
    form = json.loads(raw)["a"][0]
    assert form == {
        "$ndarray": {
            "base64": base64.b64encode(array.tobytes()).decode(),
            "dtype": array.dtype.str,
            "shape": list(shape),
        }
    }
    assert json_to_msgpack(raw) == packed


def test_arrays_of_records_go_both_ways() -> None:
    import msgpack_numpy

    array = np.zeros(3, np.dtype([("x", "<f4"), ("pos", ">i2", (2,)), ("in", [("y", "|u1")])]))
    packed = msgpack.packb(array, default=msgpack_numpy.encode)
    raw = msgpack_to_json(packed)
    assert json.loads(raw)["$ndarray"]["dtype"] == [["x", "<f4"], ["pos", ">i2", [2]], ["in", [["y", "|u1"]]]]
    again = msgpack.unpackb(json_to_msgpack(raw), object_hook=msgpack_numpy.decode)
    assert again.dtype == array.dtype
    assert again.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("scalar", "text"),
    [
        (np.float32(0.1), b"0.10000000149011612"),
        (np.float64("nan"), b"NaN"),
        (np.float16("-inf"), b"-Infinity"),
        (np.uint64(2**64 - 1), b"18446744073709551615"),
        (np.bool_(True), b"true"),
        (np.complex64(1j), b'{"$ndarray":{"base64":"AAAAAAAAgD8=","dtype":"<c8","shape":[]}}'),
    ],
)
def test_numpy_scalars_become_numbers_where_json_has_such(scalar: np.generic, text: bytes) -> None:
    import msgpack_numpy

    assert msgpack_to_json(msgpack.packb([scalar], default=msgpack_numpy.encode)) == b"[" + text + b"]"


def test_arrays_can_be_said_as_lists() -> None:
    import msgpack_numpy

    value = {"a": np.array([[1.5, np.nan], [-np.inf, 0.1]], ">f4"), "n": None, "b": b"x", "s": np.int8(-3)}
    raw = msgpack_to_json(msgpack.packb(value, default=msgpack_numpy.encode), "lists")
    assert raw == (
        b'{"a":[[1.5,NaN],[-Infinity,0.10000000149011612]],"n":null,"b":{"$binary":{"base64":"eA=="}},"s":-3}'
    )
    with pytest.raises(NotSayable):
        msgpack_to_json(msgpack.packb(np.complex64(1), default=msgpack_numpy.encode), "lists")


@pytest.mark.parametrize("kind", [b"O", "O"])
def test_pickled_objects_are_refused(kind: object) -> None:
    raw = msgpack.packb(
        {b"nd": True, b"type": "|O", b"kind": kind, b"shape": [1], b"data": b"cos\nsystem\n."}
    )
    with pytest.raises(NotSayable, match="never read"):
        msgpack_to_json(raw)
    form = {"$ndarray": {"base64": "AAAAAAAAAAA=", "dtype": "|O", "shape": [1]}}
    with pytest.raises(NotSayable, match="never read"):
        json_to_msgpack(json.dumps(form).encode())


def test_keys_of_an_array_map_may_be_texts_and_other_maps_with_nd_stay_maps() -> None:
    array = {"nd": True, "type": "<i2", "kind": "", "shape": [1], "data": b"\x01\x00"}
    assert msgpack_to_json(msgpack.packb(array), "lists") == b"[1]"
    without_kind = {name: value for name, value in array.items() if name != "kind"}
    assert msgpack_to_json(msgpack.packb(without_kind), "lists") == b"[1]"
    for other in ({"nd": True}, {"nd": 1, "data": "x"}, {**array, "more": 1, "data": "x"}):
        assert json.loads(msgpack_to_json(msgpack.packb(other))) == other
    with pytest.raises(NotSayable):
        msgpack_to_json(msgpack.packb({b"nd": True, b"x": 1}))
    with pytest.raises(NotSayable):
        msgpack_to_json(msgpack.packb({**array, b"nd": True}))
