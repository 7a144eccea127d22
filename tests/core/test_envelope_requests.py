"""Reading requests: the numbered cases of JSON-RPC 2.0, and the usual way against the strict one."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.core import envelope
from gateway.core.envelope import Batch, Invalid, Refused, Request, Single, read

INVALID = -32600
PARSE = -32700


def request(params: bytes | None = b"[1]", token: bytes | None = b"1", method: str = "sub") -> Request:
    return Request(method, params, token)


VALID: dict[str, tuple[bytes, Request]] = {
    "1 by position": (b'{"jsonrpc":"2.0","method":"sub","params":[42,23],"id":1}', request(b"[42,23]")),
    "3 by name": (
        b'{"jsonrpc": "2.0", "method": "sub", "params": {"b": 2, "a": 1}, "id": 1}',
        request(b'{"b": 2, "a": 1}'),
    ),
    "4 no params": (b'{"jsonrpc":"2.0","method":"sub","id":1}', request(None)),
    "5 empty array": (b'{"jsonrpc":"2.0","method":"sub","params":[],"id":1}', request(b"[]")),
    "6 empty object": (b'{"jsonrpc":"2.0","method":"sub","params":{},"id":1}', request(b"{}")),
    "7 null params": (b'{"jsonrpc":"2.0","method":"sub","params":null,"id":1}', request(None)),
    "16 empty method": (b'{"jsonrpc":"2.0","method":"","id":1}', request(None, method="")),
    "21 extra members": (
        b'{"jsonrpc":"2.0","method":"sub","params":[1],"id":1,"auth":{"method":"x","id":7},"y":[NaN]}',
        request(),
    ),
    "28 string id": (b'{"jsonrpc":"2.0","method":"sub","params":[1],"id":"1"}', request(token=b'"1"')),
    "29 zero id": (b'{"jsonrpc":"2.0","method":"sub","params":[1],"id":0}', request(token=b"0")),
    "30 negative id": (b'{"jsonrpc":"2.0","method":"sub","params":[1],"id":-7}', request(token=b"-7")),
    "31 empty id": (b'{"jsonrpc":"2.0","method":"sub","params":[1],"id":""}', request(token=b'""')),
    "34 long id": (
        b'{"jsonrpc":"2.0","method":"sub","params":[1],"id":123456789012345678901234567890}',
        request(token=b"123456789012345678901234567890"),
    ),
    "35 fraction": (b'{"jsonrpc":"2.0","method":"sub","params":[1],"id":1.5}', request(token=b"1.5")),
    "36 1.0": (b'{"jsonrpc":"2.0","method":"sub","params":[1],"id":1.0}', request(token=b"1.0")),
    "37 1e2": (b'{"jsonrpc":"2.0","method":"sub","params":[1],"id":1e2}', request(token=b"1e2")),
    "38 null id": (b'{"jsonrpc":"2.0","method":"sub","params":[1],"id":null}', request(token=b"null")),
    "40 escapes in the id": (
        b'{"jsonrpc":"2.0","method":"sub","params":[1],"id":"\\ud800\\u0041"}',
        request(token=b'"\\ud800\\u0041"'),
    ),
    "41 notification": (b'{"jsonrpc":"2.0","method":"sub","params":[1]}', request(token=None)),
    "73 large integers": (
        b'{"jsonrpc":"2.0","method":"sub","params":[18446744073709551617],"id":1}',
        request(b"[18446744073709551617]"),
    ),
    "74 spelling of floats": (
        b'{"jsonrpc":"2.0","method":"sub","params":[0.10, 1E400,-0.0],"id":1}',
        request(b"[0.10, 1E400,-0.0]"),
    ),
    "75 NaN": (
        b'{"jsonrpc":"2.0","method":"sub","params":[NaN,-Infinity],"id":1}',
        request(b"[NaN,-Infinity]"),
    ),
    "76 duplicates within params": (
        b'{"jsonrpc":"2.0","method":"sub","params":{"method":1,"method":2,"m\\u0065thod":"\\n"},"id":1}',
        request(b'{"method":1,"method":2,"m\\u0065thod":"\\n"}'),
    ),
    "78 lone surrogates": (
        b'{"jsonrpc":"2.0","method":"\\udc00","params":["\\ud800"],"id":1}',
        request(b'["\\ud800"]', method="\udc00"),
    ),
    "81 whitespace": (
        b' \r\n{ "jsonrpc" :"2.0" ,\t"method":"sub","params" : [1] ,"id": 1 } \n',
        request(),
    ),
    "84 any method name": (
        '{"jsonrpc":"2.0","method":"__proto__ \U0001f600","params":[1],"id":1}'.encode(),
        request(method="__proto__ \U0001f600"),
    ),
    "84 long method name": (
        b'{"jsonrpc":"2.0","method":"%b","params":[1],"id":1}' % (b"m" * 10_000),
        request(method="m" * 10_000),
    ),
    "escaped keys": (
        b'{"\\u006asonrpc":"2\\u002e0","m\\u0065thod":"sub","params":[1],"\\u0069d":1}',
        request(),
    ),
    "values that look like keys": (
        b'{"jsonrpc":"2.0","method":"method","params":["method","id"],"id":"params"}',
        request(b'["method","id"]', b'"params"', "method"),
    ),
}


@pytest.mark.parametrize(("body", "expected"), VALID.values(), ids=VALID)
def test_a_valid_request_is_read_as_exact_spans(body: bytes, expected: Request) -> None:
    assert read(body) == Single(expected)
    assert read(b"[" + body + b"]") == Batch((expected,))


INVALID_ENTRIES: dict[str, tuple[bytes, bytes]] = {
    "8 params text": (b'{"jsonrpc":"2.0","method":"sub","params":"x","id":1}', b"1"),
    "8 params number": (b'{"jsonrpc":"2.0","method":"sub","params":1,"id":"a"}', b'"a"'),
    "8 params true": (b'{"jsonrpc":"2.0","method":"sub","params":true,"id":1}', b"1"),
    "13 no method": (b'{"jsonrpc":"2.0","id":1}', b"1"),
    "14 method number": (b'{"jsonrpc":"2.0","method":1,"id":1}', b"1"),
    "14 method number, bad id": (b'{"jsonrpc":"2.0","method":1,"id":[]}', b"null"),
    "15 method null": (b'{"jsonrpc":"2.0","method":null,"id":1e2}', b"1e2"),
    "17 no jsonrpc": (b'{"method":"sub","id":1}', b"1"),
    "18 1.0": (b'{"jsonrpc":"1.0","method":"sub","id":1}', b"1"),
    "19 2.0 the number": (b'{"jsonrpc":2.0,"method":"sub","id":1}', b"1"),
    "20 2.1": (b'{"jsonrpc":"2.1","method":"sub","id":1}', b"1"),
    "23 no member of ours": (b'{"foo":"boo"}', b"null"),
    "24 text": (b'"text"', b"null"),
    "25 number": (b"1", b"null"),
    "26 true": (b"true", b"null"),
    "27 null": (b"null", b"null"),
    "39 array id": (b'{"jsonrpc":"2.0","method":"sub","id":[]}', b"null"),
    "39 object id": (b'{"jsonrpc":"2.0","method":"sub","id":{}}', b"null"),
    "39 true id": (b'{"jsonrpc":"2.0","method":"sub","id":true}', b"null"),
    "39 NaN id": (b'{"jsonrpc":"2.0","method":"sub","id":NaN}', b"null"),
    "39 infinite id": (b'{"jsonrpc":"2.0","method":"sub","id":-Infinity}', b"null"),
    "54 nested batch": (b'[{"jsonrpc":"2.0","method":"sub","id":1}]', b"null"),
    "76 method twice": (b'{"jsonrpc":"2.0","method":"a","method":"b","id":1}', b"1"),
    "76 method twice, once escaped": (b'{"jsonrpc":"2.0","method":"a","m\\u0065thod":"b","id":1}', b"1"),
    "76 params twice": (b'{"jsonrpc":"2.0","method":"a","params":[],"params":[1],"id":1}', b"1"),
    "76 jsonrpc twice": (b'{"jsonrpc":"2.0","jsonrpc":"2.0","method":"a","id":1}', b"1"),
    "76 id twice": (b'{"jsonrpc":"2.0","method":"a","id":1,"id":1}', b"null"),
    "76 null params twice": (b'{"jsonrpc":"2.0","method":"a","params":null,"params":null,"id":1}', b"1"),
}


@pytest.mark.parametrize(("body", "id_"), INVALID_ENTRIES.values(), ids=INVALID_ENTRIES)
def test_what_is_no_request_is_invalid_with_the_id_where_it_is_known(body: bytes, id_: bytes) -> None:
    batch = read(b"[" + body + b"]")
    assert isinstance(batch, Batch)
    (entry,) = batch.entries
    assert isinstance(entry, Invalid)
    assert (entry.code, entry.id) == (INVALID, id_)
    if body[:1] != b"[":
        assert read(body) == Single(entry)


REFUSED: dict[str, tuple[bytes, int]] = {
    "46 parse error with a visible id": (b'{"jsonrpc":"2.0","method":"sub","id":1', PARSE),
    "47 empty batch": (b"[]", INVALID),
    "47 empty batch with spaces": (b" [ ] ", INVALID),
    "53 broken batch": (b'[{"jsonrpc":"2.0","method":"sub","id":1},{"jsonrpc"]', PARSE),
    "59 long batch": (b"[" + b",".join([b"1"] * 11) + b"]", INVALID),
    "77 deep": (b"[" * 100_000, PARSE),
    "77 deep params": (
        b'{"jsonrpc":"2.0","method":"a","params":%b,"id":1}' % (b"[" * 512 + b"]" * 512),
        PARSE,
    ),
    "79 byte order mark": (b'\xef\xbb\xbf{"jsonrpc":"2.0","method":"sub","id":1}', PARSE),
    "79 UTF-16": ('{"jsonrpc":"2.0","method":"sub","id":1}'.encode("utf-16"), PARSE),
    "80 NUL": (b'{"jsonrpc":"2.0","method":"s\x00","id":1}', PARSE),
    "80 NUL behind": (b'{"jsonrpc":"2.0","method":"s","id":1}\x00', PARSE),
    "80 invalid UTF-8 in params": (b'{"jsonrpc":"2.0","method":"s","params":["\xff"],"id":1}', PARSE),
    "80 invalid UTF-8 in the id": (b'{"jsonrpc":"2.0","method":"s","id":"\xed\xa0\x80"}', PARSE),
    "80 invalid UTF-8 elsewhere": (b'{"jsonrpc":"2.0","method":"s","id":1,"x":"\xc3"}', PARSE),
    "82 two objects": (b'{"jsonrpc":"2.0","method":"s","id":1}{"jsonrpc":"2.0","method":"s","id":1}', PARSE),
    "83 trailing comma": (b'{"jsonrpc":"2.0","method":"s","id":1,}', PARSE),
    "83 trailing comma in params": (b'{"jsonrpc":"2.0","method":"s","params":[1,],"id":1}', PARSE),
    "empty": (b"", PARSE),
    "blank": (b" \n", PARSE),
    "a form": (b"method=sub", PARSE),
}


@pytest.mark.parametrize(("body", "code"), REFUSED.values(), ids=REFUSED)
def test_a_body_that_cannot_be_read_is_refused_whole(body: bytes, code: int) -> None:
    refused = read(body, max_batch=10)
    assert isinstance(refused, Refused)
    assert refused.code == code


def test_batches_keep_the_order_of_calls_notifications_and_invalid_entries() -> None:
    batch = read(
        b'[{"jsonrpc":"2.0","method":"a","params":[1],"id":"1"},{"jsonrpc":"2.0","method":"b"},'
        b'{"foo":"boo"},1,{"jsonrpc":"2.0","method":"c","id":null}]'
    )
    assert isinstance(batch, Batch)
    first, second, third, fourth, fifth = batch.entries
    assert first == Request("a", b"[1]", b'"1"')
    assert second == Request("b", None, None)
    assert isinstance(third, Invalid)
    assert isinstance(fourth, Invalid)
    assert fifth == Request("c", None, b"null")


def test_a_batch_may_be_as_long_as_the_limit_and_no_longer() -> None:
    entry = b'{"jsonrpc":"2.0","method":"a","params":{},"id":1}'
    for length, kind in ((3, Batch), (4, Refused), (400, Refused)):
        assert type(read(b"[" + b",".join([entry] * length) + b"]", max_batch=3)) is kind


def test_depth_counts_the_whole_body_and_the_limit_is_exact() -> None:
    for depth in (1, 2, 3, 40):
        body = b'{"jsonrpc":"2.0","method":"a","params":%b,"id":1}' % (b"[" * depth + b"]" * depth)
        assert type(read(body, max_depth=depth + 1)) is Single
        assert type(read(body, max_depth=depth)) is Refused
        assert type(read(b"[" + body + b"]", max_depth=depth + 2)) is Batch
        assert type(read(b"[" + body + b"]", max_depth=depth + 1)) is Refused


def test_usual_requests_are_read_the_usual_way() -> None:
    long = json.dumps({"text": 'a "quoted" \\ text' * 4000, "n": [[1.5] * 9] * 2000})
    for params in ('["x"]', '{"a": "\\n\\u00e9"}', long):
        body = f'{{"jsonrpc": "2.0", "method": "a", "params": {params}, "id": "x"}}'.encode()
        for text in (body, b"[" + b",".join([body] * 10) + b"]"):
            usual = envelope._read_usual(text, 1000, 512)
            assert usual is not None
            assert usual == envelope._read_strictly(text, 1000, 512)


SEEDS = [body for body, _ in (*VALID.values(), *INVALID_ENTRIES.values())] + [
    b'[{"jsonrpc":"2.0","method":"a","params":[1],"id":1},{"jsonrpc":"2.0","method":"b","params":{"c":[2]}}]',
    b'{"jsonrpc":"2.0","method":"a","params":{"x":"%b"},"id":"7"}' % (b'\\"id\\" [{' * 600),
]
PIECES = [
    *(
        b'"method"',
        b'"id":',
        b',"id":1',
        b',"params":[]',
        b',"m\\u0065thod":"x"',
        b'"params":null',
        b'"jsonrpc"',
    ),
    *(b"NaN", b"-Infinity", b"null", b'"2.0"', b"\\", b'\\"', b'"', b"{", b"}", b"[", b"]", b",", b":", b" "),
    *(b"\x00", b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b"\\ud800", b"\xef\xbb\xbf", b"0", b"1e5", b"-"),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    body = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.sampled_from([start, start, start + 1, start + 4]))
        body = body[:start] + draw(st.sampled_from([b"", *PIECES]) | st.binary(max_size=2)) + body[end:]
    return body if draw(st.booleans()) else b"[" + body + b"," + draw(st.sampled_from(SEEDS)) + b"]"


@settings(max_examples=2500)
@given(mutated() | st.binary(max_size=20), st.sampled_from([3, 5, 512]))
@example(b'{"jsonrpc":"2.0","method":"a","params":["\xff"]}', 512)
@example(b'{"jsonrpc":"2.0","method":"a","id":1,"x":"id"}', 512)
def test_the_usual_way_and_the_strict_one_agree_on_any_bytes(body: bytes, max_depth: int) -> None:
    strict = envelope._read_strictly(body, 2, max_depth)
    assert envelope._read_usual(body, 2, max_depth) in (None, strict)
    assert read(body, max_batch=2, max_depth=max_depth) == strict


class _Pairs(list[Any]):
    """An object as Python's json read it: its members in order."""


