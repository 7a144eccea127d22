"""How WebSockets at /rpc go on and end: revocation, expiry, a new catalog, the gate's end, many of them, foreign pages."""

import asyncio
import json

import aiohttp
import pytest
from mounting import as_json

pytestmark = pytest.mark.timeout(120)

PATIENCE = 60.0
"""Seconds after which a test gives up waiting for what must come: reached only by a failure."""

CONFIG = """\
identity: {{anonymous: {anonymous}}}
limits: {{message: 64KiB}}
policies:
  - {{to: ["group:lab"], allow: ["*"], operate: true}}
  - {{to: [anonymous], allow: ["calc.get"]}}
services:
  calc:
    dialect: listed
    url: "{url}"
    rpc_path: /api
    timeout: 60s
    methods:
      get: {{params: [], safe: true}}
      wait: {{params: []}}
"""


def ask(method, params=None, token=1):
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params or [], "id": token})


class Place:
    """A gate before a small service, and its callers' WebSockets."""

    def __init__(self, stand, session):
        self.stand = stand
        self.session = session
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def open(self, *, anonymous="false"):
        async def answer(asked):
            said = json.loads(asked.body)
            if said["method"] == "wait":
                self.begun.set()
                await self.go_on.wait()
            return as_json({"jsonrpc": "2.0", "result": said["method"], "id": said["id"]})

        upstream = await self.stand.upstream()
        upstream.on("/api", answer)
        await self.stand.gate(CONFIG.format(url=upstream.url, anonymous=anonymous))

    @property
    def gate(self):
        return self.stand.running

    async def socket(self, token, **fields):
        host, port = self.gate.address
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        return await self.session.ws_connect(f"http://{host}:{port}/rpc", headers=fields)


@pytest.fixture
async def place(stand):
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Place(stand, session)


async def text(socket):
    return json.loads(await socket.receive_str(timeout=PATIENCE))


async def ended(socket):
    """What came before the end, and the close code."""
    async with asyncio.timeout(PATIENCE):
        found = [json.loads(message.data) async for message in socket]
    return found, socket.close_code


async def works(socket):
    await socket.send_str(ask("calc.get"))
    return (await text(socket))["result"] == "get"


async def test_a_revoked_token_closes_its_websockets_and_no_others(place):
    await place.open()
    ada, bob = place.stand.caller("lab"), place.stand.caller("lab", name="bob")
    sockets = [await place.socket(ada.token) for _ in range(3)]
    others = [await place.socket(bob.token) for _ in range(3)]
    assert all([await works(one) for one in sockets + others])
    place.stand.revoke(ada)
    assert [await ended(one) for one in sockets] == [([], 1008)] * 3
    assert all([await works(one) for one in others])
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await place.socket(ada.token)


async def test_a_websocket_ends_with_its_token(place):
    await place.open()
    token = place.stand.token_for("ada", "lab", ttl="3s")
    socket = await place.socket(token)
    assert await works(socket)
    assert await ended(socket) == ([], 1008)


async def test_what_was_begun_is_answered_before_a_gate_that_goes_down_says_goodbye(place):
    await place.open()
    socket = await place.socket(place.stand.caller("lab").token)
    await socket.send_str(ask("calc.wait", token="begun"))
    await place.begun.wait()
    draining = asyncio.create_task(place.gate.drain())
    place.go_on.set()
    found, code = await ended(socket)
    assert code == 1001
    assert [one.get("id", one.get("method")) for one in found] == ["begun", "rpc.closing"]
    assert "going down" in found[1]["params"]["reason"]
    await draining


async def test_one_message_has_a_limit_that_is_not_the_body_s(place):
    await place.open()
    socket = await place.socket(place.stand.caller("lab").token)
    await socket.send_str(ask("calc.get", ["x" * 70_000]))
    assert await ended(socket) == ([], 1009)


async def test_a_new_catalog_is_told_once_to_whose_list_it_changes(lab):
    ada, gwen = [
        await lab.session.ws_connect(lab.address + "/rpc", headers={"Authorization": f"Bearer {token}"})
        for token in (lab.token, lab.guest)
    ]
    _, before = await lab.call("calc.sub", [2, 1])
    lab.calc.NAMES = (*lab.calc.NAMES, "brand_new")
    await lab.gate.discovery.refresh("calc")
    told = await text(ada)
    _, fields = await lab.call("calc.sub", [2, 1])
    assert told == {
        "jsonrpc": "2.0",
        "method": "rpc.changed",
        "params": {"version": fields["Labgate-Catalog"]},
    }
    assert told["params"]["version"] != before["Labgate-Catalog"]
    for socket in (ada, gwen):
        # Guests may not call it: theirs is what it was, and nothing came before this answer.
        await socket.send_str(ask("calc.sub", [2, 1], "after"))
        assert (await text(socket))["id"] == "after"


async def test_five_hundred_websockets_are_answered_and_told_and_closed(place):
    await place.open()
    token = place.stand.caller("lab").token
    sockets = [await place.socket(token) for _ in range(500)]
    assert len(place.gate.sockets) == 500
    for one in sockets:
        await one.send_str(ask("calc.get"))
    assert [(await text(one))["result"] for one in sockets] == ["get"] * 500
    draining = asyncio.create_task(place.gate.drain())
    for one in sockets:
        found, code = await ended(one)
        assert ([said["method"] for said in found], code) == (["rpc.closing"], 1001)
    await draining
    assert len(place.gate.sockets) == 0


async def test_a_foreign_page_opens_no_websocket_for_who_comes_without_a_token(place):
    await place.open(anonymous="true")
    host, port = place.gate.address
    for fields in ({}, {"Origin": f"http://{host}:{port}"}):
        assert await works(await place.socket(None, **fields))
    for origin in ("https://elsewhere.org", "null", f"http://{host}:{port + 1}"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await place.socket(None, Origin=origin)
        assert refused.value.status == 403
    assert await works(await place.socket(place.stand.caller("lab").token, Origin="https://elsewhere.org"))
