"""Requests in msgpack: the numbered cases that make sense there, and answers spliced around bytes."""

import math
from collections.abc import Iterable
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import msgpack_envelope
from gateway.core.envelope import Batch, Invalid, Refused, Request, Single
from gateway.core.msgpack_envelope import read
from gateway.core.transcode import msgpack_to_json

INVALID = -32600
PARSE = -32700
UNREPRESENTABLE = -32009
BIG = msgpack.ExtType(1, b"123456789012345678901234567890")


def pack(value: object) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


def pairs(*members: tuple[object, object]) -> bytes:
    """A map of these members, in this order, also when a key is there twice."""
    return bytes([0x80 | len(members)]) + b"".join(pack(key) + pack(value) for key, value in members)


def body(**members: object) -> bytes:
    return pack({"jsonrpc": "2.0", "method": "sub", **members})


VALID: dict[str, tuple[bytes, Request]] = {
    "1 by position": (body(params=[42, 23], id=1), Request("sub", b"[42,23]", b"\x01")),
    "3 by name": (
        body(params={"b": 2, "a": "\u00e9"}, id=1),
        Request("sub", '{"b":2,"a":"\u00e9"}'.encode(), b"\x01"),
    ),
    "4 no params": (body(id=1), Request("sub", None, b"\x01")),
    "5 empty array": (body(params=[], id=1), Request("sub", b"[]", b"\x01")),
    "6 empty map": (body(params={}, id=1), Request("sub", b"{}", b"\x01")),
    "7 nil params": (body(params=None, id=1), Request("sub", None, b"\x01")),
    "21 extra members": (body(id=1, x={"id": 2}, y=msgpack.ExtType(9, b"")), Request("sub", None, b"\x01")),
    "21 extra keys of any type": (
        pairs(("jsonrpc", "2.0"), (b"method", "x"), (1, 2), ("method", "sub"), ("id", 1)),
        Request("sub", None, b"\x01"),
    ),
    "28 text id": (body(id="1"), Request("sub", None, b"\xa11")),
    "29 id in a long form": (
        b"\x83\xa7jsonrpc\xa32.0\xa6method\xa3sub\xa2id\xd3" + bytes(8),
        Request("sub", None, b"\xd3" + bytes(8)),
    ),
    "34 big id": (body(id=BIG), Request("sub", None, pack(BIG))),
    "35 fraction": (body(id=1.5), Request("sub", None, pack(1.5))),
    "38 nil id": (body(id=None), Request("sub", None, b"\xc0")),
    "41 notification": (body(params=[1]), Request("sub", b"[1]", None)),
    "73 large integers": (
        body(params=[2**64 - 1, BIG], id=1),
        Request("sub", b"[18446744073709551615,%b]" % BIG.data, b"\x01"),
    ),
    "74 minus zero": (body(params=[-0.0], id=1), Request("sub", b"[-0.0]", b"\x01")),
    "75 NaN": (body(params=[math.nan, -math.inf], id=1), Request("sub", b"[NaN,-Infinity]", b"\x01")),
    "84 any method name": (
        pack({"jsonrpc": "2.0", "method": "__proto__ \U0001f600" * 999, "id": 1}),
        Request("__proto__ \U0001f600" * 999, None, b"\x01"),
    ),
    "bytes and arrays": (
        body(
            params=[
                b"\x00\xff",
                {b"nd": True, b"type": "<f4", b"kind": b"", b"shape": [1], b"data": b"\0\0\x80?"},
            ],
            id=1,
        ),
        Request(
            "sub",
            b'[{"$binary":{"base64":"AP8="}},{"$ndarray":{"base64":"AACAPw==","dtype":"<f4","shape":[1]}}]',
            b"\x01",
        ),
    ),
}


@pytest.mark.parametrize(("raw", "expected"), VALID.values(), ids=VALID)
def test_a_valid_request_has_params_in_json_and_the_id_as_it_came(raw: bytes, expected: Request) -> None:
    assert read(raw) == Single(expected, "msgpack")
    assert read(b"\x91" + raw) == Batch((expected,), "msgpack")


