"""Streams and sockets through a mount: they stay open as long as they may, and not longer."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from mounted_labs import PLAIN
from mounting import PATIENCE, STREAM, Held, Upstream, stream, told, until


@pytest.fixture
async def up(stand) -> Upstream:
    upstream = await stand.upstream()
    await stand.gate(PLAIN.format(url=upstream.url))
    return upstream


@pytest.fixture
def ada(stand, up):
    return stand.caller("lab")


async def test_a_stream_that_is_silent_for_too_long_is_cut_and_never_looks_complete(up, ada):
    async def silent(asked):
        asked.writer.write(STREAM + b"5\r\nfirst\r\n")
        await asked.reader.read(1)

    up.on("/stream", silent)
    line = await ada.line()
    line.writer.write(ada.request("GET", "/brief/stream"))
    await line.reader.readuntil(b"first\r\n")
    assert await line.ended() == b""


async def test_a_stream_that_goes_on_outlives_the_time_of_a_call(up, ada):
    async def talk(asked):
        asked.writer.write(STREAM)
        for _ in range(8):
            asked.writer.write(b"1\r\n.\r\n")
            await asyncio.sleep(0.2)
        return b"0\r\n\r\n"

    up.on("/stream", talk)
    assert (await ada.get("/brief/stream")).body == b"........"


async def open_stream(up, caller):
    up.on("/stream", stream)
    line = await caller.line()
    line.writer.write(caller.request("GET", "/up/stream"))
    await line.reader.readuntil(b"first\r\n")
    return line


async def open_socket(up, caller):
    async def echo(asked):
        asked.writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        )
        while data := await asked.reader.read(1000):
            asked.writer.write(data)

    up.on("/ws", echo)
    line = await caller.line()
    line.writer.write(caller.request("GET", "/up/ws", "Upgrade: websocket", "Connection: Upgrade"))
    assert (await line.answer()).status == 101
    return line


async def echoes(line) -> bool:
    line.writer.write(b"hello")
    async with asyncio.timeout(PATIENCE):
        return await line.reader.readexactly(5) == b"hello"


async def test_a_revoked_token_ends_its_open_streams_and_sockets_and_nobody_elses(stand, up, ada):
    bob = stand.caller("lab", name="bob")
    stream, socket = await open_stream(up, ada), await open_socket(up, ada)
    others, theirs = await open_stream(up, bob), await open_socket(up, bob)
    assert await echoes(socket)
    stand.revoke(ada)
    assert not (await stream.ended()).endswith(b"0\r\n\r\n")
    await socket.ended()
    # Both were looked at in the same second as these.
    for _ in range(15):
        async with asyncio.timeout(PATIENCE):
            await others.reader.readuntil(b"1\r\n.\r\n")
    assert await echoes(theirs)
    assert (await ada.get("/up/x")).status == 401
    assert (await bob.get("/up/x")).status == 200


async def test_a_socket_passes_bytes_both_ways_and_ends_with_either_side(stand, up, ada):
    line = await open_socket(up, ada)
    assert [await echoes(line) for _ in range(3)] == [True] * 3
    await line.close()
    await until(lambda: stand.running.estate.upstreams["up"].in_flight == 0)
    line = await open_socket(up, ada)
    up.asked[-1].writer.close()
    assert await line.ended() == b""


@pytest.mark.parametrize(
    "status", ["403 No", "200 OK", "404 Not Found", "503 Not Now", "426 Upgrade Required"]
)
async def test_an_upgrade_that_is_refused_passes_as_the_answer_it_is(up, ada, status):
    up.on("/ws", told(b"no socket", "X-Own: 1", status=status))
    line = await ada.line()
    line.writer.write(ada.request("GET", "/up/ws", "Upgrade: websocket", "Connection: Upgrade"))
    answer = await line.answer()
    assert (f"{answer.status} {answer.reason.decode()}", answer.body) == (status, b"no socket")


# --- going down


async def test_a_download_under_way_ends_while_the_gate_goes_down_and_new_requests_are_refused(stand):
    up = await stand.upstream()
    async with AsyncExitStack() as ends:
        # The harness ends gates soon; this one has time.
        gate = await ends.enter_async_context(stand.gate_of(PLAIN.format(url=up.url)))
        gate.settings = gate.settings.model_copy(update={"shutdown_seconds": PATIENCE})
        stand.running = gate
        ada = stand.caller("lab")
        held = Held(b"4\r\nlast\r\n0\r\n\r\n")

        async def talk(asked):
            asked.writer.write(STREAM + b"5\r\nfirst\r\n")
            return await held(asked)

        up.on("/stream", talk)
        line, idle = await ada.line(), await ada.line()
        await ada.get("/up/x", on=idle)
        line.writer.write(ada.request("GET", "/up/stream"))
        await line.reader.readuntil(b"first\r\n")
        going = asyncio.ensure_future(gate.drain())
        assert await idle.ended() == b""
        held.free.set()
        async with asyncio.timeout(PATIENCE):
            assert await line.reader.readuntil(b"0\r\n\r\n") == b"4\r\nlast\r\n0\r\n\r\n"
            await going
        with pytest.raises(ConnectionRefusedError):
            await ada.line()
