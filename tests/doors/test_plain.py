"""Plain URLs: safe methods by GET, for what speaks no JSON-RPC."""

import io
import json
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.faults import InvalidParams, Unrepresentable
from gateway.core.method import Method, Param, RpcBinding
from gateway.doors.forms import as_bytes, as_csv, as_npy
from gateway.doors.plain import arguments


async def fetched(lab, target, *, verb="GET", token="", **headers):
    fields = {"Authorization": f"Bearer {token or lab.token}"} | headers
    async with lab.session.request(verb, lab.address + target, headers=fields) as response:
        return response.status, response.headers, await response.read()


async def test_a_safe_methods_result_is_the_body_and_repeats_are_hits(lab):
    status, headers, body = await fetched(lab, "/rpc/calc.get")
    assert (status, headers["Content-Type"], body) == (200, "application/json", b"0")
    status, headers, body = await fetched(lab, "/rpc/calc.get")
    assert headers["Cache-Status"].startswith("labgate; hit")
    assert "max-age=" in headers["Cache-Control"]
    assert lab.calc.calls["get"] == 1
    status, again, body = await fetched(lab, "/rpc/calc.get", **{"If-None-Match": headers["ETag"]})
    assert (status, body) == (304, b"")
    assert again["Labgate-Catalog"]
    status, _, body = await fetched(lab, "/rpc/calc.get", verb="HEAD")
    assert (status, body) == (200, b"")


async def test_what_may_change_something_is_no_plain_url(lab):
    status, headers, body = await fetched(lab, "/rpc/calc.set")
    assert (status, headers["Allow"]) == (405, "POST")
    assert json.loads(body)["data"]["method"] == "calc.set"
    assert lab.calc.calls["set"] == 0


@pytest.mark.parametrize(
    ("target", "token", "status", "fault"),
    [
        ("/rpc/calc.nothing", "", 404, "UnknownMethod"),
        ("/rpc/nothing", "", 404, "UnknownMethod"),
        ("/rpc/calc.get_more", "guest", 403, "Forbidden"),
        ("/rpc/calc.get?format=exe", "", 400, "InvalidParams"),
        ("/rpc/calc.get?format=csv", "", 406, "Unrepresentable"),
        ("/rpc/calc.get?format=npy&x=1", "", 200, None),
        ("/rpc/calc.get?datastack=none", "", 404, "UnknownDatastack"),
        ("/openrpc.json?datastack=none", "", 404, "UnknownDatastack"),
    ],
)
async def test_faults_have_their_status_and_say_what_is_wrong(lab, target, token, status, fault):
    found, _, body = await fetched(lab, target, token=lab.guest if token else "")
    assert found == status
    if fault:
        error = json.loads(body)
        error = error.get("error", error)
        assert error["data"]["fault"] == fault


async def test_without_a_token_it_is_401(lab):
    async with lab.session.get(f"{lab.address}/rpc/calc.get") as response:
        assert response.status == 401


async def test_an_upstreams_error_is_no_success(lab):
    status, _, body = await fetched(lab, "/rpc/calc.get_fail")
    assert status == 500
    assert json.loads(body)["message"] == "boom"
    status, _, body = await fetched(lab, "/rpc/calc.get_difference?minuend=3")
    assert (status, json.loads(body)["code"]) == (400, -32602)


async def test_arguments_reach_the_service_as_its_description_says(lab):
    status, _, body = await fetched(lab, "/rpc/calc.get_difference?minuend=18446744073709551617&subtrahend=1")
    assert (status, body) == (200, b"18446744073709551616")


