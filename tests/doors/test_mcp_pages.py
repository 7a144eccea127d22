"""Agents that are pages in browsers: those of `mcp: {origins: […]}` may ask `/mcp` and read what it answers (the Fetch standard, 3.2)."""

import json

import aiohttp
import pytest
from aiohttp import web

PAGE = "https://inspector.lab.org"
OTHER = "https://evil.example"
CONFIG = """\
{mcp}
policies:
  - {{to: ["group:lab"], allow: ["calc.*"]}}
services:
  calc: {{dialect: jsonrpc, url: "{url}", rpc_path: /api, methods: {{"get*": {{safe: true}}}}}}
"""
ASKED = "authorization, content-type, last-event-id, mcp-protocol-version, mcp-session-id, mcp-param-region"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


class Gate:
    """What a browser would send to a gate, and what it would be told."""

    def __init__(self, gate, token, session):
        self.gate, self.token, self.session = gate, token, session
        self.address = "http://{}:{}".format(*gate.address)

    async def ask(self, verb, path="/mcp", origin=PAGE, *, body=None, address=None, **fields):
        sent = {name.replace("_", "-"): value for name, value in fields.items()}
        sent |= {} if origin is None else {"Origin": origin}
        async with self.session.request(
            verb, (address or self.address) + path, json=body, headers=sent
        ) as told:
            await told.read()
            return told

    async def preflight(self, path="/mcp", origin=PAGE, asked=ASKED, **how):
        return await self.ask(
            "OPTIONS", path, origin, Access_Control_Request_Method="POST", Access_Control_Request_Headers=asked, **how
        )  # fmt: skip

    async def post(self, origin=PAGE, **fields):
        return await self.ask(
            "POST", origin=origin, body=PING, Authorization=f"Bearer {self.token}", **fields
        )