def _by_hand(value: object) -> tuple[str, str | None]:
    """Kind and method of an entry, decided on decoded values."""
    if not isinstance(value, _Pairs):
        return "invalid", None
    names = [name for name, _ in value]
    members = dict(value)
    ours = [name for name in names if name in ("jsonrpc", "method", "params", "id")]
    fit = (
        len(set(ours)) == len(ours)
        and members.get("jsonrpc") == "2.0"
        and type(members.get("method")) is str
        and isinstance(members.get("params"), list | None)
        and not isinstance(members.get("id"), bool | list)
        and members.get("id") not in ("NaN literal", "-Infinity literal")
    )
    return ("request", members["method"]) if fit else ("invalid", None)


@settings(max_examples=1500)
@given(mutated())
def test_the_decisions_are_those_made_on_decoded_values(body: bytes) -> None:
    outcome = read(body, max_batch=5)
    try:
        value = json.loads(
            body.decode(), object_pairs_hook=_Pairs, parse_constant=lambda name: name + " literal"
        )
    except ValueError:
        assert isinstance(outcome, Refused)
        assert outcome.code == PARSE
        return
    if type(value) is list:
        if not 0 < len(value) <= 5:
            assert isinstance(outcome, Refused)
            assert outcome.code == INVALID
            return
        assert isinstance(outcome, Batch)
        entries, values = outcome.entries, value
    else:
        assert isinstance(outcome, Single)
        entries, values = (outcome.entry,), [value]
    found = [("request", e.method) if isinstance(e, Request) else ("invalid", None) for e in entries]
    assert found == [_by_hand(value) for value in values]


@given(
    st.text(st.characters()),
    st.sampled_from([None, b"[1e400]", b'{"a":"\xc3\xa9"}']),
    st.sampled_from([None, b"7"]),
)
def test_a_request_that_was_written_reads_back_as_it_was(
    method: str, params: bytes | None, id_: bytes | None
) -> None:
    assert read(envelope.request(method, params, id_)) == Single(Request(method, params, id_))


@given(st.text(st.characters(categories=["Cs", "L"]), max_size=5))
def test_lone_surrogates_in_a_method_survive(method: str) -> None:
    assert read(envelope.request(method, None, b"1")) == Single(Request(method, None, b"1"))
