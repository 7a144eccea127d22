"""The rpc door: HTTP's side of JSON-RPC, authorization of each entry, what headers say."""

import asyncio
import io
import json

import msgpack
import numpy as np
import pytest

from gateway.core.call import Call, Params
from gateway.core.ports import Visit
from gateway.core.principal import Principal
from gateway.core.reply import Reply, Whole
from gateway.core.verdict import Pass
from gateway.doors.asked import Occasion, Terms
from gateway.doors.encodings import JSON
from gateway.doors.part import Part


def message(method, params=None, token=1):
    whole = {"jsonrpc": "2.0", "method": method, "id": token}
    return whole if params is None else whole | {"params": params}


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=UTF-8", 200),
        ("application/json-rpc", 200),
        ("application/jsonrequest", 200),
        ("application/vnd.lab+json", 200),
        ("application/json; charset=latin-1", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
    ],
)
async def test_only_types_that_a_browser_must_ask_for_are_taken(lab, kind, status):
    found, headers, body = await lab.post(json.dumps(message("calc.sub", [2, 1])).encode(), Content_Type=kind)
    assert found == status
    answer = json.loads(body)
    if status == 415:
        assert answer["error"]["code"] == -32012
        assert answer["id"] is None
        assert headers["X-Request-Id"] == answer["error"]["data"]["request_id"]


async def test_the_verb_query_calls_as_post_does_and_other_verbs_are_405_with_allow(lab):
    body = json.dumps(message("calc.sub", [2, 1])).encode()
    fields = {"Authorization": f"Bearer {lab.token}", "Content-Type": "application/json"}
    async with lab.session.request("QUERY", f"{lab.address}/rpc", data=body, headers=fields) as response:
        assert (await response.json())["result"] == 1
    async with lab.session.get(f"{lab.address}/rpc", headers=fields) as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST, QUERY")
        assert (await response.json())["error"]["code"] == -32013


async def test_a_path_that_nothing_serves_is_404_and_names_what_is(lab):
    status, _, body = await lab.post(b"{}", path="/nothing")
    assert status == 404
    assert "/rpc" in json.loads(body)["error"]["message"]


@pytest.mark.parametrize("token", [None, "junk", "a.b.c"])
async def test_without_a_valid_token_it_is_401_with_a_challenge_and_a_json_rpc_error(lab, token):
    status, headers, body = await lab.post(b"{}", token=token)
    assert status == 401
    assert headers["WWW-Authenticate"].startswith("Bearer")
    assert ("error=" in headers["WWW-Authenticate"]) == (token is not None)
    assert json.loads(body)["error"]["code"] == -32001
    assert "junk" not in body.decode()


async def test_a_refusal_is_written_in_msgpack_for_those_who_ask_for_it(lab):
    _, headers, body = await lab.post(b"{}", token=None, Accept="application/msgpack")
    assert headers["Content-Type"] == "application/msgpack"
    assert msgpack.unpackb(body)["error"]["code"] == -32001


async def test_what_a_caller_may_not_call_is_refused_entry_by_entry_and_never_reaches_the_upstream(lab):
    batch = [message("calc.sub", [2, 1], 1), message("calc.set", [], 2), message("calc.get", [], 3)]
    status, _, body = await lab.post(json.dumps(batch).encode(), token=lab.guest)
    answers = json.loads(body)
    assert status == 200
    assert [answer.get("error", {}).get("code") for answer in answers] == [None, -32002, None]
    assert lab.calc.calls["set"] == 0


async def test_a_hit_needs_the_same_right_as_a_miss(lab):
    await lab.call("calc.get")
    await lab.call("calc.get")
    assert lab.calc.calls["get"] == 1
    answer, _ = await lab.call("calc.set", token=lab.guest)
    assert answer["error"]["code"] == -32002
    assert answer["error"]["data"]["fault"] == "Forbidden"


async def test_repeats_are_hits_that_say_so_and_a_declared_write_ends_them(lab):
    seen = []
    for method in ("calc.get", "calc.get", "calc.set", "calc.get"):
        answer, headers = await lab.call(method)
        seen.append((answer["result"], headers["Cache-Status"].split(";")[1].strip(), headers.get("Age")))
    assert [value for value, *_ in seen] == [0, 0, 1, 1]
    assert [status for _, status, _ in seen] == ["fwd=miss", "hit", "fwd=method", "fwd=stale"]
    assert [age for *_, age in seen] == [None, "0", None, None]


async def test_no_cache_from_the_caller_makes_a_trip(lab):
    await lab.call("calc.get")
    _, headers = await lab.call("calc.get", Cache_Control="no-cache")
    assert headers["Cache-Status"].startswith("labgate; fwd=request")
    assert lab.calc.calls["get"] == 2