@pytest.fixture
def open_to(lab, gate_of, token_for):
    """`async with open_to("…")`: a gate that lets the pages of these origins in."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def made(origins):
        mcp = f"mcp: {{origins: {json.dumps(origins)}}}" if origins else ""
        async with (
            gate_of(CONFIG.format(mcp=mcp, url=lab.calc.url)) as gate,
            aiohttp.ClientSession() as session,
        ):
            yield Gate(gate, token_for("ada", "lab"), session)

    return made


def cors_of(told):
    return {name.lower() for name in told.headers if name.lower().startswith("access-control-")}


async def test_a_preflight_of_an_allowed_origin_is_answered_without_a_credential(open_to):
    async with open_to([PAGE]) as gate:
        told = await gate.preflight()
        assert told.status == 204
        assert told.headers["Access-Control-Allow-Origin"] == PAGE
        assert told.headers["Vary"] == "Origin"
        assert told.headers["Access-Control-Allow-Methods"] == "POST, GET, DELETE"
        assert told.headers["Access-Control-Allow-Headers"] == ASKED
        assert int(told.headers["Access-Control-Max-Age"]) > 0
        assert "Access-Control-Allow-Credentials" not in told.headers
        again = await gate.preflight("/mcp?datastack=nowhere")
        assert again.status == 204


async def test_every_answer_may_be_read_by_an_allowed_page_also_a_refusal(open_to):
    async with open_to([PAGE]) as gate:
        for told, status in (
            (await gate.post(), 200),
            (await gate.post(MCP_Protocol_Version="1999-01-01"), 400),
            (await gate.ask("POST", body=PING), 401),
            (await gate.ask("POST", body=PING, Authorization="Bearer wrong"), 401),
            # That there is no stream, and no session to end, a client learns from the status.
            (await gate.ask("GET"), 405),
            (await gate.ask("DELETE"), 405),
        ):
            assert told.status == status
            assert told.headers.getall("Access-Control-Allow-Origin") == [PAGE]
            assert "Origin" in told.headers.getall("Vary")
            exposed = set(told.headers["Access-Control-Expose-Headers"].split(", "))
            assert {"Mcp-Session-Id", "WWW-Authenticate"} <= exposed
            assert "Access-Control-Allow-Credentials" not in told.headers


async def test_another_origin_is_told_nothing_and_gets_nothing(open_to):
    async with open_to([PAGE]) as gate:
        for origin in (
            OTHER,
            "null",
            PAGE.upper() + ".evil.example",
            "http://inspector.lab.org",
            f"{PAGE}:444",
        ):
            told = await gate.preflight(origin=origin)
            assert (told.status, cors_of(told)) == (405, set())
            told = await gate.post(origin)
            assert (told.status, cors_of(told)) == (403, set())
        # A page that has its own name lead here: it needs no CORS, and is refused for what its origin is.
        told = await gate.post("http://evil.example:8700", Host="evil.example:8700")
        assert (told.status, cors_of(told)) == (403, set())
        # Programs say no origin, and the gate's own pages need nothing said.
        for origin in (None, gate.address):
            told = await gate.post(origin)
            assert (told.status, cors_of(told)) == (200, set())


async def test_without_origins_no_page_is_told_anything(open_to):
    async with open_to([]) as gate:
        told = await gate.preflight()
        assert (told.status, told.headers["Allow"], cors_of(told)) == (405, "POST", set())
        told = await gate.post()
        assert (told.status, cors_of(told)) == (403, set())
        assert "Vary" not in told.headers


async def test_any_page_may_ask_where_the_settings_say_any(open_to):
    async with open_to("*") as gate:
        for origin in (PAGE, OTHER):
            assert (await gate.preflight(origin=origin)).status == 204
            told = await gate.post(origin)
            assert (told.status, told.headers["Access-Control-Allow-Origin"]) == (200, origin)


async def test_what_says_where_tokens_come_from_is_for_any_page_also_with_a_field_of_the_protocol(open_to):
    async with open_to([]) as gate:
        path = "/.well-known/oauth-protected-resource/mcp"
        told = await gate.preflight(path, OTHER, "mcp-protocol-version")
        assert (told.status, told.headers["Access-Control-Allow-Headers"]) == (204, "mcp-protocol-version")
        told = await gate.ask("GET", path, OTHER, MCP_Protocol_Version="2025-11-25")
        assert (told.status, told.headers.getall("Access-Control-Allow-Origin")) == (200, ["*"])
        told = await gate.ask("GET", path + "/none", OTHER)
        assert (told.status, told.headers["Access-Control-Allow-Origin"]) == (404, OTHER)
        operators = "http://{}:{}".format(*gate.gate.operator_address)
        for told in (
            await gate.preflight(path, OTHER, address=operators),
            await gate.ask("GET", path, OTHER, address=operators),
        ):
            assert (told.status, cors_of(told)) == (403, set())


SCRIPT = """
(async () => {
  const post = async (body, fields) => {
    const told = await fetch(ADDRESS + "/mcp", {method: "POST", body: JSON.stringify({jsonrpc: "2.0", ...body}),
      headers: {"Content-Type": "application/json", Accept: "application/json, text/event-stream", ...fields}});
    return {status: told.status, way: told.headers.get("WWW-Authenticate"), said: await told.json().catch(() => null)};
  };
  try {
    const nobody = await post({id: 0, method: "ping"}, {});
    const where = nobody.way.match(/resource_metadata="([^"]*)"/)[1];
    const resource = await (await fetch(where, {headers: {"MCP-Protocol-Version": "2025-11-25"}})).json();
    const fields = {Authorization: "Bearer " + TOKEN, "MCP-Protocol-Version": "2025-11-25", "Mcp-Session-Id": "of before",
      "Last-Event-ID": "7"};
    const began = await post({id: 1, method: "initialize", params: {protocolVersion: "2025-11-25", capabilities: {},
      clientInfo: {name: "page", version: "1"}}}, {Authorization: fields.Authorization});
    const noted = await post({method: "notifications/initialized"}, fields);
    const listed = await post({id: 2, method: "tools/list"}, fields);
    const called = await post({id: 3, method: "tools/call", params: {name: "calc_get", arguments: {}}}, fields);
    const stream = await fetch(ADDRESS + "/mcp", {headers: {...fields, Accept: "text/event-stream"}});
    const end = await fetch(ADDRESS + "/mcp", {method: "DELETE", headers: fields});
    return [nobody.status, resource.resource, began.said.result.serverInfo.name, noted.status,
      listed.said.result.tools.some((tool) => tool.name === "calc_get"), called.said.result.content[0].text,
      stream.status, end.status];
  } catch (error) {
    return String(error);
  }
})()
"""


@pytest.fixture
async def page():
    """A page of somebody's: its address by either of two names, which are two origins."""

    async def answer(_):
        return web.Response(text="<p>an inspector</p>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/page", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield lambda name: f"http://{name}:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.timeout(120)
async def test_a_page_in_a_real_browser_is_a_client_if_its_origin_is_allowed(
    open_to, page, chromium_lab, tmp_path
):
    async with open_to([page("localhost")]) as gate, chromium_lab.chromium(tmp_path / "browser") as browser:
        script = SCRIPT.replace("ADDRESS", json.dumps(gate.address)).replace("TOKEN", json.dumps(gate.token))
        shown = await browser.page()
        for name, expected in (
            ("localhost", [401, f"{gate.address}/mcp", "labgate", 202, True, "0", 405, 405]),
            ("127.0.0.1", "TypeError: Failed to fetch"),
        ):
            address = f"{page(name)}/page"
            await shown.goto(address)
            await shown.until(f"location.href === {address!r} && document.readyState === 'complete'")
            assert await shown.get(script) == expected
        await shown.close()
