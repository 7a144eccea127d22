"""What is explained about a call is what would happen to it, and nothing happens by it."""

import asyncio
import json

import msgpack
import pytest

import labgate
from gateway.core.call import Demand
from gateway.core.ports import Visit
from gateway.core.principal import Principal
from gateway.core.question import Question
from gateway.core.switches import Wish
from gateway.core.verdict import Hit
from gateway.doors.asked import Occasion
from gateway.doors.explain import Explainer

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def ask(lab):
    """`await ask({"method": …})` -> status and what is said at the operator's door."""

    async def asking(said, token=None, **fields):
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        headers = {"Authorization": f"Bearer {token or lab.token}"} | JSON | fields
        async with lab.session.post(lab.operator + "/-/explain", data=body, headers=headers) as got:
            return got.status, await got.json(content_type=None)

    return asking


async def own(lab, *params, token="", **how):
    said, _ = await lab.call("rpc.explain", *params, token=token, **how)
    return said


# one's own call, on any port


async def test_a_call_is_explained_as_it_would_go_and_nothing_is_carried_out(lab):
    said = (await own(lab, {"method": "calc.get"}))["result"]
    assert (said["method"], said["service"], said["outcome"]) == ("calc.get", "calc", "miss")
    assert said["why"] == "nothing is stored under its key"
    assert lab.calc.calls["get"] == 0

    await lab.call("calc.get")
    said = (await own(lab, {"method": "calc.get"}))["result"]
    assert (said["outcome"], said["tier"]) == ("hit", "memory")
    assert 0 < said["entry"]["ttl"] <= 3600
    assert said["entry"]["bytes"] == 1
    assert said["entry"]["fresh_until"].endswith("Z")
    assert said["void_by"] == ["service:calc", "method:calc.get", "tag:numbers"]
    assert said["policy"] == {"number": 1, "to": "group:lab", "allow": "calc.*"}
    assert (said["rule"]["glob"], said["rule"]["fresh"], said["rule"]["tags"]) == ("get*", 3600, ["numbers"])
    assert lab.calc.calls["get"] == 1


async def test_the_key_is_told_in_words_and_its_bytes_are_those_of_the_entry(lab):
    await lab.call("calc.get_difference", [7, 2])
    said = (await own(lab, {"method": "calc.get_difference", "params": [7, 2]}))["result"]
    assert said["outcome"] == "hit"
    key = said["key"]
    assert lab.gate.tier.peek(bytes.fromhex(key["hex"])) is not None
    assert key["for"] == {"issuer": "labgate", "subject": "alice"}
    assert (key["service"], key["target"], key["params"]) == ("calc", "get_difference", "[7,2]")
    for params in ([7, 3], [7, 2.0], {"minuend": 7, "subtrahend": 2}, None):
        other = (await own(lab, {"method": "calc.get_difference", "params": params}))["result"]
        assert other["outcome"] == "miss"


async def test_the_exact_bytes_of_the_params_decide_as_they_do_for_the_call(lab):
    body = (
        b'{"jsonrpc":"2.0","id":1,"method":"calc.get_difference","params":{"minuend": 1e2, "subtrahend":2}}'
    )
    await lab.post(body)
    asked = b'{"jsonrpc":"2.0","id":1,"method":"rpc.explain","params":{"method":"calc.get_difference","params":%b}}'
    for params, outcome in (
        (b'{"minuend":1e2,"subtrahend":2}', "hit"),
        (b'{"minuend":100,"subtrahend":2}', "miss"),
        (b'{"subtrahend":2,"minuend":1e2}', "miss"),
    ):
        _, _, answer = await lab.post(asked % params)
        assert json.loads(answer)["result"]["outcome"] == outcome


async def test_entries_of_others_are_nobody_elses_hit(lab):
    await lab.call("calc.get")
    said = (await own(lab, {"method": "calc.get"}, token=lab.guest))["result"]
    assert (said["outcome"], said["key"]["for"]["subject"]) == ("miss", "gwen")


async def test_a_write_a_method_without_a_rule_and_a_write_that_ended_are_told_apart(lab):
    said = (await own(lab, {"method": "calc.set"}))["result"]
    assert (said["outcome"], said["safe"], said["rule"]) == ("pass", False, None)
    assert "every call goes to the service" in said["why"]
    assert "key" not in said
    await lab.call("calc.get")
    await lab.call("calc.set")
    said = (await own(lab, {"method": "calc.get"}))["result"]
    assert said["outcome"] == "miss"
    assert "a write or a purge has ended one of `void_by`" in said["why"]


async def test_a_caller_who_wants_it_fresh_is_told_that_what_is_stored_will_not_do(lab):
    await lab.call("calc.get")
    said = (await own(lab, {"method": "calc.get"}, Cache_Control="no-cache"))["result"]
    assert (said["outcome"], "older than the caller wants" in said["why"]) == ("miss", True)