INVALID_ENTRIES: dict[str, tuple[bytes, bytes]] = {
    "8 params text": (body(params="x", id=1), b"\x01"),
    "8 params number": (body(params=1, id="a"), b"\xa1a"),
    "8 params a numpy scalar": (
        body(params={b"nd": False, b"type": "<f4", b"data": bytes(4)}, id=1),
        b"\x01",
    ),
    "13 no method": (pack({"jsonrpc": "2.0", "id": 1}), b"\x01"),
    "14 method number": (body(method=1, id=1), b"\x01"),
    "14 method bytes": (body(method=b"sub", id=1), b"\x01"),
    "15 method nil": (body(method=None, id=[]), b"\xc0"),
    "17 no jsonrpc": (pack({"method": "sub", "id": 1}), b"\x01"),
    "18 1.0": (body(jsonrpc="1.0", id=1), b"\x01"),
    "19 2.0 the number": (body(jsonrpc=2.0, id=1), b"\x01"),
    "23 no member of ours": (pack({"foo": "boo"}), b"\xc0"),
    "24 text": (pack("text"), b"\xc0"),
    "27 nil": (pack(None), b"\xc0"),
    "39 array id": (body(id=[]), b"\xc0"),
    "39 map id": (body(id={}), b"\xc0"),
    "39 true id": (body(id=True), b"\xc0"),
    "39 bytes id": (body(id=b"1"), b"\xc0"),
    "39 NaN id": (body(id=math.nan), b"\xc0"),
    "39 other ext id": (body(id=msgpack.ExtType(1, b"x")), b"\xc0"),
    "39 timestamp id": (body(id=msgpack.Timestamp(1)), b"\xc0"),
    "76 method twice": (pairs(("jsonrpc", "2.0"), ("method", "a"), ("method", "b"), ("id", 1)), b"\x01"),
    "76 id twice": (pairs(("jsonrpc", "2.0"), ("method", "a"), ("id", 1), ("id", 1)), b"\xc0"),
}


@pytest.mark.parametrize(("raw", "id_"), INVALID_ENTRIES.values(), ids=INVALID_ENTRIES)
def test_what_is_no_request_is_invalid_with_the_id_where_it_is_known(raw: bytes, id_: bytes) -> None:
    single = read(raw)
    assert isinstance(single, Single)
    assert isinstance(single.entry, Invalid)
    assert (single.entry.code, single.entry.id, single.encoding) == (INVALID, id_, "msgpack")
    assert read(b"\x92" + raw + raw) == Batch((single.entry, single.entry), "msgpack")


@pytest.mark.parametrize("value", [msgpack.ExtType(9, b"x"), msgpack.Timestamp(1), {1: 2}, {b"a": 1}])
def test_params_that_json_cannot_say_are_invalid_on_their_own(value: object) -> None:
    good = body(params=[1], id=2)
    batch = read(b"\x92" + body(params=[value], id=1) + good)
    assert isinstance(batch, Batch)
    first, second = batch.entries
    assert isinstance(first, Invalid)
    assert (first.code, first.id) == (UNREPRESENTABLE, b"\x01")
    assert second == Request("sub", b"[1]", b"\x02")


REFUSED: dict[str, tuple[bytes, int]] = {
    "empty": (b"", PARSE),
    "46 truncated": (body(params=[1, 2, 3], id=1)[:-1], PARSE),
    "47 empty batch": (b"\x90", INVALID),
    "53 broken batch": (b"\x92" + body(id=1) + b"\x84\xa2id", PARSE),
    "53 batch without entries": (b"\x93" + body(id=1), PARSE),
    "59 long batch": (b"\xdc\x00\x0b" + b"\x01" * 11, INVALID),
    "59 a length that is not there": (b"\xdd\xff\xff\xff\xff", INVALID),
    "77 deep": (b"\x91" * 100_000, PARSE),
    "77 deep params": (body(params=msgpack.unpackb(b"\x91" * 600 + b"\xc0"), id=1), PARSE),
    "77 deep extra": (b"\x81\xa1x" + b"\x91" * 2000 + b"\xc0", PARSE),
    "80 invalid UTF-8 method": (b"\x83\xa7jsonrpc\xa32.0\xa6method\xa1\xff\xa2id\x01", PARSE),
    "80 invalid UTF-8 key": (b"\x81\xa1\xff\x01", PARSE),
    "82 two messages": (body(id=1) * 2, PARSE),
    "never used code": (b"\xc1", PARSE),
    "JSON": (b'{"jsonrpc":"2.0"}', PARSE),
    "a map that is not there": (b"\xdf\xff\xff\xff\xff", PARSE),
}


