"""A call that may change something goes over a connection of its own, without a task, and to its end whoever waits for it."""

import asyncio
import json

import pytest
from mounting import Held, as_json, told, until

from gateway.dialects.jsonrpc import JsonRpcDialect
from gateway.doors import rpc, rpc_trips
from gateway.wire.upstream import NotConnectedError

CONFIG = """\
limits: {{reply: 1MiB}}
telemetry: {{access_log: "off", audit: {audit}}}
policies:
  - {{to: ["group:lab"], allow: ["*"], operate: true, concurrency: 50}}
services:
  up:
    dialect: listed
    url: "{url}"
    rpc_path: /
    timeout: {timeout}
    concurrency: 20
    methods:
      kept: {{safe: true, cache: {{fresh: 1h, share: everyone, tags: [things]}}}}
      put: {{invalidates: [things]}}
"""
IN_DOUBT = CALLER_GONE = True


@pytest.fixture
def file(tmp_path):
    return tmp_path / "audit.jsonl"


class Lab:
    """A gate before one service, and a caller."""

    def __init__(self, up, stand, file):
        self.up, self.stand, self.file = up, stand, file
        self.ada = stand.caller("lab")
        self.relay = stand.running.relay
        self.flights = self.relay._flights
        self.upstream = self.relay.routes["up"].carrier
        self.trips = []
        self.starts = []
        start = self.flights.start

        def starting(*said, **more):
            self.starts.append(start(*said, **more))
            return self.starts[-1]

        self.flights.start = starting

    async def put(self, *numbers):
        """The answers to writes: alone, or as one batch."""
        calls = [{"jsonrpc": "2.0", "id": 1, "method": "up.put", "params": [one]} for one in numbers]
        said = calls[0] if len(calls) == 1 else calls
        answers = json.loads((await self.ada.rpc("/rpc", said)).body)
        return [answers] if len(calls) == 1 else answers

    async def set_off(self, *numbers):
        """The connection of a caller whose writes have come to the service."""
        seen = len(self.up.asked)
        line = await self.ada.line()
        calls = [{"jsonrpc": "2.0", "id": 1, "method": "up.put", "params": [one]} for one in numbers]
        body = json.dumps(calls[0] if len(calls) == 1 else calls).encode()
        line.writer.write(self.ada.request("POST", "/rpc", "Content-Type: application/json", body=body))
        await until(lambda: len(self.up.asked) == seen + len(numbers))
        return line

    def holds(self):
        """Writes are answered when they are freed, each by itself; how many there are by now."""
        held = []

        async def hold(asked):
            if b'"put"' not in asked.body:
                return await echo(asked)
            held.append(Held(await echo(asked)))
            return await held[-1](asked)

        self.up.on("*", hold)
        return held

    def written(self):
        """How many times each write came to the service."""
        return [json.loads(one.body)["params"][0] for one in self.up.asked if b'"put"' in one.body]

    async def audit(self, count):
        """Outcome and `heard` of each line of the audit log."""
        await until(lambda: self.relay.auditor.written >= count)
        said = [json.loads(line) for line in self.file.read_text().splitlines()]
        assert len(said) == count
        return [(one["outcome"], one.get("caller_gone", False)) for one in said]

    def nothing_is_left(self):
        """No turn is taken, and no task runs."""
        return self.upstream.in_flight == 0 and not self.flights._tasks


def fault(answer):
    data = answer["error"]["data"]
    return data["fault"], data.get("maybe_executed", False)


async def echo(asked):
    said = json.loads(asked.body)
    return as_json({"jsonrpc": "2.0", "id": said["id"], "result": said["params"]})


@pytest.fixture
def lab(stand, file, monkeypatch):
    async def made(timeout="60s"):
        up = await stand.upstream()
        up.on("*", echo)
        await stand.gate(CONFIG.format(url=up.url, audit=file, timeout=timeout))
        here = Lab(up, stand, file)
        begin = rpc_trips.RpcTrip.begin

        def counting(*said):
            trip = begin(*said)
            here.trips.extend([trip] if trip is not None else [])
            return trip

        monkeypatch.setattr(rpc_trips.RpcTrip, "begin", counting)
        return here

    return made


