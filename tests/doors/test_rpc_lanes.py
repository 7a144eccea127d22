"""The lanes of `/rpc` change nothing but the speed: the same traffic gives the same bytes, counts and log lines."""

import asyncio
import json
import random
import time
from collections import Counter

import pytest
from mounting import Caller, CutShort, Stand, Upstream, alone, as_json, past, same, told, until

from gateway.doors.front import FrontDoor

CONFIG = """\
hosts: [gate.test, 127.0.0.1]
identity: {{anonymous: {anonymous}}}
limits: {{body: 4KiB, batch: 8, depth: 64}}
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:some"], allow: ["up.get", "up.mine", "loc/near.get"]}}
services:
  up:
    dialect: listed
    url: "{url}"
    rpc_path: /
    mount: /up
    methods:
      get: {{safe: true, cache: {{fresh: 1h, share: everyone, tags: [things]}}}}
      brief: {{safe: true, cache: {{fresh: 200ms, stale: 1h, share: everyone}}}}
      named: {{safe: true, cache: {{fresh: 1h, by_name: true}}}}
      mine: {{safe: true, cache: {{fresh: 1h}}}}
      fails: {{safe: true, cache: {{fresh: 1h, negative: 1h, share: everyone}}}}
      raw: {{safe: true}}
      put: {{invalidates: [things]}}
datastacks:
  loc: {{services: {{near: {{dialect: listed, url: "{url}", rpc_path: /, methods: {{get: {{safe: true, cache: {{fresh: 1h}}}}}}}}}}}}
"""

METHODS = ("get", "get", "get", "brief", "named", "mine", "fails", "raw", "put", "no", "http")
PARAMS = (
    *(
        "",
        '"params":[1]',
        '"params": [1]',
        '"params":[ 1 ]',
        '"params":{"a":1,"b":2}',
        '"params":{"b":2,"a":1}',
    ),
    *(
        '"params":[]',
        '"params":{}',
        '"params":["\\u00e9\\"\\\\"]',
        '"params":["\u00e9"]',
        '"params":null',
        '"params":3',
    ),
    *('"params":[NaN]', '"params":[1e400,123456789012345678901234567890]', '"params":' + "[" * 70 + "]" * 70),
    '"params":["' + "x" * 600 + '"]',
)
IDS = (
    '"id":1',
    '"id":2',
    '"id":"a"',
    '"id":1.5',
    '"id":null',
    "",
    '"id":true',
    '"id":1,"id":1',
    '"id":"\\u0061"',
)
TRACED = f"00-{'a' * 32}-{'b' * 16}-01"
LINES = (
    *("X-Odd: 1", "Labgate-Timeout: 5", "Labgate-Timeout: x", "X-Request-Id: mine-1", "X-Request-Id: no way"),
    *(
        "Cache-Control: no-cache",
        "Cache-Control: max-age=1",
        "Accept: application/msgpack",
        "Accept: text/html",
    ),
    *("Content-Encoding: gzip", "Connection: close", "Expect: 100-continue", "Via: 1.1 else", "Cookie: a=b"),
    *("Labgate-Token: junk", "Host: evil.test", "If-None-Match: *", f"Traceparent: {TRACED}"),
)
TARGETS = (
    "/rpc",
    "/rpc",
    "/rpc",
    "/rpc?datastack=loc",
    "/rpc?datastack=no",
    "/rpc?x=1",
    "/rpc/loc",
    "/rpc/",
    "//rpc",
)


async def answers(asked):
    """The call, and the number of writes before it."""
    try:
        said = json.loads(asked.body)
    except ValueError:
        return told(b"no")
    up = asked.upstream
    if said["method"] == "put":
        up.version += 1
    answer = {"jsonrpc": "2.0", "id": said["id"]}
    if said["method"] == "fails":
        return as_json({**answer, "error": {"code": 7, "message": "no"}})
    return as_json({**answer, "result": {"said": said.get("params"), "version": up.version}})