@pytest.mark.parametrize(("raw", "code"), REFUSED.values(), ids=REFUSED)
def test_a_body_that_cannot_be_read_is_refused_whole(raw: bytes, code: int) -> None:
    refused = read(raw, max_batch=10)
    assert isinstance(refused, Refused)
    assert refused.code == code


def test_depth_counts_the_whole_body_and_the_limit_is_exact() -> None:
    for depth in (1, 2, 40):
        raw = body(params=msgpack.unpackb(b"\x91" * (depth - 1) + b"\x90"), id=1)
        assert type(read(raw, max_depth=depth + 1)) is Single
        assert type(read(raw, max_depth=depth)) is Refused
        assert type(read(b"\x91" + raw, max_depth=depth + 1)) is Refused


@settings(max_examples=1500)
@given(st.data())
def test_any_bytes_are_answered_and_none_raise(data: st.DataObject) -> None:
    raw = data.draw(st.sampled_from([raw for raw, _ in (*VALID.values(), *INVALID_ENTRIES.values())]))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(raw)))
        raw = raw[:at] + data.draw(st.binary(max_size=3)) + raw[at + data.draw(st.integers(0, 2)) :]
    outcome = read(raw)
    if isinstance(outcome, Refused):
        assert outcome.code in (PARSE, INVALID)
        return
    entries = outcome.entries if isinstance(outcome, Batch) else (outcome.entry,)
    # What was read is whole msgpack, and each request in it is what an ordinary reader finds there.
    try:
        value = msgpack.unpackb(
            raw,
            strict_map_key=False,
            object_pairs_hook=_Pairs,
            unicode_errors="replace",
            ext_hook=lambda code, data: (code, data),
        )
    except ValueError:
        # A reader that builds everything stops at a timestamp (ext type -1) of odd length, in an ignored member.
        assert b"\xff" in raw
        return
    for entry, members in zip(entries, value if isinstance(outcome, Batch) else [value], strict=True):
        if isinstance(entry, Request):
            assert entry.method == dict(members.hashable())["method"]
            assert [key for key, _ in members].count("method") == 1


class _Pairs(list[Any]):
    def hashable(self) -> Iterable[tuple[Any, Any]]:
        return ((key, value) for key, value in self if isinstance(key, str))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, b"1"),
        ("a\u00e9", '"a\u00e9"'.encode()),
        (None, b"null"),
        (1.5, b"1.5"),
        (BIG, BIG.data),
        (2**64 - 1, b"18446744073709551615"),
    ],
)
def test_an_id_can_be_said_in_json(value: object, expected: bytes) -> None:
    assert msgpack_to_json(pack(value)) == expected


def test_answers_are_spliced_around_untouched_bytes() -> None:
    result = pack([1, {"a": b"\x00"}])
    answer = msgpack_envelope.splice_result(pack("x"), result)
    assert answer == pack({"jsonrpc": "2.0", "result": [1, {"a": b"\x00"}], "id": "x"})
    error = msgpack_envelope.splice_error(b"\x01", pack({"code": 1, "message": "m"}))
    assert msgpack.unpackb(error) == {"jsonrpc": "2.0", "error": {"code": 1, "message": "m"}, "id": 1}


@pytest.mark.parametrize("length", [1, 15, 16, 70_000])
def test_a_batch_of_any_length_is_one_array(length: int) -> None:
    assert msgpack.unpackb(msgpack_envelope.splice_batch([b"\x01"] * length)) == [1] * length


def test_what_msgpack_numpy_sends_is_read() -> None:
    import msgpack_numpy

    array = np.arange(6, dtype=">i2").reshape(2, 3)
    raw = msgpack.packb(
        {"jsonrpc": "2.0", "method": "sub", "params": [array, np.float32(0.1)], "id": 1},
        default=msgpack_numpy.encode,
    )
    assert read(raw) == Single(
        Request(
            "sub",
            b'[{"$ndarray":{"base64":"AAAAAQACAAMABAAF","dtype":">i2","shape":[2,3]}},0.10000000149011612]',
            b"\x01",
        ),
        "msgpack",
    )