@pytest.mark.parametrize("numbers", [(1,), (1, 2, 3)])
async def test_a_write_has_a_connection_of_its_own_and_no_task(lab, numbers):
    here = await lab()
    await here.ada.call("up.kept", [0])
    held = here.holds()
    opened, reused = here.upstream.opened, here.upstream.reused
    line = await here.set_off(*numbers)
    assert len(here.trips) == len(numbers)
    assert not here.flights._tasks
    for one in held:
        one.free.set()
    assert (await line.answer("POST")).status == 200
    assert (here.upstream.opened, here.upstream.reused) == (opened + len(numbers), reused)
    assert await here.audit(len(numbers)) == [("ok", False)] * len(numbers)
    assert sorted(here.written()) == list(numbers)


@pytest.mark.parametrize("numbers", [(1,), (1, 2)])
async def test_a_write_whose_caller_goes_away_is_made_and_what_it_changed_ends_with_it(lab, numbers):
    here = await lab()
    assert (await here.ada.call("up.kept", [7]))["result"] == [7]
    held = here.holds()
    line = await here.set_off(*numbers)
    await line.close()
    await until(lambda: len(here.flights._tasks) == len(numbers))  # which a gate that ends waits for
    seen = len(here.up.asked)
    assert (await here.ada.call("up.kept", [7]))["result"] == [7]
    assert len(here.up.asked) == seen, "it is as it was until the write has ended"
    for one in held:
        one.free.set()
    await until(here.nothing_is_left)
    await here.ada.call("up.kept", [7])
    assert len(here.up.asked) == seen + 1
    assert await here.audit(len(numbers)) == [("ok", CALLER_GONE)] * len(numbers)


async def test_a_write_that_ends_in_the_moment_in_which_its_caller_goes_leaves_nothing_to_wait_for(lab):
    here = await lab()
    await here.ada.call("up.kept", [0])
    held = here.holds()
    line = await here.set_off(1)
    (trip,) = here.trips
    held[0].free.set()
    trip.leave()
    trip._late()
    await until(here.nothing_is_left)
    await line.close()
    assert await here.audit(1) == [("DeadlineExceeded", CALLER_GONE)]


@pytest.mark.parametrize("soon", [True, False])
async def test_a_write_that_came_to_nobody_at_first_is_made_though_its_caller_goes_away(
    lab, monkeypatch, soon
):
    here = await lab()
    await here.ada.call("up.kept", [0])
    held = here.holds()
    gone = []

    def refused(trip, lease):
        trip._lease = lease
        trip.failed(NotConnectedError("it took no connection"))
        if soon:
            trip.leave()
            gone.append(trip)

    monkeypatch.setattr(rpc_trips.RpcTrip, "_send", refused)
    line = await here.set_off(1)
    await line.close()
    await until(lambda: not any(flight.awaited for flight in here.starts))
    held[0].free.set()
    await until(here.nothing_is_left)
    assert here.written() == [1]
    assert await here.audit(1) == [("ok", CALLER_GONE)]
    assert bool(gone) is soon


async def test_a_mistake_on_the_way_holds_nothing(lab, monkeypatch, caplog):
    here = await lab()

    def mistaken(*_):
        raise ZeroDivisionError

    await here.ada.call("up.kept", [0])
    monkeypatch.setattr(JsonRpcDialect, "request", mistaken)
    assert [fault(one)[0] for one in await here.put(1)] == ["InternalFault"]
    assert [fault(one)[0] for one in await here.put(2, 3)] == ["InternalFault"] * 2
    assert "ZeroDivisionError" in caplog.text
    assert here.nothing_is_left()
    assert not here.written()
    assert [outcome for outcome, _ in await here.audit(3)] == ["InternalFault"] * 3


