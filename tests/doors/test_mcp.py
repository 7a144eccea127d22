"""Agents: the Model Context Protocol at `/mcp`, modern and legacy."""

import base64
import json

import pytest

from gateway.core.mcp.words import CAPABILITIES_KEY, MODERN, VERSION_KEY

META = {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}


class Agent:
    """Speaks to `/mcp` byte by byte."""

    def __init__(self, lab, token="", datastack=""):
        self.lab, self.token = lab, token or lab.token
        self.path = "/mcp" + (f"?datastack={datastack}" if datastack else "")

    async def post(self, body, **fields):
        """Status, header fields and parsed body of whatever is sent."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, headers, said = await self.lab.post(raw, token=self.token, path=self.path, **fields)
        return status, headers, json.loads(said) if said else None

    async def legacy(self, method, params=None, **fields):
        message = {"jsonrpc": "2.0", "id": 1, "method": method}
        if params is not None:
            message["params"] = params
        return await self.post(message, **({"MCP_Protocol_Version": "2025-06-18"} | fields))

    async def modern(self, method, params=None, name=None, **fields):
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**(params or {}), "_meta": META}}
        headers = {"MCP_Protocol_Version": MODERN, "Mcp_Method": method}
        if name is not None:
            headers["Mcp_Name"] = name
        return await self.post(message, **(headers | fields))

    async def call(self, name, arguments=None):
        """The result of a tool."""
        _, _, said = await self.legacy("tools/call", {"name": name, "arguments": arguments or {}})
        return said["result"]


@pytest.fixture
def agent(lab):
    return Agent(lab)


# --- which revision ---------------------------------------------------------------------------------------


async def test_initialize_is_answered_with_a_revision_that_both_know_and_no_session(agent):
    for offered, agreed in (
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ):
        params = {"protocolVersion": offered, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
        status, headers, said = await agent.post(message)
        assert status == 200
        assert said["result"]["protocolVersion"] == agreed
        assert said["result"]["serverInfo"]["name"] == "labgate"
        assert "Mcp-Session-Id" not in headers
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert (await agent.post(note))[::2] == (202, None)
    assert (await agent.legacy("ping"))[2]["result"] == {}


async def test_every_modern_result_says_that_it_is_complete_and_whose_it_is(agent):
    status, _, said = await agent.modern("server/discover")
    result = said["result"]
    assert (status, result["resultType"]) == (200, "complete")
    assert MODERN in result["supportedVersions"]
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "labgate"
    _, _, said = await agent.modern("tools/list")
    assert (said["result"]["cacheScope"], said["result"]["ttlMs"] > 0) == ("private", True)
    _, _, said = await agent.modern("tools/call", {"name": "calc_get"}, "calc_get")
    assert said["result"]["resultType"] == "complete"


async def test_what_a_modern_requests_fields_say_must_be_what_its_body_says(agent):
    async def code(**how):
        status, _, said = await agent.modern("tools/call", {"name": "calc_get"}, **how)
        return status, said["error"]["code"]

    assert await code() == (400, -32020)  # no Mcp-Name
    assert await code(name="calc_set") == (400, -32020)
    assert await code(name="calc_get", Mcp_Method="tools/list") == (400, -32020)
    assert await code(name="calc_get", MCP_Protocol_Version="2025-06-18") == (400, -32020)
    assert await code(name="=?base64?!!?=") == (400, -32020)
    said = "=?base64?" + base64.b64encode(b"calc_get").decode() + "?="
    assert (await agent.modern("tools/call", {"name": "calc_get"}, said))[0] == 200


async def test_a_revision_that_nobody_knows_is_answered_with_those_that_are_known(agent):
    meta = META | {VERSION_KEY: "2099-01-01"}
    message = {"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {"_meta": meta}}
    fields = {"MCP_Protocol_Version": "2099-01-01", "Mcp_Method": "tools/list"}
    status, _, said = await agent.post(message, **fields)
    assert (status, said["error"]["code"], said["id"]) == (400, -32022, 7)
    assert said["error"]["data"] == {
        "supported": [MODERN, "2025-11-25", "2025-06-18"],
        "requested": "2099-01-01",
    }
    status, _, said = await agent.legacy("tools/list", MCP_Protocol_Version="2024-11-05")
    assert (status, said["error"]["code"]) == (400, -32022)


async def test_a_modern_request_without_its_meta_is_malformed(agent):
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    fields = {"MCP_Protocol_Version": MODERN, "Mcp_Method": "tools/list"}
    status, _, said = await agent.post(message, **fields)
    assert (status, said["error"]["code"]) == (400, -32602)
    message["params"] = {"_meta": {VERSION_KEY: MODERN}}
    assert (await agent.post(message, **fields))[2]["error"]["code"] == -32602


async def test_a_method_that_there_is_not_is_404_where_the_revision_says_so(agent):
    for method in ("prompts/list", "initialize", "ping", "subscriptions/listen"):
        status, _, said = await agent.modern(method)
        assert (status, said["error"]["code"]) == (404, -32601)
    status, _, said = await agent.legacy("prompts/list")
    assert (status, said["error"]["code"]) == (200, -32601)


# --- tools ------------------------------------------------------------------------------------------------


async def test_safe_methods_are_tools_and_nothing_that_may_change_something(agent):
    _, _, said = await agent.legacy("tools/list")
    tools = {tool["name"]: tool for tool in said["result"]["tools"]}
    assert {"calc_get", "calc_get_fail", "calc_get_more"} <= tools.keys()
    assert not tools.keys() & {"calc_set", "calc_echo"}
    assert tools["calc_get"]["annotations"] == {
        "readOnlyHint": True,
        "idempotentHint": True,
        "destructiveHint": False,
    }
    assert tools["calc_get"]["inputSchema"]["type"] == "object"
    result = await agent.call("calc_get")
    assert result["content"] == [{"type": "text", "text": "0"}]
    assert "isError" not in result


async def test_what_is_not_shown_is_refused_as_what_there_is_not(agent, lab):
    unknown = (await agent.legacy("tools/call", {"name": "calc_none"}))[2]["error"]
    for name in ("calc_set", "calc.get", "rpc_discover"):
        error = (await agent.legacy("tools/call", {"name": name}))[2]["error"]
        assert (error["code"], error["message"]) == (unknown["code"], f"Unknown tool: {name}")
    guest = Agent(lab, lab.guest)
    names = [tool["name"] for tool in (await guest.legacy("tools/list"))[2]["result"]["tools"]]
    assert names == ["calc_get"]
    error = (await guest.legacy("tools/call", {"name": "calc_get_more"}))[2]["error"]
    assert error == {"code": -32602, "message": "Unknown tool: calc_get_more"}
    assert not lab.calc.calls["set"] + lab.calc.calls["get_more"]


async def test_a_tools_repeat_is_a_hit_as_any_calls_is(agent, lab):
    await agent.call("calc_get")
    await lab.call("calc.get")
    await agent.call("calc_get")
    assert lab.calc.calls["get"] == 1


async def test_a_services_error_is_told_to_the_model_as_one(agent):
    result = await agent.call("calc_get_fail")
    assert result["isError"] is True
    assert "boom" in result["content"][0]["text"]


async def test_without_a_token_the_answer_says_where_tokens_come_from(agent, lab):
    status, headers, _ = await lab.post(b"{}", token=None, path="/mcp")
    assert status == 401
    metadata = f"{lab.address}/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{metadata}"' in headers["WWW-Authenticate"]
    async with lab.session.get(metadata) as response:
        assert (await response.json())["resource"] == f"{lab.address}/mcp"


WRITING = """\
mcp: {{expose: [calc.set, "calc.get"]}}
telemetry: {{access_log: "off", audit: {audit}}}
policies:
  - {{to: ["group:lab"], allow: ["calc.*"]}}
  - {{to: ["group:few"], allow: ["calc.*"], rate: 1/d}}
