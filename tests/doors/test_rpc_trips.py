"""The calls of a batch go to their upstreams as calls that come alone do: without a task, and with the same laws."""

import asyncio
import json
import logging

import pytest
from mounting import Held, as_json, told, until

from gateway.doors import rpc, rpc_trips
from gateway.doors.rpc_trip import RpcTrip

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*"], operate: true}}
services:
  up:
    dialect: listed
    url: "{url}"
    rpc_path: /
    timeout: {timeout}
    concurrency: {concurrency}
    methods: {{get: {{safe: true}}, kept: {{safe: true, cache: {{fresh: 1h, share: everyone}}}}, put: {{}}}}
"""


async def echo(asked):
    """The parameters of the call."""
    said = json.loads(asked.body)
    return as_json({"jsonrpc": "2.0", "id": said["id"], "result": said["params"]})


class Slowly:
    """The same a moment later; `most` is how many calls it had at once."""

    def __init__(self):
        self.here = self.most = 0

    async def __call__(self, asked):
        self.here += 1
        self.most = max(self.most, self.here)
        await asyncio.sleep(0)
        self.here -= 1
        return await echo(asked)


def batch(method, count, first=0):
    return [
        {"jsonrpc": "2.0", "id": n, "method": f"up.{method}", "params": [first + n]} for n in range(count)
    ]


async def lab(stand, timeout="60s", concurrency=200):
    up = await stand.upstream()
    up.on("*", echo)
    await stand.gate(CONFIG.format(url=up.url, timeout=timeout, concurrency=concurrency))
    return up, stand.caller("lab")


async def results(caller, calls):
    answers = json.loads((await caller.rpc("/rpc", calls)).body)
    assert [one["id"] for one in answers] == [one["id"] for one in calls]
    return [one.get("result", one.get("error", {}).get("data", {}).get("fault")) for one in answers]


@pytest.fixture
def begun(monkeypatch):
    """How many calls of batches set out as trips."""
    counted = []
    begin = RpcTrip.begin

    def counting(*said):
        trip = begin(*said)
        counted.extend([trip] if trip is not None else [])
        return trip

    monkeypatch.setattr(rpc_trips.RpcTrip, "begin", counting)
    return counted


async def test_calls_of_a_batch_make_no_task_where_connections_are_kept_and_are_answered_in_order(
    stand, begun
):
    up, ada = await lab(stand)
    await results(ada, batch("get", 300))
    begun.clear()
    made, tasks = up.connections, stand.running.relay._flights._tasks
    assert await results(ada, batch("get", 300, 1000)) == [[1000 + n] for n in range(300)]
    assert len(begun) == 300
    assert not tasks
    assert up.connections == made


async def test_what_a_batch_brought_is_stored_and_equal_calls_of_it_make_one_trip(stand, begun):
    up, ada = await lab(stand)
    await results(ada, batch("get", 8))
    same = [{"jsonrpc": "2.0", "id": n, "method": "up.kept", "params": [n % 3]} for n in range(30)]
    for _ in range(2):
        assert await results(ada, same) == [[n % 3] for n in range(30)]
    assert sum(b'"kept"' in one.body for one in up.asked) == 3


async def test_writes_of_a_batch_go_over_connections_of_their_own_and_each_once(stand, begun):
    up, ada = await lab(stand)
    await results(ada, batch("get", 8))
    upstream = stand.running.relay.routes["up"].carrier
    begun.clear()
    opened, reused = upstream.opened, upstream.reused
    assert await results(ada, batch("put", 20)) == [[n] for n in range(20)]
    assert len(begun) == 20
    assert (upstream.opened, upstream.reused) == (opened + 20, reused)
    assert sum(b'"put"' in one.body for one in up.asked) == 20


async def test_no_more_calls_of_a_batch_are_under_way_than_may_be(stand, begun):
    up, ada = await lab(stand)
    await results(ada, batch("get", 100))
    slowly = Slowly()
    up.on("*", slowly)
    assert await results(ada, batch("get", 300)) == [[n] for n in range(300)]
    assert 1 < slowly.most <= rpc.AT_ONCE


async def test_a_call_of_a_batch_that_hangs_ends_at_its_time_and_the_others_are_answered(
    stand, begun, monkeypatch
):
    monkeypatch.setattr(rpc, "SOON", 0.0)
    monkeypatch.setattr("gateway.doors.rpc_trip.SOON", 0.0)
    monkeypatch.setattr(rpc_trips, "PULSE", 0.05)
    up, ada = await lab(stand, "2s")
    await results(ada, batch("get", 8))
    begun.clear()
    held = Held()

    async def mostly(asked):
        return await (held if json.loads(asked.body)["params"] == [2] else echo)(asked)

    up.on("*", mostly)
    assert await results(ada, batch("get", 4)) == [[0], [1], "DeadlineExceeded", [3]]
    assert len(begun) == 4
    await held.gone.wait()


async def test_a_batch_whose_caller_goes_away_ends_its_calls(stand, begun):
    up, ada = await lab(stand)
    await results(ada, batch("get", 8))
    begun.clear()
    held = [Held(), Held(), Held()]
    waiting = iter(held)

    async def one_after_the_other(asked):
        return await next(waiting)(asked)

    up.on("*", one_after_the_other)
    seen = len(up.asked)
    line = await ada.line()
    body = json.dumps(batch("get", 3)).encode()
    line.writer.write(ada.request("POST", "/rpc", "Content-Type: application/json", body=body))
    await until(lambda: len(up.asked) == seen + 3)
    assert len(begun) == 3
    await line.close()
    for one in held:
        await one.gone.wait()


async def test_a_call_of_a_batch_whose_kept_connection_was_closed_is_made_once_more(stand, begun):
    up, ada = await lab(stand)
    await results(ada, batch("get", 8))
    begun.clear()
    closed = set()

    async def closing(asked):
        if asked.writer in closed or len(closed) == 3:
            return await echo(asked)
        closed.add(asked.writer)
        return None

    up.on("*", closing)
    assert await results(ada, batch("get", 6)) == [[n] for n in range(6)]
    assert len(closed) == 3


async def test_a_mistake_in_one_call_of_a_batch_is_told_for_it_alone(stand, monkeypatch, caplog):
    _, ada = await lab(stand)
    begin = RpcTrip.begin

    def mistaken(relay, loop, call, part, finish):
        if part.id == b"3":
            raise ZeroDivisionError
        return begin(relay, loop, call, part, finish)

    await results(ada, batch("get", 8))
    monkeypatch.setattr(rpc_trips.RpcTrip, "begin", mistaken)
    with caplog.at_level(logging.CRITICAL, "labgate.doors"):
        assert await results(ada, batch("get", 5)) == [[0], [1], [2], "InternalFault", [4]]


async def test_an_error_of_the_service_is_one_entrys_answer(stand, begun):
    up, ada = await lab(stand)
    await results(ada, batch("get", 8))

    async def failing(asked):
        said = json.loads(asked.body)
        if said["params"] == [1]:
            return as_json({"jsonrpc": "2.0", "id": said["id"], "error": {"code": 7, "message": "no"}})
        return told(b"<html>", "Content-Type: text/html") if said["params"] == [2] else await echo(asked)

    up.on("*", failing)
    answers = json.loads((await ada.rpc("/rpc", batch("get", 4))).body)
    assert answers[1]["error"]["code"] == 7
    assert answers[2]["error"]["data"]["fault"] == "UpstreamBroken"
    assert [answers[0]["result"], answers[3]["result"]] == [[0], [3]]


async def in_line(stand, count, concurrency=1):
    """Ada's batch of so many calls, of which as many as may be are at the service and are held; the others wait."""
    up, ada = await lab(stand, concurrency=concurrency)
    await results(ada, batch("get", 1))
    held = [Held() for _ in range(concurrency)]
    holding = iter(held)

    async def hold_the_first(asked):
        one = next(holding, None)
        if one is None:
            return await echo(asked)
        one.answer = await echo(asked)
        return await one(asked)

    up.on("*", hold_the_first)
    line, seen = await ada.line(), len(up.asked)
    body = json.dumps(batch("kept", count)).encode()
    line.writer.write(ada.request("POST", "/rpc", "Content-Type: application/json", body=body))
    upstream = stand.running.relay.routes["up"].carrier
    await until(lambda: upstream.waiting == count - concurrency and len(up.asked) == seen + concurrency)
    return up, upstream, held, line


