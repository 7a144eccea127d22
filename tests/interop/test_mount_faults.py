"""What does a caller see through a mount when the other side breaks off, lies, hurries, dawdles or is not there?"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
from fidelity.raw import PATIENCE, Line, Request
from fidelity.scripted import OK, POLICIES, SERVICE, Gate, Peer, Upstream, answering, once

pytestmark = pytest.mark.interop

PIECE = bytes(65536)
MUCH = 1024
"""So many pieces are 64 MiB: more than sockets hold."""
HELD = 24 << 20
"""Bytes that may be under way to somebody who takes none: the buffers of four sockets, and little of the gate's."""

CutShort = (OSError, EOFError)


async def pausing(count: Callable[[], int]) -> int:
    """The count once it has stopped growing; if it only seems to have, it is too small to prove anything wrong."""
    last = -1
    while (now := count()) != last or now == 0:
        last = now
        await asyncio.sleep(0.5)
    return now


# Replies that are not what they say.

SHORT = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nonly5",
    "length, nothing": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
    "long": b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + PIECE,
    "no last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n",
    "no last line": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwh",
    "no chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\nzz\r\n",
    "chunk too long": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwhole\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("verb", [b"GET", b"POST"])
@pytest.mark.parametrize("answer", SHORT.values(), ids=list(SHORT))
async def test_a_reply_that_is_shorter_than_announced_never_looks_complete(
    answer, verb, reset, before
) -> None:
    _, gate = await before(once(answer, reset=reset))
    try:
        seen = await gate.ask(verb, body=b"x" if verb == b"POST" else b"")
    except CutShort:
        return
    assert seen.status == (502 if verb == b"GET" else 500)


@pytest.mark.parametrize("verb", [b"GET", b"POST"])
async def test_what_an_upstream_sends_behind_its_reply_is_nobodys_answer(verb, before) -> None:
    poison = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"

    async def talk(peer: Peer) -> None:
        await peer.request()
        peer.send(OK + poison)
        await peer.reader.read()

    upstream, gate = await before(talk)
    line = await gate.line()
    for _ in range(3):
        request = Request(verb, b"/up/a", (gate.credential,), b"x" if verb == b"POST" else b"")
        assert (await line.exchange(request, gate.host)).body == b"ok"
    assert len(upstream.heads) == 3


NO_ANSWERS = {
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unasked upgrade": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
}


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=list(NO_ANSWERS))
async def test_what_is_no_answer_is_a_502_for_a_read_and_a_500_for_a_write(answer, before) -> None:
    upstream, gate = await before(once(answer))
    assert (await gate.ask(b"GET")).status == 502
    writes = len(upstream.heads)
    assert (await gate.ask(b"POST", body=b"x")).status == 500
    assert len(upstream.heads) == writes + 1, "a write that may have happened is never sent again"


# Who is gone, and who never was there.


async def test_an_upstream_that_is_not_there_is_a_502_and_never_invites_a_write_to_be_sent_again(
    gate_of, token_for
) -> None:
    with socket.socket() as bound:  # without listening
        bound.bind(("127.0.0.1", 0))
        async with gate_of(POLICIES + SERVICE.format(port=bound.getsockname()[1], more="")) as made:
            async with AsyncExitStack() as ends:
                gate = Gate(made.address[1], token_for("ada", "lab"), ends)
                assert (await gate.ask(b"GET")).status == 502
                assert (await gate.ask(b"HEAD")).status == 502
                # Nothing was sent, so that a repetition harms nobody.
                assert (await gate.ask(b"POST", body=b"x")).status in (500, 502)


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_502_503_or_504_to_a_write_becomes_a_500_with_the_same_body(status, before) -> None:
    answer = b"HTTP/1.1 %d Not Now\r\nX-Own: 1\r\nContent-Length: 5\r\n\r\nlater" % status
    _, gate = await before(answering(answer))
    for verb in (b"GET", b"HEAD", b"OPTIONS"):
        seen = await gate.ask(verb)
        assert (seen.status, seen.reason) == (status, b"Not Now")
    for verb in (b"POST", b"PUT", b"PATCH", b"DELETE", b"MKCOL"):
        seen = await gate.ask(verb, body=b"x")
        assert (seen.status, seen.body, seen.values(b"x-own")) == (500, b"later", [b"1"])


async def test_a_caller_who_goes_in_the_middle_of_a_download_ends_it_upstream(before) -> None:
    gone = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await asyncio.gather(peer.reader.read(), return_exceptions=True)
        gone.set()

    _, gate = await before(talk)
    line = await gate.line()
    line.writer.write(gate.head(b"GET", b"/up/a"))
    async with asyncio.timeout(PATIENCE):
        await line.reader.readuntil(b"first")
        await line.close()
        await gone.wait()


@pytest.mark.parametrize(
    ("framing", "part"),
    [(b"Content-Length: 10", b"only5"), (b"Transfer-Encoding: chunked", b"5\r\nwhole\r\n")],
    ids=["length", "chunks"],
)
async def test_a_caller_who_goes_in_the_middle_of_an_upload_leaves_no_complete_request_upstream(
    framing, part, before
) -> None:
    ends: asyncio.Queue[object] = asyncio.Queue()

    async def talk(peer: Peer) -> None:
        try:
            await peer.request()
        except CutShort as end:
            ends.put_nowait(end)
        else:
            ends.put_nowait("a whole request")

    upstream, gate = await before(talk)
    line = await gate.line()
    line.writer.write(gate.head(b"PUT", b"/up/a", framing) + part)
    async with asyncio.timeout(PATIENCE):
        await upstream.came.acquire()
        await line.close()
        assert isinstance(await ends.get(), CutShort)
    assert ends.empty()


# Hurry and delay.


