"""The numbered JSON-RPC 2.0 cases, against the running gate: one row a case.

A row is (number, body, expected). `R(value, id)` and `E(code, id)` are one answer each, a list is a batch's, `NOTHING` is
204 without a body. Ids are compared as raw tokens, so that `1.0`, `1e2` and thirty digits come back as they were sent.
"""

import asyncio
import json
import re

import msgpack
import pytest

NOTHING = object()


def R(value, token="1"):
    return ("result", value, token)


def E(code, token="1"):
    return ("error", code, token)


def call(method, params=None, token="1", **more):
    members = ['"jsonrpc":"2.0"', f'"method":{json.dumps(method)}']
    if params is not None:
        members.append(f'"params":{params if isinstance(params, str) else json.dumps(params)}')
    members += [f"{json.dumps(name)}:{json.dumps(value)}" for name, value in more.items()]
    if token is not None:
        members.append(f'"id":{token}')
    return "{" + ",".join(members) + "}"


SUB = "calc.sub"
DEEP = "[" * 100_000
SPEC_EXAMPLE = [
    call(SUB, [42, 23]),
    call("calc.note", [7], None),
    '{"foo":"boo"}',
    call("foo.get", token="5"),
    call(SUB, [1, 1], "9"),
]
CASES = [
    (1, call(SUB, [42, 23]), R(19)),
    (2, call(SUB, [23, 42]), R(-19)),
    (3, call(SUB, {"subtrahend": 23, "minuend": 42}), R(19)),
    (4, call("calc.value"), R(None)),
    (5, call("calc.value", []), R(None)),
    (6, call("calc.value", {}), R(None)),
    (7, call("calc.value", "null"), R(None)),
    (8, call(SUB, '"x"'), E(-32600)),
    (8, call(SUB, "1"), E(-32600)),
    (8, call(SUB, "true"), E(-32600)),
    (9, call("calc.nothing"), E(-32601)),
    (10, call(SUB, [1]), E(-32602)),
    (11, call(SUB, {"minuend": 1, "other": 2}), E(-32602)),
    (12, call(SUB, {"Minuend": 1, "subtrahend": 2}), E(-32602)),
    (13, '{"jsonrpc":"2.0","id":1}', E(-32600)),
    (13, '{"jsonrpc":"2.0","id":[]}', E(-32600, "null")),
    (14, '{"jsonrpc":"2.0","method":1,"id":1}', E(-32600)),
    (15, '{"jsonrpc":"2.0","method":null,"id":1}', E(-32600)),
    (16, call(""), E(-32601)),
    (17, '{"method":"calc.sub","params":[1,1],"id":1}', E(-32600)),
    (18, '{"jsonrpc":"1.0","method":"calc.sub","params":[1,1],"id":1}', E(-32600)),
    (19, '{"jsonrpc":2.0,"method":"calc.sub","params":[1,1],"id":1}', E(-32600)),
    (20, '{"jsonrpc":"2.1","method":"calc.sub","params":[1,1],"id":1}', E(-32600)),
    (21, call(SUB, [42, 23], extra=1, ID=7), R(19)),
    (22, call("rpc.foo"), E(-32601)),
    (22, call("calc.rpc.discover"), E(-32601)),
    (22, call("calc.system.describe"), E(-32601)),
    (23, '{"foo":"boo"}', E(-32600, "null")),
    (24, '"text"', E(-32600, "null")),
    (25, "1", E(-32600, "null")),
    (26, "true", E(-32600, "null")),
    (27, "null", E(-32600, "null")),
    (28, call(SUB, [42, 23], '"1"'), R(19, '"1"')),
    (29, call(SUB, [42, 23], "0"), R(19, "0")),
    (30, call(SUB, [42, 23], "-7"), R(19, "-7")),
    (31, call(SUB, [42, 23], '""'), R(19, '""')),
    (32, call(SUB, [42, 23], "9007199254740993"), R(19, "9007199254740993")),
    (33, call(SUB, [42, 23], "9223372036854775808"), R(19, "9223372036854775808")),
    (34, call(SUB, [42, 23], "123456789012345678901234567890"), R(19, "123456789012345678901234567890")),
    (35, call(SUB, [42, 23], "1.5"), R(19, "1.5")),
    (36, call(SUB, [42, 23], "1.0"), R(19, "1.0")),
    (37, call(SUB, [42, 23], "1e2"), R(19, "1e2")),
    (38, call(SUB, [42, 23], "null"), R(19, "null")),
    (39, call(SUB, [42, 23], "[]"), E(-32600, "null")),
    (39, call(SUB, [42, 23], "{}"), E(-32600, "null")),
    (39, call(SUB, [42, 23], "true"), E(-32600, "null")),
    (40, call(SUB, [42, 23], r'"\u00e9\ud800\n/\/"'), R(19, r'"\u00e9\ud800\n/\/"')),
    (41, call(SUB, [42, 23], None), NOTHING),
    (42, call("calc.nothing", token=None), NOTHING),
    (43, call("calc.fail", token=None), NOTHING),
    (44, call(SUB, [1], None), NOTHING),
    (46, '{"jsonrpc":"2.0","method":"calc.sub","params":[1,"id":5', E(-32700, "null")),
    (47, "[]", E(-32600, "null")),
    (48, "[1]", [E(-32600, "null")]),
    (49, "[1,2,3]", [E(-32600, "null")] * 3),
    (
        50,
        "[" + ",".join(SPEC_EXAMPLE) + "]",
        [R(19), E(-32600, "null"), E(-32601, "5"), R(0, "9")],
    ),
    (51, f"[{call('calc.note', [1], None)},{call('calc.note', [2], None)}]", NOTHING),
    (52, f"[{call(SUB, [2, 1])},{call('calc.note', [2], None)}]", [R(1)]),
    (53, f"[{call(SUB, [2, 1])},{{]", E(-32700, "null")),
    (54, f"[[{call(SUB, [2, 1])}]]", [E(-32600, "null")]),
    (55, f"[{call(SUB, [2, 1])},{call(SUB, [9, 1])}]", [R(1), R(8)]),
    (56, f"[{call('calc.html')},{call(SUB, [9, 1], '2')}]", [E(-32006), R(8, "2")]),
    (57, f"[{','.join(call('calc.meet', [6], str(n)) for n in range(6))}]", [R(6, str(n)) for n in range(6)]),
    (58, f"[{call(SUB, [2, 1])},{call('system.listMethods', [1], '2')}]", [R(1), E(-32602, "2")]),
    (59, f"[{','.join([call('calc.note')] * 21)}]", E(-32600, "null")),
    (60, f"[{call(SUB, [2, 1])}]", [R(1)]),
    (61, call("calc.null_error"), R(5)),
    (63, call("calc.value", [None]), R(None)),
    (63, call("calc.value", [False]), R(False)),
    (63, call("calc.value", [0]), R(0)),
    (63, call("calc.value", [""]), R("")),
    (63, call("calc.value", [[]]), R([])),
    (63, call("calc.value", [{}]), R({})),
    (65, call("calc.odd_code"), E(42)),
    (66, call("calc.wrong_id"), E(-32006)),
    (72, call("calc.html"), E(-32006)),
    (72, call("calc.empty"), E(-32006)),
    (72, call("calc.cut"), E(-32003)),
    (76, '{"jsonrpc":"2.0","method":"calc.sub","method":"calc.set","params":[1,1],"id":1}', E(-32600)),
    (76, '{"jsonrpc":"2.0","method":"calc.sub","m\\u0065thod":"calc.set","params":[1,1],"id":1}', E(-32600)),
    (76, '{"jsonrpc":"2.0","method":"calc.sub","params":[1,1],"params":[2,2],"id":1}', E(-32600)),
    (76, '{"jsonrpc":"2.0","method":"calc.sub","params":[1,1],"id":1,"id":2}', E(-32600, "null")),
    (77, DEEP, E(-32700, "null")),
    (77, call("calc.echo", DEEP + "]" * 100_000), E(-32700, "null")),
    (79, b"\xef\xbb\xbf" + call(SUB, [1, 1]).encode(), E(-32700, "null")),
    (79, call(SUB, [1, 1]).encode("utf-16"), E(-32700, "null")),
    (80, call(SUB, [1, 1]).encode() + b"\x00", E(-32700, "null")),
    (80, call("calc.value", '["X"]').encode().replace(b"X", b"\xff"), E(-32700, "null")),
    (80, call("calc.value", '["X"]').encode().replace(b"X", b"\x01"), E(-32700, "null")),
    (81, " \r\n\t" + call(SUB, [2, 1]) + "\n ", R(1)),
    (82, call(SUB, [2, 1]) + call(SUB, [2, 1]), E(-32700, "null")),
    (83, '{"jsonrpc":"2.0","method":"calc.sub","params":[1,1,],"id":1}', E(-32700, "null")),
    (83, '{"jsonrpc":"2.0","method":"calc.sub","id":1,}', E(-32700, "null")),
    *((84, call(name), E(-32601)) for name in ("ü ber", "a b", "x" * 10_240, "__proto__", "calc._private")),
    (84, call("calc.__class__"), E(-32601)),
    (84, '{"jsonrpc":"2.0","method":"calc.\\ud800","id":1}', E(-32601)),
]
RAW = [
    (73, "[9007199254740993,18446744073709551617,-123456789012345678901234567890]"),
    (74, "[0.1,1e-300,-0.0,1E400,1.10]"),
    (75, "[NaN,Infinity,-Infinity]"),
    (78, r'["\ud800","\udfff\ud800"]'),
    (21, '{"b":1,"a":{"z":1,"y":2}}'),
]
IN_OTHER_TESTS = {45, 62, 64, 67, 68, 69, 70, 71}


