"""JSON-RPC over a WebSocket at /rpc, by aiohttp's client and by raw frames, through a real gate."""

import asyncio
import base64
import json
import struct

import aiohttp
import msgpack
import pytest

from gateway.core.frames import unmasked
from gateway.doors.line import AT_ONCE

pytestmark = pytest.mark.timeout(120)

PATIENCE = 60.0
"""Seconds after which a test gives up waiting for what must come: reached only by a failure."""


def ask(method, params=None, token=1):
    message = {"jsonrpc": "2.0", "method": method, "id": token}
    return message if params is None else message | {"params": params}


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


class Socket:
    """One WebSocket of aiohttp's client."""

    def __init__(self, socket):
        self.socket = socket

    async def said(self):
        message = await self.socket.receive(timeout=PATIENCE)
        if message.type is aiohttp.WSMsgType.TEXT:
            return json.loads(message.data)
        if message.type is aiohttp.WSMsgType.BINARY:
            return msgpack.unpackb(message.data)
        return message

    async def call(self, *what, **how):
        await self.socket.send_str(json.dumps(ask(*what, **how)))
        return await self.said()

    async def ended(self):
        """The close code, once the gate has closed; what else it said goes by."""
        while not self.socket.closed:
            await self.said()
        return self.socket.close_code


@pytest.fixture
async def connect(lab):
    opened = []

    async def made(token=None, *, path="/rpc", protocols=(), fields=None, address=None):
        fields = bearer(token or lab.token) if fields is None else fields
        socket = await lab.session.ws_connect(
            (address or lab.address) + path, headers=fields, protocols=protocols, max_msg_size=1 << 28
        )
        opened.append(socket)
        return Socket(socket)

    yield made
    for socket in opened:
        await socket.close()


async def refused(connect, **how):
    with pytest.raises(aiohttp.WSServerHandshakeError) as error:
        await connect(**how)
    return error.value.status


async def test_a_call_over_a_websocket_is_answered_as_one_over_post_is(lab, connect):
    socket = await connect()
    for what in (
        ("calc.sub", [42, 23]),
        ("calc.get_fail",),
        ("calc.nothing",),
        ("rpc.describe", ["calc.sub"]),
    ):
        over_post, _ = await lab.call(*what)
        over_socket = await socket.call(*what)
        for said in (over_post, over_socket):
            said.get("error", {}).get("data", {}).pop("request_id", None)
        assert over_socket == over_post


async def test_text_is_json_and_bytes_are_msgpack_whatever_the_subprotocol(connect):
    for protocols in (
        (),
        ("labgate.json",),
        ("labgate.msgpack",),
        ("other", "labgate.msgpack", "labgate.json"),
    ):
        socket = await connect(protocols=protocols)
        assert socket.socket.protocol == (
            "labgate.msgpack" if "labgate.msgpack" in protocols else protocols[0] if protocols else None
        )
        assert (await socket.call("calc.sub", [1, 2]))["result"] == -1
        await socket.socket.send_bytes(msgpack.packb(ask("calc.value", [b"\x00\xff"], "x")))
        message = await socket.socket.receive(timeout=PATIENCE)
        assert message.type is aiohttp.WSMsgType.BINARY
        assert msgpack.unpackb(message.data)["id"] == "x"


async def test_calls_run_beside_each_other_and_answer_as_they_end(connect):
    socket = await connect()
    for token in range(3):
        await socket.socket.send_str(json.dumps(ask("calc.meet", [3], token)))
    await socket.socket.send_str(json.dumps(ask("calc.sub", [5, 1], "quick")))
    found = [await socket.said() for _ in range(4)]
    assert {one["id"] for one in found} == {0, 1, 2, "quick"}
    assert all(one["result"] in (3, 4) for one in found)


async def test_more_calls_than_run_at_once_are_all_answered(connect):
    socket = await connect()
    for token in range(500):
        await socket.socket.send_str(json.dumps(ask("calc.sub", [token, 1], token)))
    found = [await socket.said() for _ in range(500)]
    assert {one["id"]: one["result"] for one in found} == {token: token - 1 for token in range(500)}


