"""Do values and arrays come back as they were, in both encodings, and is what cannot be said refused clearly?"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import io
import json
import math
import pathlib
import socket
import subprocess
import sys
import uuid
from typing import Any

import msgpack
import msgpack_numpy
import numpy as np
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

import labgate
from labgate._codec import Encoder, decode_json, decode_msgpack, to_json_text
from labgate.errors import BadReply
from tests.sdk.conftest import Gate, http, read_request, scripted

# A dict that is the very form of bytes or of an array is read as them: these are not "plain" ones.
NAMES = st.text(st.characters(codec="utf-8")).filter(lambda name: name not in ("$binary", "$ndarray", "nd"))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
ARRAYS = [
    np.arange(6, dtype="<f4").reshape(2, 3),
    np.arange(6, dtype=">i8").reshape(2, 3).T,
    np.asfortranarray(np.arange(24).reshape(2, 3, 4)),
    np.arange(20)[::-3],
    np.broadcast_to(np.float64(2.5), (3, 2)),
    np.array(7.5),
    np.array([]),
    np.zeros((0, 3), dtype="<u2"),
    np.array([True, False]),
    np.array([1 + 2j, math.nan]),
    np.array(["2020-01-01", "NaT"], dtype="datetime64[ns]"),
    np.array([5], dtype="timedelta64[ms]"),
    np.array(["ab", "cde"]),
    np.array([b"ab", b"c"]),
    np.array([(1, 2.5, b"x")], dtype=[("a", "<i2"), ("b", "<f8"), ("c", "S3")]),
    np.zeros(2, dtype=[("pos", "<f4", (3,)), ("in", [("x", "<i4")])]),
    np.float16([1.5]),
]


def same(one: Any, other: Any) -> bool:
    """Equal, of equal types, NaN and -0.0 included."""
    return type(one) is type(other) and repr(one) == repr(other)


@given(JSON_VALUES)
def test_what_json_can_say_comes_back_from_both_encodings(value: Any) -> None:
    text, packed = Encoder().encode(value)
    assert not packed
    assert same(decode_json(text), value)
    assert same(decode_msgpack(Encoder().encode_msgpack(value)), value)


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**400])
def test_integers_of_any_size_survive_both_encodings(number: int) -> None:
    assert decode_json(Encoder().encode([number])[0]) == [number]
    assert decode_msgpack(Encoder().encode_msgpack([number])) == [number]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}-{array.shape}")
def test_an_array_comes_back_equal_writable_and_with_its_own_memory(array: np.ndarray[Any, Any]) -> None:
    body, packed = Encoder().encode({"a": array})
    assert packed
    for back in (decode_msgpack(body)["a"], decode_json(to_json_text({"a": array}).encode())["a"]):
        assert back.dtype == array.dtype
        assert back.shape == array.shape
        assert back.tobytes() == array.tobytes()
        assert back.flags.writeable
        assert back.flags.owndata


# The package itself cannot write times.
@pytest.mark.parametrize("array", [array for array in ARRAYS if array.dtype.kind not in "mM"])
def test_arrays_are_understood_by_and_from_the_msgpack_numpy_package(array: np.ndarray[Any, Any]) -> None:
    theirs = msgpack.unpackb(Encoder().encode_msgpack(array), object_hook=msgpack_numpy.decode)
    assert theirs.tobytes() == array.tobytes()
    ours = decode_msgpack(msgpack.packb(array, default=msgpack_numpy.encode))
    assert (ours.dtype, ours.shape, ours.tobytes()) == (array.dtype, array.shape, array.tobytes())
    scalar = decode_msgpack(msgpack.packb(np.float32(1.5), default=msgpack_numpy.encode))
    assert (type(scalar), scalar) == (np.float32, 1.5)


def test_an_array_of_objects_is_refused_in_both_directions() -> None:
    with pytest.raises(TypeError, match="astype"):
        Encoder().encode([np.array([object()])])
    pickled = {b"nd": True, b"type": "|O", b"kind": b"O", b"shape": [1], b"data": b"\x80\x04N."}
    for kind in (b"O", b""):
        with pytest.raises(BadReply):
            decode_msgpack(msgpack.packb({**pickled, b"kind": kind}))
    with pytest.raises(BadReply):
        decode_json(b'{"$ndarray": {"base64": "AAAAAAAAAAA=", "dtype": "|O", "shape": [1]}}')


@pytest.mark.parametrize(
    "form",
    [
        {"base64": "AAAA", "dtype": "<f4", "shape": [1]},
        {"base64": "AAAAAA==", "dtype": "<f4", "shape": [-1]},
        {"base64": "AAAAAA==", "dtype": "<f4", "shape": [True]},
        {"base64": "AAAAAA==", "dtype": "<f4", "shape": "1"},
        {"base64": "AAAAAA==", "dtype": "<f4", "shape": [2**62, 4]},
        {"base64": "", "dtype": "<f4", "shape": [1] * 500},
        {"base64": "AAAAAA==", "dtype": "no such", "shape": [1]},
        {"base64": "AAAAAA==", "dtype": None, "shape": [1]},
        {"base64": "AAAAAA==", "dtype": 4, "shape": [1]},
        {"base64": "AAAAAA==", "dtype": [["a"]], "shape": [1]},
        {"base64": "AAAAAA==", "dtype": {"names": ["a"]}, "shape": [1]},
        {"base64": "???", "dtype": "<f4", "shape": [1]},
        {"base64": 7, "dtype": "<f4", "shape": [1]},
    ],
)
def test_a_malformed_array_in_a_reply_is_a_bad_reply(form: dict[str, Any]) -> None:
    with pytest.raises(BadReply):
        decode_json(json.dumps({"result": {"$ndarray": form}}).encode())


@pytest.mark.parametrize(
    "body", [b"", b"\xc1", b"\x92\x01", b"\x81\xa1a", b"\xc7\x01\x05x", b"\xa1\xff", b"\x91" * 5000]
)
def test_what_is_no_msgpack_is_a_bad_reply(body: bytes) -> None:
    with pytest.raises(BadReply):
        decode_msgpack(body)


def test_bytes_travel_in_both_encodings() -> None:
    body, packed = Encoder().encode([b"\0\xff", bytearray(b"x"), memoryview(b"y")])
    assert packed
    assert decode_msgpack(body) == [b"\0\xff", b"x", b"y"]
    assert decode_json(to_json_text([b"\0\xff"]).encode()) == [b"\0\xff"]


def test_a_dict_that_only_looks_like_bytes_stays_a_dict() -> None:
    for text in (
        '{"$ndarray": null}',
        '{"$ndarray": {"base64": ""}}',
        '{"$binary": 1}',
        '{"$binary": {"base64": "AA=="}, "more": 1}',
        '{"x": "$binary"}',
    ):
        assert decode_json(text.encode()) == json.loads(text)
    with pytest.raises(BadReply):
        decode_json(b'{"$binary": {"base64": "?"}}')


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Box:
    corner: tuple[int, int]
    made: datetime.date


class Mode(enum.StrEnum):
    FAST = "fast"


class Flags(enum.IntFlag):
    A = 1
    B = 2


Point = collections.namedtuple("Point", "x y")


SIMPLER = [
    (Mode.FAST, "fast"),
    (Flags.A | Flags.B, 3),
    ({Mode.FAST: [Level.HIGH]}, {"fast": [3]}),
    (Point(1, 2), [1, 2]),
    (range(3), [0, 1, 2]),
    (collections.deque([1, 2]), [1, 2]),
    ({"a": 1}.keys(), ["a"]),
    (collections.UserList([1]), [1]),
    (np.float16(1.5), 1.5),
    (np.uint64(2**64 - 1), 2**64 - 1),
    (np.ma.array([1, 2])[0], 1),
    (decimal.Decimal("1.10"), 1.1),
    (decimal.Decimal("-0.1"), -0.1),
    (decimal.Decimal("1E+3"), 1000),
    (decimal.Decimal(2) ** 90, 2**90),
    (decimal.Decimal("1E-7"), 1e-7),
    (pathlib.PureWindowsPath("C:/a"), "C:\\a"),
    (np.float32(0.5), 0.5),
    (np.int64(7), 7),
    (np.bool_(True), True),
    (np.str_("x"), "x"),
    (np.float64(0.1), 0.1),
    (np.longdouble(0.5), 0.5),
    (np.datetime64("2020-01-01T00:00:00.000000001"), "2020-01-01T00:00:00.000000001+00:00"),
    (np.datetime64("2020-01-01"), "2020-01-01"),
    (np.datetime64("NaT"), "NaT"),
    (np.timedelta64(5, "s"), "5 seconds"),
    (datetime.datetime(2020, 1, 2, 3, tzinfo=datetime.UTC).replace(tzinfo=None), "2020-01-02T03:00:00+00:00"),
    (
        datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
        "2020-01-02T00:00:00+02:00",
    ),
    (datetime.time(3, 4), "03:04:00"),
    (2**200, 2**200),
    (-(2**64), -(2**64)),
    (datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC), "2020-01-02T00:00:00+00:00"),
    (datetime.date(2020, 1, 2), "2020-01-02"),
    (pathlib.PurePosixPath("/a/b"), "/a/b"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (Colour.RED, "red"),
    (Level.HIGH, 3),
    (Box((1, 2), datetime.date(2020, 1, 2)), {"corner": [1, 2], "made": "2020-01-02"}),
    (collections.ChainMap({"a": 1}), {"a": 1}),
    ({3}, [3]),
    ((1, (2,)), [1, [2]]),
    ({1: "a", None: "b", 2.5: "d"}, {"1": "a", "null": "b", "2.5": "d"}),
]


@pytest.mark.parametrize(("value", "said"), SIMPLER, ids=lambda value: type(value).__name__)
def test_common_python_values_are_said_simply_and_equally_in_both_encodings(value: Any, said: Any) -> None:
    assert decode_json(Encoder().encode([value])[0]) == [said]
    assert decode_msgpack(Encoder().encode_msgpack([value])) == [said]


@pytest.mark.parametrize(
    "number",
    [math.nan, math.inf, -math.inf, -0.0, np.float32("nan"), decimal.Decimal("NaN"), 5e-324, 1.7e308],
)
def test_every_float_survives_both_encodings(number: Any) -> None:
    assert same(decode_json(Encoder().encode([number])[0]), [float(number)])
    assert same(decode_msgpack(Encoder().encode_msgpack([number])), [float(number)])


@pytest.mark.parametrize(
    "text", ["0.10000000000000000000000001", "1E+999999", "1E-999", "12345678901234567890.5"]
)
def test_a_decimal_that_would_be_rounded_is_refused(text: str) -> None:
    for write in (Encoder().encode, Encoder().encode_msgpack):
        with pytest.raises(TypeError, match="more digits"):
            write([decimal.Decimal(text)])


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_is_sent_with_its_own_value_or_not_at_all(number: decimal.Decimal) -> None:
    try:
        body, _ = Encoder().encode([number])
    except TypeError:
        return
    assert json.loads(body, parse_float=decimal.Decimal, parse_int=decimal.Decimal) == [number]


def test_masked_values_are_refused_and_memory_with_gaps_is_sent() -> None:
    for write in (Encoder().encode_json, Encoder().encode_msgpack):
        for masked in (np.ma.masked, np.ma.array([1, 2], mask=[0, 1])):
            with pytest.raises(TypeError, match="filled"):
                write({"a": masked})
    gaps = memoryview(b"abcde")[::2]
    assert (
        decode_json(Encoder().encode_json(gaps)) == decode_msgpack(Encoder().encode_msgpack(gaps)) == b"ace"
    )


def test_arguments_of_every_kind_reach_the_service_as_they_are_said(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    for value, said in SIMPLER:
        assert lab.jobs.anything(x=value) == {"x": said}
    assert lab.jobs.anything(x=SIMPLER[0][0], image=np.eye(2))["x"] == SIMPLER[0][1]
    with pytest.raises(TypeError, match="default="):
        lab.jobs.anything(x=datetime.timedelta(1))
    with_hook = labgate.connect(gate.url, default=lambda value: value.total_seconds())
    assert with_hook.jobs.anything(x=datetime.timedelta(1)) == {"x": 86400.0}


def test_a_column_of_a_table_is_sent_as_the_array_that_it_is() -> None:
    column = pyarrow.chunked_array([[2**63, 1], [2]], pyarrow.uint64())
    for read, write in (
        (decode_json, Encoder().encode_json),
        (decode_msgpack, Encoder().encode_msgpack),
    ):
        sent = read(write({"ids": column}))["ids"]
        assert (sent.dtype, sent.tolist()) == (np.uint64, [2**63, 1, 2])
    words = pyarrow.array(["a", None])
    assert decode_json(Encoder().encode(words)[0]) == ["a", None]


def test_a_table_is_sent_as_its_rows() -> None:
    table = pyarrow.table({"id": pyarrow.array([2**64 - 1, None], pyarrow.uint64()), "word": ["a", "b"]})
    rows = [{"id": 2**64 - 1, "word": "a"}, {"id": None, "word": "b"}]
    assert decode_json(Encoder().encode({"rows": table})[0]) == {"rows": rows}
    assert decode_msgpack(Encoder().encode_msgpack({"rows": table})) == {"rows": rows}


def test_a_value_that_cannot_be_sent_is_a_type_error_that_says_what_to_do() -> None:
    for write in (Encoder().encode, Encoder().encode_msgpack):
        with pytest.raises(TypeError, match="default="):
            write({"a": object()})
        with pytest.raises(TypeError, match="keys"):
            write({(1, 2): 3})


def test_a_value_that_contains_itself_is_refused() -> None:
    ring: list[Any] = []
    ring.append(ring)
    for write in (Encoder().encode, Encoder().encode_msgpack):
        with pytest.raises(ValueError, match=r"[Cc]ircular|nested"):
            write(ring)


def test_the_users_function_is_asked_first_and_passes_on_what_it_does_not_know() -> None:
    def hook(value: Any) -> Any:
        if isinstance(value, complex):
            return [value.real, value.imag]
        if isinstance(value, datetime.date):
            return "a day"
        raise TypeError

    for write in (
        lambda value: Encoder(hook).encode(value)[0],
        lambda value: Encoder(hook).encode_msgpack(value),
    ):
        read = decode_json if write([1j])[:1] == b"[" else decode_msgpack
        assert read(write([1j, datetime.date(2020, 1, 1), Colour.RED])) == [[0.0, 1.0], "a day", "red"]


def test_arrays_go_and_come_as_msgpack_and_everything_else_as_json(gate: Gate) -> None:
    gate.add("jobs.image", lambda _: np.eye(2), **{"x-labgate": {"result": "array"}})
    gate.add("jobs.put", lambda params: params["x"] * 2, params=[{"name": "x", "required": True}])
    lab = labgate.connect(gate.url)
    array = lab.jobs.image()
    array[0, 0] = 5
    assert array.tolist() == [[5, 0], [0, 1]]
    assert lab.jobs.put(np.arange(3)).tolist() == [0, 2, 4]
    assert lab.jobs.put(4) == 8
    kinds = [
        (h["content-type"].partition("/")[2], "msgpack" in h["accept"])
        for verb, _, h, _ in gate.requests
        if verb == "POST"
    ]
    assert kinds == [("json", True), ("msgpack", True), ("json", False)]


def numpy_file(array: np.ndarray[Any, Any]) -> bytes:
    """The array as numpy saves it."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def answered_as_npy(body: bytes) -> Any:
    """The result of a call whose whole reply is this."""
    method = {"name": "s.a", "params": [], "x-labgate": {"result": "array"}}

    def answers(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(http(json.dumps({"openrpc": "1.3.2", "methods": [method]}).encode()))
        read_request(connection)
        connection.sendall(http(body, kind="application/x-npy"))

    with scripted(answers) as url:
        return labgate.connect(url).s.a()


@pytest.mark.parametrize("array", ARRAYS)
def test_a_numpy_file_as_the_whole_reply_is_the_array(array: np.ndarray[Any, Any]) -> None:
    found = answered_as_npy(numpy_file(array))
    assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert found.flags.writeable


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x93NUMPY",
        numpy_file(np.eye(2))[1:],
        numpy_file(np.eye(2)).replace(b"'descr'", b"'decsr'"),
        numpy_file(np.eye(2)).replace(b"(2, 2)", b"(5-1,)"),
        numpy_file(np.eye(2))[:-1],
        numpy_file(np.eye(2)) + b"x",
        numpy_file(np.array([{}], dtype=object)),
        numpy_file(np.eye(2)).replace(b"(2, 2)", b"(9**9"),
    ],
)
def test_what_is_no_numpy_file_or_holds_objects_is_a_bad_reply(body: bytes) -> None:
    with pytest.raises(BadReply):
        answered_as_npy(body)


