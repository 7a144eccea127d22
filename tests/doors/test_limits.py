"""What callers may have, at every door: refused early, charged alike wherever an answer comes from, and told."""

from __future__ import annotations

import asyncio
import json
import random
import re

import pytest
from mounting import Caller, Held, alone, as_json, same, told, until

from gateway.limiter import Limiter
from gateway.meters import Meters

CONFIG = """\
identity: {{anonymous: true}}
trusted_proxies: [127.0.0.1]
limits: {{per_principal: {{{all}}}}}
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:few", anonymous], allow: ["up.get", "up.put", "files.http", "GET /files/**", "POST /up/"], {few}}}
  - {{to: ["group:few"], allow: ["*", "/**"]}}
services:
  up:
    dialect: listed
    url: "{url}"
    rpc_path: /
    mount: /up
    methods:
      get: {{safe: true, cache: {{fresh: 1h, share: everyone}}}}
      raw: {{safe: true}}
      put: {{}}
  files: {{dialect: listed, url: "{url}", mount: /files}}
"""
TIGHT = "rate: 5/d"
NOW = 1_800_000_000.0


def lasting(body):
    """An answer that may be stored; its date is the gate's."""
    head = f"HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def answers(asked):
    try:
        said = json.loads(asked.body)
    except ValueError:
        return lasting(b"file")
    calls = said if isinstance(said, list) else [said]
    found = [{"jsonrpc": "2.0", "result": "r" * 20, "id": call["id"]} for call in calls]
    return as_json(found if isinstance(said, list) else found[0])


@pytest.fixture
def opened(stand):
    async def made(few=TIGHT, of_all="concurrency: 1000"):
        up = await stand.upstream()
        up.on("*", answers)
        await stand.gate(CONFIG.format(url=up.url, few=few, all=of_all))
        return up

    return made


def left(answer, name="policy-2"):
    found = re.search(rf'"{name}";r=(\d+)', answer["RateLimit"])
    return int(found[1]) if found else None


def said(method="up.get", params=(), token=1):
    return {"jsonrpc": "2.0", "method": method, "params": list(params), "id": token}


async def test_a_hit_is_charged_as_a_miss_is_and_whoever_has_had_enough_is_told_when_to_come_again(
    stand, opened
):
    up = await opened()
    caller = stand.caller("few")
    line = await caller.line()
    answers = [await caller.rpc("/rpc", said(), on=line) for _ in range(6)]
    assert [left(one) for one in answers] == [4, 3, 2, 1, 0, 0]
    assert [one.hit for one in answers] == [False, True, True, True, True, False]
    assert len(up.asked) == 1
    assert answers[0]["RateLimit-Policy"].startswith(
        '"caller-at-once";q=1000;qu="concurrent-requests", "policy-2";q=5;w=86400'
    )
    assert answers[5].status == 200
    error = json.loads(answers[5].body)["error"]
    assert (error["code"], error["data"]["fault"], error["data"]["limit"]) == (
        -32005,
        "RateLimited",
        "policy-2",
    )
    assert 17_000 < error["data"]["retry_after"] <= 17_280


async def test_every_entry_of_a_batch_is_charged(stand, opened):
    await opened()
    caller = stand.caller("few")
    batch = [said(params=[n % 2], token=n) for n in range(7)]
    answer = await caller.rpc("/rpc", batch)
    told = {one["id"]: one.get("error", {}).get("data", {}).get("fault") for one in json.loads(answer.body)}
    assert told == dict.fromkeys(range(5)) | dict.fromkeys((5, 6), "RateLimited")
    assert left(answer) == 0
    again = await stand.caller("few", name="eve").rpc("/rpc", batch[:2])
    warm = await stand.caller("few", name="eve").rpc("/rpc", batch[:2])
    assert (left(again), left(warm)) == (3, 1)