async def test_batches_and_notifications_are_as_everywhere(lab, connect):
    socket = await connect()
    note = {"jsonrpc": "2.0", "method": "calc.note"}
    await socket.socket.send_str(json.dumps(note))
    await socket.socket.send_str(json.dumps([note, note]))
    await socket.socket.send_str(
        json.dumps([ask("calc.sub", [2, 1], 1), note, ask("calc.sub", [3, 1], 2), 7])
    )
    found = await socket.said()
    assert [one.get("result") for one in found] == [1, 2, None]
    assert found[2]["error"]["code"] == -32600
    assert (await socket.call("calc.get", token="last"))["id"] == "last"
    while lab.calc.calls["note"] < 4:
        await asyncio.sleep(0.01)


async def test_what_is_no_message_is_answered_and_ends_nothing(connect):
    socket = await connect()
    for text, code in (("", -32700), ("{", -32700), ("[]", -32600), ("1", -32600), ('{"id":1}', -32600)):
        await socket.socket.send_str(text)
        said = await socket.said()
        assert (said["error"]["code"], text) == (code, text)
    await socket.socket.send_bytes(b"\xc1")
    assert (await socket.said())["error"]["code"] == -32700
    assert (await socket.call("calc.sub", [1, 1]))["result"] == 0


async def test_bytes_of_answers_are_the_upstream_s(lab, connect):
    socket = await connect()
    odd = '[123456789012345678901234567890, 1e400, -0.0, {"b":1,"a":"\\ud800"}]'
    await socket.socket.send_str('{"jsonrpc":"2.0","method":"calc.echo","params":' + odd + ',"id":1}')
    message = await socket.socket.receive(timeout=PATIENCE)
    assert f'"result":{odd}' in message.data


async def test_an_answer_from_the_cache_is_one_here_too_and_a_write_ends_it(lab, connect):
    socket = await connect()
    assert [(await socket.call("calc.get"))["result"] for _ in range(3)] == [0, 0, 0]
    assert lab.calc.calls["get"] == 1
    await socket.call("calc.set")
    assert (await socket.call("calc.get"))["result"] == 1


async def test_each_call_is_judged_by_the_policies(lab, connect):
    socket = await connect(lab.guest)
    assert (await socket.call("calc.sub", [2, 1]))["result"] == 1
    assert (await socket.call("calc.set"))["error"]["data"]["fault"] in ("Forbidden", "UnknownMethod")
    assert lab.calc.calls["set"] == 0


async def test_who_comes_without_a_token_or_with_a_false_one_is_401(connect):
    for fields in ({}, bearer("nonsense")):
        assert await refused(connect, fields=fields) == 401


async def test_a_page_shows_its_token_as_a_subprotocol_from_any_origin(lab, connect):
    shown = base64.urlsafe_b64encode(lab.token.encode()).decode().rstrip("=")
    socket = await connect(
        fields={"Origin": "https://elsewhere.org"}, protocols=("labgate.json", f"labgate.bearer.{shown}")
    )
    assert socket.socket.protocol == "labgate.json"
    assert (await socket.call("calc.sub", [2, 1]))["result"] == 1
    assert await refused(connect, fields={}, protocols=("labgate.json", "labgate.bearer.bm9uc2Vuc2U")) == 401


async def test_only_get_with_an_upgrade_opens_a_websocket(lab):
    async with lab.session.get(lab.address + "/rpc", headers=bearer(lab.token)) as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST, QUERY")
    fields = bearer(lab.token) | {"Upgrade": "websocket", "Connection": "Upgrade"}
    async with lab.session.get(lab.address + "/rpc", headers=fields) as response:
        assert (response.status, response.headers["Sec-WebSocket-Version"]) == (426, "13")
        assert response.headers["Upgrade"] == "websocket"


async def test_the_operator_s_port_opens_them_too_but_not_to_foreign_pages(lab, connect):
    socket = await connect(address=lab.operator)
    assert (await socket.call("calc.sub", [2, 1]))["result"] == 1
    fields = bearer(lab.token) | {"Origin": "https://elsewhere.org"}
    assert await refused(connect, address=lab.operator, fields=fields) == 403


async def test_an_unknown_datastack_is_refused_at_the_handshake(connect):
    assert await refused(connect, path="/rpc?datastack=nowhere") in (400, 404)


# --- raw frames