async def test_calls_of_batches_wait_for_their_turn_without_a_task(stand, begun):
    up, ada = await lab(stand, concurrency=4)
    await results(ada, batch("get", 4))
    slowly = Slowly()
    up.on("*", slowly)
    begun.clear()
    made = up.connections
    first, second = await asyncio.gather(
        results(ada, batch("get", 150)), results(stand.caller("lab", name="bob"), batch("get", 150, 1000))
    )
    assert (first, second) == ([[n] for n in range(150)], [[1000 + n] for n in range(150)])
    assert len(begun) > 250
    assert slowly.most == 4
    assert up.connections == made
    upstream = stand.running.relay.routes["up"].carrier
    assert (upstream.in_flight, upstream.waiting) == (0, 0)


async def test_what_waits_in_one_batch_is_joined_by_others(stand, begun):
    up, _, held, line = await in_line(stand, 5)
    seen = len(up.asked)
    joined = asyncio.create_task(results(stand.caller("lab", name="bob"), batch("kept", 5)))
    flights = stand.running.relay._flights
    await until(lambda: sum(one.awaited for one in flights._shared.values()) == 5)
    for one in held:
        one.free.set()
    assert await joined == [[n] for n in range(5)]
    assert (len(up.asked), flights.joined) == (seen + 4, 5)
    await line.close()


