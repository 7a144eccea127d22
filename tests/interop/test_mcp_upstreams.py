"""Real MCP servers behind the gate, on both versions of the official SDK: their tools are methods."""

import asyncio
import base64
import json

import aiohttp
import pytest

# The first test may have to build the environments.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*"], operate: true}}
services:
  notes:
    dialect: {dialect}
    url: {url}
    refresh: 1s
    {more}
"""
TOOLS = {"add", "note", "count", "echo", "picture", "several", "fail", "slow", "learn"}
KINDS = [
    ("mcp", (), "mcp 2026-07-28"),
    ("mcp", ("json",), "mcp 2026-07-28"),
    ("mcp-1", (), "mcp 2025-11-25"),
    ("mcp-1", ("json", "stateless"), "mcp 2025-11-25"),
]


class Caller:
    """Calls methods of the gate by JSON-RPC."""

    def __init__(self, gate, session, token):
        self.gate, self.session = gate, session
        self.url = "http://{}:{}/rpc".format(*gate.address)
        self.fields = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    async def __call__(self, method, params=None):
        message = {"jsonrpc": "2.0", "method": method, "id": 1, "params": params or {}}
        async with self.session.post(self.url, data=json.dumps(message), headers=self.fields) as response:
            return json.loads(await response.read())

    async def names(self):
        found = await self("rpc.discover")
        return {one["name"]: one for one in found["result"]["methods"]}


@pytest.fixture
def stand(fresh_upstream, gate_of, token_for):
    """`await stand(name, words, dialect, more)`: a server, and a gate before it; closed by `stand.aclose()`."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def standing(name, words=(), dialect="mcp", more="trust_hints: false", path="/mcp"):
        server = await asyncio.to_thread(fresh_upstream, name, *words)
        text = CONFIG.format(url=server.url + path, dialect=dialect, more=more)
        async with gate_of(text) as gate, aiohttp.ClientSession() as session:
            yield Caller(gate, session, token_for("ada", "lab")), server

    return standing


@pytest.mark.parametrize(("name", "words", "convention"), KINDS)
async def test_a_real_servers_tools_are_methods(stand, name, words, convention):
    async with stand(name, words) as (call, _):
        assert call.gate.discovery.health()["notes"].convention == convention
        names = await call.names()
        assert set(names) == {f"notes.{one}" for one in TOOLS}
        assert [one["name"] for one in names["notes.add"]["params"]] == ["a", "b"]
        # A server's own word is no proof that its tools are safe.
        assert "safe" not in names["notes.add"].get("x-labgate", {})
        assert (await call("notes.add", {"a": 2**70, "b": 1}))["result"] == {"result": 2**70 + 1}
        assert (await call("notes.add", [1, 2]))["result"] == {"result": 3}
        assert (await call("notes.note", {"text": "x"}))["result"]["text"] == "x"
        assert (await call("notes.echo", {"text": '{"a": 1}\u2028'}))["result"] == '{"a": 1}\u2028'
        assert (await call("notes.slow", {"steps": 3}))["result"] == "done"
        image = (await call("notes.picture"))["result"]["$binary"]["base64"]
        assert base64.b64decode(image).startswith(b"\x89PNG")
        both = (await call("notes.several"))["result"]
        assert [both[0], list(both[1])] == ["a text", ["$binary"]]
        error = (await call("notes.fail"))["error"]
        assert "it broke on purpose" in error["message"]
        assert error["data"]["content"][0]["type"] == "text"
        error = (await call("notes.add", {"a": "no number", "b": 1}))["error"]
        assert error["code"] in (-32000, -32602)


@pytest.mark.parametrize("name", ["mcp", "mcp-1"])
async def test_hints_of_safety_count_where_the_operator_trusts_them(stand, name):
    more = 'trust_hints: true\n    methods: {"count": {cache: {fresh: 1h}}}'
    async with stand(name, more=more) as (call, _):
        names = await call.names()
        assert {one for one, it in names.items() if it.get("x-labgate", {}).get("safe")} == {
            "notes.add",
            "notes.count",
        }
        assert [(await call("notes.count"))["result"] for _ in range(3)] == [{"result": 1}] * 3


@pytest.mark.parametrize("name", ["mcp", "mcp-1"])
async def test_such_a_server_is_recognised_without_being_told(stand, name):
    async with stand(name, dialect="auto", path="") as (call, _):
        assert call.gate.discovery.health()["notes"].dialect == "mcp"
        assert (await call("notes.add", {"a": 1, "b": 2}))["result"] == {"result": 3}


async def test_a_tool_that_is_learned_later_is_a_method_after_the_next_refresh(stand):
    async with stand("mcp-1") as (call, _):
        assert (await call("notes.learn", {"name": "sing"}))["result"] == "sing"
        await call.gate.discovery.refresh("notes")
        assert "notes.sing" in await call.names()
        assert (await call("notes.sing"))["result"] == "sing"


async def test_a_session_that_is_over_is_begun_anew(stand):
    async with stand("mcp-1") as (call, server):
        assert (await call("notes.note", {"text": "a"}))["result"]["number"] == 1
        dialect = call.gate.relay.routes["notes"].dialect
        sessions = [link.session for link in dialect._links.values()]
        assert [bool(one) for one in sessions] == [True]
        for session in sessions:
            ends = {"Mcp-Session-Id": session.decode(), "MCP-Protocol-Version": "2025-11-25"}
            async with call.session.delete(f"{server.url}/mcp", headers=ends) as response:
                assert response.status == 200
        # It was refused and not carried out: it is sent once more, and carried out once.
        assert (await call("notes.note", {"text": "b"}))["result"]["number"] == 2


async def test_a_server_that_has_gone_is_a_fault_and_its_methods_stay(stand):
    async with stand("mcp") as (call, server):
        await asyncio.to_thread(server.kill)
        assert (await call("notes.add", {"a": 1, "b": 2}))["error"]["data"]["fault"] == "UpstreamUnreachable"
        assert "notes.add" in await call.names()
