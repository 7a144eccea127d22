"""Laws of answers: their bytes are the handler's, their framing is the connection's."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web
from aiohttp.web import BaseRequest

from gateway.wire.answer import Answer, StreamAnswer

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\nHost: h\r\n\r\n"


def always(answer):
    async def handler(request: BaseRequest):
        return answer() if callable(answer) else answer

    return handler


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


def streamed(*data: bytes, length: int | None = None, status: int = 200):
    return lambda: StreamAnswer(status, None, (), pieces(*data), length)


async def test_a_head_is_sent_as_it_is_given_with_nothing_but_date_and_framing_added(serve) -> None:
    fields = (
        (b"x-b", b"1"),
        (b"X-A", b"\xff\x80 tab\there"),
        (b"x-b", b""),
        (b"Odd Name", b"  two spaces  "),
        (b"Set-Cookie", b"a=b"),
        (b"Set-Cookie", b"c=d"),
    )
    gate = await serve(always(Answer(299, b"Quite \xe9 OK", fields, b"hello")))
    caller = await gate.caller()
    await caller.send(GET)
    data = await caller.reader.readuntil(b"hello")
    date = re.search(rb"Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n", data)
    assert date
    assert data == (
        b"HTTP/1.1 299 Quite \xe9 OK\r\nx-b: 1\r\nX-A: \xff\x80 tab\there\r\nx-b: \r\nOdd Name:   two spaces  \r\n"
        b"Set-Cookie: a=b\r\nSet-Cookie: c=d\r\n" + date[0] + b"Content-Length: 5\r\n\r\nhello"
    )


async def test_a_given_date_is_kept(serve) -> None:
    gate = await serve(always(Answer(200, b"", ((b"DATE", b"long ago"),))))
    seen = await (await gate.caller()).get(GET)
    assert (seen[b"Date"], seen.reason) == (b"long ago", b"")


UNSAYABLE = {
    "LF in a value": Answer(200, None, ((b"A", b"b\nX: y"),)),
    "CR in a value": Answer(200, None, ((b"A", b"b\rX: y"),)),
    "CRLF in a value": Answer(200, None, ((b"A", b"b\r\nX: y"),)),
    "NUL in a value": Answer(200, None, ((b"A", b"b\0"),)),
    "CRLF in a name": Answer(200, None, ((b"A: b\r\nX", b"y"),)),
    "CRLF in the reason": Answer(200, b"OK\r\nX: y", ()),
    "coding": Answer(200, None, ((b"Transfer-Encoding", b"chunked"),)),
    "length": Answer(200, None, ((b"content-length", b"0"),)),
    "connection": Answer(200, None, ((b"CONNECTION", b"close"),)),
    "length of a 204": Answer(204, None, ((b"Content-Length", b"0"),)),
    "interim status": Answer(103, None, ()),
    "no status": Answer(1000, None, ()),
}


@pytest.mark.parametrize("answer", UNSAYABLE.values(), ids=UNSAYABLE)
async def test_an_answer_that_cannot_be_said_safely_is_a_500_of_which_nothing_is_sent(serve, answer) -> None:
    gate = await serve(always(answer))
    caller = await gate.caller()
    seen = await caller.get(GET)
    assert seen.status == 500
    assert seen[b"X"] is None
    assert (await caller.get(GET)).status == 500


async def test_what_was_to_be_streamed_is_closed_when_its_head_cannot_be_said(serve) -> None:
    closed = False

    class Chunks:
        def __aiter__(self):
            return self

        async def __anext__(self) -> bytes:
            raise StopAsyncIteration

        async def aclose(self) -> None:
            nonlocal closed
            closed = True

    gate = await serve(always(StreamAnswer(200, None, ((b"A", b"\n"),), Chunks())))
    assert (await (await gate.caller()).get(GET)).status == 500
    assert closed


@pytest.mark.parametrize("over", ["tcp", "tls"])
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 5_000_000])
async def test_bodies_of_any_size_arrive_whole_in_memory_and_streamed(serve, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    for answer in (
        Answer(200, None, (), body),
        streamed(body),
        streamed(body[:100], b"", body[100:]),
        streamed(body, length=size),
    ):
        gate = await serve(always(answer))
        caller = await gate.caller()
        for _ in range(2):
            seen = await caller.get(GET)
            assert seen.body == body
            assert seen[b"Connection"] is None


async def test_a_stream_of_unknown_length_ends_with_the_connection_for_http_1_0(serve) -> None:
    gate = await serve(always(streamed(b"ab", b"cd")))
    caller = await gate.caller()
    seen = await caller.get(OLD.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"))
    assert (seen.body, seen[b"Transfer-Encoding"], seen.closes) == (b"abcd", None, True)


async def test_a_stream_of_known_length_keeps_a_connection_of_http_1_0(serve) -> None:
    gate = await serve(always(streamed(b"ab", b"cd", length=4)))
    caller = await gate.caller()
    for _ in range(2):
        seen = await caller.get(OLD.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"))
        assert (seen.body, seen[b"Connection"]) == (b"abcd", b"keep-alive")


BODILESS = {
    "HEAD": (HEAD, Answer(200, None, (), b"hello"), b"5"),
    "HEAD that knows a length": (HEAD, Answer(200, None, ((b"Content-Length", b"77"),)), b"77"),
    "HEAD of a stream": (HEAD, streamed(b"ab"), None),
    "HEAD of a stream of known length": (HEAD, streamed(b"ab", length=2), b"2"),
    "204": (GET, Answer(204, None, (), b"hello"), None),
    "304": (GET, Answer(304, None, (), b"hello"), None),
    "304 that knows a length": (GET, Answer(304, None, ((b"Content-Length", b"77"),)), b"77"),
    "204 of a stream": (GET, streamed(b"ab", status=204), None),
}


@pytest.mark.parametrize(("data", "answer", "length"), BODILESS.values(), ids=BODILESS)
async def test_an_answer_without_body_is_a_head_and_the_connection_goes_on(
    serve, data, answer, length
) -> None:
    gate = await serve(always(answer))
    caller = await gate.caller()
    for _ in range(3):
        await caller.send(data)
        seen = await caller.answer(bodiless=True)
        assert seen[b"Content-Length"] == length
        assert seen[b"Transfer-Encoding"] is None
        assert seen[b"Connection"] is None


async def breaking(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece
    raise LookupError("upstream gone")


BROKEN = {
    "chunks that break off": lambda: StreamAnswer(200, None, (), breaking(b"ab")),
    "a length that breaks off": lambda: StreamAnswer(200, None, (), breaking(b"ab"), 4),
    "too few bytes": streamed(b"ab", length=4),
    "too many bytes": streamed(b"ab", b"cde", length=4),
}


@pytest.mark.parametrize("over", ["tcp", "tls"])
@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("data", [GET, OLD], ids=["1.1", "1.0"])
async def test_half_an_answer_never_looks_whole(serve, answer, data, caplog) -> None:
    gate = await serve(always(answer))
    caller = await gate.caller()
    await caller.send(data)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await caller.answer()
    assert "broke off" in caplog.text
    assert gate.server.connections == 0


@pytest.mark.parametrize("over", ["tcp", "tls"])
async def test_pieces_are_sent_when_they_are_there(serve) -> None:
    more = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"first"
        await more.wait()
        yield b"second"

    gate = await serve(always(lambda: StreamAnswer(200, None, (), slowly())))
    caller = await gate.caller()
    await caller.send(GET)
    await caller.head()
    assert await caller.reader.readexactly(10) == b"5\r\nfirst\r\n"
    more.set()
    assert await caller.reader.readuntil(b"0\r\n\r\n") == b"6\r\nsecond\r\n0\r\n\r\n"


@pytest.mark.parametrize("over", ["tcp", "tls"])
async def test_a_stream_is_closed_when_its_caller_leaves(serve, eventually) -> None:
    closed = False

    async def endless() -> AsyncIterator[bytes]:
        nonlocal closed
        try:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0)
        finally:
            closed = True

    gate = await serve(always(lambda: StreamAnswer(200, None, (), endless())))
    caller = await gate.caller()
    await caller.send(GET)
    await caller.head()
    caller.reset()
    await eventually(lambda: closed)


async def test_websockets_pass_and_end_the_connection(serve, echo) -> None:
    async def handler(request: BaseRequest):
        if request.headers.get("Upgrade") is None or request.path == "/refused":
            return await echo(request)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data.upper())
        return socket

    gate = await serve(handler)
    url = f"http://{gate.host}:{gate.port}"
    async with ClientSession() as session, session.ws_connect(url + "/ws") as socket:
        for text in ("hello", "x" * 100_000):
            await socket.send_str(text)
            assert await socket.receive_str() == text.upper()
    caller = await gate.caller()
    upgrade = b"Host: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    seen = await caller.get(b"GET /refused HTTP/1.1\r\n" + upgrade + GET)
    assert (seen.status, seen.closes) == (200, True)
    assert await caller.rest() == b""