services:
  calc: {{dialect: jsonrpc, url: "{url}", rpc_path: /api, methods: {{"get*": {{safe: true}}}}}}
"""


async def test_a_tool_that_changes_something_is_written_down_and_limited_as_any_call(
    lab, gate_of, token_for, tmp_path
):
    file = tmp_path / "audit.jsonl"
    async with gate_of(WRITING.format(url=lab.calc.url, audit=file)) as gate:
        lab.address = "http://{}:{}".format(*gate.address)
        agent = Agent(lab, token_for("ada", "few"))
        tools = {one["name"]: one for one in (await agent.legacy("tools/list"))[2]["result"]["tools"]}
        assert set(tools) == {"calc_get", "calc_set"}
        assert tools["calc_set"]["annotations"]["destructiveHint"] is True
        assert (await agent.call("calc_set"))["content"][0]["text"] == "1"
        _, headers, said = await agent.legacy("tools/call", {"name": "calc_set"})
        assert said["result"]["isError"] is True
        assert "RateLimited" in said["result"]["content"][0]["text"]
        assert headers["RateLimit"]
        assert lab.calc.calls["set"] == 1
    lines = [json.loads(one) for one in file.read_text().splitlines()]
    assert [(one["kind"], one["method"], one["subject"], one["outcome"]) for one in lines] == [
        ("write", "calc.set", "ada", "ok"),
        ("refusal", "calc.set", "ada", "RateLimited"),
    ]


# --- hostile input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"\xff", -32700),
        (b"[]", -32600),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":"%b","method":"ping"}' % (b"x" * 10_000), -32600),
        (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[1]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{},"_meta":{}}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"result":{}}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":%b}' % (b"[" * 3000 + b"]" * 3000), -32700),
    ],
)  # fmt: skip
async def test_what_is_no_message_is_400_with_a_json_rpc_error(agent, body, code):
    status, headers, said = await agent.post(body)
    assert (status, said["error"]["code"]) == (400, code)
    assert headers["Content-Type"] == "application/json"
    assert len(json.dumps(said)) < 1000


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("tools/call", {}, -32602),
        ("tools/call", {"name": 5}, -32602),
        ("tools/call", {"name": "calc_get", "arguments": [1]}, -32602),
        ("tools/call", {"name": "\ud800\u202e" * 5000}, -32602),
        ("tools/call", {"name": "../../etc/passwd"}, -32602),
        ("tools/list", {"cursor": "no cursor"}, -32602),
        ("tools/list", {"cursor": 5}, -32602),
        ("resources/read", {"uri": "file:///etc/passwd"}, -32002),
        ("resources/read", {"uri": "labgate:/rpc/calc.set"}, -32002),
        ("resources/read", {"uri": "labgate:/rpc/calc.get#x"}, -32002),
        ("resources/read", {"uri": "labgate:/rpc/%ff?%ff"}, -32002),
        ("x" * 100_000, {}, -32601),
        ("__proto__", {}, -32601),
    ],
)
async def test_what_is_asked_wrongly_is_refused_in_few_words(agent, method, params, code):
    status, _, said = await agent.legacy(method, params)
    assert (status, said["error"]["code"]) == (200, code)
    assert len(json.dumps(said)) < 1000


async def test_only_post_and_only_json_is_taken(agent, lab):
    fields = {"Authorization": f"Bearer {lab.token}"}
    for verb in ("GET", "DELETE", "PUT"):
        async with lab.session.request(verb, f"{lab.address}/mcp", headers=fields) as response:
            assert (response.status, response.headers["Allow"]) == (405, "POST")
    status, _, _ = await agent.post({"jsonrpc": "2.0", "id": 1, "method": "ping"}, Content_Type="text/plain")
    assert status == 415


async def test_a_page_of_another_origin_gets_nothing(agent, lab):
    message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert (await agent.post(message, Origin=lab.address))[0] == 200
    for origin in ("http://evil.example", "null", lab.address.replace("http:", "https:")):
        assert (await agent.post(message, Origin=origin))[0] == 403
    # A page that has its own name lead here is of the same origin as what it asks, and of another all the same.
    status, _, _ = await agent.post(message, Origin="http://evil.example:8700", Host="evil.example:8700")
    assert status == 403
