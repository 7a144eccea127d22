"""Which connection carries a request, and how often is it sent?"""

import asyncio

import pytest

from gateway.core.faults import (
    UpstreamUnreachable,
)
from gateway.core.retrying import Retries

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_repeatable_requests_share_a_connection(scripted, upstream_of, ask, echoing) -> None:
    server = await scripted(echoing)
    upstream = upstream_of(server.url)
    for _ in range(5):
        await ask(upstream)
    assert server.connections == 1
    assert (upstream.opened, upstream.reused, upstream.failures) == (1, 4, 0)


async def test_what_may_not_be_repeated_never_goes_over_a_used_connection(
    scripted, upstream_of, ask, echoing
) -> None:
    server = await scripted(echoing)
    upstream = upstream_of(server.url)
    await ask(upstream)
    await ask(upstream, repeatable=False)
    await ask(upstream, repeatable=False)
    await ask(upstream)
    assert server.connections == 3
    assert upstream.reused == 1


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_what_may_not_be_repeated_is_sent_once_even_if_the_upstream_dies_after_reading_it(
    how, scripted, upstream_of, ask
) -> None:
    async def talk(peer) -> None:
        await peer.request()
        if how == "reset":
            peer.reset()

    server = await scripted(talk)
    with pytest.raises(UpstreamUnreachable) as fault:
        await ask(upstream_of(server.url, server.url + "/other"), repeatable=False)
    assert fault.value.data == {"maybe_executed": True}
    assert len(server.requests) == 1


async def test_a_repeatable_request_on_a_connection_that_had_died_is_sent_once_more(
    scripted, upstream_of, ask
) -> None:
    async def talk(peer) -> None:
        await peer.request()
        peer.send(OK)
        if peer.number == 1:
            await peer.request()
            peer.reset()
        else:
            await peer.request()

    server = await scripted(talk)
    upstream = upstream_of(server.url)
    await ask(upstream)
    assert (await ask(upstream)).body == b"ok"
    assert len(server.requests) == 3
    assert server.connections == 2


async def test_without_retries_a_request_is_not_sent_again_when_a_fresh_connection_dies(
    scripted, upstream_of, ask
) -> None:
    async def talk(peer) -> None:
        await peer.request()

    server = await scripted(talk)
    with pytest.raises(UpstreamUnreachable, match="went away without an answer") as fault:
        await ask(upstream_of(server.url, retries=Retries(attempts=0)))
    assert fault.value.data == {}
    assert len(server.requests) == 1


async def test_without_retries_nothing_is_sent_again_once_some_of_the_answer_has_come(
    scripted, upstream_of, ask
) -> None:
    async def talk(peer) -> None:
        await peer.request()
        peer.send(OK)
        await peer.request()
        peer.send(OK[:-1])

    server = await scripted(talk)
    upstream = upstream_of(server.url, retries=Retries(attempts=0))
    await ask(upstream)
    with pytest.raises(UpstreamUnreachable, match="in the middle of its answer"):
        await ask(upstream)
    assert len(server.requests) == 2


async def test_a_connection_that_the_upstream_closes_while_it_is_idle_is_not_used_again(
    scripted, upstream_of, ask
) -> None:
    async def talk(peer) -> None:
        await peer.request()
        peer.send(OK)

    server = await scripted(talk)
    upstream = upstream_of(server.url)
    await ask(upstream)
    await server.closed.acquire()
    while upstream.connections:
        await asyncio.sleep(0)
    await ask(upstream)
    assert server.connections == 2
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno",
        OK + b"garbage",
    ],
)
async def test_a_connection_that_cannot_or_must_not_go_on_is_not_kept(
    answer, scripted, upstream_of, ask
) -> None:
    async def talk(peer) -> None:
        await peer.request()
        peer.send(answer)
        await peer.ended()

    server = await scripted(talk)
    upstream = upstream_of(server.url)
    assert [(await ask(upstream)).body for _ in range(2)] == [b"ok", b"ok"]
    assert server.connections == 2


async def test_bytes_that_nobody_asked_for_end_the_idle_connection(scripted, upstream_of, ask) -> None:
    more = asyncio.Event()

    async def talk(peer) -> None:
        await peer.request()
        peer.send(OK)
        if peer.number == 1:
            await more.wait()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        await peer.ended()

    server = await scripted(talk)
    upstream = upstream_of(server.url)
    await ask(upstream)
    more.set()
    await server.closed.acquire()
    assert (await ask(upstream)).body == b"ok"
    assert server.connections == 2


async def test_idle_connections_end_when_their_time_is_over(scripted, upstream_of, ask, echoing) -> None:
    server = await scripted(echoing)
    upstream = upstream_of(server.url, idle_seconds=0.05)
    await ask(upstream)
    await server.closed.acquire()
    await ask(upstream)
    assert server.connections == 2
    assert upstream.reused == 0


async def test_there_are_never_more_connections_than_requests_may_be_under_way(
    scripted, upstream_of, ask, echoing
) -> None:
    server = await scripted(echoing)
    upstream = upstream_of(server.url, concurrency=3)
    await asyncio.gather(*(ask(upstream) for _ in range(3)))
    assert upstream.connections == 3
    for _ in range(5):
        await ask(upstream, repeatable=False)
        assert upstream.connections <= 3
    # The oldest made room for the first of them, and each of them ended with its answer.
    for _ in range(6):
        await server.closed.acquire()
    await asyncio.gather(ask(upstream), ask(upstream))
    assert (upstream.reused, len(server.tasks), server.connections) == (2, 2, 8)
