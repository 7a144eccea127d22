"""Large answers are received into the room that is given for them, and the connection serves on, or is ended."""

import asyncio
import gc
import weakref

import pytest

from gateway.core.faults import TooLarge, UpstreamBroken, UpstreamUnreachable
from gateway.core.room import Plain

BODY = bytes(range(256)) * 2000
SMALL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def counted(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def chunked(*parts: bytes) -> bytes:
    sent = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % sent


ANSWERS = [
    counted(BODY),
    chunked(BODY),
    chunked(BODY[:200_000], BODY[200_000:200_007], BODY[200_007:]),
    chunked(*(BODY[at : at + 1000] for at in range(0, len(BODY), 1000))),
]


def answering(*answers: bytes):
    async def talk(peer) -> None:
        for answer in answers:
            await peer.request()
            peer.send(answer)
        await peer.ended()

    return talk


@pytest.mark.parametrize("answer", ANSWERS)
async def test_a_large_body_comes_into_its_room_and_the_connection_serves_on(
    answer, scripted, upstream_of, ask
) -> None:
    server = await scripted(answering(answer, SMALL, answer))
    upstream = upstream_of(server.url)
    for _ in range(2):
        room = Plain(len(BODY))
        found = await ask(upstream, room=room)
        assert (found.status, found.placed, found.body) == (200, len(BODY), b"")
        assert room.memory == BODY
        if server.connections == 1 and len(server.requests) == 1:
            assert (await ask(upstream)).body == b"ok"
    assert server.connections == 1


@pytest.mark.parametrize("answer", ANSWERS)
async def test_what_a_room_has_no_place_for_comes_behind_it(answer, scripted, upstream_of, ask) -> None:
    room = Plain(300_000)
    server = await scripted(answering(answer))
    found = await ask(upstream_of(server.url), room=room)
    assert bytes(room.memory[: found.placed]) + found.body == BODY


@pytest.mark.parametrize("answer", ANSWERS)
async def test_an_upstream_that_goes_in_the_middle_of_a_large_body_is_a_fault(
    answer, scripted, upstream_of, ask
) -> None:
    async def talk(peer) -> None:
        await peer.request()
        peer.send(answer[:300_000])

    server = await scripted(talk)
    with pytest.raises(UpstreamUnreachable):
        await ask(upstream_of(server.url), room=Plain(len(BODY)))


async def test_who_leaves_in_the_middle_of_a_large_body_ends_the_connection(
    scripted, upstream_of, ask
) -> None:
    begun = asyncio.Event()

    async def talk(peer) -> None:
        await peer.request()
        peer.send(ANSWERS[0][:300_000])
        await peer.writer.drain()
        begun.set()
        await peer.ended()

    server = await scripted(talk)
    upstream = upstream_of(server.url)
    task = asyncio.ensure_future(ask(upstream, room=Plain(len(BODY))))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.closed.acquire()
    assert (upstream.in_flight, upstream.connections) == (0, 0)


async def test_a_body_that_is_broken_behind_a_large_chunk_is_a_fault(scripted, upstream_of, ask) -> None:
    server = await scripted(answering(chunked(BODY)[:-7] + b"no end of a chunk\r\n"))
    with pytest.raises(UpstreamBroken):
        await ask(upstream_of(server.url), room=Plain(len(BODY)))


async def test_a_body_beyond_the_limit_is_refused_wherever_it_would_go(scripted, upstream_of, ask) -> None:
    server = await scripted(answering(chunked(BODY[:100_000], BODY)))
    with pytest.raises(TooLarge):
        await ask(upstream_of(server.url), room=Plain(100), max_reply=200_000)


async def test_an_error_is_gathered_although_there_is_a_room(scripted, upstream_of, ask) -> None:
    server = await scripted(answering(counted(b"no such data").replace(b"200 OK", b"404 Not Found")))
    found = await ask(upstream_of(server.url), room=Plain(len(BODY)))
    assert (found.status, found.placed, found.body) == (404, 0, b"no such data")


@pytest.mark.parametrize("answer", ANSWERS)
async def test_a_room_is_held_by_nobody_when_it_is_full_though_its_connection_waits_for_more_to_do(
    answer, scripted, upstream_of, ask
) -> None:
    server = await scripted(answering(answer))
    upstream, room = upstream_of(server.url), Plain(len(BODY))
    held = weakref.ref(room)
    gc.disable()
    try:
        await ask(upstream, room=room)
        del room
        assert upstream.connections == 1
        assert held() is None
    finally:
        gc.enable()