async def test_json_and_msgpack_callers_share_entries(lab):
    await lab.call("calc.get", {})
    body = msgpack.packb(message("calc.get", {}))
    _, headers, answer = await lab.post(body, Content_Type="application/msgpack")
    assert headers["Cache-Status"].startswith("labgate; hit")
    assert msgpack.unpackb(answer)["result"] == 0


async def test_every_answer_has_a_request_id_the_callers_own_where_it_is_one(lab):
    _, headers, _ = await lab.post(b"{}", X_Request_Id="run-7.a_B")
    assert headers["X-Request-Id"] == "run-7.a_B"
    for bad in ("a b", "x" * 129, "ü", ""):
        _, headers, _ = await lab.post(b"{}", X_Request_Id=bad)
        assert headers["X-Request-Id"] != bad
        assert headers["X-Request-Id"].isalnum()


async def test_the_request_id_and_the_time_left_travel_to_the_upstream(lab):
    await lab.call("calc.sub", [1, 1], X_Request_Id="trace-1", Labgate_Timeout="5")
    sent = {name.lower(): value for name, value in lab.calc.headers[-1].items()}
    assert sent["x-request-id"] == "trace-1"
    assert 0 < float(sent["labgate-timeout"]) <= 5
    assert "authorization" not in sent


async def test_a_timeout_ends_the_call_and_says_whether_it_may_have_been_executed(lab):
    answer, _ = await lab.call("calc.stuck", Labgate_Timeout="0.2")
    assert answer["error"]["code"] == -32004
    assert answer["error"]["data"]["maybe_executed"] is True


@pytest.mark.parametrize("bad", ["soon", "-1", "0", "nan"])
async def test_a_timeout_that_is_none_is_refused_by_name(lab, bad):
    status, _, body = await lab.post(b"{}", Labgate_Timeout=bad)
    assert status == 400
    assert "Labgate-Timeout" in json.loads(body)["error"]["message"]


async def test_the_catalogs_version_for_this_caller_is_on_every_answer(lab):
    _, mine, _ = await lab.post(json.dumps(message("calc.sub", [1, 1])).encode())
    _, theirs, _ = await lab.post(b"[]", token=lab.guest)
    headers = {"Authorization": f"Bearer {lab.token}"}
    async with lab.session.get(f"{lab.address}/openrpc.json", headers=headers) as response:
        assert response.headers["ETag"] == f'"{mine["Labgate-Catalog"]}"'
    assert mine["Labgate-Catalog"] != theirs["Labgate-Catalog"]


async def test_the_list_is_what_the_caller_may_call_and_304_when_they_have_it(lab):
    headers = {"Authorization": f"Bearer {lab.guest}"}
    async with lab.session.get(f"{lab.address}/openrpc.json", headers=headers) as response:
        document = await response.json()
        tag = response.headers["ETag"]
    assert [method["name"] for method in document["methods"]] == ["calc.get", "calc.sub"]
    sub = document["methods"][1]
    assert [param["name"] for param in sub["params"]] == ["minuend", "subtrahend"]
    assert document["components"]["errors"]
    for wanted in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        async with lab.session.get(
            f"{lab.address}/openrpc.json", headers=headers | {"If-None-Match": wanted}
        ) as response:
            assert (response.status, await response.read()) == (304, b"")
    async with lab.session.get(
        f"{lab.address}/openrpc.json", headers=headers | {"If-None-Match": '"other"'}
    ) as response:
        assert response.status == 200


@pytest.mark.parametrize("method", ["rpc.discover", "system.describe", "rpc.describe", "system.listMethods"])
async def test_every_describe_method_lists_only_what_the_caller_may_call(lab, method):
    text = json.dumps((await lab.call(method, token=lab.guest))[0]["result"])
    assert "calc.sub" in text
    assert "calc.set" not in text


async def test_an_unknown_method_suggests_what_the_caller_may_call(lab):
    answer, _ = await lab.call("calc.sud", token=lab.guest)
    assert answer["error"]["data"]["did_you_mean"] == ["calc.sub"]


async def test_arrays_in_msgpack_reach_a_lists_upstream_as_lists(lab):
    array = np.array([[1.5, 2.5]], np.float32)
    packed = {b"nd": True, b"type": "<f4", b"kind": b"", b"shape": [1, 2], b"data": array.tobytes()}
    body = msgpack.packb(message("calc.value", [packed]))
    _, _, answer = await lab.post(body, Content_Type="application/msgpack")
    assert msgpack.unpackb(answer)["result"] == [[1.5, 2.5]]


async def test_an_ndarray_in_json_reaches_a_lists_upstream_as_lists(lab):
    value = {"$ndarray": {"base64": "AADAPwAAIEA=", "dtype": "<f4", "shape": [2]}}
    answer, _ = await lab.call("calc.value", [value])
    assert answer["result"] == [1.5, 2.5]


