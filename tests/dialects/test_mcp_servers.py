"""Servers that speak the Model Context Protocol badly: what is said of them, and what is not done twice."""

import json
from collections import Counter

import aiohttp
import pytest
from aiohttp import web

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*"], operate: true}}
services:
  odd: {{dialect: mcp, url: "{url}/mcp", describe_timeout: 20s, timeout: 20s}}
"""


class Odd:
    """A legacy server that insists on a session, and does what its `mood` says."""

    def __init__(self):
        self.mood, self.calls, self.fields = "", Counter(), []
        self.sessions = 0

    async def handle(self, request):
        message = await request.json()
        self.calls[message["method"]] += 1
        self.fields.append(dict(request.headers))
        method, token = message["method"], message.get("id")
        if method == "server/discover":
            return web.Response(status=400, text="who are you?")
        if method == "initialize":
            self.sessions += 1
            result = {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "serverInfo": {"name": "odd", "version": "3"},
            }
            return self.json(token, result, {"Mcp-Session-Id": f"s{self.sessions}"})
        if request.headers.get("Mcp-Session-Id") != f"s{self.sessions}":
            return web.Response(status=404, text="no session")
        if token is None:
            return web.Response(status=202)
        if method == "tools/list":
            return self.json(token, self.tools(message.get("params", {})))
        return self.called(token)

    def tools(self, params):
        at = int(params.get("cursor", "0"))
        if self.mood == "endless":
            return {"tools": [{"name": f"t{at}"}], "nextCursor": "0" if at else "1"}
        page = {"tools": [{"name": f"t{at}"}, 5, {"name": "bad\u0000name"}]}
        return page | ({"nextCursor": str(at + 1)} if at < 2 else {})

    def called(self, token):
        match self.mood:
            case "html":
                return web.Response(text="<html>secret</html>", content_type="text/html", status=500)
            case "other":
                return self.json("another", {"content": []})
            case "stream":
                said = {
                    "jsonrpc": "2.0",
                    "id": token,
                    "result": {"content": [{"type": "text", "text": "ok"}]},
                }
                note = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}
                ask = {"jsonrpc": "2.0", "id": token, "method": "sampling/createMessage", "params": {}}
                text = "".join(f"event: message\ndata: {json.dumps(one)}\n\n" for one in (note, ask, said))
                return web.Response(text=text, content_type="text/event-stream")
            case "silent":
                return web.Response(text=": nothing\n\n", content_type="text/event-stream")
        return self.json(token, {"content": [{"type": "text", "text": "ok"}]})

    @staticmethod
    def json(token, result, headers=None):
        return web.json_response({"jsonrpc": "2.0", "id": token, "result": result}, headers=headers)


@pytest.fixture
async def odd(gate_of, token_for):
    server = Odd()
    app = web.Application()
    app.router.add_post("/mcp", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with gate_of(CONFIG.format(url=url)) as gate, aiohttp.ClientSession() as session:
        fields = {"Authorization": f"Bearer {token_for('ada', 'lab')}", "Content-Type": "application/json"}

        async def call(method):
            message = json.dumps({"jsonrpc": "2.0", "method": method, "id": 1, "params": {}})
            address = "http://{}:{}/rpc".format(*gate.address)
            async with session.post(address, data=message, headers=fields) as response:
                return json.loads(await response.read())

        server.gate, server.call = gate, call
        yield server
    await runner.cleanup()


async def test_a_list_is_read_to_its_last_page_and_what_is_no_tool_is_left_out(odd):
    names = {one["name"] for one in (await odd.call("rpc.discover"))["result"]["methods"]}
    assert names == {"odd.t0", "odd.t1", "odd.t2"}
    health = odd.gate.discovery.health()["odd"]
    assert (health.convention, health.version, health.left_out) == ("mcp 2025-06-18", "3", 6)


async def test_one_session_serves_every_call_and_every_refresh(odd):
    for _ in range(3):
        assert (await odd.call("odd.t0"))["result"] == "ok"
        await odd.gate.discovery.refresh("odd")
    assert odd.calls["initialize"] == 1
    called = [one for one in odd.fields if one.get("Mcp-Session-Id")]
    assert {one["MCP-Protocol-Version"] for one in called} == {"2025-06-18"}


async def test_a_session_that_the_server_has_forgotten_is_begun_anew_once(odd):
    odd.sessions += 1  # it has begun another meanwhile, and knows this one alone
    assert (await odd.call("odd.t0"))["result"] == "ok"
    assert odd.calls["initialize"] == 2


async def test_an_answer_is_found_among_the_events_of_a_stream(odd):
    odd.mood = "stream"
    assert (await odd.call("odd.t0"))["result"] == "ok"


@pytest.mark.parametrize("mood", ["html", "other", "silent"])
async def test_what_is_no_answer_is_a_fault_that_quotes_nothing_and_is_not_tried_again(odd, mood):
    odd.mood = mood
    error = (await odd.call("odd.t0"))["error"]
    assert error["data"]["fault"] == "UpstreamBroken"
    assert error["data"]["maybe_executed"] is True
    assert "secret" not in json.dumps(error)
    assert odd.calls["tools/call"] == 1


async def test_a_list_without_an_end_has_one(odd):
    odd.mood = "endless"
    before = odd.calls["tools/list"]
    await odd.gate.discovery.refresh("odd")
    assert odd.calls["tools/list"] - before == 3