async def test_at_plain_urls_and_mounts_the_status_says_it_and_the_fields_when_to_come_again(stand, opened):
    await opened()
    for name, target in (("ada", "/rpc/up.get?x=1"), ("eve", "/files/file"), ("joe", "/files/file?new")):
        caller = stand.caller("few", name=name)
        line = await caller.line()
        answers = [await caller.get(target, on=line) for _ in range(6)]
        assert [one.status for one in answers] == [200] * 5 + [429], target
        assert answers[0].values("Cache-Status"), target
        assert not answers[5].values("Cache-Status"), target  # it came to no cache
        assert [left(one) for one in answers] == [4, 3, 2, 1, 0, 0]
        assert 17_000 < int(answers[5]["Retry-After"]) <= 17_280


async def test_calls_in_a_body_that_comes_through_a_mount_are_charged_each_or_refused_together(stand, opened):
    up = await opened()
    caller = stand.caller("few")
    batch = [{"jsonrpc": "2.0", "method": "put", "id": n} for n in range(3)]
    first = await caller.rpc("/up/", batch)
    assert (first.status, left(first)) == (200, 2)
    second = await caller.rpc("/up/", batch)
    assert (second.status, second.fault, left(second)) == (429, "RateLimited", 2)
    assert len(up.asked) == 1
    third = await caller.rpc("/up/", [*batch, *batch])
    assert "send fewer" in json.loads(third.body)["error"]["message"]


async def test_the_first_policy_that_allows_a_call_says_how_many_there_may_be(stand, opened):
    await opened(few="rate: 1/d")
    caller, free = stand.caller("few"), stand.caller("few", "lab", name="free")
    assert (await caller.call("up.get"))["result"]
    assert (await caller.call("up.get"))["error"]["data"]["fault"] == "RateLimited"
    for _ in range(3):
        # Another policy allows this one; and the other caller is let in by the first of all.
        assert (await caller.call("up.raw"))["result"]
        assert (await free.call("up.get"))["result"]
    # A mounted request needs a path and a method: both policies count.
    assert (await caller.get("/files/file")).status == 429
    assert (await caller.ask("DELETE", "/files/file")).status == 429
    other = stand.caller("few", name="other")
    assert (await other.ask("DELETE", "/files/file")).status == 200


async def test_callers_without_a_token_are_told_apart_by_the_address_that_the_gate_believes(stand, opened):
    await opened()
    nobody = stand.nobody()
    line = await nobody.line()
    seen = []
    for _ in range(2):
        for address in ("192.0.2.1", "192.0.2.7", "2001:db8:0:1::5", "2001:db8:0:1::6"):
            via = f"X-Forwarded-For: {address}"
            seen.append(left(await nobody.rpc("/rpc", said(), via, on=line)))
            seen.append(left(await nobody.get("/files/file", via, on=line)))
    assert seen == [4, 3, 4, 3, 4, 3, 2, 1, 2, 1, 2, 1, 0, 0, 0, 0]


async def test_a_call_too_many_at_once_is_refused_at_once_and_let_in_when_one_has_ended(stand, opened):
    up = await opened(few="concurrency: 2")
    held = Held(as_json({"jsonrpc": "2.0", "result": 1, "id": 1}))
    file = Held()
    up.on("/", held)
    up.on("/file", file)
    caller = stand.caller("few")
    waiting = [
        asyncio.create_task(caller.call("up.get", [1])),
        asyncio.create_task(caller.get("/files/file")),
    ]
    await until(lambda: len(up.asked) == 2)
    refused = await caller.call("up.get", [2])
    assert refused["error"]["data"]["fault"] == "RateLimited"
    assert refused["error"]["data"]["retry_after"] == 1.0
    mounted = await caller.get("/files/other")
    assert (mounted.status, mounted["Retry-After"]) == (429, "1")
    assert (await caller.get("/rpc/up.get?x=1")).status == 429
    file.free.set()
    held.free.set()
    await asyncio.gather(*waiting)
    up.on("/", answers)
    assert (await caller.call("up.get", [3]))["result"]
    assert (await caller.get("/files/other")).status == 200


