"""Somebody else decides, after the policies: asked once for equal questions, believed for a while, and never told a credential."""

from __future__ import annotations

import asyncio
import json

import pytest
from mounting import Held, as_json, told

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["up.get", "up.put", "files.http", "/files/**", "/up/**"]}}
decisions: {{url: "{opa}/v1/data/labgate/allow", fail: {fail}, timeout: 2s}}
services:
  up:
    dialect: listed
    url: "{url}"
    rpc_path: /
    mount: /up
    methods: {{get: {{safe: true, cache: {{fresh: 1h, share: everyone}}}}, put: {{}}, stop: {{}}}}
  files: {{dialect: listed, url: "{url}", mount: /files}}
"""
OPA = "/v1/data/labgate/allow"


async def answers(asked):
    try:
        call = json.loads(asked.body)
    except ValueError:
        return told(b"file")
    calls = call if isinstance(call, list) else [call]
    found = [{"jsonrpc": "2.0", "result": 1, "id": one["id"]} for one in calls]
    return as_json(found if isinstance(call, list) else found[0])


@pytest.fixture
def opened(stand):
    async def made(decide, fail="closed"):
        up, opa = await stand.upstream(), await stand.upstream()
        up.on("*", answers)

        async def answer(asked):
            said = decide(json.loads(asked.body)["input"])
            return said if isinstance(said, bytes) else as_json(said)

        opa.on(OPA, answer)
        await stand.gate(CONFIG.format(url=up.url, opa=opa.url, fail=fail))
        return up, opa

    return made


def asked(opa):
    return [json.loads(one.body)["input"] for one in opa.to(OPA)]


async def test_it_is_asked_who_would_do_what_once_and_believed_for_a_while(stand, opened):
    _, opa = await opened(lambda _: {"result": True})
    ada = stand.caller("lab")
    line = await ada.line()
    said = {"jsonrpc": "2.0", "method": "up.get", "id": 1}
    hits = [(await ada.rpc("/rpc", said, on=line)).hit for _ in range(6)]
    assert hits == [False] + [True] * 5
    assert (await ada.get("/rpc/up.get")).body == b"1"
    who = {"subject": "ada", "issuer": "labgate", "groups": ["lab"], "scopes": [], "anonymous": False}
    assert asked(opa) == [{"principal": who, "method": "up.get", "service": "up"}]
    for _ in range(3):
        assert (await ada.ask("DELETE", "/files/a%20b/c?token=sesame", on=line)).status == 200
    assert asked(opa)[1:] == [
        {
            "principal": who,
            "method": "files.http",
            "service": "files",
            "verb": "DELETE",
            "path": ["files", "a b", "c"],
        }
    ]
    text = b"".join(one.head + one.body for one in opa.asked)
    assert ada.token.encode() not in text
    assert b"sesame" not in text


async def test_what_it_does_not_allow_is_refused_everywhere_with_its_reason_and_never_reaches_the_service(
    stand, opened
):
    def decide(question):
        if question["method"] == "up.get":
            return {"result": {"allow": True}}
        return {"result": {"allow": False, "reason": "maintenance"}}

    up, _ = await opened(decide)
    ada = stand.caller("lab")
    assert (await ada.call("up.get"))["result"] == 1
    before = len(up.asked)
    refused = await ada.call("up.put")
    assert refused["error"]["data"]["fault"] == "Forbidden"
    assert "decision service does not allow it: maintenance" in refused["error"]["message"]
    assert (await ada.rpc("/rpc/up.put", {})).status == 403
    assert (await ada.get("/files/x")).status == 403
    batch = [{"jsonrpc": "2.0", "method": name, "id": n} for n, name in enumerate(("get", "put"))]
    assert (await ada.rpc("/up/", batch)).status == 403
    entries = [{**one, "method": f"up.{one['method']}"} for one in batch]
    first, second = json.loads((await ada.rpc("/rpc", entries)).body)
    assert (first["result"], second["error"]["data"]["fault"]) == (1, "Forbidden")
    assert len(up.asked) == before


async def test_what_the_policies_do_not_allow_is_not_even_asked_about(stand, opened):
    _, opa = await opened(lambda _: {"result": True})
    ada = stand.caller("lab")
    assert (await ada.call("up.stop"))["error"]["data"]["fault"] == "Forbidden"
    assert (await ada.get("/rpc/up.stop?x=1")).status in (403, 405)
    assert (await ada.rpc("/up/", {"jsonrpc": "2.0", "method": "stop", "id": 1})).status == 403
    assert not asked(opa)


@pytest.mark.parametrize("answer", [{}, {"result": {}}, {"result": {"allow": 1}}, {"result": "yes"}, [], b""])
async def test_nothing_but_a_clear_yes_lets_anybody_in(stand, opened, answer):
    up, _ = await opened(lambda _: told(b"") if answer == b"" else answer)
    ada = stand.caller("lab")
    fault = (await ada.call("up.get"))["error"]["data"]["fault"]
    assert fault == ("Forbidden" if answer == {} else "Unavailable")
    assert not up.asked


async def test_equal_questions_at_the_same_time_are_one(stand, opened):
    _, opa = await opened(lambda _: {"result": True})
    held = Held(as_json({"result": True}))
    opa.on(OPA, held)
    ada = stand.caller("lab")
    said = {"jsonrpc": "2.0", "method": "up.get", "id": 1}
    tasks = [asyncio.create_task(ada.rpc("/rpc", said)) for _ in range(5)]
    while not opa.asked:
        await asyncio.sleep(0.001)
    held.free.set()
    assert all(json.loads(one.body)["result"] == 1 for one in await asyncio.gather(*tasks))
    assert len(opa.to(OPA)) == 1


@pytest.mark.parametrize("fail", ["closed", "open"])
@pytest.mark.parametrize(
    "away",
    [b"HTTP/1.1 302 Found\r\nLocation: /yes\r\nContent-Length: 0\r\n\r\n", told(b"", status="500 No"), None],
)
async def test_while_it_does_not_answer_calls_are_refused_or_let_through_as_the_settings_say(
    stand, opened, fail, away
):
    up, opa = await opened(lambda _: away or {"result": True}, fail)
    opa.on("/yes", as_json({"result": True}))
    if away is None:
        await opa.stop()
    ada = stand.caller("lab")
    call, mounted = await ada.call("up.get"), await ada.get("/files/x")
    if fail == "open":
        assert call["result"] == 1
        assert mounted.status == 200
    else:
        assert call["error"]["data"]["fault"] == "Unavailable"
        assert (mounted.status, mounted["Retry-After"]) == (503, "1")
        assert not up.asked
    assert not opa.to("/yes")


async def test_a_verdict_ends_in_the_lanes_too(stand, opened):
    allowed = True
    _, opa = await opened(lambda _: {"result": allowed})
    decider = stand.running.relay.decider
    ada = stand.caller("lab")
    line = await ada.line()
    said = {"jsonrpc": "2.0", "method": "up.get", "id": 1}
    for _ in range(4):
        assert "result" in json.loads((await ada.rpc("/rpc", said, on=line)).body)
    assert len(stand.running.servers[0].lane.requests)
    allowed = False
    decider._verdicts.clear()
    assert "error" in json.loads((await ada.rpc("/rpc", said, on=line)).body)
    assert len(opa.to(OPA)) == 2
