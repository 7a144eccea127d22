"""A write through a mount goes out over a connection that is made for it: what if there is none, and what if it is not needed?"""

import asyncio
import json
import socket
import uuid

import pytest
from mounting import Held, told, until

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"]}}
  - {{to: ["group:few"], allow: ["jobs.get_x", "/jobs/**"]}}
services:
  jobs:
    dialect: listed
    url: [{urls}]
    rpc_path: /api
    mount: /jobs
    timeout: 20s
    methods: {{get_x: {{safe: true}}, make_job: {{}}}}
"""


def nobody():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}"


def call(call_id=None, method="make_job"):
    return {"jsonrpc": "2.0", "method": method, "params": ["P3"], "id": call_id or str(uuid.uuid4())}


async def gate(stand, *urls):
    await stand.gate(CONFIG.format(urls=", ".join(f'"{url}"' for url in urls)))
    return stand.caller("lab")


async def test_a_write_for_a_replica_that_takes_no_connection_reaches_another_once(stand):
    up = await stand.upstream()
    ada = await gate(stand, nobody(), up.url)
    for number in range(1, 7):
        put = await ada.ask("PUT", f"/jobs/thing/{number}", body=b"x")
        made = await ada.rpc("/jobs/api", call())
        assert (put.status, made.status) == (200, 200)
        assert len(up.to(f"/thing/{number}")) == 1
        assert len(up.to("/api")) == number
    assert {one.body for one in up.asked if one.verb == "PUT"} == {b"x"}


async def test_a_write_that_nobody_takes_is_told_as_one_that_never_happened(stand):
    ada = await gate(stand, nobody())
    for answer in (await ada.ask("PUT", "/jobs/thing/1", body=b"x"), await ada.rpc("/jobs/api", call())):
        assert (answer.status, answer.fault) == (502, "UpstreamUnreachable")
        assert "maybe_executed" not in json.loads(answer.body)["error"]["data"]


async def test_what_is_refused_begins_no_connection(stand):
    up = await stand.upstream()
    await gate(stand, up.url)
    few = stand.caller("few", name="sam")
    before = up.connections
    assert (await few.rpc("/jobs/api", call())).status == 403
    assert (await stand.nobody().rpc("/jobs/api", call())).status == 401
    assert (await few.rpc("/jobs/api", call(method="get_x"))).status == 200
    assert up.connections == before + 1


async def test_a_repetition_is_answered_though_a_connection_was_begun_for_it(stand):
    up = await stand.upstream()
    ada = await gate(stand, up.url)
    said = call()
    answers = [await ada.rpc("/jobs/api", said) for _ in range(3)]
    assert len({one.body for one in answers}) == 1
    assert len(up.to("/api")) == 1
    jobs = stand.running.estate.upstreams["jobs"]
    await until(lambda: jobs.in_flight == 0)


async def test_each_write_has_a_connection_of_its_own_and_a_read_one_that_stays(stand):
    up = await stand.upstream()
    ada = await gate(stand, up.url)
    before = up.connections
    for number in range(3):
        await ada.ask("PUT", f"/jobs/thing/{number}", body=b"x")
        await ada.get("/jobs/thing/7")
    assert up.connections == before + 4


async def test_a_caller_who_leaves_does_not_end_the_write_that_was_sent(stand):
    up, held = await stand.upstream(), Held(told(b"done"))
    ada = await gate(stand, up.url)
    up.on("/api", held)
    said = call()
    line = await ada.line()
    line.writer.write(ada.request("POST", "/jobs/api", body=json.dumps(said).encode()))
    await until(lambda: up.to("/api"))
    await line.close()
    again = await ada.line()
    again.writer.write(ada.request("POST", "/jobs/api", body=json.dumps(said).encode()))
    await until(lambda: stand.running.outcomes.joined == 1)
    assert not held.gone.is_set()
    held.free.set()
    assert (await again.answer("POST")).body == b"done"
    assert len(up.to("/api")) == 1


@pytest.mark.parametrize("first", ["1.1", "1.0"])
async def test_the_way_of_each_request_is_told_as_it_came_whatever_came_before_by_the_same_lines(
    stand, first
):
    up = await stand.upstream()
    ada = await gate(stand, up.url)
    versions = [first, "1.1", "1.0", "1.1"]
    for version in versions:
        line = await ada.line()
        line.writer.write(
            ada.request("PUT", "/jobs/thing/1", body=b"x").replace(
                b"HTTP/1.1", b"HTTP/%b" % version.encode(), 1
            )
        )
        assert (await line.answer("PUT")).status == 200
    told_ways = [one.values("Via")[0][:3].decode() for one in up.to("/thing/1")]
    assert told_ways == versions


async def test_the_time_that_a_body_took_to_come_is_not_given_to_the_service_again(stand):
    up = await stand.upstream()
    ada = await gate(stand, up.url)
    said = json.dumps(call()).encode()
    whole = ada.request("POST", "/jobs/api", "Content-Type: application/json", body=said)
    line = await ada.line()
    line.writer.write(whole[: -len(said)])
    await asyncio.sleep(0.1)
    line.writer.write(said)
    assert (await line.answer("POST")).status == 200
    (left,) = up.to("/api")[0].values("Labgate-Timeout")
    assert float(left) <= 19.91
