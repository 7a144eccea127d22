"""Is an answer whole, and is it said what is wrong when it is not?"""

import asyncio
import socket

import pytest

from gateway.core.faults import (
    DeadlineExceeded,
    TooLarge,
    UpstreamBroken,
    UpstreamUnreachable,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def soon() -> float:
    """A deadline that is over in a moment."""
    return asyncio.get_running_loop().time() + 0.2


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


async def test_cancelling_closes_the_connection_so_that_the_upstream_notices(
    scripted, upstream_of, ask
) -> None:
    async def talk(peer) -> None:
        await peer.request()
        await peer.ended()

    server = await scripted(talk)
    upstream = upstream_of(server.url)
    task = asyncio.ensure_future(ask(upstream))
    await server.came.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.closed.acquire()
    assert upstream.in_flight == 0


@pytest.mark.parametrize("repeatable", [True, False])
async def test_an_upstream_that_does_not_answer_in_time_is_left(
    repeatable, scripted, upstream_of, ask
) -> None:
    async def talk(peer) -> None:
        await peer.request()
        await peer.ended()

    server = await scripted(talk)
    with pytest.raises(DeadlineExceeded, match="service 'jobs' did not answer") as fault:
        await ask(upstream_of(server.url), repeatable=repeatable, deadline=soon())
    assert fault.value.data == ({} if repeatable else {"maybe_executed": True})
    await server.closed.acquire()


async def test_a_trickle_of_bytes_does_not_move_the_deadline(scripted, upstream_of, ask) -> None:
    async def talk(peer) -> None:
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not peer.writer.is_closing():
            peer.send(b"x")
            await asyncio.sleep(0.01)

    server = await scripted(talk)
    with pytest.raises(DeadlineExceeded):
        await ask(upstream_of(server.url), deadline=soon())


async def test_a_deadline_that_is_over_sends_nothing(scripted, upstream_of, ask, echoing) -> None:
    server = await scripted(echoing)
    with pytest.raises(DeadlineExceeded):
        await ask(upstream_of(server.url), deadline=asyncio.get_running_loop().time())
    assert server.requests == []


async def test_a_refused_connection_is_unreachable_and_names_the_service_alone(upstream_of, ask) -> None:
    port = free_port()
    upstream = upstream_of(f"http://user:hush@127.0.0.1:{port}/secret", headers={"X": "hidden"})
    with pytest.raises(UpstreamUnreachable) as fault:
        await ask(upstream, repeatable=False)
    assert fault.value.message == "The service 'jobs' could not be reached: connection refused."
    assert fault.value.data == {}
    assert upstream.failures == 1


async def test_a_host_that_does_not_exist_is_unreachable(upstream_of, ask) -> None:
    with pytest.raises(
        UpstreamUnreachable, match=r"could not be reached: its host name cannot be resolved\.$"
    ):
        await ask(
            upstream_of("http://no-such-host.invalid:1"), deadline=asyncio.get_running_loop().time() + 60
        )


async def test_a_host_name_is_tried_at_each_of_its_addresses(scripted, upstream_of, ask, echoing) -> None:
    server = await scripted(echoing)  # listens on 127.0.0.1, while localhost is often ::1 first
    upstream = upstream_of(f"http://localhost:{server.port}")
    assert (await ask(upstream, repeatable=False)).body == b"ok"
    assert (await ask(upstream, repeatable=False)).body == b"ok"
    assert b"\r\nHost: localhost:%d\r\n" % server.port in server.requests[0]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "speaks no HTTP/1.1"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "speaks no HTTP/1.1"),
        (b"HTTP/1.1 abc\r\n\r\n", "no HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab", "no HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nab", "no HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "no HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "transfer coding"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 300 + b"\r\n", "head of its answer is too long"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\n\r\n", "head of its answer is too long"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "another protocol"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20, "interim answers without end"),
    ],
)
async def test_what_is_no_answer_is_a_broken_upstream(answer, why, scripted, upstream_of, ask) -> None:
    async def talk(peer) -> None:
        await peer.request()
        peer.send(answer)
        await peer.ended()

    server = await scripted(talk)
    upstream = upstream_of(server.url)
    with pytest.raises(UpstreamBroken, match=why) as fault:
        await ask(upstream, repeatable=False)
    assert fault.value.data == {"maybe_executed": True}
    await server.closed.acquire()