async def test_what_waits_is_never_sent_when_its_caller_goes_away_and_the_line_moves_on(stand, begun):
    up, upstream, held, line = await in_line(stand, 40)
    seen = len(up.asked)
    await line.close()
    await held[0].gone.wait()
    await until(lambda: upstream.waiting == 0 and upstream.in_flight == 0)
    assert len(up.asked) == seen
    assert await results(stand.caller("lab", name="bob"), batch("get", 3)) == [[0], [1], [2]]


async def test_what_waits_for_too_long_is_told_so_and_was_not_sent(stand, begun, monkeypatch):
    monkeypatch.setattr(rpc, "SOON", 0.0)
    monkeypatch.setattr("gateway.doors.rpc_trip.SOON", 0.0)
    monkeypatch.setattr(rpc_trips, "PULSE", 0.05)
    up, ada = await lab(stand, concurrency=1)
    await results(ada, batch("get", 1))
    held = Held()

    async def hold(asked):
        held.answer = await echo(asked)
        return await held(asked)

    up.on("*", hold)
    holds = asyncio.ensure_future(results(stand.caller("lab", name="bob"), batch("kept", 1, 1000)))
    upstream = stand.running.relay.routes["up"].carrier
    await until(lambda: len(up.asked) == 2)
    begun.clear()
    line = await ada.line()
    body = json.dumps(batch("kept", 4)).encode()
    fields = ("Content-Type: application/json", "Labgate-Timeout: 1")
    line.writer.write(ada.request("POST", "/rpc", *fields, body=body))
    answers = json.loads((await line.answer()).body)
    assert [one["error"]["data"]["fault"] for one in answers] == ["DeadlineExceeded"] * 4
    assert len(begun) == 4
    assert (len(up.asked), upstream.in_flight, upstream.waiting) == (2, 1, 0)
    held.free.set()
    assert await holds == [[1000]]


async def test_calls_that_waited_are_answered_by_a_service_that_keeps_no_connection(stand, begun):
    up, ada = await lab(stand, concurrency=2)

    async def closing(asked):
        said = json.loads(asked.body)
        return as_json({"jsonrpc": "2.0", "id": said["id"], "result": said["params"]}, "Connection: close")

    up.on("*", closing)
    assert await results(ada, batch("get", 100)) == [[n] for n in range(100)]
    assert len(up.asked) == 100
    upstream = stand.running.relay.routes["up"].carrier
    assert (upstream.in_flight, upstream.waiting) == (0, 0)
