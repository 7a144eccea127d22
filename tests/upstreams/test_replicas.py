"""Does a request leave as given, to a replica that takes it, when its turn has come?"""

import asyncio
import base64
import socket

import pytest

from gateway.core.faults import (
    DeadlineExceeded,
    Fault,
    Unavailable,
    UpstreamUnreachable,
)
from gateway.upstreams.replicas import LEAST_WAITING

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def soon() -> float:
    """A deadline that is over in a moment."""
    return asyncio.get_running_loop().time() + 0.2


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


# what is sent, what comes back


async def test_a_request_is_written_as_given_with_host_and_length_and_the_services_own_fields(
    scripted, upstream_of, ask, echoing
) -> None:
    server = await scripted(echoing)
    upstream = upstream_of(server.url + "/base", headers={"License-ID": "abc", "accept": "text/x"})
    answer = await ask(
        upstream,
        path="/api?x=1",
        fields=((b"X-a", b"\xff 1"), (b"x-A", b"2"), (b"Accept", b"*/*")),
        body=b"[1]",
    )
    assert server.requests == [
        b"POST /base/api?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-a: \xff 1\r\nx-A: 2\r\n"
        b"License-ID: abc\r\naccept: text/x\r\nContent-Length: 3\r\n\r\n[1]" % server.port
    ]
    assert (answer.status, answer.reason, answer.body) == (200, "OK", b"ok")


@pytest.mark.parametrize(
    ("base", "path", "target"),
    [("", "", b"/"), ("", "/", b"/"), ("/", "/api", b"/api"), ("/v1", "", b"/v1"), ("/v1/", "/a", b"/v1/a")],
)
async def test_the_path_of_the_address_stands_before_the_requests(
    base, path, target, scripted, upstream_of, ask, echoing
) -> None:
    server = await scripted(echoing)
    await ask(upstream_of(server.url + base), path=path, verb="GET", body=None)
    assert server.requests[0].split()[1] == target
    assert b"Content-Length" not in server.requests[0]


async def test_a_post_without_a_body_says_that_it_has_none(scripted, upstream_of, ask, echoing) -> None:
    server = await scripted(echoing)
    await ask(upstream_of(server.url), body=None)
    assert server.requests[0].endswith(b"Content-Length: 0\r\n\r\n")


async def test_userinfo_of_the_address_becomes_basic_authorization(
    scripted, upstream_of, ask, echoing
) -> None:
    server = await scripted(echoing)
    await ask(upstream_of(f"http://me:p%40ss@127.0.0.1:{server.port}"))
    token = base64.b64encode(b"me:p@ss")
    assert b"\r\nAuthorization: Basic " + token + b"\r\n" in server.requests[0]
    assert b"\r\nHost: 127.0.0.1:%d\r\n" % server.port in server.requests[0]


