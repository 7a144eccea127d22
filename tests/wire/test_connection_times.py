"""Laws of time and room: nobody holds a connection, memory or the end of the server for ever."""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.web import BaseRequest

from gateway.wire.answer import Answer, StreamAnswer
from gateway.wire.server import Limits, Server

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


async def test_a_head_that_is_not_whole_in_time_is_a_408(serve) -> None:
    gate = await serve(header_seconds=0.2)
    caller = await gate.caller()
    await caller.send(GET[:-1])
    answer = await caller.answer()
    assert (answer.status, answer.closes) == (408, True)
    assert await caller.rest() == b""
    assert gate.server.counters.refused == {"slow_head": 1}


async def test_dripping_a_head_gains_no_time(serve) -> None:
    gate = await serve(header_seconds=0.2)
    caller = await gate.caller()
    assert (await caller.get(GET)).status == 200

    async def drip() -> None:
        for byte in GET + b"A: b\r\n" * 1000:
            await caller.send(bytes([byte]).replace(b"\n", b"x"))
            await asyncio.sleep(0.02)

    dripping = asyncio.ensure_future(drip())
    assert (await caller.answer()).status == 408
    dripping.cancel()


async def test_a_silent_connection_is_closed_without_a_word_before_and_after_a_request(serve) -> None:
    gate = await serve(idle_seconds=0.2)
    caller = await gate.caller()
    assert await caller.rest() == b""
    caller = await gate.caller()
    assert (await caller.get(GET)).status == 200
    assert await caller.rest() == b""


async def test_empty_lines_are_silence(serve, eventually) -> None:
    gate = await serve(idle_seconds=0.2)
    caller = await gate.caller()
    await eventually(lambda: gate.server.connections == 1)

    async def drip() -> None:
        while True:
            await caller.send(b"\r\n")
            await asyncio.sleep(0.02)

    dripping = asyncio.ensure_future(drip())
    await eventually(lambda: gate.server.connections == 0)
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)
    assert gate.server.counters.refused == {}


async def test_a_handler_may_take_longer_than_every_time(serve) -> None:
    async def handler(request: BaseRequest) -> Answer:
        await asyncio.sleep(0.5)
        return Answer(200, None, (), b"done")

    gate = await serve(
        handler, header_seconds=0.1, idle_seconds=0.1, body_seconds=0.1, write_seconds=0.1, linger_seconds=0.1
    )
    assert (await (await gate.caller()).get(GET)).body == b"done"


async def endless(sent: list[int]) -> AsyncIterator[bytes]:
    while True:
        sent[0] += 65536
        yield bytes(65536)


async def test_a_reader_that_never_reads_a_stream_is_bounded_and_then_reset(serve, eventually) -> None:
    sent = [0]
    handler_ended = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            async for piece in endless(sent):
                yield piece
        finally:
            handler_ended.set()

    async def handler(request: BaseRequest) -> StreamAnswer:
        return StreamAnswer(200, None, (), chunks())

    gate = await serve(handler, write_seconds=0.3)
    sock = await gate.deaf()
    await asyncio.get_running_loop().sock_sendall(sock, GET)
    await asyncio.wait_for(handler_ended.wait(), 20)
    await eventually(lambda: gate.server.connections == 0)
    assert sent[0] < 16_000_000
    assert gate.server.counters.stuck == 1
    sock.close()


async def test_a_reader_that_never_reads_gets_no_further_requests_served(serve, eventually) -> None:
    gate = await serve(always(bytes(1_000_000)), write_seconds=0.3)
    sock = await gate.deaf()
    await asyncio.get_running_loop().sock_sendall(sock, GET * 200)
    await eventually(lambda: gate.server.counters.stuck == 1)
    await eventually(lambda: gate.server.connections == 0)
    assert gate.server.counters.requests < 20
    sock.close()


def always(body: bytes):
    async def handler(request: BaseRequest) -> Answer:
        return Answer(200, None, (), body)

    return handler


async def test_a_slow_reader_is_not_a_stuck_one(serve) -> None:
    gate = await serve(always(bytes(20_000_000)), write_seconds=1.0)
    sock = await gate.deaf()
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, GET)
    got = 0
    for _ in range(12):
        got += len(await loop.sock_recv(sock, 100_000))
        await asyncio.sleep(0.1)
    async with asyncio.timeout(20):
        while got < 20_000_000:
            data = await loop.sock_recv(sock, 1 << 20)
            assert data
            got += len(data)
    assert gate.server.counters.stuck == 0
    sock.close()