async def test_what_msgpack_cannot_say_is_a_fault_and_never_a_rounding(lab):
    _, _, body = await lab.post(
        b'{"jsonrpc":"2.0","method":"calc.echo","params":[1e400],"id":1}', Accept="application/msgpack"
    )
    answer = msgpack.unpackb(body)
    assert answer["error"]["code"] == -32009
    assert answer["id"] == 1


async def test_a_body_over_the_limit_is_413_and_the_connection_is_not_lost_in_between(lab):
    status, _, body = await lab.post(io.BytesIO(b" " * ((1 << 20) + 1)))
    assert status == 413
    assert json.loads(body)["error"]["code"] == -32007


async def test_a_caller_who_goes_away_ends_a_safe_trip_and_not_a_write(lab):
    async def leave(method):
        task = asyncio.ensure_future(lab.call(method))
        while not lab.calc.calls[method.removeprefix("calc.")]:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    await leave("calc.stuck")
    for _ in range(100):
        await asyncio.sleep(0.01)
        if len(lab.gate.flights) == 1:
            break
    await asyncio.sleep(0.05)
    assert len(lab.gate.flights) == 1, "stuck is not declared safe, so it goes on"


async def test_metrics_and_status_are_for_operators_on_their_own_listener(lab):
    await lab.call("calc.get")
    await lab.call("calc.get")
    for path in ("/-/metrics", "/-/status"):
        mine, theirs = ({"Authorization": f"Bearer {token}"} for token in (lab.token, lab.guest))
        async with lab.session.get(lab.operator + path, headers=theirs) as response:
            assert response.status == 403
        async with lab.session.get(lab.address + path, headers=mine) as response:
            assert response.status == 404
        async with lab.session.get(lab.operator + path, headers=mine) as response:
            text = await response.text()
            assert response.status == 200
            assert "calc" in text
            assert lab.token not in text
    async with lab.session.get(f"{lab.operator}/-/metrics", headers=mine) as response:
        text = await response.text()
    assert 'labgate_calls_total{method="calc.get",outcome="hit",service="calc"} 1.0' in text
    assert 'labgate_calls_total{method="calc.get",outcome="miss",service="calc"} 1.0' in text


async def test_an_operator_can_have_the_services_asked_again_and_is_told_what_changed(lab):
    mine, theirs = ({"Authorization": f"Bearer {token}"} for token in (lab.token, lab.guest))
    lab.calc.NAMES = (*lab.calc.NAMES[1:], "brand_new")
    async with lab.session.post(f"{lab.operator}/-/refresh", headers=theirs) as response:
        assert response.status == 403
    async with lab.session.post(f"{lab.operator}/-/refresh?service=none", headers=mine) as response:
        assert response.status == 400
        assert "none" in (await response.json())["error"]["message"]
    async with lab.session.post(f"{lab.operator}/-/refresh?service=calc", headers=mine) as response:
        changes = (await response.json())["calc"]
    assert (changes["added"], changes["removed"]) == (["calc.brand_new"], ["calc.get_fail"])
    assert "calc.brand_new" in (await lab.call("system.listMethods"))[0]["result"]


async def test_health_is_open_and_without_detail(lab):
    for path in ("/-/healthy", "/-/ready"):
        async with lab.session.get(lab.address + path) as response:
            assert (response.status, await response.text()) == (200, "ok\n")


async def test_an_unknown_datastack_is_named(lab):
    _, _, body = await lab.post(json.dumps(message("calc.sub", [1, 1])).encode(), path="/rpc/minnie65")
    error = json.loads(body)["error"]
    assert error["code"] == -32014
    assert "minnie65" in error["message"]


@pytest.mark.parametrize("seconds", [0.0, 0.5])
async def test_a_call_is_counted_however_little_time_its_trip_took_by_the_loops_clock(lab, seconds):
    part = Part(b"1")
    part.method = lab.gate.relay.catalog.listings["calc"].items["calc.get"].method
    part.call = Call("id", Principal("alice", "here"), part.method, Params(None), 0.0)
    part.reply = Reply("result", Whole(b"7"), Pass("trip"))
    asked = Occasion(Visit("id", "rpc", "POST", "/rpc", "::1"), part.call.principal)
    door, terms = lab.gate.rpc_door(), Terms(JSON, JSON)
    before = lab.gate.metrics.outcomes().get("pass", 0)
    assert json.loads(door.end(part, asked, terms, seconds).body)["result"] == 7
    assert lab.gate.metrics.outcomes().get("pass", 0) == before + 1
    door.end(part, asked, terms, None)
    assert lab.gate.metrics.outcomes().get("pass", 0) == before + 1, "it was counted when it was answered"