async def test_a_batch_alone_never_has_more_under_way_than_its_caller_may(stand, opened):
    up = await opened(few="concurrency: 2")
    most = now = 0

    async def slowly(asked):
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return await answers(asked)

    up.on("/", slowly)
    answer = await stand.caller("few").rpc("/rpc", [said(params=[n], token=n) for n in range(20)])
    assert all("result" in one for one in json.loads(answer.body))
    assert most <= 2


async def test_whoever_leaves_gives_a_read_back_at_once_and_a_write_when_it_has_ended(stand, opened):
    up = await opened(few="concurrency: 1")
    read, write = Held(), Held(as_json({"jsonrpc": "2.0", "result": 1, "id": 1}))
    up.on("/read", read)
    up.on("/else", told(b"else", "Cache-Control: no-store"))
    up.on("/", write)
    caller = stand.caller("few")
    line = await caller.line()
    line.writer.write(caller.request("GET", "/files/read"))
    await until(lambda: up.to("/read"))
    await line.close()
    await read.gone.wait()
    for _ in range(2):
        assert (await caller.get("/files/else")).status == 200
    for target in ("/rpc", "/up/"):
        asked = len(up.to("/"))
        line = await caller.line()
        name = "up.put" if target == "/rpc" else "put"
        body = json.dumps(said(name)).encode()
        line.writer.write(caller.request("POST", target, "Content-Type: application/json", body=body))
        await until(lambda asked=asked: len(up.to("/")) > asked)
        await line.close()
        assert (await caller.get("/files/else")).status == 429
        write.free.set()
        async with asyncio.timeout(20):
            while (await caller.get("/files/else")).status != 200:
                pass
        write.free.clear()


async def test_bytes_are_charged_at_every_door_wherever_the_answer_comes_from(stand, opened):
    up = await opened(few="bytes: 10kB/d", of_all="rate: 1000/d")
    up.on("/big", lasting(b"x" * 3000))
    up.on("/new", told(b"x" * 3000, "Cache-Control: no-store"))
    chunks = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"7d0\r\n" + b"y" * 2000 + b"\r\n0\r\n\r\n"
    )
    up.on("/stream", chunks)
    caller = stand.caller("few")
    line = await caller.line()

    async def had(work):
        await work
        answer = await caller.rpc("/rpc", said("up.no"), on=line)
        assert "RateLimit" not in dict(answer.fields)  # nothing was charged for what there is not
        return 10_000 - left(await caller.get("/files/empty", on=line), "policy-2-bytes")

    up.on("/empty", told(b"", "Cache-Control: no-store"))
    assert await had(caller.get("/files/big", on=line)) == 3000
    assert await had(caller.get("/files/big", on=line)) == 6000
    assert await had(caller.rpc("/rpc", said(), on=line)) == 6022
    assert await had(caller.rpc("/rpc", said(), on=line)) == 6044
    assert await had(caller.get("/rpc/up.get?x=1", on=line)) == 6066
    assert await had(caller.get("/files/stream", on=line)) == 8066
    assert await had(caller.get("/files/new", on=line)) == 11_066 - 1066
    refused = await caller.get("/files/big", on=line)
    assert (refused.status, refused.fault, left(refused, "policy-2-bytes")) == (429, "RateLimited", 0)
    assert "bytes" in json.loads(refused.body)["error"]["message"]
    assert left(refused, "caller") is not None


class Still:
    """An account for which it is always the same moment."""

    def __init__(self, account) -> None:
        self.account = account
        self.at_once = account.at_once
        self.ahead = None

    def charge(self, now, cost=1):
        self.account.charge(NOW, cost)

    def spend(self, size, now):
        self.account.spend(size, NOW)

    def pay(self, size, now):
        return self.account.pay(size, NOW)

    def check_bytes(self, now):
        self.account.check_bytes(NOW)

    def lines(self, now):
        return self.account.lines(NOW)

    def items(self, now):
        return self.account.items(NOW)