async def test_a_reader_that_takes_too_little_on_the_whole_is_a_stuck_one(serve, eventually) -> None:
    gate = await serve(always(bytes(50_000_000)), write_seconds=0.4, write_rate=1 << 40)
    sock = await gate.deaf()
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, GET)

    async def read_on() -> None:
        async with asyncio.timeout(20):
            while await loop.sock_recv(sock, 10_000):
                await asyncio.sleep(0.01)

    with pytest.raises(ConnectionResetError):
        await read_on()
    await eventually(lambda: gate.server.connections == 0)
    assert gate.server.counters.stuck == 1
    sock.close()


async def test_a_caller_that_goes_away_cancels_its_handler(serve, eventually) -> None:
    ended: list[BaseException] = []

    async def handler(request: BaseRequest) -> Answer:
        try:
            await asyncio.Event().wait()
        except BaseException as exc:
            ended.append(exc)
            raise
        raise AssertionError

    gate = await serve(handler)
    for leave in (lambda caller: caller.writer.close(), lambda caller: caller.reset()):
        caller = await gate.caller()
        await caller.send(GET)
        count = len(ended)
        await eventually(lambda: gate.server.counters.requests > count)  # noqa: B023 - awaited here
        leave(caller)
        await eventually(lambda: len(ended) > count)  # noqa: B023 - awaited here
    assert all(isinstance(exc, asyncio.CancelledError) for exc in ended)
    await eventually(lambda: gate.server.connections == 0)


async def test_beyond_the_limit_a_caller_is_told_to_come_back_and_then_only_closed(serve, eventually) -> None:
    gate = await serve(connections=10)
    served = [await gate.caller() for _ in range(10)]
    for caller in served:
        assert (await caller.get(GET)).status == 200
    told = await gate.caller()
    answer = await told.get(GET)
    assert (answer.status, answer[b"Retry-After"], answer.closes) == (503, b"1", True)
    error = json.loads(answer.body)["error"]
    assert (error["code"], error["data"]["retry_after"]) == (-32008, 1)
    closed = await gate.caller()
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await closed.get(GET)
    assert gate.server.counters.turned_away == 1
    assert gate.server.counters.refused == {"full": 1}
    served[0].writer.close()
    told.writer.close()
    await eventually(lambda: gate.server.connections == 9)
    assert (await (await gate.caller()).get(GET)).status == 200


async def test_an_address_with_too_many_connections_is_told_so_and_those_that_it_has_go_on(serve) -> None:
    gate = await serve(connections_per_address=2)
    callers = [await gate.caller() for _ in range(2)]
    for caller in callers:
        assert (await caller.get(GET)).status == 200
    more, most = await gate.caller(), await gate.caller()
    answer = await more.get(GET)
    assert (answer.status, answer.closes, answer[b"Retry-After"]) == (503, True, b"1")
    assert b"Your address has too many connections" in answer.body
    with pytest.raises(ConnectionError):
        await most.rest()
    for caller in callers:
        assert (await caller.get(GET)).status == 200
    assert gate.server.counters.refused == {"crowded": 1}
    assert gate.server.counters.turned_away == 1


async def test_a_body_that_came_fast_may_pause_no_longer_than_others(serve, echo) -> None:
    gate = await serve(body_seconds=0.4, body_rate=1000)
    caller = await gate.caller()
    size = 900_000
    await caller.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (size + 1))
    await caller.send(b"a" * size)
    answer = await caller.answer()
    assert (answer.status, answer.closes) == (400, True)
    assert answer.body.startswith(b"BadRequest: The body stopped half way")


async def test_many_connections_are_served_side_by_side(serve, eventually) -> None:
    gate = await serve()
    callers = [await gate.caller() for _ in range(300)]
    for _ in range(3):
        await asyncio.gather(*(caller.send(GET) for caller in callers))
        answers = await asyncio.gather(*(caller.answer() for caller in callers))
        assert {answer.body for answer in answers} == {b"GET\n/a\n"}
    assert gate.server.connections == 300
    assert (gate.server.counters.accepted, gate.server.counters.requests) == (300, 900)
    for caller in callers:
        caller.writer.close()
    await eventually(lambda: gate.server.connections == 0)