async def test_a_gate_that_ends_ends_such_a_write_and_says_so(lab):
    here = await lab()
    held = Held()
    here.up.on("*", held)
    line = await here.set_off(1)
    await line.close()
    await until(lambda: here.flights._tasks)
    assert await here.flights.settle(0.01) == 1
    await held.gone.wait()
    assert await here.audit(1) == [("ended by the gate", CALLER_GONE)]
    assert here.nothing_is_left()


async def test_of_a_write_whose_connection_breaks_nobody_knows_and_it_is_not_sent_again(lab):
    here = await lab()

    async def broken(asked):
        return None

    here.up.on("*", broken)
    assert [fault(one) for one in await here.put(1)] == [("UpstreamUnreachable", IN_DOUBT)]
    assert [fault(one) for one in await here.put(2, 3)] == [("UpstreamUnreachable", IN_DOUBT)] * 2
    assert sorted(here.written()) == [1, 2, 3]
    assert await here.audit(3) == [("UpstreamUnreachable", not CALLER_GONE)] * 3
    assert here.nothing_is_left()


async def test_a_write_that_nobody_takes_was_not_made(lab):
    here = await lab()
    await here.up.stop()
    assert [fault(one) for one in await here.put(1)] == [("UpstreamUnreachable", not IN_DOUBT)]
    assert [fault(one) for one in await here.put(2, 3)] == [("UpstreamUnreachable", not IN_DOUBT)] * 2
    assert await here.audit(3) == [("UpstreamUnreachable", False)] * 3
    assert here.nothing_is_left()


async def test_a_service_that_asks_to_come_again_is_not_sent_the_write_again(lab):
    here = await lab()
    here.up.on("*", told(b"busy", "Retry-After: 0", status="503 Service Unavailable"))
    (answer,) = await here.put(1)
    assert "error" in answer
    assert here.written() == [1]


async def test_a_write_that_is_late_is_in_doubt_and_its_connection_ends(lab, monkeypatch):
    monkeypatch.setattr(rpc, "SOON", 0.0)
    monkeypatch.setattr("gateway.doors.rpc_trip.SOON", 0.0)
    monkeypatch.setattr(rpc_trips, "PULSE", 0.05)
    here = await lab("1s")
    held = Held()
    here.up.on("*", held)
    assert [fault(one) for one in await here.put(1, 2)] == [("DeadlineExceeded", IN_DOUBT)] * 2
    await held.gone.wait()
    assert sorted(here.written()) == [1, 2]
    assert here.nothing_is_left()


async def test_a_write_that_is_late_when_its_caller_has_gone_ends_too(lab, monkeypatch):
    monkeypatch.setattr("gateway.doors.rpc_trip.SOON", 0.0)
    here = await lab("1s")
    held = Held()
    here.up.on("*", held)
    line = await here.set_off(1)
    await line.close()
    await held.gone.wait()
    await until(here.nothing_is_left)
    assert await here.audit(1) == [("DeadlineExceeded", CALLER_GONE)]


async def test_an_answer_that_is_too_large_leaves_a_write_in_doubt(lab):
    here = await lab()
    here.up.on("*", told(b'"%b"' % (b"x" * (2 << 20))))
    assert [fault(one) for one in await here.put(1)] == [("TooLarge", IN_DOUBT)]
    assert here.written() == [1]


async def test_many_writes_at_once_take_no_more_turns_than_there_are_and_each_is_made_once(lab):
    here = await lab()
    most = 0

    async def slowly(asked):
        nonlocal most
        most = max(most, here.upstream.in_flight)
        await asyncio.sleep(0)
        return await echo(asked)

    here.up.on("*", slowly)
    answers = await here.put(*range(200))
    assert [one["result"] for one in answers] == [[n] for n in range(200)]
    assert most <= 20
    assert sorted(here.written()) == list(range(200))
    assert here.nothing_is_left()