async def test_a_trip_under_way_is_told(lab):
    lab.calc._get_more = lab.calc._stuck
    call = asyncio.ensure_future(lab.call("calc.get_more"))
    while not lab.calc.calls["get_more"]:
        await asyncio.sleep(0.001)
    assert (await own(lab, {"method": "calc.get_more"}))["result"]["in_flight"] is True
    assert (await own(lab, {"method": "calc.get"}))["result"]["in_flight"] is False
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)


async def test_by_position_it_is_method_params_datastack(lab):
    said = (await own(lab, ["calc.get_difference", [7, 2]]))["result"]
    assert said["key"]["params"] == "[7,2]"


async def test_it_stands_in_batches_and_in_msgpack_like_any_call(lab):
    calls = [{"jsonrpc": "2.0", "id": 1, "method": "rpc.explain", "params": ["calc.get"]}]
    calls += [{"jsonrpc": "2.0", "id": 2, "method": "calc.get"}, {**calls[0], "id": 3, "params": ["calc.no"]}]
    _, _, body = await lab.post(msgpack.packb(calls), Content_Type="application/msgpack")
    first, second, third = msgpack.unpackb(body)
    assert (first["result"]["outcome"], second["result"], third["error"]["code"]) == ("miss", 0, -32601)


async def test_what_is_told_to_callers_is_of_their_own_call_alone(lab):
    said = (await own(lab, {"method": "calc.get"}, token=lab.guest))["result"]
    assert "upstream" not in said
    assert "policies_of_caller" not in said
    assert said["policy"] == {"number": 2, "to": "group:guests", "allow": "calc.get"}
    assert lab.guest not in json.dumps(said)
    refused = await own(lab, {"method": "calc.get", "as": {"subject": "alice"}}, token=lab.guest)
    assert refused["error"]["code"] == -32602


async def test_a_method_that_one_may_not_call_or_that_is_not_there_answers_as_the_call_would(lab):
    for name, token in (("calc.set", lab.guest), ("calc.gett", lab.token), ("nope.x", lab.token)):
        called, _ = await lab.call(name, token=token)
        asked = await own(lab, {"method": name}, token=token)
        for answer in (called, asked):
            answer["error"]["data"].pop("request_id", None)
            answer["error"]["data"].pop("service", None)
            answer["error"]["data"].pop("method", None)
        assert asked["error"] == called["error"]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (None, "Say which call is meant"),
        ({}, "Say which call is meant"),
        ([], "Say which call is meant"),
        ({"method": 7}, "method is a text, not 7"),
        ({"method": ""}, "method is a text"),
        ({"method": "calc.get", "params": 7}, "params is an object or an array, as the call has it, not 7"),
        ({"method": "calc.get", "params": "[]"}, "params is an object or an array"),
        ({"methd": "calc.get"}, "methd is nothing that can be said of a call: did you mean method?"),
        ({"method": "calc.get", "path": "/x"}, "path is nothing that can be said"),
        (["calc.get", [], None, 1], "By position there are method, params, datastack"),
        ({"method": "rpc.discover"}, "rpc.discover is the gate's own method"),
        ({"method": "rpc.explain"}, "rpc.explain is the gate's own method"),
    ],
)
async def test_a_question_that_is_none_is_refused_with_what_is_wrong(lab, params, words):
    error = (await own(lab, params))["error"]
    assert error["code"] == -32602
    assert words in error["message"]


async def test_a_member_that_is_said_twice_is_refused(lab):
    body = (
        b'{"jsonrpc":"2.0","id":1,"method":"rpc.explain","params":{"method":"calc.get","method":"calc.set"}}'
    )
    _, _, answer = await lab.post(body)
    assert "method is said twice" in json.loads(answer)["error"]["message"]


async def test_an_unknown_datastack_is_named_as_the_call_would_name_it(lab):
    error = (await own(lab, {"method": "calc.get", "datastack": "pinky"}))["error"]
    assert error["data"]["fault"] == "UnknownDatastack"
    assert "'pinky'" in error["message"] or "pinky" in error["message"]


# anybody's call, at the operator's door


async def test_operators_ask_about_anybodys_call_and_are_told_policies_and_addresses(lab, ask):
    await lab.call("calc.get", token=lab.guest)
    status, said = await ask({"method": "calc.get", "as": {"subject": "gwen", "groups": ["guests"]}})
    assert (status, said["outcome"]) == (200, "hit")
    assert said["caller"] == {"subject": "gwen", "issuer": "labgate", "groups": ["guests"], "scopes": []}
    assert said["policies_of_caller"] == [2]
    assert said["policy"]["text"]["allow"] == ["calc.sub", "calc.get"]
    assert said["upstream"] == {"urls": [lab.calc.url], "dialect": "jsonrpc", "method": "get"}