def test_every_numbered_case_is_here():
    assert {number for number, *_ in CASES + RAW} | IN_OTHER_TESTS == set(range(1, 85))


def check(answer: bytes, expected) -> None:
    """Compare one answer object as text: exactly one of result and error, `jsonrpc` and the id's own token."""
    kind, value, token = expected
    found = json.loads(answer)
    assert set(found) == {"jsonrpc", kind, "id"}
    assert found["jsonrpc"] == "2.0"
    assert answer.endswith(b',"id":' + token.encode() + b"}")
    if kind == "error":
        assert found["error"]["code"] == value
        assert isinstance(found["error"]["message"], str)
        assert found["error"]["message"]
    else:
        assert found["result"] == value
        assert type(found["result"]) is type(value)


def parts(answer: bytes) -> list[bytes]:
    """The members of an array of answers, as the gate wrote them."""
    assert answer[:1] == b"["
    assert answer[-1:] == b"]"
    return [b'{"jsonrpc"' + part for part in re.split(rb',?\{"jsonrpc"', answer[1:-1])[1:]]


@pytest.mark.parametrize(
    ("number", "body", "expected"), CASES, ids=[f"{n}-{i}" for i, (n, *_) in enumerate(CASES)]
)
async def test_case(lab, number, body, expected):
    status, headers, answer = await lab.post(body if isinstance(body, bytes) else body.encode())
    assert headers["X-Request-Id"]
    if expected is NOTHING:
        assert (status, answer) == (204, b"")
        return
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    assert int(headers["Content-Length"]) == len(answer)
    if isinstance(expected, list):
        found = parts(answer)
        assert len(found) == len(expected)
        for one, wanted in zip(found, expected, strict=True):
            check(one, wanted)
    else:
        check(answer, expected)
    if number == 59:
        assert lab.calc.calls["note"] == 0
    assert not any(body.lstrip().startswith(b"[") for body in lab.calc.bodies), (
        "68-71: entries are sent singly"
    )