METHOD = Method(
    "x.y",
    "x",
    RpcBinding("y"),
    params=(
        Param("text", schema={"type": "string"}),
        Param("number", schema={"type": "number"}),
        Param("count", schema={"type": "integer"}),
        Param("maybe", schema={"type": ["integer", "null"]}),
        Param("list", schema={"type": "array"}),
        Param("nullable", schema={"type": "string", "nullable": True}),
        Param("either", schema={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        Param("mixed", schema={"type": ["string", "integer"]}),
    ),
)


@pytest.mark.parametrize(
    ("query", "params"),
    [
        ([], None),
        ([("format", "json"), ("datastack", "d")], None),
        ([("text", "5")], '{"text":"5"}'),
        ([("text", "")], '{"text":""}'),
        ([("text", '"quoted"')], '{"text":"\\"quoted\\""}'),
        ([("number", "1.50")], '{"number":1.50}'),
        ([("count", "123456789012345678901234567890")], '{"count":123456789012345678901234567890}'),
        ([("maybe", "null")], '{"maybe":null}'),
        ([("list", "[1, 2]")], '{"list":[1, 2]}'),
        ([("list", "a"), ("list", "b")], '{"list":["a","b"]}'),
        ([("nullable", "5")], '{"nullable":"5"}'),
        ([("either", "5")], '{"either":"5"}'),
        ([("mixed", "5")], '{"mixed":5}'),
        ([("mixed", '"5"')], '{"mixed":"5"}'),
        ([("mixed", "P5")], '{"mixed":"P5"}'),
        ([("other", '"5"')], '{"other":"5"}'),
        ([("other", "5")], '{"other":5}'),
        ([("other", "P5")], '{"other":"P5"}'),
        ([("other", "true")], '{"other":true}'),
        ([("other", "{broken")], '{"other":"{broken"}'),
    ],
)
def test_a_query_becomes_params(query, params):
    assert arguments(METHOD, query) == (params.encode() if params else None)


def test_a_value_that_cannot_be_what_is_described_is_named():
    with pytest.raises(InvalidParams, match="count='five'"):
        arguments(METHOD, [("count", "five")])


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=5))
def test_any_query_becomes_an_object_that_json_reads(query):
    raw = arguments(METHOD, [(name, text) for name, text in query if name != "count" and name != "number"])
    assert raw is None or isinstance(json.loads(raw), dict)
    quote("".join(name for name, _ in query), errors="surrogatepass")


@pytest.mark.parametrize(
    ("result", "table"),
    [
        ('[{"a":1,"b":"x,y"},{"b":null,"c":[1]}]', 'a,b,c\r\n1,"x,y",\r\n,,[1]\r\n'),
        ('[[1,2.50],["a","b"]]', "1,2.50\r\na,b\r\n"),
        ('{"a":[1,2],"b":[true,"é"]}', "a,b\r\n1,true\r\n2,é\r\n"),
        ("[]", ""),
        ('[[{"a":[1.50,"x",null]}]]', '"{""a"":[1.50,""x"",null]}"\r\n'),
        ('[{"n":18446744073709551617,"f":1.10}]', "n,f\r\n18446744073709551617,1.10\r\n"),
    ],
)
def test_tables_become_csv_with_their_digits(result, table):
    assert as_csv(result.encode()).decode() == table


@pytest.mark.parametrize("result", ["5", '"x"', "[1,2]", '{"a":1}', '{"a":[1],"b":[1,2]}', "null"])
def test_what_is_no_table_has_no_csv(result):
    with pytest.raises(Unrepresentable):
        as_csv(result.encode())


def test_bytes_are_had_bare_and_nothing_else_is():
    assert as_bytes(b'{"$binary": {"base64": "AAH/"}}') == b"\x00\x01\xff"
    for result in (b"5", b'{"$binary": 5}', b'{"$binary": {"base64": "?"}}', b'{"a": 1}', b'{"$binary": {}}'):
        with pytest.raises(Unrepresentable):
            as_bytes(result)


def test_arrays_become_numpy_files():
    for result, expected in (
        (b"[[1,2],[3,4]]", np.array([[1, 2], [3, 4]])),
        (b"[1.5,2]", np.array([1.5, 2])),
        (b'{"$ndarray":{"base64":"AADAPwAAIEA=","dtype":"<f4","shape":[2]}}', np.array([1.5, 2.5], "<f4")),
    ):
        found = np.load(io.BytesIO(as_npy(result)), allow_pickle=False)
        assert found.dtype == expected.dtype
        assert (found == expected).all()


@pytest.mark.parametrize(
    "result", ['"x"', '["a"]', "[[1],[2,3]]", "null", '{"a":1}', '{"$ndarray":{}}', "[null]"]
)
def test_what_is_no_array_of_numbers_has_no_npy(result):
    with pytest.raises(Unrepresentable):
        as_npy(result.encode())