async def test_operators_are_told_why_a_call_would_be_refused(lab, ask):
    status, said = await ask({"method": "calc.set", "as": {"groups": ["guests"]}})
    assert (status, said["outcome"], said["fault"]) == (200, "refused", "Forbidden")
    assert "'somebody' may not call 'calc.set'" in said["why"]
    assert (said["policy"], said["policies_of_caller"]) == (None, [2])
    _, said = await ask({"method": "calc.set", "as": "anonymous"})
    assert (said["outcome"], said.get("policies_of_caller")) == ("refused", None)
    _, said = await ask({"method": "calc.gett"})
    assert (said["method"], said["fault"]) == (None, "UnknownMethod")
    assert "did you mean calc.get" in said["why"]
    _, said = await ask({"method": "calc.get", "datastack": "pinky"})
    assert said["fault"] == "UnknownDatastack"


async def test_operators_are_told_of_a_service_that_was_taken_out(lab, ask):
    lab.gate.switches.change(Wish(cordon={"calc": True}), "ada", 0.0)
    _, said = await ask({"method": "calc.get"})
    assert (said["outcome"], said["fault"], said["policy"]["number"]) == ("refused", "Unavailable", 1)


async def test_arguments_are_read_as_a_plain_url_reads_them(lab, ask):
    async with lab.session.get(
        lab.address + "/rpc/calc.get_difference?minuend=7&subtrahend=2",
        headers={"Authorization": f"Bearer {lab.token}"},
    ) as got:
        assert await got.text() == "5"
    _, said = await ask({"method": "calc.get_difference", "arguments": {"minuend": "7", "subtrahend": "2"}})
    assert said["outcome"] == "hit"


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (b"nonsense", "Say which call is meant"),
        (b'{"method": "calc.get", ', "The question is no JSON"),
        ({"as": {}}, '"as" is "anonymous", or'),
        ({"method": "calc.get", "as": {"subject": 7}}, "subject is not 7"),
        ({"method": "calc.get", "as": {"groups": "lab"}}, "groups is not"),
        ({"method": "calc.get", "as": {"group": ["lab"]}}, '"as" is "anonymous", or'),
        ({"method": "calc.get", "as": "root"}, '"as" is "anonymous", or'),
        ({"method": "calc.get", "path": "/x"}, "Say a path or a method"),
        ({"method": "calc.get", "verb": "GET"}, "verb is of a request through a mount"),
        ({"method": "calc.get", "params": [], "arguments": {"a": "1"}}, "not both"),
        ({"method": "calc.get", "arguments": {"a": 1}}, "arguments is an object of texts"),
        ({"path": "/x", "fields": {"Accept": 1}}, "fields is an object of texts"),
        ({"path": "/rpc"}, "Nothing is mounted at /rpc"),
        ({"path": "/../x"}, "a step `.` or `..`"),
        ({"method": "system.describe"}, "the gate's own method"),
    ],
)
async def test_what_operators_ask_wrongly_is_400_with_what_is_wrong(ask, question, words):
    status, said = await ask(question)
    assert status == 400
    assert words in said["error"]["message"]


async def test_the_door_is_for_operators_and_for_json(lab, ask):
    assert (await ask({"method": "calc.get"}, token=lab.guest))[0] == 403
    assert (await ask({"method": "calc.get"}, **{"Content-Type": "text/plain"}))[0] == 415
    async with lab.session.post(lab.address + "/-/explain", json={}) as got:
        assert got.status == 404


# through the SDK


async def test_the_sdk_asks_about_the_very_call_that_it_would_make(lab, tmp_path):
    def asked():
        client = labgate.connect(lab.address, token=lab.token, cache_dir=str(tmp_path))
        before = labgate.explain(client, "calc.get_difference", 7.0, 2)
        client.calc.get_difference(7.0, 2)
        after = labgate.explain(client, "calc.get_difference", 7.0, 2)
        fresh = labgate.explain(client(fresh=True), "calc.get_difference", 7.0, 2)
        other = labgate.explain(client, "calc.get_difference", 7, 2)
        return [one["outcome"] for one in (before, after, fresh, other)]

    assert await asyncio.to_thread(asked) == ["miss", "hit", "miss", "miss"]


# of tiers that take time


async def test_what_memory_has_not_is_asked_of_the_tiers_beyond_it(lab):
    await lab.call("calc.get")
    (entry,) = lab.gate.tier.recent()
    lab.gate.tier.drop(entry.key)
    asked = []

    async def recall(miss, now, wanted):
        asked.append((miss.key, wanted))
        return Hit(entry, "disk")

    relay = lab.gate.relay
    principal = Principal("alice", "labgate", groups=("lab",))
    occasion = Occasion(Visit("r", "rpc", "POST", "/rpc", ""), principal)
    told = await Explainer(relay, lab.gate.wall, recall).own(
        Question(method="calc.get"), occasion, Demand(max_age=5.0)
    )
    said = json.loads(told)
    assert (said["outcome"], said["tier"]) == ("hit", "disk")
    assert asked == [(entry.key, Demand(max_age=5.0))]