async def test_several_listeners_share_a_handler(serve) -> None:
    gate = await serve()
    other = gate.server.start("127.0.0.1")
    bound = socket.create_server(("127.0.0.1", 0))
    third = gate.server.listen(bound)
    assert len({(gate.host, gate.port), other, third}) == 3
    for address in ((gate.host, gate.port), other, third):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(GET)
        assert await reader.readuntil(b"GET\n/a\n")
        writer.close()
        await writer.wait_closed()


class TestDraining:
    async def test_idle_connections_close_at_once_and_nobody_new_is_accepted(self, serve) -> None:
        gate = await serve()
        idle, fresh = await gate.caller(), await gate.caller()
        await idle.get(GET)
        await gate.server.drain(20)
        assert await idle.rest() == b""
        assert await fresh.rest() == b""
        with pytest.raises(OSError, match=r"[Cc]onnect"):
            await gate.caller()

    async def test_busy_ones_close_with_their_present_answer(self, serve, eventually) -> None:
        go = asyncio.Event()

        async def handler(request: BaseRequest) -> Answer:
            await go.wait()
            return Answer(200, None, (), b"done")

        gate = await serve(handler)
        caller = await gate.caller()
        await caller.send(GET + GET)
        await eventually(lambda: gate.server.counters.requests == 1)
        draining = asyncio.ensure_future(gate.server.drain(20))
        await asyncio.sleep(0)
        go.set()
        answer = await caller.answer()
        assert (answer.body, answer.closes) == (b"done", True)
        assert await caller.rest() == b""
        caller.writer.close()
        await draining
        assert gate.server.counters.requests == 1

    async def test_a_stream_whose_head_was_sent_before_is_finished_too(self, serve) -> None:
        go = asyncio.Event()

        async def chunks() -> AsyncIterator[bytes]:
            yield b"first"
            await go.wait()
            yield b"last"

        async def handler(request: BaseRequest) -> StreamAnswer:
            return StreamAnswer(200, None, (), chunks())

        gate = await serve(handler)
        caller = await gate.caller()
        await caller.send(GET)
        await caller.head()
        draining = asyncio.ensure_future(gate.server.drain(20))
        await asyncio.sleep(0)
        go.set()
        assert (await caller.rest()).endswith(b"4\r\nlast\r\n0\r\n\r\n")
        await draining

    async def test_a_head_that_was_begun_is_still_answered(self, serve, recorded, eventually) -> None:
        gate = await serve()
        connection, transport = recorded(gate.server)
        connection.data_received(GET[:10])
        draining = asyncio.ensure_future(gate.server.drain(20))
        await asyncio.sleep(0)
        connection.data_received(GET[10:])
        await eventually(lambda: transport.closed)
        assert b"\r\nConnection: close\r\n" in transport.written
        assert transport.written.endswith(b"GET\n/a\n")
        connection.connection_lost(None)
        await draining

    async def test_what_is_left_in_the_end_is_reset(self, serve, eventually) -> None:
        cancelled = asyncio.Event()

        async def handler(request: BaseRequest) -> Answer:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            raise AssertionError

        gate = await serve(handler)
        caller = await gate.caller()
        await caller.send(GET)
        await eventually(lambda: gate.server.counters.requests == 1)
        await gate.server.drain(0.05)
        assert gate.server.connections == 0
        await asyncio.wait_for(cancelled.wait(), 20)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await caller.answer()


async def test_callers_wait_for_no_more_than_some_connections_to_look_at_the_time(
    recorded, monkeypatch
) -> None:
    server = Server(always(b""), Limits(linger_seconds=0.2))
    connected = [recorded(server) for _ in range(1000)]
    looked: Counter[int] = Counter()  # how often, by transport
    turns: list[int] = [0]  # how many in each turn of the loop

    def look(transport: Any) -> int:
        looked[id(transport)] += 1
        turns[-1] += 1
        return 0

    monkeypatch.setattr(type(connected[0][1]), "get_write_buffer_size", look)
    async with asyncio.timeout(30):
        while len(looked) < len(connected) or min(looked.values()) < 2:
            await asyncio.sleep(0)
            turns.append(0)
    assert max(turns) <= 64
    assert max(looked.values()) - min(looked.values()) <= 1, "each as often as every other"
    for connection, _ in connected:
        connection.connection_lost(None)
    await server.close()