async def upstream_of(stand):
    up = await stand.upstream()
    up.version = 0

    async def answer(asked):
        asked.upstream = up
        return await answers(asked)

    up.on("*", answer)
    return up


class Traffic:
    """Requests of a few callers, of which most come again and again."""

    def __init__(self, seed: int, tokens: list[str]) -> None:
        self.random = random.Random(seed)
        self.credentials = [
            *(f"Authorization: Bearer {token}" for token in tokens),
            "Authorization: Bearer junk",
            "",
        ]
        self.usual = [self.request() for _ in range(12)]

    def call(self) -> str:
        pick = self.random
        method = pick.choice(METHODS)
        name = "near.get" if pick.random() < 0.1 else f"up.{method}"
        members = [
            '"jsonrpc":"2.0"',
            f'"method":"{name}"',
            pick.choice(PARAMS[:7] * 4 + PARAMS),
            pick.choice(IDS[:3] * 5 + IDS),
        ]
        if pick.random() < 0.05:
            members[pick.randrange(4)] = pick.choice(['"x":1', '"method":7', '"jsonrpc":"1.0"', ""])
        if pick.random() < 0.1:
            pick.shuffle(members)
        return "{" + pick.choice([",", ", "]).join(one for one in members if one) + "}"

    def request(self) -> bytes:
        pick = self.random
        body = self.call()
        if pick.random() < 0.15:
            body = "[" + ",".join(self.call() for _ in range(pick.choice([0, 1, 2, 3, 9]))) + "]"
        if pick.random() < 0.03:
            body = pick.choice(["", "{", "x", "nul", body[:-1], body + body, " " + body + "\n"])
        data = body.encode()
        if pick.random() < 0.02:
            data += b"\xff"
        lines = [
            "Host: gate.test",
            f"Content-Type: {pick.choice(['application/json'] * 20 + ['text/plain', 'application/msgpack'])}",
        ]
        lines += [pick.choice(self.credentials[:2] * 10 + self.credentials)]
        lines += pick.sample(LINES, pick.choice([0, 0, 0, 0, 1, 1, 2]))
        framed = [f"Content-Length: {len(data)}"]
        if pick.random() < 0.04:
            framed, data = (
                ["Transfer-Encoding: chunked"],
                b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n",
            )
        elif pick.random() < 0.02:
            framed = []
        verb = pick.choice(["POST"] * 20 + ["QUERY", "PUT", "GET"])
        version = pick.choice(["HTTP/1.1"] * 40 + ["HTTP/1.0"])
        first = f"{verb} {pick.choice(TARGETS[:3] * 12 + TARGETS)} {version}"
        return "\r\n".join([first, *filter(None, lines), *framed]).encode("latin-1") + b"\r\n\r\n" + data

    def next(self) -> bytes:
        pick = self.random
        if pick.random() < 0.15:
            self.usual[pick.randrange(len(self.usual))] = self.request()
        return pick.choice(self.usual)

    def pieces(self, request: bytes) -> list[bytes]:
        """How the request comes: whole most often, else cut somewhere."""
        if self.random.random() < 0.7:
            return [request]
        at = self.random.randrange(1, len(request))
        return [request[:at], request[at:]]


