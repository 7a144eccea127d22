"""JSON-RPC through a mount follows the methods' rules: getters are answered from memory, writes end what is there."""

import asyncio
import json

import pytest
from mounted_labs import RPC, Calc, call
from mounting import PATIENCE, Asked, Upstream, as_json, told, until


@pytest.fixture
async def up(stand) -> Upstream:
    upstream = await stand.upstream()
    upstream.on("/api", Calc())
    await stand.gate(RPC.format(url=upstream.url))
    upstream.asked.clear()
    return upstream


@pytest.fixture
def ada(stand, up):
    return stand.caller("lab")


@pytest.fixture
def sam(stand, up):
    return stand.caller("some", name="sam")


async def test_a_getters_second_call_is_a_hit_with_its_own_id_and_else_the_same_bytes(up, ada, sam):
    first = await ada.rpc("/calc/api", call("get", 1, token=7))
    for token in (8, "a b", 1.5, "\ud83d\ude00", -0.0, [1, {"a": 2}]):
        again = await sam.rpc("/calc/api", call("get", 1, token=token))
        assert again.hit
        assert again.body == first.body.replace(b"7", json.dumps(token).encode())
        assert (again.status, again.reason) == (first.status, first.reason)
    assert len(up.asked) == 1
    assert again["Age"] in ("0", "1")


async def test_what_differs_by_more_than_its_id_has_an_entry_of_its_own(up, ada):
    bodies = (
        b'{"jsonrpc":"2.0","method":"get","params":[1],"id":1}',
        b'{"jsonrpc":"2.0","method":"get","params":[1.0],"id":1}',
        b'{"jsonrpc":"2.0","method":"get","params":{"a":1},"id":1}',
        b'{"jsonrpc":"2.0","method":"get","id":1}',
        b'{"jsonrpc":"2.0","method":"get","extra":1,"id":1}',
        b'{"id":1,"jsonrpc":"2.0","method":"get"}',
    )
    for body in bodies:
        assert not (await ada.rpc("/calc/api", body)).hit
        assert (await ada.rpc("/calc/api", body.replace(b'"id":1', b'"id":2'))).hit
    assert not (await ada.rpc("/calc/api?x", bodies[0])).hit
    assert len(up.asked) == len(bodies) + 1


async def test_errors_and_answers_with_another_id_are_not_stored(up, ada):
    for method in ("get_error", "get_odd"):
        for _ in range(2):
            assert not (await ada.rpc("/calc/api", call(method))).hit
    up.on("/api", as_json({"jsonrpc": "2.0", "result": 5, "id": "1"}))
    for _ in range(2):
        assert not (await ada.rpc("/calc/api", call("get"))).hit
    assert len(up.asked) == 6


async def test_an_id_that_the_upstream_spells_anew_is_not_cached(up, ada):
    for token in (b'"\\u0061"', b"1.0", b"1e0"):
        body = b'{"jsonrpc":"2.0","method":"get","id":%b}' % token
        spelled = json.dumps(json.loads(token)).encode() if token != b"1e0" else b"1"
        up.on("/api", told(b'{"jsonrpc":"2.0","result":0,"id":%b}' % (b"1" if token == b"1.0" else spelled)))
        for _ in range(2):
            assert not (await ada.rpc("/calc/api", body)).hit, token


async def test_batches_and_notifications_are_not_answered_from_memory(up, ada):
    await ada.rpc("/calc/api", call("get"))
    assert not (await ada.rpc("/calc/api", [call("get")])).hit
    notification = {"jsonrpc": "2.0", "method": "get", "params": []}
    for _ in range(2):
        assert not (await ada.rpc("/calc/api", notification)).hit
    assert len(up.asked) == 4


OWN = (
    "Cookie: session=1",
    "Authorization: Basic YTpi",
    "Authorization: Bearer of-the-upstreams-own",
)


@pytest.mark.parametrize("own", OWN)
async def test_what_a_credential_for_the_upstream_brings_is_for_its_owner_alone(stand, up, ada, own):
    lines = (f"Labgate-Token: {ada.token}", own)
    assert not (await stand.nobody().rpc("/calc/api", call("get"), *lines)).hit
    assert not (await ada.rpc("/calc/api", call("get"))).hit
    assert not (await stand.nobody().rpc("/calc/api", call("get"), *lines)).hit
    assert len(up.asked) == 3


async def test_an_answer_that_is_not_for_others_is_not_stored(up, ada):
    for line in ("Cache-Control: no-store", "Set-Cookie: a=1", "Vary: X-Custom"):
        up.on("/api", as_json({"jsonrpc": "2.0", "result": 5, "id": 1}, line))
        for _ in range(2):
            assert not (await ada.rpc("/calc/api", call("get", line))).hit


@pytest.mark.parametrize("how", ["mount", "batch", "notification", "rpc"])
async def test_a_write_ends_what_its_tags_name_at_both_doors(up, ada, how):
    async def read():
        through = await ada.rpc("/calc/api", call("get"))
        called = await ada.rpc("/rpc", call("calc.get"))
        return [(one.hit, json.loads(one.body)["result"]) for one in (through, called)]

    await read()
    assert await read() == [(True, 0), (True, 0)]
    write = {
        "mount": lambda: ada.rpc("/calc/api", call("set")),
        "batch": lambda: ada.rpc("/calc/api", [call("add"), call("set", token=2)]),
        "notification": lambda: ada.rpc("/calc/api", {"jsonrpc": "2.0", "method": "set"}),
        "rpc": lambda: ada.rpc("/rpc", call("calc.set")),
    }[how]
    assert (await write()).status == 200
    assert await read() == [(False, 1), (False, 1)]


