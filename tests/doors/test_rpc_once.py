"""A message with an Idempotency-Key: is it carried out once, whoever sends it again, and whenever?"""

import asyncio
import json
import uuid

import pytest
from mounting import Held, as_json, told, until

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
services:
  jobs:
    dialect: listed
    url: "{url}"
    rpc_path: /api
    mount: /jobs
    timeout: {timeout}
    methods: {{get_x: {{safe: true}}, make_job: {{}}, end_job: {{}}}}
  files:
    dialect: listed
    url: "{url}"
    mount: /files
"""


def call(method="make_job", params=("P3",), call_id=1):
    return {"jsonrpc": "2.0", "method": f"jobs.{method}", "params": params, "id": call_id}


def key(text=None):
    return f'Idempotency-Key: "{text or uuid.uuid4()}"'


async def echoing(asked):
    """The JSON-RPC answer to what was asked, whose result counts."""
    said = json.loads(asked.body)
    echoing.count += 1
    return as_json({"jsonrpc": "2.0", "result": echoing.count, "id": said["id"]})


@pytest.fixture
async def up(stand):
    upstream = await stand.upstream()
    await stand.gate(CONFIG.format(url=upstream.url, timeout="20s"))
    echoing.count = 0
    upstream.on("/api", echoing)
    return upstream


async def test_a_write_with_the_same_key_runs_once_and_each_gets_the_first_answer(stand, up):
    ada, once = stand.caller("lab"), key()
    answers = [await ada.rpc("/rpc", call(), once) for _ in range(3)]
    assert {(one.status, one.body) for one in answers} == {(200, answers[0].body)}
    assert json.loads(answers[0].body)["result"] == 1
    assert "a repetition" not in answers[0]["Cache-Status"]
    assert 'detail="a repetition"' in answers[1]["Cache-Status"]
    assert answers[1]["Labgate-Catalog"] == answers[0]["Labgate-Catalog"]
    assert answers[1]["X-Request-Id"] != answers[0]["X-Request-Id"]
    assert len(up.to("/api")) == 1
    assert (await stand.numbers(ada))["labgate_repeats_joined_total"] == 2


async def test_without_a_key_and_with_another_one_each_write_runs(stand, up):
    ada = stand.caller("lab")
    for lines in ((), (), (key(),), (key(),)):
        await ada.rpc("/rpc", call(), *lines)
    assert len(up.to("/api")) == 4


async def test_a_repetition_joins_the_write_that_runs_though_its_first_caller_has_gone(stand, up):
    held = Held()
    seen = []

    async def slowly(asked):
        seen.append(json.loads(asked.body)["id"])
        held.answer = as_json({"jsonrpc": "2.0", "result": "J7", "id": seen[-1]})
        return await held(asked)

    up.on("/api", slowly)
    ada, once = stand.caller("lab"), key()
    said = json.dumps(call()).encode()
    first = await ada.line()
    first.writer.write(ada.request("POST", "/rpc", "Content-Type: application/json", once, body=said))
    await until(lambda: seen)
    await first.close()
    again = asyncio.ensure_future(ada.rpc("/rpc", said, once))
    await until(lambda: stand.running.outcomes.joined == 1)
    held.free.set()
    assert json.loads((await again).body) == {"jsonrpc": "2.0", "result": "J7", "id": 1}
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        (call("end_job"), ()),
        (call(params=["P4"]), ()),
        (call(call_id=2), ()),
        ([call()], ()),
        (call(), ("Accept: application/msgpack",)),
    ],
    ids=["another method", "other parameters", "another id", "a batch", "another encoding"],
)
async def test_the_same_key_for_another_message_is_refused(stand, up, said, lines):
    ada, once = stand.caller("lab"), key()
    await ada.rpc("/rpc", call(), once)
    refused = await ada.rpc("/rpc", said, once, *lines)
    assert refused.status == 422
    if not lines:
        assert (refused.fault, json.loads(refused.body)["error"]["code"]) == ("Conflict", -32018)
    assert len(up.to("/api")) == 1


async def test_keys_are_of_a_principal(stand, up):
    once = key("one")
    for name in ("ada", "eve"):
        await stand.caller("lab", name=name).rpc("/rpc", call(), once)
    await stand.caller("lab").rpc("/rpc", call(), "Idempotency-Key: one")  # quotes or none: the same key
    assert len(up.to("/api")) == 2


async def test_who_may_call_no_more_gets_no_outcome_either(stand, up):
    once = key()
    assert (await stand.caller("lab").rpc("/rpc", call(), once)).status == 200
    assert (await stand.caller("guests").rpc("/rpc", call(), once)).fault == "Forbidden"


async def test_safe_calls_are_asked_again_whatever_the_key(stand, up):
    ada, once = stand.caller("lab"), key()
    answers = [json.loads((await ada.rpc("/rpc", call("get_x"), once)).body)["result"] for _ in range(2)]
    assert answers == [1, 2]


async def test_a_batch_has_one_key_for_all_that_it_changes(stand, up):
    ada, once = stand.caller("lab"), key()
    said = [call(call_id=1), call("get_x", call_id=2), call("end_job", call_id=3)]
    first, again = [await ada.rpc("/rpc", said, once) for _ in range(2)]
    assert first.body == again.body
    assert sorted(one["result"] for one in json.loads(again.body)) == [1, 2, 3]
    assert len(up.to("/api")) == 3


async def test_a_service_s_error_is_an_outcome(stand, up):
    async def failing(asked):
        error = {"code": 7, "message": "no"}
        return as_json({"jsonrpc": "2.0", "error": error, "id": json.loads(asked.body)["id"]})

    up.on("/api", failing)
    ada, once = stand.caller("lab"), key()
    bodies = {(await ada.rpc("/rpc", call(), once)).body for _ in range(2)}
    assert len(bodies) == 1
    assert json.loads(bodies.pop())["error"]["code"] == 7
    assert len(up.to("/api")) == 1


async def test_a_write_whose_answer_was_lost_is_told_as_such_again_and_not_made_again(stand, up):
    async def lost(asked):
        return None

    up.on("/api", lost)
    ada, once = stand.caller("lab"), key()
    answers = [json.loads((await ada.rpc("/rpc", call(), once)).body)["error"] for _ in range(2)]
    assert [one["data"]["maybe_executed"] for one in answers] == [True, True]
    assert len(up.to("/api")) == 1


async def test_a_write_that_never_reached_the_service_is_made_when_it_is_repeated(stand, up):
    ada, once, port = stand.caller("lab"), key(), up.port
    await up.stop()
    assert (await ada.rpc("/rpc", call(), once)).fault == "UpstreamUnreachable"
    server = await asyncio.start_server(up.accept, "127.0.0.1", port)
    try:
        assert json.loads((await ada.rpc("/rpc", call(), once)).body)["result"] == 1
    finally:
        server.close()
    up.server = await asyncio.start_server(up.accept, "127.0.0.1", 0)


@pytest.mark.parametrize("text", ['""', '"a', "a b", "ä", "x" * 256, '"a", "b"'])
async def test_what_is_no_key_is_refused(stand, up, text):
    ada = stand.caller("lab")
    for target, said in (("/rpc", call()), ("/jobs/api", call() | {"method": "make_job"})):
        answer = await ada.rpc(target, said, f"Idempotency-Key: {text}")
        assert (answer.status, answer.fault) == (400, "BadRequest")
    assert up.to("/api") == []


async def test_a_json_rpc_call_through_a_mount_runs_once_with_a_key_too(stand, up):
    ada, once = stand.caller("lab"), key()
    said = call() | {"method": "make_job"}
    first, again = [await ada.rpc("/jobs/api", said, once) for _ in range(2)]
    assert (first.body, first.status) == (again.body, 200)
    assert (await ada.rpc("/jobs/api", said | {"id": 2}, once)).status == 422
    # The service of the mount and the gate's own door have keys of their own.
    assert json.loads((await ada.rpc("/rpc", call(), once)).body)["result"] == 2
    assert len(up.to("/api")) == 2


async def test_a_write_through_a_mount_runs_once_and_its_key_reaches_the_service(stand, up):
    up.on("/new", told(b"made", "Location: /files/7", "X-Odd: yes", status="201 Made"))
    ada, once = stand.caller("lab"), key("k-1")
    answers = [await ada.ask("POST", "/files/new", once, body=b"x" * 1000) for _ in range(3)]
    assert [(one.status, one.reason, one.body, one["X-Odd"]) for one in answers] == [
        (201, b"Made", b"made", "yes")
    ] * 3
    (asked,) = up.to("/new")
    assert asked.values("idempotency-key") == [b'"k-1"']
    assert 'detail="a repetition"' in answers[2]["Cache-Status"]
    other = await ada.ask("POST", "/files/new", once, body=b"y" * 1000)
    assert (other.status, other.fault) == (422, "Conflict")
    assert (await ada.ask("PUT", "/files/new", once, body=b"x" * 1000)).status == 422
    assert len(up.to("/new")) == 1


async def test_a_write_through_a_mount_joins_the_first_that_runs(stand, up):
    held = Held(told(b"done"))
    up.on("/slow", held)
    ada, once = stand.caller("lab"), key()
    tasks = [asyncio.ensure_future(ada.ask("DELETE", "/files/slow", once)) for _ in range(3)]
    await until(lambda: stand.running.outcomes.joined == 2)
    held.free.set()
    assert [one.body for one in await asyncio.gather(*tasks)] == [b"done"] * 3
    assert len(up.to("/slow")) == 1


async def test_a_service_that_refuses_unread_is_asked_again(stand, up):
    up.on("/new", told(b"later", status="429 Too Many Requests"))
    ada, once = stand.caller("lab"), key()
    for _ in range(2):
        assert (await ada.ask("POST", "/files/new", once, body=b"x")).status == 429
    assert len(up.to("/new")) == 2


async def test_reads_and_large_uploads_pass_a_mount_with_their_key_each_time(stand, up):
    up.on("/big", told(b"ok"))
    ada, once = stand.caller("lab"), key()
    for _ in range(2):
        assert (await ada.ask("PUT", "/files/big", once, body=b"x" * (200 << 10))).status == 200
        assert (await ada.get("/files/some", once)).status == 200
    assert [len(one.body) for one in up.to("/big")] == [200 << 10] * 2
    assert len(up.to("/some")) == 2


async def test_the_catalog_says_for_how_long_outcomes_are_kept(stand, up):
    listed = json.loads((await stand.caller("lab").get("/openrpc.json")).body)
    assert listed["x-labgate"]["idempotency"] == {"seconds": 600}


async def test_a_call_at_an_address_of_its_own_runs_once_with_a_key(stand, up):
    ada, once = stand.caller("lab"), key()
    answers = [await ada.rpc("/rpc/jobs.make_job", ["P3"], once) for _ in range(2)]
    assert [(one.status, one.body) for one in answers] == [(200, b"1")] * 2
    assert 'detail="a repetition"' in answers[1]["Cache-Status"]
    assert (await ada.rpc("/rpc/jobs.make_job", ["P4"], once)).status == 422
    assert (await ada.rpc("/rpc/jobs.end_job", ["P3"], once)).status == 422
    assert (await stand.caller("guests").rpc("/rpc/jobs.make_job", ["P3"], once)).status == 403
    assert len(up.to("/api")) == 1
    port = up.port
    await up.stop()
    once = key()
    assert (await ada.rpc("/rpc/jobs.make_job", ["P3"], once)).status == 502
    server = await asyncio.start_server(up.accept, "127.0.0.1", port)
    try:
        assert (await ada.rpc("/rpc/jobs.make_job", ["P3"], once)).body == b"2"
    finally:
        server.close()
    up.server = await asyncio.start_server(up.accept, "127.0.0.1", 0)