class Side:
    """One gate with an upstream of its own, as callers see it."""

    def __init__(self, gate, up: Upstream, stand: Stand) -> None:
        self.gate = gate
        self.up = up
        self.caller = Caller(gate.address[1], None, stand.ends)
        self.line = None
        self.visits = []

    async def take(self, pieces: list[bytes]):
        """The answer on the kept connection, and what the upstream saw of the request."""
        self.line = self.line or await self.caller.line()
        answer = None
        try:
            for piece in pieces:
                self.line.writer.write(piece)
                if piece is not pieces[-1]:
                    await asyncio.sleep(0.001)
            answer = await self.line.answer("POST")
        except CutShort:
            pass
        if answer is None or answer["Connection"] == "close" or b" HTTP/1.0\r\n" in pieces[0][:200]:
            await self.line.close()
            self.line = None
        return same(answer.raw) if answer is not None else b"cut"

    def write_down(self):
        """Keep an access log."""
        self.gate.metrics._log = lambda visit, now: self.visits.append(visit)

    def seen(self):
        """What the upstream was asked, in whatever order."""
        return Counter(one.body.partition(b',"id"')[0] for one in self.up.asked)

    def told(self):
        """What the log and the counters say."""
        lines = []
        for visit in self.visits:
            fields = {
                name: getattr(visit, name)
                for name in visit.__struct_fields__
                if name not in ("seconds", "peer", "wait")
            }
            fields["id"] = fields["id"] if fields["id"] == "mine-1" else "ID"
            fields["replica"] = fields["replica"] == self.up.url or fields["replica"]  # each has its own
            lines.append(fields)
        outcomes = dict(self.gate.metrics.outcomes())
        # The operator's own request switched the lanes off.
        requests = {key: count for key, count in self.gate.metrics._requests.items() if key[0] != "operator"}
        return lines, outcomes, +self.gate.metrics._calls, requests, +self.gate.metrics._verdicts


class Clock:
    """A clock that goes on when the test says so: what is fresh at one gate is fresh at all of them."""

    def __init__(self):
        self.now = time.time() + 5  # the tokens are yet to be made

    def __call__(self):
        return self.now

    def on(self):
        """It goes on a little: who is revoked is looked up from time to time."""
        self.now += 0.01
        return True


async def three_gates(stand, anonymous="false", wall=time.time):
    """Gates with the lanes on and off, and one where every request goes to the handler behind."""
    sides = []
    for kind in ("on", "off", "behind"):
        up = await upstream_of(stand)
        await stand.gate(CONFIG.format(url=up.url, anonymous=anonymous), wall=wall)
        gate = alone(stand.running)
        if kind == "behind":
            gate.servers[0]._host = FrontDoor(None, gate.servers[0]._host._mounts)
        elif kind == "off":
            await stand.switch(stand.caller("lab", name="operator"), lanes="off")
            await until(lambda gate=gate: not any(server.lane.on for server in gate.servers))
        sides.append(Side(gate, up, stand))
    return sides


@pytest.mark.parametrize("seed", range(8))
async def test_the_same_calls_give_the_same_bytes_counts_and_log_lines_in_every_way(stand, seed):
    clock = Clock()
    on, off, behind = sides = await three_gates(stand, "true" if seed % 2 else "false", clock)
    ada, sam, rev = (stand.caller(group, name=group) for group in ("lab", "some", "lab"))
    if seed < 5:
        for side in sides:
            side.write_down()
    traffic = Traffic(seed, [str(one.token) for one in (ada, sam, rev)])
    for turn in range(200):
        if turn == 100:
            stand.revoke(rev)
            await until(lambda: clock.on() and all(side.gate.generations.epoch for side in sides))
        clock.now += 0.25 if turn % 60 == 59 else 0.001
        request = traffic.next()
        pieces = traffic.pieces(request)
        first = await on.take(pieces)
        assert first == await off.take(pieces), request
        assert first == await behind.take(pieces), request
    assert on.told() == off.told()
    assert on.told() == behind.told()
    assert on.seen() == off.seen() == behind.seen()
    # Else nothing was compared.
    assert len(on.gate.servers[0].lane)
    assert not len(off.gate.servers[0].lane)