@pytest.mark.parametrize(("number", "params"), RAW)
async def test_the_bytes_of_params_and_results_are_untouched(lab, number, params):
    _, _, answer = await lab.post(call("calc.echo", params).encode())
    assert answer == b'{"jsonrpc":"2.0","result":' + params.encode() + b',"id":1}'
    assert params.encode() in lab.calc.bodies[-1]


async def test_45_calls_with_the_same_id_get_each_its_own_answer(lab):
    bodies = [call(SUB, [n, 0]).encode() for n in range(10)]
    answers = await asyncio.gather(*(lab.post(body) for body in bodies))
    assert [json.loads(answer)["result"] for _, _, answer in answers] == list(range(10))


async def test_64_an_upstreams_error_is_kept_member_for_member(lab):
    answer, _ = await lab.call("calc.fail")
    assert answer["error"] == {"code": -32000, "message": "boom", "data": {"big": 10**30}, "name": "Boom"}


async def test_67_a_notification_is_executed_and_its_answer_dropped(lab):
    assert (await lab.post(call("calc.note", token=None).encode()))[0] == 204
    assert lab.calc.value == 1


async def test_72_nothing_of_a_broken_answer_reaches_the_caller(lab):
    answer, _ = await lab.call("calc.html")
    text = json.dumps(answer)
    assert "stack trace" not in text
    assert lab.calc.url not in text
    assert answer["error"]["data"]["service"] == "calc"