def test_a_tables_rows_stay_the_plain_values_that_they_are(gate: Gate) -> None:
    rows = [{"uid": "J1", "state": None}, {"uid": "J2", "n": 2**70}]
    gate.add("jobs.rows", rows, **{"x-labgate": {"result": "table"}})
    gate.add("jobs.raw", b"\x00\xff", **{"x-labgate": {"result": "bytes"}})
    gate.add("jobs.nested", [[1, 2], [3, 4]], **{"x-labgate": {"result": "array"}})
    lab = labgate.connect(gate.url)
    assert lab.jobs.rows() == rows
    assert lab.jobs.raw() == b"\x00\xff"
    assert lab.jobs.nested() == [[1, 2], [3, 4]]


def test_without_msgpack_arrays_go_as_json_and_without_numpy_they_are_a_clear_error(
    gate: Gate, tmp_path: Any
) -> None:
    gate.add("jobs.put", lambda params: params["x"], params=[{"name": "x", "required": True}])
    gate.add("jobs.image", lambda _: np.eye(2), **{"x-labgate": {"result": "array"}})
    start = f"import sys, labgate\nlab = labgate.connect({gate.url!r}, cache_dir={str(tmp_path)!r})\n"
    for code in (
        "sys.modules['msgpack'] = None\nimport numpy\nassert (lab.jobs.put(numpy.eye(2)) == numpy.eye(2)).all()",
        (
            "sys.modules['numpy'] = sys.modules['msgpack'] = None\n"
            "try: lab.jobs.image()\n"
            "except labgate.errors.MissingExtra as error: assert 'labgate[arrays]' in str(error)\n"
            "else: sys.exit('it came without numpy')\n"
            "assert lab.jobs.put(b'bytes') == b'bytes'"
        ),
    ):
        subprocess.run([sys.executable, "-c", start + code], check=True)
