"""Where did the time of a request go? Every answer says what is known of it, and one from memory says nothing."""

import asyncio
import json
import re

import pytest
from mounting import STREAM, as_json, told

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
services:
  up:
    dialect: listed
    url: "{url}"
    rpc_path: /rpc
    mount: /up
    methods:
      get: {{safe: true, cache: {{fresh: 1h, share: everyone}}}}
      old: {{safe: true, cache: {{fresh: 1ms, stale: 1h, share: everyone}}}}
      put: {{}}
"""
TRIP = "upstream;dur=N, total;dur=N"
_DURATION = re.compile(r"dur=[0-9]+\.[0-9]\b")


def timing(answer):
    """What an answer says, its numbers left out."""
    return _DURATION.sub("dur=N", answer["Server-Timing"])


def milliseconds(answer):
    return {name: float(said) for name, said in re.findall(r"(\w+);dur=([0-9.]+)", answer["Server-Timing"])}


async def answered(asked):
    return as_json({"jsonrpc": "2.0", "result": 7, "id": json.loads(asked.body)["id"]})


@pytest.fixture
async def up(stand):
    upstream = await stand.upstream()
    upstream.on("/rpc", answered)
    upstream.on("/kept", told(b"kept", "Cache-Control: max-age=2147483647"))
    await stand.gate(CONFIG.format(url=upstream.url))
    return upstream


@pytest.fixture
async def ada(stand, up):
    """Somebody whom the gate knows."""
    caller = stand.caller("lab")
    await caller.call("system.listMethods")
    return caller


def call(method, number=1):
    return {"jsonrpc": "2.0", "method": f"up.{method}", "id": number}


@pytest.mark.parametrize("lanes", ["on", "off"])
async def test_a_call_that_took_a_trip_says_how_long_and_one_that_memory_answers_says_nothing(
    stand, ada, lanes
):
    if lanes == "off":
        await stand.switch(stand.caller("lab", name="operator"), lanes="off")
    line = await ada.line()
    for method in ("get", "put"):
        first = await ada.rpc("/rpc", call(method), on=line)
        assert timing(first) == f"cache;desc={'miss' if method == 'get' else 'pass'}, {TRIP}"
        spent = milliseconds(first)
        assert spent["upstream"] <= spent["total"] + 0.1
    for number in range(3):
        assert (
            "server-timing" not in (await ada.rpc("/rpc", call("get", number), on=line)).raw.lower().decode()
        )
    batch = await ada.rpc("/rpc", [call("get"), call("put", 2)], on=line)
    assert timing(batch) == f"cache;desc=pass, {TRIP}"
    batch = await ada.rpc("/rpc", [call("get"), call("get", 2)], on=line)
    assert timing(batch) == ""


async def test_a_stale_reply_says_how_long_it_took_and_that_nobody_was_waited_for(ada):
    await ada.rpc("/rpc", call("old"))
    await asyncio.sleep(0.01)
    assert timing(await ada.rpc("/rpc", call("old"))) == "cache;desc=stale, total;dur=N"


async def test_a_plain_address_says_it_too(ada):
    assert timing(await ada.get("/rpc/up.get")) == f"cache;desc=miss, {TRIP}"
    assert timing(await ada.get("/rpc/up.get")) == ""


async def test_a_request_through_a_mount_says_it_beside_what_the_service_says(up, ada):
    up.on("/own", told(b"own", "Server-Timing: db;dur=53", "Cache-Control: no-store"))
    for _ in range(2):  # the second is known by its lines
        line = await ada.line()
        for _ in range(2):
            own, gates = (await ada.get("/up/own", on=line)).values("Server-Timing")
            assert own == "db;dur=53"
            assert _DURATION.sub("dur=N", gates) == f"cache;desc=miss, {TRIP}"
    assert timing(await ada.get("/up/kept")) == f"cache;desc=miss, {TRIP}"
    for _ in range(3):
        assert timing(await ada.get("/up/kept")) == ""
    assert timing(await ada.ask("POST", "/up/other", body=b"")) == f"cache;desc=pass, {TRIP}"


async def test_who_had_to_be_asked_about_says_how_long_that_took_and_never_again(stand, up):
    for path in ("/up/kept", "/openrpc.json"):
        new = stand.caller("lab", name=path.strip("/").partition("/")[0].partition(".")[0])
        first, second = await new.get(path), await new.get(path)
        assert timing(first).startswith("auth;dur=N")
        assert timing(first).endswith("total;dur=N")
        spent = milliseconds(first)
        assert spent["auth"] <= spent["total"] + 0.1
        assert timing(second) == ""


async def test_who_is_refused_hears_only_how_long_it_took_to_know_that(stand, up):
    stranger = stand.caller("lab", name="stranger")
    stranger.token += "x"
    for answer in (await stranger.rpc("/rpc", call("get")), await stranger.get("/up/kept")):
        assert answer.status == 401
        assert timing(answer) == "auth;dur=N, total;dur=N"
    for answer in (await stand.nobody().rpc("/rpc", call("get")), await stand.nobody().get("/up/kept")):
        assert (answer.status, timing(answer)) == (401, "")


async def test_a_streams_times_are_those_until_it_began(up, ada):
    go_on = asyncio.Event()

    async def talk(asked):
        asked.writer.write(STREAM + b"5\r\nfirst\r\n")
        await go_on.wait()
        return b"0\r\n\r\n"

    up.on("/stream", talk)
    line = await ada.line()
    line.writer.write(ada.request("GET", "/up/stream"))
    head = await line.reader.readuntil(b"\r\n\r\n")
    assert re.search(rb"Server-Timing: cache;desc=\w+, upstream;dur=[0-9.]+, total;dur=[0-9.]+\r\n", head)
    go_on.set()
    await line.reader.readuntil(b"0\r\n\r\n")
