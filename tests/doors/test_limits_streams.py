"""What is under way ends when its caller has had far more bytes than they may: cut, and never as if it were the whole."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from mounting import PATIENCE, STREAM, until
from mounting import told as said

MAY = 1_000_000
CONFIG = """\
telemetry: {{access_log: "off", audit: {audit}}}
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:few"], allow: ["*", "/**"], bytes: 1MB/d}}
cache: {{disk: {{size: 256MiB}}}}
services:
  up: {{dialect: listed, url: "{url}", mount: /up}}
"""
PIECE = b"x" * 50_000
CHUNK = b"%x\r\n%b\r\n" % (len(PIECE), PIECE)


@pytest.fixture
async def up(stand, tmp_path):
    upstream = await stand.upstream()
    await stand.gate(CONFIG.format(url=upstream.url, audit=tmp_path / "audit.jsonl"))
    return upstream


@pytest.fixture
def audited(stand, tmp_path):
    """The audit log, when it has so many lines."""

    async def read(count):
        await until(lambda: stand.running.relay.auditor.written >= count)
        lines = (tmp_path / "audit.jsonl").read_text().splitlines()
        assert len(lines) == count
        return [json.loads(line) for line in lines]

    return read


async def without_end(asked):
    """A stream that goes on for as long as somebody takes it."""
    asked.writer.write(STREAM)
    while not asked.writer.is_closing():
        asked.writer.write(CHUNK)
        await asked.writer.drain()
        await asyncio.sleep(0.002)


async def slowly(port: int, request: bytes, some: int) -> int:
    """How many bytes come until the connection is cut, to who takes so many at once and the others drop by drop."""
    loop, came = asyncio.get_running_loop(), 0
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        caller.setblocking(False)
        await loop.sock_connect(caller, ("127.0.0.1", port))
        await loop.sock_sendall(caller, request)
        while True:
            if came >= some:
                await asyncio.sleep(0.1)
            try:
                piece = await asyncio.wait_for(loop.sock_recv(caller, 20_000), PATIENCE)
            except ConnectionError:
                return came
            assert piece, "it is cut, and not ended"
            came += len(piece)


async def taken(line) -> bytes:
    """All that comes until the connection ends."""
    return await asyncio.wait_for(line.ended(), PATIENCE)


async def test_a_stream_without_end_is_cut_and_never_looks_complete_and_others_go_on(stand, up, audited):
    up.on("/stream", without_end)
    few, lab = stand.caller("few"), stand.caller("lab", name="bob")
    theirs = await lab.line()
    theirs.writer.write(lab.request("GET", "/up/stream"))
    line = await few.line()
    line.writer.write(few.request("GET", "/up/stream"))
    came = await taken(line)
    assert len(came) >= 2 * MAY
    assert not came.endswith(b"0\r\n\r\n")
    for _ in range(3):
        async with asyncio.timeout(PATIENCE):
            await theirs.reader.readexactly(2 * MAY)
    await until(lambda: stand.running.estate.upstreams["up"].in_flight == 1)
    (record,) = await audited(1)
    shown = {name: record[name] for name in ("kind", "subject", "outcome", "request", "service", "status")}
    assert shown == {
        "kind": "refusal",
        "subject": "ada",
        "outcome": "RateLimited",
        "request": "GET /up/stream",
        "service": "up",
        "status": 200,
    }
    refused = await few.get("/up/stream")
    assert (refused.status, refused.fault) == (429, "RateLimited")


async def test_a_download_with_a_length_is_cut_short_of_it(stand, up):
    async def long(asked):
        asked.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while not asked.writer.is_closing():
            asked.writer.write(PIECE)
            await asked.writer.drain()
            await asyncio.sleep(0.002)

    up.on("/long", long)
    few = stand.caller("few")
    line = await few.line()
    line.writer.write(few.request("GET", "/up/long"))
    assert 2 * MAY <= len(await taken(line)) < 1_000_000_000


async def test_a_socket_is_cut(stand, up):
    async def chatter(asked):
        asked.writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        )
        while not asked.writer.is_closing():
            asked.writer.write(PIECE)
            await asked.writer.drain()
            await asyncio.sleep(0.002)

    up.on("/ws", chatter)
    few = stand.caller("few")
    line = await few.line()
    line.writer.write(few.request("GET", "/up/ws", "Upgrade: websocket", "Connection: Upgrade"))
    assert (await line.answer()).status == 101
    assert len(await taken(line)) >= 2 * MAY
    await until(lambda: stand.running.estate.upstreams["up"].in_flight == 0)


async def test_an_answer_from_the_disk_is_cut_while_it_is_sent(stand, up):
    body = bytes(20 * MAY)
    fresh = said(body, "Cache-Control: public, max-age=3600").replace(
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n", b""
    )
    up.on("/file", fresh)
    assert (await stand.caller("lab").get("/up/file")).body == body
    await until(lambda: stand.running.disk.status()["entries"] == 1)
    few = stand.caller("few")
    came = await slowly(few.port, few.request("GET", "/up/file"), 9 * MAY)
    assert 9 * MAY <= came < 20 * MAY
    assert len(up.asked) == 1


async def test_an_answer_of_no_more_than_twice_the_share_comes_whole_and_has_to_be_paid_off(
    stand, up, audited
):
    up.on("/most", said(b"x" * (2 * MAY - 1), "Cache-Control: no-store"))
    few = stand.caller("few")
    assert len((await few.get("/up/most")).body) == 2 * MAY - 1
    assert (await few.get("/up/most")).status == 429
    assert [one["status"] for one in await audited(1)] == [429]


async def test_a_write_whose_answer_is_cut_is_written_down_as_a_write(stand, up, audited):
    up.on("/put", without_end)
    few = stand.caller("few")
    line = await few.line()
    line.writer.write(few.request("PUT", "/up/put", body=b"x"))
    assert len(await taken(line)) >= 2 * MAY
    (record,) = await audited(1)
    assert (record["kind"], record["outcome"], record["status"]) == ("write", "RateLimited", 200)


async def test_an_upload_counts_nothing_and_is_never_cut_for_what_was_had(stand, up):
    up.on("/most", said(b"x" * (2 * MAY - 1), "Cache-Control: no-store"))
    held = asyncio.Event()

    async def takes(asked):
        held.set()

    up.on("/put head", takes)
    few = stand.caller("few")
    line = await few.line()
    line.writer.write(few.head("PUT", "/up/put", f"Content-Length: {4 * MAY}") + bytes(MAY))
    await asyncio.wait_for(held.wait(), PATIENCE)
    assert (await few.get("/up/most")).status == 200
    for _ in range(15):  # as much time as it takes to be looked at
        line.writer.write(bytes(MAY // 5))
        await asyncio.sleep(0.1)
    answer = await line.answer()
    assert (answer.status, len(up.asked[-1].body)) == (200, 4 * MAY)
