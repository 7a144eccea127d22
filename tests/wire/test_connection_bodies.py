"""Laws of request bodies: how they are asked for, read, refused and broken off."""

import asyncio
import gzip
import socket
import struct

import pytest
from aiohttp.web import BaseRequest

from gateway.core.faults import BadRequest, Fault, TooLarge
from gateway.wire.answer import Answer
from gateway.wire.body import invite_body, read_body
from gateway.wire.connection import Connection
from gateway.wire.transport import connection_of

GET = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"


def head(*fields: bytes) -> bytes:
    return b"POST /p HTTP/1.1\r\nHost: h\r\n" + b"".join(f + b"\r\n" for f in fields) + b"\r\n"


def limited(limit: int):
    """A handler that takes bodies up to a limit, and lets faults through."""

    async def handler(request: BaseRequest) -> Answer:
        return Answer(200, None, (), b"%d" % len(await read_body(request, limit)))

    return handler


async def refusing(request: BaseRequest) -> Answer:
    """A handler that answers without reading."""
    return Answer(403, None, (), b"no")


@pytest.mark.parametrize("over", ["tcp", "tls"])
@pytest.mark.parametrize("size", [0, 1, 100, 70_000, 3_000_000])
async def test_a_body_arrives_whole_by_length_and_in_chunks(serve, size: int) -> None:
    gate = await serve(limited(1 << 30))
    caller = await gate.caller()
    body = bytes(size)
    answer = await caller.get(head(b"Content-Length: %d" % size) + body)
    assert answer.body == b"%d" % size
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in (body[n : n + 999] for n in range(0, size, 999)))
    answer = await caller.get(head(b"Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n")
    assert answer.body == b"%d" % size
    assert answer[b"Connection"] is None


async def test_a_coded_body_is_not_decoded(serve) -> None:
    seen = b""

    async def handler(request: BaseRequest) -> Answer:
        nonlocal seen
        seen = await read_body(request, 1000)
        return Answer(200, None, ())

    gate = await serve(handler)
    body = gzip.compress(b"hello")
    await (await gate.caller()).get(head(b"Content-Encoding: gzip", b"Content-Length: %d" % len(body)) + body)
    assert seen == body


async def test_a_body_at_its_limit_passes_and_one_beyond_is_a_413(serve) -> None:
    gate = await serve(limited(10))
    caller = await gate.caller()
    assert (await caller.get(head(b"Content-Length: 10") + b"0123456789")).body == b"10"
    assert (await caller.get(head(b"Content-Length: 11") + b"0123456789a")).status == 413
    # The whole of it was here: the connection goes on.
    assert (await caller.get(head(b"Content-Length: 10") + b"0123456789")).body == b"10"


async def test_a_declared_body_beyond_the_limit_is_refused_before_it_is_sent(serve) -> None:
    gate = await serve(limited(10))
    caller = await gate.caller()
    answer = await caller.get(head(b"Content-Length: 1000000000"))
    assert (answer.status, answer.closes) == (413, True)
    assert await caller.rest() == b""


@pytest.mark.parametrize("over", ["tcp", "tls"])
async def test_chunks_beyond_the_limit_are_refused_without_reading_on(serve) -> None:
    gate = await serve(limited(10), linger_bytes=100_000)
    caller = await gate.caller()
    answer = await caller.get(head(b"Transfer-Encoding: chunked") + b"b\r\n0123456789a\r\n")
    assert (answer.status, answer.closes) == (413, True)
    # What is sent after that is read for a while, so that the answer arrives, but not for ever.
    sending = asyncio.ensure_future(send_for_ever(caller, b"1000\r\n" + bytes(4096) + b"\r\n"))
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(sending, 20)


async def send_for_ever(caller, data: bytes) -> None:
    while True:
        await caller.send(data)
        await asyncio.sleep(0)


async def test_the_refusal_of_a_body_arrives_while_the_caller_still_sends_it(serve) -> None:
    gate = await serve(refusing)
    for _ in range(20):
        caller = await gate.caller()
        sending = asyncio.ensure_future(caller.send(head(b"Content-Length: 900000") + bytes(900_000)))
        answer = await caller.answer()
        assert (answer.status, answer.body, answer.closes) == (403, b"no", True)
        await sending
        caller.finish()
        assert await caller.rest() == b""


@pytest.mark.parametrize("over", ["tcp", "tls"])
async def test_a_short_rest_of_an_unread_body_is_read_and_the_connection_goes_on(serve) -> None:
    gate = await serve(refusing)
    caller = await gate.caller()
    for _ in range(3):
        answer = await caller.get(head(b"Content-Length: 20000") + bytes(10_000))
        assert (answer.status, answer[b"Connection"]) == (403, None)
        answer = await caller.get(bytes(10_000) + GET)
        assert (answer.status, answer[b"Connection"]) == (403, None)


async def test_a_short_rest_that_never_comes_ends_the_connection(serve) -> None:
    gate = await serve(refusing, linger_seconds=0.1)
    caller = await gate.caller()
    assert (await caller.get(head(b"Content-Length: 20"))).status == 403
    assert await caller.rest() == b""


@pytest.mark.parametrize("over", ["tcp", "tls"])
async def test_100_continue_is_sent_when_the_body_is_read_and_not_before(serve) -> None:
    gate = await serve(limited(10))
    caller = await gate.caller()
    await caller.send(head(b"Expect: 100-continue", b"Content-Length: 3"))
    interim = await caller.head()
    assert (interim.status, interim.fields) == (100, [])
    assert (await caller.get(b"abc")).body == b"3"
    assert (await caller.get(GET)).status == 200


async def test_a_refused_expectation_gets_the_final_answer_at_once_and_the_connection_closes(serve) -> None:
    gate = await serve(refusing)
    caller = await gate.caller()
    answer = await caller.get(head(b"Expect: 100-continue", b"Content-Length: 3"))
    assert (answer.status, answer.closes) == (403, True)
    assert await caller.rest() == b""


@pytest.mark.parametrize(
    "data",
    [
        head(b"Expect: 100-continue", b"Content-Length: 3") + b"abc",
        head(b"Expect: 100-continue", b"Content-Length: 0"),
        b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc",
    ],
    ids=["body is here", "no body", "HTTP/1.0"],
)
async def test_nobody_is_told_to_continue_who_does_not_wait_for_it(serve, data: bytes) -> None:
    gate = await serve(limited(10))
    caller = await gate.caller()
    assert (await caller.get(data)).status == 200


async def test_a_handler_may_invite_a_body_that_it_reads_itself(serve) -> None:
    async def handler(request: BaseRequest) -> Answer:
        invite_body(request)
        return Answer(200, None, (), await request.content.read())

    gate = await serve(handler)
    caller = await gate.caller()
    await caller.send(head(b"Expect: 100-continue", b"Transfer-Encoding: chunked"))
    assert (await caller.head()).status == 100
    assert (await caller.get(b"3\r\nabc\r\n0\r\n\r\n")).body == b"abc"


@pytest.mark.parametrize(
    "start",
    [head(b"Content-Length: 10") + b"half", head(b"Transfer-Encoding: chunked") + b"a\r\nhalf"],
    ids=["length", "chunks"],
)
class TestABodyThatStopsHalfWay:
    async def test_is_a_bad_request_when_the_caller_closes_for_sending(self, serve, echo, start) -> None:
        gate = await serve(echo)
        caller = await gate.caller()
        await caller.send(start)
        caller.finish()
        answer = await caller.answer()
        assert (answer.status, answer.closes) == (400, True)
        assert b"stopped half way" in answer.body
        assert await caller.rest() == b""

    async def test_is_a_bad_request_when_nothing_comes_for_too_long(self, serve, echo, start) -> None:
        gate = await serve(echo, body_seconds=0.1)
        caller = await gate.caller()
        answer = await caller.get(start)
        assert (answer.status, answer.closes) == (400, True)
        assert await caller.rest() == b""
        assert gate.server.counters.broken_bodies == 1

    async def test_ends_its_handler_when_the_caller_leaves(self, serve, eventually, start) -> None:
        ended: list[BaseException] = []

        async def handler(request: BaseRequest) -> Answer:
            try:
                await read_body(request, 100)
            except BaseException as exc:
                ended.append(exc)
                raise
            raise AssertionError("the body was never whole")

        gate = await serve(handler)
        caller = await gate.caller()
        await caller.send(start)
        await eventually(lambda: gate.server.counters.requests == 1)
        caller.reset()
        await eventually(lambda: bool(ended))
        assert isinstance(ended[0], (Fault, ConnectionError, asyncio.CancelledError))
        await eventually(lambda: gate.server.connections == 0)


async def test_a_body_that_drips_is_a_bad_request_in_the_end(serve, echo) -> None:
    gate = await serve(echo, body_seconds=0.2, body_rate=1000)
    caller = await gate.caller()
    await caller.send(head(b"Content-Length: 1000000"))
    dripping = asyncio.ensure_future(drip(caller))
    answer = await caller.answer()
    dripping.cancel()
    assert (answer.status, answer.closes) == (400, True)


async def drip(caller) -> None:
    while True:
        await caller.send(b"x")
        await asyncio.sleep(0.02)


async def test_a_slow_handler_is_not_taken_for_a_slow_body(serve) -> None:
    async def handler(request: BaseRequest) -> Answer:
        size = 0
        while piece := await request.content.read(1 << 18):
            size += len(piece)
            if size < 2_000_000:
                await asyncio.sleep(0.15)
        return Answer(200, None, (), b"%d" % size)

    gate = await serve(handler, body_seconds=0.2)
    caller = await gate.caller()
    answer = await caller.get(head(b"Content-Length: 3000000") + bytes(3_000_000))
    assert answer.body == b"3000000"


async def test_a_handler_that_does_not_read_pauses_the_caller(serve, recorded, eventually) -> None:
    go = asyncio.Event()

    async def handler(request: BaseRequest) -> Answer:
        await go.wait()
        return Answer(200, None, (), b"%d" % len(await read_body(request, 1 << 30)))

    gate = await serve(handler)
    connection, transport = recorded(gate.server)
    connection.data_received(head(b"Content-Length: 10000000"))
    sent = 0
    while transport.reading:
        connection.data_received(bytes(65536))
        sent += 65536
    assert sent < 2_000_000
    go.set()
    await eventually(lambda: transport.reading)
    connection.data_received(bytes(10_000_000 - sent))
    await eventually(lambda: transport.written.endswith(b"10000000"))
    connection.connection_lost(None)


async def test_too_large_says_the_limit(serve) -> None:
    faults: list[TooLarge] = []

    async def handler(request: BaseRequest) -> Answer:
        with pytest.raises(TooLarge) as caught:
            await read_body(request, 2)
        faults.append(caught.value)
        return Answer(200, None, ())

    gate = await serve(handler)
    await (await gate.caller()).get(head(b"Content-Length: 3") + b"abc")
    await (await gate.caller()).get(head(b"Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n")
    assert [fault.data for fault in faults] == [{"limit": 2}] * 2


async def test_a_broken_body_is_the_same_fault_for_whoever_reads_it_late(serve) -> None:
    faults: list[str] = []

    async def handler(request: BaseRequest) -> Answer:
        await asyncio.sleep(0.05)
        with pytest.raises(BadRequest) as caught:
            await read_body(request, 100)
        faults.append(caught.value.message)
        return Answer(caught.value.status, None, ())

    gate = await serve(handler)
    caller = await gate.caller()
    assert (await caller.get(head(b"Transfer-Encoding: chunked") + b"3\r\nabc\r\nx\r\n")).status == 400
    assert faults == ["A chunk of the body does not begin with its size."]
    assert await caller.rest() == b""


@pytest.mark.parametrize("size", [10, 70_000, 190_000])
@pytest.mark.parametrize("parts", [1, 3])
async def test_after_a_body_that_nobody_read_the_connection_carries_the_next_requests(
    serve, size: int, parts: int
) -> None:
    read = False

    async def handler(request: BaseRequest) -> Answer:
        await asyncio.sleep(0.1)  # until the whole body is here
        return Answer(200, None, (), b"%d" % len(await read_body(request, 1 << 20)) if read else b"unread")

    gate = await serve(handler)
    caller = await gate.caller()
    body = bytes(size)
    for at in range(4):
        read = at % 2 == 1
        data, step = head(b"Content-Length: %d" % size) + body, -(-(size + 100) // parts)
        for begin in range(0, len(data), step):
            await caller.send(data[begin : begin + step])
            await asyncio.sleep(0.01)
        assert (await caller.answer()).body == (b"%d" % size if read else b"unread")
        assert (await caller.get(GET)).body == (b"0" if read else b"unread")


async def test_whoever_leaves_after_a_large_body_is_heard_of_before_it_was_read(serve) -> None:
    began, heard = asyncio.Event(), asyncio.Event()

    async def handler(request: BaseRequest) -> Answer:
        began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            heard.set()
            raise
        return Answer(200, None, ())

    gate = await serve(handler)
    caller = await gate.caller()
    await caller.send(head(b"Content-Length: 190000") + bytes(190_000))
    await began.wait()
    await asyncio.sleep(0.1)
    caller.reset()
    assert await asyncio.wait_for(heard.wait(), 20)


async def test_a_caller_who_is_found_to_be_gone_as_the_connection_ends_is_no_mistake(serve) -> None:
    connections: list[Connection] = []

    async def handler(request: BaseRequest) -> Answer:
        connections.append(connection_of(request))
        return Answer(200, None, ())

    gate = await serve(handler)
    with socket.create_connection((gate.host, gate.port)) as caller:
        caller.sendall(GET)
        assert await asyncio.to_thread(caller.recv, 1000)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    (connection,) = connections
    connection.finish()  # before the event loop hears of the reset
    assert connection.out.closed