async def test_a_write_is_sent_once_whatever_becomes_of_it(up, ada):
    async def nothing(asked):
        return None

    await ada.rpc("/calc/api", call("get"))
    up.on("/api", nothing)
    for said in (call("set"), [call("get", token=1), call("set", token=2)]):
        answer = await ada.rpc("/calc/api", said)
        assert (answer.status, json.loads(answer.body)["error"]["data"]["maybe_executed"]) == (500, True)
        assert json.loads(answer.body)["id"] == (None if isinstance(said, list) else said["id"])
        # Beside these the gate itself asks whether the service is down.
        assert [one.body for one in up.asked].count(json.dumps(said).encode()) == 1


async def test_a_write_runs_to_its_end_though_its_caller_leaves(up, ada):
    held = asyncio.Event()
    before = await ada.rpc("/calc/api", call("get"))
    assert json.loads(before.body)["result"] == 0

    async def wait(asked):
        if json.loads(asked.body)["method"] == "set":
            await held.wait()
        return as_json({"jsonrpc": "2.0", "result": 9, "id": 1})

    up.on("/api", wait)
    line = await ada.line()
    line.writer.write(ada.request("POST", "/calc/api", body=json.dumps(call("set")).encode()))
    await until(lambda: len(up.asked) == 2)
    await line.close()
    assert (await ada.rpc("/calc/api", call("get"))).hit
    held.set()
    answer = before
    while (answer := await ada.rpc("/calc/api", call("get"))).hit:
        pass
    assert json.loads(answer.body)["result"] == 9


# --- equal calls at once


class Slow(Calc):
    """Answers calls when it is `free`; what was asked is counted before that."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.free = asyncio.Event()

    async def __call__(self, asked: Asked) -> bytes:
        """The answer, in its time."""
        self.asked += 1
        await self.free.wait()
        return await super().__call__(asked)


async def test_equal_calls_share_one_trip_and_each_answer_has_its_own_id(up, ada, sam):
    slow = Slow()
    up.on("/api", slow)
    asking = [
        asyncio.create_task(who.rpc("/calc/api", call("get", 1, token=at)))
        for at, who in enumerate((ada, sam) * 5)
    ]
    await until(lambda: slow.asked)
    await asyncio.sleep(0.1)
    slow.free.set()
    answers = await asyncio.gather(*asking)
    assert [json.loads(one.body)["id"] for one in answers] == list(range(10))
    assert slow.asked == 1
    assert sorted("collapsed" in one["Cache-Status"] for one in answers) == [False] + [True] * 9
    assert (await ada.rpc("/calc/api", call("get", 1))).hit


async def test_what_differs_by_more_than_its_id_waits_for_no_other(up, ada):
    slow = Slow()
    up.on("/api", slow)
    asking = [asyncio.create_task(ada.rpc("/calc/api", call("get", at))) for at in range(3)]
    asking.append(asyncio.create_task(ada.rpc("/calc/api", call("get", 1), "Cache-Control: no-cache")))
    asking += [
        asyncio.create_task(ada.rpc("/calc/api", call("add", 1))) for _ in range(2)
    ]  # nothing stores it
    await until(lambda: slow.asked == 6)
    slow.free.set()
    answers = await asyncio.gather(*asking)
    assert not any("collapsed" in one["Cache-Status"] for one in answers)
    assert slow.asked == 6


async def test_an_error_is_nobody_elses_and_who_waited_asks_anew(up, ada):
    slow = Slow()
    up.on("/api", slow)
    asking = [asyncio.create_task(who.rpc("/calc/api", call("get_error"))) for who in [ada] * 3]
    await until(lambda: slow.asked)
    await asyncio.sleep(0.1)
    assert slow.asked == 1
    slow.free.set()
    answers = await asyncio.gather(*asking)
    assert ["error" in json.loads(one.body) for one in answers] == [True] * 3
    assert slow.asked == 3


async def test_when_the_first_caller_leaves_another_one_begins_and_the_rest_wait_for_that(up, ada, sam):
    slow = Slow()
    up.on("/api", slow)
    line = await ada.line()
    line.writer.write(
        ada.request(
            "POST", "/calc/api", "Content-Type: application/json", body=json.dumps(call("get")).encode()
        )
    )
    await until(lambda: slow.asked)
    asking = [asyncio.create_task(sam.rpc("/calc/api", call("get", token=at))) for at in range(3)]
    await asyncio.sleep(0.1)
    await line.close()
    await until(lambda: slow.asked == 2)
    await asyncio.sleep(0.1)
    slow.free.set()
    assert {json.loads((await one).body)["result"] for one in asking} == {0}
    assert slow.asked == 2


async def test_no_call_joins_a_trip_that_left_before_a_write_ended(up, ada, sam):
    slow = Slow()
    up.on("/api", slow)
    first = asyncio.create_task(ada.rpc("/calc/api", call("get")))
    await until(lambda: slow.asked)
    up.on("/api", Calc())
    assert (await sam.rpc("/calc/api", call("add", 3))).status == 200
    assert (await ada.rpc("/calc/api", call("set", 1))).status == 200
    async with asyncio.timeout(PATIENCE / 4):
        assert (await sam.rpc("/calc/api", call("get"))).status == 200
    slow.free.set()
    await first


async def test_nobody_waits_for_calls_whose_answer_was_not_stored_a_moment_ago(up, ada):
    up.on("/api", as_json({"jsonrpc": "2.0", "result": 1, "id": 1}, "Cache-Control: no-store"))
    await ada.rpc("/calc/api", call("get"))
    slow = Slow()
    up.on("/api", slow)
    asking = [asyncio.create_task(ada.rpc("/calc/api", call("get"))) for _ in range(3)]
    await until(lambda: slow.asked == 3)
    slow.free.set()
    answers = await asyncio.gather(*asking)
    assert not any("collapsed" in one["Cache-Status"] for one in answers)