@pytest.mark.parametrize("end", range(1, len(OK)))
async def test_an_answer_that_ends_too_early_is_never_taken_for_whole(
    end, scripted, upstream_of, ask
) -> None:
    async def talk(peer) -> None:
        await peer.request()
        peer.send(OK[:end])

    server = await scripted(talk)
    with pytest.raises(UpstreamUnreachable, match="in the middle of its answer"):
        await ask(upstream_of(server.url))


async def test_an_answer_without_length_ends_with_the_connection(scripted, upstream_of, ask) -> None:
    async def talk(peer) -> None:
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nto the ")
        peer.send(b"end")

    server = await scripted(talk)
    assert (await ask(upstream_of(server.url))).body == b"to the end"


async def test_an_answer_without_length_is_not_whole_when_the_connection_is_reset(
    scripted, upstream_of, ask
) -> None:
    sent = asyncio.Event()

    async def talk(peer) -> None:
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nto the ")
        await sent.wait()
        linger = peer.writer.get_extra_info("socket")
        linger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.reset()

    server = await scripted(talk)
    task = asyncio.ensure_future(ask(upstream_of(server.url)))
    await server.came.wait()
    sent.set()
    with pytest.raises(UpstreamUnreachable):
        await task


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 2000000\r\n\r\n", b"\r\n", b"Transfer-Encoding: chunked\r\n\r\n" + b"1e8480\r\n"],
)
async def test_an_answer_beyond_the_limit_is_left_at_once(head, scripted, upstream_of, ask) -> None:
    async def talk(peer) -> None:
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n" + head)
        while not peer.writer.is_closing():
            peer.send(b"x" * 1000)
            await peer.writer.drain()
            await asyncio.sleep(0)

    server = await scripted(talk)
    with pytest.raises(TooLarge, match="'jobs' is larger than 100000 bytes"):
        await ask(upstream_of(server.url), max_reply=100_000)


@pytest.mark.parametrize("fields", [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b""])
async def test_the_answer_to_head_has_no_body_whatever_it_says(fields, scripted, upstream_of, ask) -> None:
    async def talk(peer) -> None:
        while await peer.request() is not None:
            peer.send(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n")

    server = await scripted(talk)
    upstream = upstream_of(server.url)
    for _ in range(3):
        assert (await ask(upstream, verb="HEAD", body=None)).body == b""
    assert server.connections == (1 if fields else 3)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_204_and_304_end_with_their_head(status, scripted, upstream_of, ask) -> None:
    async def talk(peer) -> None:
        while await peer.request() is not None:
            peer.send(b"HTTP/1.1 %b\r\nETag: x\r\n\r\n" % status)

    server = await scripted(talk)
    upstream = upstream_of(server.url)
    for _ in range(2):
        assert (await ask(upstream)).body == b""
    assert server.connections == 1


async def test_interim_answers_are_skipped(scripted, upstream_of, ask) -> None:
    async def talk(peer) -> None:
        await peer.request()
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK)
        await peer.ended()

    server = await scripted(talk)
    answer = await ask(upstream_of(server.url))
    assert (answer.status, answer.fields, answer.body) == (200, ((b"Content-Length", b"2"),), b"ok")


async def test_an_answer_that_comes_before_the_request_was_taken_is_an_answer_and_ends_the_connection(
    scripted, upstream_of, ask
) -> None:
    async def talk(peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await peer.writer.drain()
        await peer.ended()

    server = await scripted(talk)
    upstream = upstream_of(server.url)
    answer = await ask(upstream, body=b"x" * 50_000_000)
    assert answer.status == 413
    await server.closed.acquire()