MSGPACK = [
    (1, {"method": SUB, "params": [42, 23], "id": 1}, R(19, 1)),
    (3, {"method": SUB, "params": {"minuend": 42, "subtrahend": 23}, "id": 1}, R(19, 1)),
    (7, {"method": "calc.value", "params": None, "id": 1}, R(None, 1)),
    (8, {"method": SUB, "params": "x", "id": 1}, E(-32600, 1)),
    (9, {"method": "calc.nothing", "id": 1}, E(-32601, 1)),
    (14, {"method": 1, "id": 1}, E(-32600, 1)),
    (23, {"foo": "boo"}, E(-32600, None)),
    (28, {"method": SUB, "params": [3, 1], "id": "1"}, R(2, "1")),
    (33, {"method": SUB, "params": [3, 1], "id": 2**63}, R(2, 2**63)),
    (35, {"method": SUB, "params": [3, 1], "id": 1.5}, R(2, 1.5)),
    (38, {"method": SUB, "params": [3, 1], "id": None}, R(2, None)),
    (39, {"method": SUB, "params": [3, 1], "id": []}, E(-32600, None)),
    (41, {"method": SUB, "params": [3, 1]}, NOTHING),
    (47, [], E(-32600, None)),
    (48, [1], [E(-32600, None)]),
    (
        50,
        [{"method": SUB, "params": [2, 1], "id": 1}, {"method": "calc.note"}, {"method": "foo.x", "id": 5}],
        [R(1, 1), E(-32601, 5)],
    ),
    (59, [{"method": "calc.note", "id": 1}] * 21, E(-32600, None)),
    (65, {"method": "calc.odd_code", "id": 1}, E(42, 1)),
    (73, {"method": "calc.value", "params": [2**64 - 1], "id": 1}, R(2**64 - 1, 1)),
    (75, {"method": "calc.value", "params": [float("inf")], "id": 1}, R(float("inf"), 1)),
]


@pytest.mark.parametrize(("number", "message", "expected"), MSGPACK)
async def test_case_in_msgpack(lab, number, message, expected):
    def versioned(entry):
        return {"jsonrpc": "2.0", **entry} if isinstance(entry, dict) and "foo" not in entry else entry

    whole = [versioned(entry) for entry in message] if isinstance(message, list) else versioned(message)
    status, headers, body = await lab.post(msgpack.packb(whole), Content_Type="application/msgpack")
    if expected is NOTHING:
        assert (status, body) == (204, b"")
        return
    assert (status, headers["Content-Type"]) == (200, "application/msgpack")
    answer = msgpack.unpackb(body)
    pairs = zip(answer, expected, strict=True) if isinstance(expected, list) else [(answer, expected)]
    for one, (kind, value, token) in pairs:
        assert set(one) == {"jsonrpc", kind, "id"}
        assert (one["id"], type(one["id"])) == (token, type(token))
        assert (one["error"]["code"] if kind == "error" else one["result"]) == value


async def test_a_body_that_is_no_msgpack_is_a_parse_error(lab):
    for body in (b"\xc1", b"\x81", b"", msgpack.packb({"jsonrpc": "2.0"}) + b"\x00"):
        status, _, answer = await lab.post(body, Content_Type="application/msgpack")
        assert (status, msgpack.unpackb(answer)["error"]["code"]) == (200, -32700)
