"""Reading what upstreams answer, with all their deviations, and writing what callers get."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import envelope, envelope_answers
from gateway.core.envelope_answers import Answered, Broken, read_answer, same_id

GOOD: dict[str, tuple[bytes, Answered]] = {
    "2.0": (b'{"jsonrpc":"2.0","result":[1, 2],"id":1}', Answered(b"[1, 2]", None, b"1")),
    "1.0 with error null": (
        b'{"result": {"a":1}, "id": "x", "error": null}',
        Answered(b'{"a":1}', None, b'"x"'),
    ),
    "1.1": (b'{"version":"1.1","result":5,"error":null}', Answered(b"5", None, None)),
    "no id": (b'{"result":false}', Answered(b"false", None, None)),
    "null result": (b'{"jsonrpc":"2.0","result":null,"id":null}', Answered(b"null", None, b"null")),
    "null result and null error": (b'{"result":null,"error":null,"id":1}', Answered(b"null", None, b"1")),
    "NaN": (b'{"jsonrpc":"2.0","result":[NaN,-Infinity],"id":1}', Answered(b"[NaN,-Infinity]", None, b"1")),
    "lone surrogate": (b'{"result":"\\ud800","id":"\\udc00"}', Answered(b'"\\ud800"', None, b'"\\udc00"')),
    "numbers as spelled": (
        b'{"result":[18446744073709551617,1E400,-0.0]}',
        Answered(b"[18446744073709551617,1E400,-0.0]", None, None),
    ),
    "keys within the result": (
        b'{"jsonrpc":"2.0","result":{"result":1,"error":{"id":2},"id":"\\"id\\""},"id":1}',
        Answered(b'{"result":1,"error":{"id":2},"id":"\\"id\\""}', None, b"1"),
    ),
    "extra members": (
        b'{"jsonrpc":"2.0","id":1,"result":1,"debug":{"error":"x"}}',
        Answered(b"1", None, b"1"),
    ),
    "error": (
        b'{"jsonrpc":"2.0","error":{"code": -32601, "message":"no", "name":"N","data":{"x":[1]}},"id":1}',
        Answered(None, b'{"code": -32601, "message":"no", "name":"N","data":{"x":[1]}}', b"1"),
    ),
    "1.0 error beside a null result": (
        b'{"result":null,"error":{"code":500,"message":"m"},"id":1}',
        Answered(None, b'{"code":500,"message":"m"}', b"1"),
    ),
    "error as text": (
        b'{"error":"it \\u0062roke","id":1}',
        Answered(None, b'{"code":-32000,"message":"it \\u0062roke"}', b"1"),
    ),
    "any id": (b'{"result":1,"id":[1]}', Answered(b"1", None, b"[1]")),
    "whitespace": (b'\n{ "result" : 1 , "id" : 2 }\r\n', Answered(b"1", None, b"2")),
}


@pytest.mark.parametrize(("body", "expected"), GOOD.values(), ids=GOOD)
def test_an_answer_is_read_as_exact_spans(body: bytes, expected: Answered) -> None:
    assert read_answer(body) == expected


@pytest.mark.parametrize(
    ("error", "code", "message", "kept"),
    [
        (b'{"message":"m"}', -32000, "m", True),
        (b'{"code":7}', 7, None, True),
        (b'{"code":"7","message":5}', -32000, None, True),
        (b'{"code":1.5,"message":"m"}', -32000, "m", True),
        (b"{}", -32000, None, True),
        (b"[NaN]", -32000, None, True),
        (b"false", -32000, None, True),
        (b"5", -32000, None, True),
        (b'"x"', -32000, "x", False),
    ],
)
def test_an_error_of_odd_shape_gets_code_and_message_and_keeps_what_it_said(
    error: bytes, code: int, message: str | None, kept: bool
) -> None:
    answer = read_answer(b'{"error":' + error + b',"id":1}')
    assert isinstance(answer, Answered)
    assert answer.result is None
    assert answer.error is not None
    shaped = json.loads(answer.error)
    assert shaped["code"] == code
    assert isinstance(shaped["message"], str)
    assert message is None or shaped["message"] == message
    assert answer.error.endswith(b'"data":' + error + b"}") == kept


BROKEN = {
    "empty": b"",
    "HTML": b"<html>secret</html>",
    "truncated": b'{"jsonrpc":"2.0","result":"secret',
    "neither": b'{"jsonrpc":"2.0","id":1}',
    "error null alone": b'{"error":null,"id":1}',
    "scalar": b'"secret"',
    "batch": b'[{"result":"secret"}]',
    "result twice": b'{"result":"secret","result":2,"id":1}',
    "result twice, once escaped": b'{"result":1,"r\\u0065sult":"secret","id":1}',
    "error twice": b'{"error":null,"result":1,"error":"secret"}',
    "id twice": b'{"result":1,"id":1,"id":"secret"}',
    "not UTF-8": b'{"result":"secret\xff","id":1}',
    "byte order mark": b'\xef\xbb\xbf{"result":"secret"}',
    "control character": b'{"result":"secret\x01"}',
    "two documents": b'{"result":"secret"}{"result":1}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_what_is_no_answer_is_broken_and_the_reason_quotes_nothing(body: bytes) -> None:
    answer = read_answer(body)
    assert isinstance(answer, Broken)
    assert "secret" not in answer.reason
    assert answer.reason


@pytest.mark.parametrize("depth", [900, 5000, 100_000])
def test_a_result_of_any_depth_passes(depth: int) -> None:
    result = b"[" * depth + b"]" * depth
    assert read_answer(b'{"result":' + result + b',"id":1}') == Answered(result, None, b"1")


def test_large_answers_are_read_the_usual_way() -> None:
    result = json.dumps([{"id": n, "error": None, "result": 'a "b" \\ c'} for n in range(3000)]).encode()
    for body in (
        envelope.splice_result(b'"x"', result),
        b'{"id":1,"error":null,"result":' + result + b"}",
        envelope.splice_error(b"1", b'{"code":1,"message":"m","data":' + result + b"}"),
    ):
        usual = envelope_answers._read_usual_answer(body)
        assert isinstance(usual, Answered)
        assert usual.result == result or (usual.error is not None and result in usual.error)


PIECES = [
    *(
        b'"result"',
        b'"error":',
        b',"id":1',
        b',"result":[]',
        b',"r\\u0065sult":"x"',
        b'"error":null',
        b'"error":"x"',
    ),
    *(
        b"NaN",
        b"null",
        b"\\",
        b'\\"',
        b'"',
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b" ",
        b"\x00",
        b"\xff",
        b"\\ud800",
    ),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    body = draw(st.sampled_from([*(body for body, _ in GOOD.values()), *BROKEN.values()]))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.sampled_from([start, start, start + 1, start + 4]))
        body = body[:start] + draw(st.sampled_from([b"", *PIECES]) | st.binary(max_size=2)) + body[end:]
    return body


@settings(max_examples=2500)
@given(mutated())
def test_the_usual_way_never_says_what_the_strict_one_would_not(body: bytes) -> None:
    strict = envelope_answers._read_answer_strictly(body)
    assert envelope_answers._read_usual_answer(body) in (None, strict)
    assert read_answer(body) == strict


@settings(max_examples=800)
@given(mutated())
def test_an_answer_is_what_python_reads_in_it(body: bytes) -> None:
    answer = read_answer(body)
    try:
        pairs = json.loads(body.decode(), object_pairs_hook=list)
        members = dict(pairs) if isinstance(pairs, list) and body.strip()[:1] == b"{" else {}
    except ValueError:
        assert isinstance(answer, Broken)
        return
    names = [name for name, _ in pairs] if members else []
    once = all(names.count(name) <= 1 for name in ("result", "error", "id"))
    if not once or (members.get("error") is None and "result" not in members):
        assert isinstance(answer, Broken)
    elif members.get("error") is not None:
        assert isinstance(answer, Answered)
        assert answer.error is not None
    else:
        assert isinstance(answer, Answered)
        assert answer.result is not None
        assert repr(json.loads(answer.result.decode(), object_pairs_hook=list)) == repr(members["result"])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (b"1", b"1", True),
        (b"1", b'"1"', False),
        (b'"1"', b"1", False),
        (b"1", b"1.0", True),
        (b"100", b"1e2", True),
        (b"9007199254740993", b"9007199254740992", False),
        (b"9007199254740993", b"9007199254740993.0", True),
        (b"1e999999999", b"1e999999998", False),
        (b"1e99999999999999999999", b"2e99999999999999999999", False),
        (b'"\\u0061"', b'"a"', True),
        (b'"\\ud83d\\ude00"', '"\U0001f600"'.encode(), True),
        (b'"\\ud800"', b'"\\uD800"', True),
        (b'"a"', b'"b"', False),
        (b"null", b"null", True),
        (b"null", b"0", False),
        (b'"null"', b"null", False),
        (b"[1]", b"[1]", True),
        (b"[1]", b"[1.0]", False),
    ],
)
def test_ids_are_the_same_when_their_decoded_values_are(one: bytes, other: bytes, same: bool) -> None:
    assert same_id(one, other) is same
    assert same_id(other, one) is same


def test_answers_are_spliced_around_untouched_bytes() -> None:
    assert envelope.splice_result(b'"1"', b"[1E400]") == b'{"jsonrpc":"2.0","result":[1E400],"id":"1"}'
    assert envelope.splice_error(b"null", b'{"code":1}') == b'{"jsonrpc":"2.0","error":{"code":1},"id":null}'
    assert envelope.splice_batch([b"{}", b"1"]) == b"[{},1]"
    assert envelope.splice_result(b"7", b"NaN") == b'{"jsonrpc":"2.0","result":NaN,"id":7}'
