"""A call that is sent again because its answer did not come in time: does it run once, and do both get its answer?"""

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
    methods: {{get_x: {{safe: true}}, make_job: {{}}}}
"""


def call(call_id, method="make_job", params=("P3",)):
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": call_id}).encode()


def fresh():
    return str(uuid.uuid4())


@pytest.fixture
async def up(stand):
    upstream = await stand.upstream()
    await stand.gate(CONFIG.format(url=upstream.url, timeout="20s"))
    return upstream


async def test_a_repetition_joins_the_call_that_runs_though_its_first_caller_has_gone(stand, up):
    held = Held(as_json({"jsonrpc": "2.0", "result": "J7", "id": "x"}, "X-Odd: yes"))
    up.on("/api", held)
    ada, said = stand.caller("lab"), call(fresh())
    first = await ada.line()
    first.writer.write(ada.request("POST", "/jobs/api", "Content-Type: application/json", body=said))
    await until(lambda: up.to("/api"))
    await first.close()
    again = asyncio.ensure_future(ada.rpc("/jobs/api", said))
    await until(lambda: stand.running.outcomes.joined == 1)
    held.free.set()
    answer = await again
    assert (answer.status, json.loads(answer.body)["result"], answer["X-Odd"]) == (200, "J7", "yes")
    assert len(up.to("/api")) == 1


async def test_a_repetition_after_the_end_gets_what_was_kept_byte_for_byte(stand, up):
    ada, said = stand.caller("lab"), call(fresh())
    up.on(
        "/api",
        told(b'{"error": {"code": 422, "slots": [1]}}', "Content-Type: application/json", status="422 No"),
    )
    answers = [await ada.rpc("/jobs/api", said) for _ in range(3)]
    assert [(one.status, one.reason, one.body) for one in answers] == [(422, b"No", answers[0].body)] * 3
    assert len(up.to("/api")) == 1
    assert (await stand.numbers(ada))["labgate_repeats_joined_total"] == 2


@pytest.mark.parametrize(
    "call_id", [7, "7", "cafe", None, 1.5, "0" * 36, "P3-J42-launch-the-job-once-and-again"]
)
async def test_ids_that_two_programs_may_use_never_join(stand, up, call_id):
    ada = stand.caller("lab")
    for _ in range(2):
        await ada.rpc("/jobs/api", call(call_id))
    assert len(up.to("/api")) == 2


async def test_what_differs_in_anything_is_another_call(stand, up):
    ada, eve, one = stand.caller("lab"), stand.caller("lab", name="eve"), fresh()
    await ada.rpc("/jobs/api", call(one))
    await eve.rpc("/jobs/api", call(one))
    await ada.rpc("/jobs/api", call(one, params=["P4"]))
    await ada.rpc("/jobs/api", call(one) + b" ")
    await ada.rpc("/jobs/api?x=1", call(one))
    await ada.rpc("/jobs/api", call(fresh()))
    await ada.rpc("/jobs/api", b"[" + call(one) + b"]")
    await ada.rpc("/jobs/api", b"[" + call(one) + b"]")
    assert len(up.to("/api")) == 8


async def test_safe_calls_are_asked_again(stand, up):
    ada, said = stand.caller("lab"), call(fresh(), "get_x")
    for _ in range(2):
        await ada.rpc("/jobs/api", said)
    assert len(up.to("/api")) == 2


async def test_a_call_that_never_reached_the_service_is_made_when_it_is_repeated(stand, up):
    ada, said = stand.caller("lab"), call(fresh())
    port = up.port
    await up.stop()
    assert (await ada.rpc("/jobs/api", said)).status == 502
    server = await asyncio.start_server(up.accept, "127.0.0.1", port)
    try:
        assert (await ada.rpc("/jobs/api", said)).status == 200
    finally:
        server.close()
    assert len(up.to("/api")) == 1
    up.server = await asyncio.start_server(up.accept, "127.0.0.1", 0)


async def test_an_answer_that_breaks_off_is_told_as_unknown_and_the_call_is_not_made_again(stand, up):
    async def broken(asked):
        asked.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    up.on("/api", broken)
    ada, said = stand.caller("lab"), call(fresh())
    with pytest.raises((EOFError, OSError)):
        await ada.rpc("/jobs/api", said)
    again = await ada.rpc("/jobs/api", said)
    assert (again.status, again.fault) == (413, "TooLarge")
    assert json.loads(again.body)["error"]["data"]["maybe_executed"]
    assert len(up.to("/api")) == 1


async def test_an_answer_that_is_too_large_is_not_kept_and_the_call_is_not_made_again(stand, up):
    up.on("/api", told(b"x" * (2 << 20)))
    ada, said = stand.caller("lab"), call(fresh())
    assert (await ada.rpc("/jobs/api", said)).status == 200
    assert (await ada.rpc("/jobs/api", said)).fault == "TooLarge"
    assert len(up.to("/api")) == 1


async def test_a_call_whose_time_is_over_may_have_run_and_is_not_made_again(stand):
    upstream = await stand.upstream()
    await stand.gate(CONFIG.format(url=upstream.url, timeout="300ms"))
    upstream.on("/api", Held())
    ada, said = stand.caller("lab"), call(fresh())
    first = await ada.rpc("/jobs/api", said)
    again = await ada.rpc("/jobs/api", said)
    assert (first.status, first.fault) == (500, "DeadlineExceeded")
    assert (again.status, again.fault) == (first.status, first.fault)
    assert len(upstream.to("/api")) == 1


async def test_who_may_call_no_more_gets_no_outcome_either(stand, up):
    ada, said = stand.caller("lab"), call(fresh())
    assert (await ada.rpc("/jobs/api", said)).status == 200
    guest = stand.caller("guests")
    assert (await guest.rpc("/jobs/api", said)).status == 403