async def test_calls_in_a_row_on_one_connection_are_answered_in_their_order(stand):
    sides = await three_gates(stand)
    ada = stand.caller("lab")
    calls = [
        ada.request("POST", "/rpc", "Content-Type: application/json", host="gate.test", body=body.encode())
        for body in (
            '{"jsonrpc":"2.0","method":"up.get","params":[1],"id":1}',
            '{"jsonrpc":"2.0","method":"up.raw","params":[2],"id":2}',
            '{"jsonrpc":"2.0","method":"up.put","params":[3],"id":3}',
            '[{"jsonrpc":"2.0","method":"up.get","params":[1],"id":4}]',
        )
    ]
    pick = random.Random(3)
    requests = [pick.choice(calls) for _ in range(120)]
    answers = []
    for side in sides:
        line = await side.caller.line()
        stream = b"".join(requests)
        cuts = random.Random(4)
        while stream:
            size = cuts.randrange(1, 900)
            line.writer.write(stream[:size])
            stream = stream[size:]
            await asyncio.sleep(0)
        answers.append([same((await line.answer("POST")).raw) for _ in requests])
    assert answers[0] == answers[1] == answers[2]


async def test_what_memory_must_not_answer_any_more_is_not_answered_by_a_lane(stand):
    side = (await three_gates(stand))[0]
    stand.running = side.gate
    ada = stand.caller("lab")
    said = {"jsonrpc": "2.0", "method": "up.get", "params": [1], "id": 1}
    line = await ada.line()

    async def hit() -> bool:
        return (await ada.rpc("/rpc", said, on=line)).hit

    assert [await hit() for _ in range(4)] == [False, True, True, True]
    await ada.call("up.put")
    assert [await hit() for _ in range(3)] == [False, True, True]
    await stand.switch(ada, cache="off")
    assert [await hit() for _ in range(2)] == [False, False]
    await stand.switch(ada, cache="on")
    assert [await hit() for _ in range(2)] == [True, True]
    entry = side.gate.tier.recent()[0]
    side.gate.tier.drop(entry.key)
    assert [await hit() for _ in range(2)] == [False, True]
    await stand.switch(ada, cordon={"up": True})
    answer = await ada.rpc("/rpc", said, on=line)
    assert answer.fault == "Unavailable"
    await stand.switch(ada, cordon={"up": False})
    assert await hit()


async def test_what_belongs_to_a_callers_trace_is_answered_by_the_lane_where_nothing_is_recorded(stand):
    side = (await three_gates(stand))[0]
    stand.running = side.gate
    ada = stand.caller("lab")
    lines = ("Content-Type: application/json", f"Traceparent: {TRACED}")
    body = b'{"jsonrpc":"2.0","method":"up.get","id":1}'
    request = ada.request("POST", "/rpc", *lines, host="gate.test", body=body)
    line = await ada.line()
    for _ in range(4):
        line.writer.write(request)
        assert (await line.answer("POST")).status == 200
    assert side.gate.servers[0].lane.requests
    # The service heard of the trace when it was asked.
    assert [one.values("traceparent") for one in side.up.asked if one.body] == [[TRACED.encode()]]


async def test_known_bytes_within_another_request_are_not_taken_for_a_request(stand):
    side = (await three_gates(stand))[0]
    stand.running = side.gate
    ada = stand.caller("lab")
    usual = "Content-Type: application/json"
    known = ada.request("POST", "/rpc", usual, body=b'{"jsonrpc":"2.0","method":"up.get","id":1}')
    line = await ada.line()
    for _ in range(4):
        line.writer.write(known)
        assert (await line.answer("POST")).status == 200
    assert side.gate.servers[0].lane.requests
    # As a body.
    line.writer.write(ada.head("POST", "/rpc", usual, f"Content-Length: {len(known)}"))
    await past(0.02)
    line.writer.write(known)
    assert json.loads((await line.answer("POST")).body)["error"]["code"] == -32700
    # Behind the beginning of a head, which it ends.
    line.writer.write(b"POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Part: ")
    await past(0.02)
    line.writer.write(known)
    first = await line.answer("POST")
    assert first.status == 401 or first.status == 415 or first.status == 400, first
    await line.close()
    # And cut in two at every place.
    line = await ada.line()
    for at in range(1, len(known), 7):
        line.writer.write(known[:at])
        await past(0.001)
        line.writer.write(known[at:])
        assert (await line.answer("POST")).hit