async def test_answer_fields_keep_order_case_duplicates_and_bytes(scripted, upstream_of, ask) -> None:
    async def talk(peer) -> None:
        await peer.request()
        peer.send(
            b"HTTP/1.1 207 Sonder \xfc\r\nSet-Cookie: a=1\r\nx-B:  \xff\xfe \r\nset-cookie: b=2\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
        await peer.ended()

    server = await scripted(talk)
    answer = await ask(upstream_of(server.url))
    assert (answer.status, answer.reason) == (207, "Sonder \xfc")
    assert answer.fields == (
        (b"Set-Cookie", b"a=1"),
        (b"x-B", b"\xff\xfe"),
        (b"set-cookie", b"b=2"),
        (b"Content-Length", b"0"),
    )


@pytest.mark.parametrize("field", [(b"X", b"a\r\nY: b"), (b"X", b"a\nb"), (b"X\r\n", b"a"), (b"X", b"\0")])
async def test_a_field_that_ends_its_line_is_never_sent(field, scripted, upstream_of, ask, echoing) -> None:
    server = await scripted(echoing)
    upstream = upstream_of(server.url)
    with pytest.raises(ValueError, match="line break or a NUL"):
        await ask(upstream, fields=(field,))
    assert server.requests == []
    assert upstream.in_flight == 0


async def test_large_bodies_arrive_whole_both_ways(scripted, upstream_of, ask) -> None:
    async def talk(peer) -> None:
        request = await peer.request()
        body = request.partition(b"\r\n\r\n")[2]
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await peer.ended()

    server = await scripted(talk)
    body = bytes(range(256)) * 20_000
    answer = await ask(upstream_of(server.url), body=body, max_reply=len(body))
    assert answer.body == body


# how many at once


async def test_the_service_gets_no_more_at_once_than_it_may_and_the_rest_in_order(
    scripted, upstream_of, ask
) -> None:
    go = asyncio.Semaphore(0)
    most = 0

    async def talk(peer) -> None:
        nonlocal most
        while await peer.request() is not None:
            most = max(most, upstream.in_flight)
            await go.acquire()
            peer.send(OK)

    server = await scripted(talk)
    upstream = upstream_of(server.url, concurrency=2)
    tasks = [asyncio.ensure_future(ask(upstream, body=b"%d" % number)) for number in range(10)]
    while len(server.requests) < 2:
        server.came.clear()
        await server.came.wait()
    assert (upstream.in_flight, upstream.waiting) == (2, 8)
    for _ in tasks:
        go.release()
    await asyncio.gather(*tasks)
    assert most == 2
    order = [int(request[-1:]) for request in server.requests]
    assert all(abs(place - number) <= 1 for place, number in enumerate(order))
    assert (upstream.in_flight, upstream.waiting) == (0, 0)


async def test_when_far_too_many_wait_the_next_is_refused_at_once(scripted, upstream_of, ask) -> None:
    async def talk(peer) -> None:
        await peer.request()
        await peer.ended()

    server = await scripted(talk)
    upstream = upstream_of(server.url, concurrency=1)
    tasks = [asyncio.ensure_future(ask(upstream)) for _ in range(1 + LEAST_WAITING // 2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as fault:
        await ask(upstream)
    assert fault.value.data == {"retry_after": 1}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (upstream.in_flight, upstream.waiting) == (0, 0)


async def test_a_deadline_holds_in_the_queue_and_nothing_was_sent_then(scripted, upstream_of, ask) -> None:
    async def talk(peer) -> None:
        await peer.request()
        await peer.ended()

    server = await scripted(talk)
    upstream = upstream_of(server.url, concurrency=1)
    first = asyncio.ensure_future(ask(upstream))
    await server.came.wait()
    with pytest.raises(DeadlineExceeded) as fault:
        await ask(upstream, repeatable=False, deadline=soon())
    assert fault.value.data == {}
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert len(server.requests) == 1


# replicas


async def test_replicas_take_turns(scripted, upstream_of, ask, echoing) -> None:
    one, two = await scripted(echoing), await scripted(echoing)
    upstream = upstream_of(one.url, two.url)
    for _ in range(6):
        await ask(upstream)
    assert (len(one.requests), len(two.requests)) == (3, 3)


async def test_a_replica_that_cannot_be_reached_is_passed_over_and_then_left_alone_for_a_while(
    scripted, upstream_of, ask, echoing
) -> None:
    server = await scripted(echoing)
    upstream = upstream_of(f"http://127.0.0.1:{free_port()}", server.url)
    for _ in range(6):
        await ask(upstream, repeatable=False)
    assert len(server.requests) == 6
    assert upstream.failures == 0


async def test_when_no_replica_can_be_reached_all_were_tried(upstream_of, ask) -> None:
    upstream = upstream_of(*(f"http://127.0.0.1:{free_port()}" for _ in range(3)))
    for _ in range(2):
        with pytest.raises(UpstreamUnreachable):
            await ask(upstream)
    assert upstream.failures == 2


async def test_closing_ends_what_is_under_way(scripted, upstream_of, ask) -> None:
    async def talk(peer) -> None:
        await peer.request()
        await peer.ended()

    server = await scripted(talk)
    upstream = upstream_of(server.url)
    task = asyncio.ensure_future(ask(upstream))
    await server.came.wait()
    await upstream.close()
    with pytest.raises(Fault):
        await task
    with pytest.raises(UpstreamUnreachable):
        await ask(upstream)


async def test_a_connection_that_never_comes_about_is_given_up(upstream_of, ask) -> None:
    with socket.socket() as full:
        # With a backlog of none that is used up, the kernel drops further attempts to connect.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        try:
            for _ in range(4):
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex(full.getsockname())
                waiting.append(client)
            upstream = upstream_of(f"http://127.0.0.1:{full.getsockname()[1]}", connect_timeout=0.1)
            with pytest.raises(UpstreamUnreachable, match="no connection in time"):
                await ask(upstream)
            with pytest.raises(DeadlineExceeded):
                await ask(upstream, deadline=asyncio.get_running_loop().time() + 0.05)
        finally:
            for client in waiting:
                client.close()
