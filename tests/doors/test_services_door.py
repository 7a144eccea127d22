"""Draining, disabling and enabling services at a real gate: what callers get, and what the lists say."""

import asyncio
import json
import time

import pytest

import labgate
from labgate.errors import Unavailable

WORDS = "New disks: back after lunch"


@pytest.fixture
def put(lab):
    """Has a service drained, disabled or enabled by the operator: `await put("drained", message=...)`."""

    async def ask(state, service="calc", expected=200, **said):
        fields = {"Authorization": f"Bearer {lab.token}"}
        body = {"service": service, "state": state, **said}
        async with lab.session.post(f"{lab.operator}/-/services", json=body, headers=fields) as got:
            assert got.status == expected, await got.text()
            return await got.json()

    return ask


async def listed(lab):
    fields = {"Authorization": f"Bearer {lab.token}"}
    async with lab.session.get(f"{lab.address}/openrpc.json", headers=fields) as got:
        methods = (await got.json())["methods"]
        return got.headers["Labgate-Catalog"], {one["name"]: one.get("x-labgate", {}) for one in methods}


async def test_a_drained_service_is_sent_nothing_more_and_what_is_stored_goes_on_to_be_served(lab, put):
    for _ in range(3):  # so that the lanes know it too
        await lab.call("calc.get")
    before = sum(lab.calc.calls.values())
    until = time.time() + 3600
    said = await put("drained", message=WORDS, until=until)
    assert said["calc"] == {
        "state": "drained", "by": "alice", "since": said["calc"]["since"], "message": WORDS, "until": until,
    }  # fmt: skip
    for _ in range(3):
        answer, headers = await lab.call("calc.get")
        assert answer["result"] == 0
        assert "; hit" in headers["Cache-Status"]
    answer, _ = await lab.call("calc.set", [1])
    error = answer["error"]
    assert (error["code"], error["data"]["fault"]) == (-32008, "Unavailable")
    assert error["message"].startswith("The service 'calc' takes no calls: an operator drained it at 2")
    assert error["message"].endswith(f": {WORDS}.")
    assert 3590 < error["data"]["retry_after"] <= 3600
    assert "maybe_executed" not in error["data"]
    assert sum(lab.calc.calls.values()) == before

    assert (await put("enabled"))["calc"] == {"state": "enabled"}
    assert "result" in (await lab.call("calc.set", [1]))[0]


async def test_of_a_disabled_service_nobody_gets_anything(lab, put):
    for _ in range(3):
        await lab.call("calc.get")
    before = sum(lab.calc.calls.values())
    await put("disabled", message=WORDS)
    for method in ("calc.get", "calc.set"):
        error = (await lab.call(method))[0]["error"]
        assert "an operator disabled it at 2" in error["message"]
        assert WORDS in error["message"]
        assert error["data"]["retry_after"] == 30
    assert (await lab.call("calc.set", token=lab.guest))[0]["error"]["data"]["fault"] == "Forbidden"
    assert sum(lab.calc.calls.values()) == before
    await put("drained")
    assert "; hit" in (await lab.call("calc.get"))[1]["Cache-Status"]
    await put("enabled")
    assert "; hit" in (await lab.call("calc.get"))[1]["Cache-Status"]


async def test_its_methods_stay_in_the_list_marked_down_with_what_the_operator_says(lab, put):
    version, before = await listed(lab)
    await put("drained", message=WORDS)
    changed, during = await listed(lab)
    assert during.keys() == before.keys()
    assert {(one["down"], one["notice"]) for one in during.values()} == {(True, WORDS)}
    assert changed != version
    await put("drained", message="later")
    assert {one["notice"] for one in (await listed(lab))[1].values()} == {"later"}
    await put("enabled")
    assert await listed(lab) == (version, before)


async def test_calls_under_way_end_as_if_nothing_had_happened(lab, put):
    call = asyncio.ensure_future(lab.call("calc.meet", [1]))
    held, lab.calc.gathered = lab.calc.gathered, asyncio.Event()
    while not lab.calc.waiting:
        await asyncio.sleep(0.001)
    await put("drained")
    lab.calc.gathered.set()
    held.set()
    assert (await call)[0]["result"] == 1


async def test_a_plain_url_of_a_drained_service_is_503_with_retry_after(lab, put):
    await put("drained", message=WORDS)
    mine = {"Authorization": f"Bearer {lab.token}"}
    async with lab.session.get(f"{lab.address}/rpc/calc.get_more", headers=mine) as got:
        assert (got.status, got.headers["Retry-After"]) == (503, "30")
        assert WORDS in (await got.json())["message"]


async def test_the_sdk_raises_with_the_operators_words_and_documents_them(lab, put):
    await put("drained", message=WORDS)

    def ask():
        client = labgate.connect(lab.address, token=lab.token)
        with pytest.raises(Unavailable, match=WORDS):
            client.calc.set(1)
        return client.calc.set.__doc__

    assert f"Who runs the gate says: {WORDS}" in await asyncio.to_thread(ask)


async def test_what_is_asked_for_wrongly_changes_nothing_and_all_of_it_is_told(lab, put):
    said = await put("asleep", service="calcc", expected=400, message=7, until=5, why="x")
    text = json.dumps(said)
    for words in (
        "perhaps calc",
        "enabled, drained, disabled",
        "message is one line",
        "yet to come",
        "no why",
    ):
        assert words in text
    assert "result" in (await lab.call("calc.set", [1]))[0]


async def test_only_operators_see_and_change_it(lab):
    for verb in ("GET", "POST"):
        fields = {"Authorization": f"Bearer {lab.guest}"}
        async with lab.session.request(verb, f"{lab.operator}/-/services", json={}, headers=fields) as got:
            assert got.status == 403


async def test_a_gate_without_a_file_says_that_it_cannot_reload(lab):
    fields = {"Authorization": f"Bearer {lab.token}"}
    async with lab.session.post(f"{lab.operator}/-/reload", json={}, headers=fields) as got:
        assert got.status == 503
        assert "without a settings file" in await got.text()