class StillLimiter(Limiter):
    """Accounts for which no time passes, in a table of their own: gates of one folder share one, as workers do."""

    def __init__(self, limits) -> None:
        super().__init__(limits, Meters())
        self.still = {}

    def account(self, principal, client, places):
        account = super().account(principal, client, places)
        return None if account is None else self.still.setdefault(account, Still(account))


class Sides:
    """The same gate twice, its lanes on and off, and a caller of each."""

    def __init__(self) -> None:
        self.gates, self.lines, self.tokens = [], [], []

    async def take(self, made):
        """What both answer to the request that this makes of a caller, beside what differs by the moment."""
        found = []
        for caller, line in self.lines:
            line.writer.write(made(caller))
            found.append(same((await line.answer("POST")).raw))
        return found


@pytest.fixture
async def sides(stand, opened):
    made = Sides()
    for lanes in ("on", "off"):
        await opened(few="rate: 40/d, bytes: 60kB/d", of_all="rate: 45/d")
        gate = alone(stand.running)
        gate.relay.accounts = StillLimiter(gate.relay.accounts._limits)
        if lanes == "off":
            await stand.switch(stand.caller("lab", name="operator"), lanes="off")
            await until(lambda gate=gate: not any(server.lane.on for server in gate.servers))
        made.gates.append(gate)
        caller = stand.caller("few")
        made.lines.append(
            (Caller(caller.port, made.lines[0][0].token if made.lines else caller.token, stand.ends), None)
        )
    made.lines = [(caller, await caller.line()) for caller, _ in made.lines]
    return made


@pytest.mark.parametrize("seed", range(3))
async def test_the_same_requests_are_charged_and_answered_the_same_with_lanes_and_without(sides, seed):
    pick = random.Random(seed)

    def request(caller):
        kind = "Content-Type: application/json"
        match which:
            case 0 | 1:
                body = json.dumps(said(params=[number])).encode()
                return caller.request("POST", "/rpc", kind, body=body)
            case 2:
                body = json.dumps([said(params=[n], token=n) for n in range(number)]).encode()
                return caller.request("POST", "/rpc", kind, body=body)
            case 3:
                return caller.request("GET", f"/files/file{number}")
            case _:
                return caller.request("GET", "/files/file")

    for _ in range(60):
        which, number = pick.randrange(5), pick.randrange(1, 4)
        on, off = await sides.take(request)
        assert on == off
    assert b"RateLimited" in on
    for gate in sides.gates:
        assert gate.metrics.outcomes()["hit"] > 5
    assert len(sides.gates[0].servers[0].lane)
    assert sides.gates[0].metrics.by_method() == sides.gates[1].metrics.by_method()


async def test_callers_and_operators_are_told_which_policy_and_which_limit_apply(stand, opened):
    await opened(few="rate: 600/h, burst: 20", of_all="bytes: 10GiB/h")
    few, lab = stand.caller("few"), stand.caller("lab", name="operator")
    own = (await few.call("rpc.explain", {"method": "up.get"}))["result"]
    of_all = {"caller": {"bytes": f"{10 << 30}/h"}}
    assert own["policy"]["number"] == 2
    assert own["limits"] == of_all | {"policy-2": {"rate": "600/h", "burst": 20}}
    other = {"method": "up.raw", "as": {"groups": ["few"]}}
    answer = json.loads((await stand.at(lab).rpc("/-/explain", other)).body)
    assert (answer["policy"]["number"], answer["limits"]) == (3, of_all)
    path = {"path": "/files/x", "as": {"groups": ["few"]}}
    answer = json.loads((await stand.at(lab).rpc("/-/explain", path)).body)
    assert (answer["path_policy"]["number"], sorted(answer["limits"])) == (2, ["caller", "policy-2"])
    me = json.loads((await few.get("/-/whoami")).body)
    assert me["limits"] == own["limits"]
    # Asking is not calling.
    assert left(await few.rpc("/rpc", said("up.get"))) == 19