@pytest.mark.parametrize("framing", [b"Content-Length: 1000000", b"Transfer-Encoding: chunked"])
async def test_an_answer_that_comes_before_the_upload_ends_reaches_the_caller_at_once(
    framing, before
) -> None:
    async def talk(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 413 Too Much\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch")
        await asyncio.gather(peer.reader.read(), return_exceptions=True)

    _, gate = await before(talk)
    line = await gate.line()
    line.writer.write(
        gate.head(b"POST", b"/up/a", framing) + (b"5\r\nfirst\r\n" if b"chunked" in framing else b"first")
    )
    async with asyncio.timeout(PATIENCE):
        seen = await line.answer(Request(b"POST"))
    assert (seen.status, seen.reason, seen.body) == (413, b"Too Much", b"much")


async def test_each_piece_passes_both_ways_before_the_next_one_is_there(before) -> None:
    async def talk(peer: Peer) -> None:
        await peer.head()
        for number in (b"1", b"2", b"3"):
            await peer.reader.readuntil(b"piece " + number)
            if number == b"1":
                peer.send(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                )
            peer.send(b"6\r\necho %b\r\n" % number)
        await peer.reader.readuntil(b"0\r\n\r\n")
        peer.send(b"0\r\n\r\n")

    _, gate = await before(talk)
    line = await gate.line()
    line.writer.write(gate.head(b"POST", b"/up/a", b"Transfer-Encoding: chunked"))
    async with asyncio.timeout(PATIENCE):
        for number in (b"1", b"2", b"3"):
            line.writer.write(b"7\r\npiece %b\r\n" % number)
            await line.reader.readuntil(b"echo " + number)
        line.writer.write(b"0\r\n\r\n")
        await line.reader.readuntil(b"0\r\n\r\n")


async def test_a_head_passes_before_its_body_is_there(before) -> None:
    more = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nX-Own: 1\r\nContent-Length: 4\r\n\r\n")
        await more.wait()
        peer.send(b"body")
        await peer.reader.read()

    _, gate = await before(talk)
    line = await gate.line()
    line.writer.write(gate.head(b"GET", b"/up/a"))
    async with asyncio.timeout(PATIENCE):
        assert b"X-Own: 1" in await line.reader.readuntil(b"\r\n\r\n")
        more.set()
        assert await line.reader.readexactly(4) == b"body"


async def test_a_caller_who_does_not_read_stops_the_upstream_from_sending_and_gets_all_in_the_end(
    before,
) -> None:
    sent = 0

    async def talk(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MUCH * len(PIECE)))
        for _ in range(MUCH):
            peer.send(PIECE)
            await peer.writer.drain()
            sent += len(PIECE)

    _, gate = await before(talk)
    line = await gate.line()
    line.writer.write(gate.head(b"GET", b"/up/a"))
    async with asyncio.timeout(60):
        assert await pausing(lambda: sent) < HELD
        await line.reader.readuntil(b"\r\n\r\n")
        left = MUCH * len(PIECE)
        while left:
            piece = await line.reader.read(1 << 20)
            assert piece
            assert not piece.strip(b"\0")
            left -= len(piece)
    assert sent == MUCH * len(PIECE)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
async def test_an_upstream_that_does_not_read_stops_the_caller_from_sending_and_gets_all_in_the_end(
    chunked, before
) -> None:
    ready = asyncio.Event()
    got = 0
    piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE

    async def talk(peer: Peer) -> None:
        nonlocal got
        await peer.head()
        await ready.wait()
        tail = b""
        while got < MUCH * len(PIECE) or (chunked and tail != b"0\r\n\r\n"):
            data = await peer.reader.read(1 << 20)
            assert data
            got += data.count(0)  # Only the framing, whatever it is, holds other bytes.
            tail = (tail + data)[-5:]
        peer.send(OK)
        await peer.reader.read()

    _, gate = await before(talk)
    line = await gate.line()
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (MUCH * len(PIECE))
    line.writer.write(gate.head(b"PUT", b"/up/a", framing))
    sent = 0

    async def upload() -> None:
        nonlocal sent
        for _ in range(MUCH):
            line.writer.write(piece)
            await line.writer.drain()
            sent += len(piece)
        if chunked:
            line.writer.write(b"0\r\n\r\n")

    async with asyncio.timeout(60):
        uploading = asyncio.create_task(upload())
        assert await pausing(lambda: sent) < HELD
        ready.set()
        assert (await line.answer(Request(b"PUT"))).body == b"ok"
        await uploading
    assert got == MUCH * len(PIECE)


# Loops.


async def test_two_gates_that_lead_to_each_other_answer_508(gate_of, token_for) -> None:
    """A pipe stands between them, since neither knows the other's port before it runs."""
    open_to_all = 'identity: {anonymous: true}\npolicies:\n  - {to: [anonymous], allow: ["*", "/**"]}\n'
    first = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def pipe(peer: Peer) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", first)
        try:
            await asyncio.gather(pour(peer.reader, writer), pour(reader, peer.writer))
        finally:
            writer.close()

    joint = Upstream(pipe)
    async with AsyncExitStack() as ends:
        server = await asyncio.start_server(joint.accept, "127.0.0.1", 0)
        ends.push_async_callback(joint.stop, server)
        port = server.sockets[0].getsockname()[1]
        # Below /up of one gate is /up of the other one.
        for _ in range(2):
            text = SERVICE.format(port=port, more="").replace(f":{port}", f":{port}/up")
            gate = await ends.enter_async_context(gate_of(open_to_all + text))
            port = first = gate.address[1]
        for verb in (b"GET", b"POST"):
            line = await Line.open(first)
            ends.push_async_callback(line.close)
            seen = await line.exchange(Request(verb, b"/up/a"), b"127.0.0.1:%d" % first)
            assert seen.status == 508