class Raw:
    """A client of raw bytes, after the handshake."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def frame(self):
        async with asyncio.timeout(PATIENCE):
            first, size = await self.reader.readexactly(2)
            if size == 126:
                (size,) = struct.unpack(">H", await self.reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", await self.reader.readexactly(8))
            return first, await self.reader.readexactly(size)

    async def rest(self):
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()


def masked(opcode, data=b"", *, last=True):
    mask = b"\x37\xfa\x21\x3d"
    size = len(data)
    said = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 127]) + struct.pack(">Q", size)
    if 126 <= size < 65536:
        said = bytes([0x80 | 126]) + struct.pack(">H", size)
    return bytes([(0x80 if last else 0) | opcode]) + said + mask + unmasked(data, mask)


def hello(token, *lines):
    said = [
        "GET /rpc HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {token}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *lines,
    ]
    return "\r\n".join([*said, "", ""]).encode()


@pytest.fixture
async def raw(lab):
    opened = []

    async def made(after=b"", **how):
        host, port = lab.gate.address
        reader, writer = await asyncio.open_connection(host, port)
        opened.append(writer)
        writer.write(hello(lab.token) + after)
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
        assert b"Sec-WebSocket-Extensions" not in head
        return Raw(reader, writer)

    yield made
    for writer in opened:
        writer.close()


SUB = json.dumps(ask("calc.sub", [3, 1])).encode()


async def test_frames_sent_with_the_handshake_are_not_lost(raw):
    socket = await raw(masked(1, SUB))
    first, body = await socket.frame()
    assert (first, json.loads(body)["result"]) == (0x81, 2)


async def test_a_message_may_come_byte_by_byte_and_in_parts(raw):
    socket = await raw()
    whole = masked(1, SUB[:7], last=False) + masked(9, b"there?") + masked(0, SUB[7:])
    for at in range(len(whole)):
        await socket.send(whole[at : at + 1])
    assert await socket.frame() == (0x8A, b"there?")
    first, body = await socket.frame()
    assert (first, json.loads(body)["result"]) == (0x81, 2)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\x01x", 1002),
        (b"\xc1\x81aaaax", 1002),
        (masked(3), 1002),
        (masked(0, b"x"), 1002),
        (masked(1, b"\xff\xfe"), 1007),
        (b"\x82\xff" + struct.pack(">Q", 1 << 40), 1009),
        (masked(8, b"\x03"), 1002),
        (masked(8, struct.pack(">H", 1006)), 1002),
        (b"GET /rpc HTTP/1.1\r\n\r\n", 1002),
    ],
)
async def test_hostile_frames_end_the_connection_with_the_code_that_says_why(raw, sent, code):
    socket = await raw()
    await socket.send(sent)
    first, body = await socket.frame()
    assert (first, struct.unpack(">H", body[:2])[0]) == (0x88, code)
    assert await socket.rest() == b""


@pytest.mark.parametrize("said", [b"", struct.pack(">H", 1000) + b"bye", struct.pack(">H", 4321)])
async def test_a_goodbye_is_answered_with_the_same_and_ends_the_connection(raw, said):
    socket = await raw()
    await socket.send(masked(8, said))
    assert await socket.frame() == (0x88, said[:2])
    assert await socket.rest() == b""


async def test_a_caller_who_leaves_ends_the_safe_work_done_for_them(lab, raw):
    socket = await raw()
    lab.calc._get_more = lab.calc._stuck
    await socket.send(masked(1, json.dumps(ask("calc.get_more")).encode()))
    while not lab.calc.calls["get_more"]:
        await asyncio.sleep(0.01)
    assert len(lab.gate.flights) == 1
    socket.writer.transport.abort()
    while len(lab.gate.sockets) or len(lab.gate.flights):
        await asyncio.sleep(0.01)


async def test_who_does_not_read_is_not_read_from_either(lab, raw):
    """Calls whose answers nobody takes stop being carried out; they go on when they are taken."""
    socket = await raw()
    big = json.dumps(ask("calc.echo", ["x" * 200_000])).encode()
    count = 400

    async def send():
        for _ in range(count):
            await socket.send(masked(1, big))

    sending = asyncio.create_task(send())
    while not any(line.halted and line.busy == AT_ONCE for line in lab.gate.sockets.lines):
        await asyncio.sleep(0.01)
    assert lab.calc.calls["echo"] < count
    assert not sending.done()
    for _ in range(count):
        _, body = await socket.frame()
        assert len(body) > 200_000
    await sending
    assert lab.calc.calls["echo"] == count
