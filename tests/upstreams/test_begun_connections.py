"""What is sent over a connection that is only just being made, and what if it is never there?"""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from gateway.core.faults import DeadlineExceeded, Unavailable, UpstreamUnreachable
from gateway.wire.upstream import Connection, NotConnectedError
from gateway.wire.upstream_begun import BegunConnection
from gateway.wire.upstream_socket import SocketTransport

HEAD = b"POST /api HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
WAIT = 20.0


class Heard:
    """Whoever takes the answer."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.failure: Exception | None = None
        self.over = asyncio.Event()
        self.line: Connection | None = None
        self.pauses = False

    def head(self, head) -> None:
        self.status = head.status

    def piece(self, data: bytes) -> None:
        self.body += data
        if self.pauses and self.line is not None:
            self.line.pause_reading()
            asyncio.get_running_loop().call_soon(self.line.resume_reading)

    def whole(self, head, body: bytes) -> None:
        self.head(head)
        self.body = body
        self.end()

    def end(self) -> None:
        self.over.set()

    def failed(self, failure: Exception) -> None:
        self.failure = failure
        self.over.set()

    def fed(self) -> None:
        pass

    async def out(self) -> Exception | None:
        """Why there is no answer; None where there is one."""
        async with asyncio.timeout(WAIT):
            await self.over.wait()
        return self.failure


async def sent(lease, head: bytes = HEAD) -> Heard:
    """What comes of a request over this lease, which is given back."""
    heard = Heard()
    try:
        lease.connection.start(head, heard, whole=True, bodiless=False)
    except NotConnectedError as failure:
        heard.failed(failure)
    await heard.out()
    lease.release()
    return heard


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def test_it_carries_one_request_and_no_other(scripted, upstream_of, echoing) -> None:
    server = await scripted(echoing)
    upstream = upstream_of(server.url)
    for number in (1, 2):
        lease = upstream.begun(10.0)
        assert (upstream.in_flight, lease.pooled) == (1, False)
        heard = await sent(lease)
        assert (heard.status, heard.body, heard.failure) == (200, b"ok", None)
        assert upstream.at_hand() is None
        assert (upstream.in_flight, upstream.opened, upstream.reused) == (0, number, 0)
        async with asyncio.timeout(WAIT):
            await server.closed.acquire()
    assert server.requests == [HEAD, HEAD]


async def test_one_that_is_not_needed_ends_and_nothing_was_sent(scripted, upstream_of, echoing) -> None:
    server = await scripted(echoing)
    upstream = upstream_of(server.url)
    upstream.begun(10.0).release()
    assert upstream.in_flight == 0
    async with asyncio.timeout(WAIT):
        await server.closed.acquire()
        while upstream.connections:
            await asyncio.sleep(0)
    assert server.requests == []


async def test_who_is_not_there_is_told_as_such_and_asked_after_the_others(
    scripted, upstream_of, ask, echoing
) -> None:
    server = await scripted(echoing)
    nobody = f"http://127.0.0.1:{free_port()}"
    upstream = upstream_of(nobody, server.url)
    heard = [await sent(lease) for _ in range(4) if (lease := upstream.begun(10.0)) is not None]
    failures = [one.failure for one in heard if one.failure is not None]
    assert all(isinstance(one, NotConnectedError) for one in failures)
    assert len(failures) <= 1 < len(server.requests) == len(heard) - len(failures)
    assert upstream.in_flight == 0
    assert (upstream.replicas[nobody]["state"] == "resting") == bool(failures)


@pytest.fixture
def full() -> Iterator[str]:
    """An address whose system drops attempts to connect: it has a backlog of none, which is used up."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        try:
            for _ in range(4):
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex(listener.getsockname())
                waiting.append(client)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for client in waiting:
                client.close()


async def test_one_that_never_comes_about_is_given_up_and_nothing_was_sent(upstream_of, full) -> None:
    heard = await sent(upstream_of(full).begun(0.05))
    assert isinstance(heard.failure, NotConnectedError)


@pytest.mark.parametrize("share", [0.05, 0.3])
async def test_a_call_for_whose_connection_there_is_no_time_never_happened(
    share, upstream_of, ask, full
) -> None:
    upstream = upstream_of(full, connect_timeout=0.1)
    deadline = asyncio.get_running_loop().time() + share
    with pytest.raises((DeadlineExceeded, UpstreamUnreachable)) as fault:
        await ask(upstream, repeatable=False, deadline=deadline)
    assert "maybe_executed" not in fault.value.data
    assert upstream.in_flight == 0


@pytest.mark.parametrize("size", [2, 64 << 10, (64 << 10) + 1])
async def test_a_call_that_may_change_something_goes_once_over_a_connection_of_its_own(
    size, scripted, upstream_of, ask, echoing
) -> None:
    server = await scripted(echoing)
    upstream = upstream_of(f"http://127.0.0.1:{free_port()}", server.url)
    for _ in range(3):
        assert (await ask(upstream, repeatable=False, body=bytes(size))).body == b"ok"
    assert (len(server.requests), server.connections) == (3, 3)
    assert {one[-size:] for one in server.requests} == {bytes(size)}


async def test_it_is_begun_only_where_there_is_nothing_to_wait_for(
    scripted, upstream_of, ask, echoing
) -> None:
    server = await scripted(echoing)
    assert upstream_of("https://127.0.0.1:1").begun(10.0) is None
    named = upstream_of(f"http://localhost:{server.port}")
    assert named.begun(10.0) is None
    await ask(named)
    lease = named.begun(10.0)
    assert lease is not None
    lease.release()

    busy = upstream_of(server.url, concurrency=1)
    lease = busy.begun(10.0)
    assert busy.begun(10.0) is None
    lease.release()
    busy.hold(lambda: Unavailable("held", retry_after=1))
    assert busy.begun(10.0) is None
    assert busy.in_flight == 0


async def test_a_long_answer_comes_whole_to_who_takes_it_bit_by_bit(scripted, upstream_of) -> None:
    body = bytes(range(256)) * 8192

    async def talk(peer) -> None:
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await peer.ended()

    server = await scripted(talk)
    lease = upstream_of(server.url).begun(10.0)
    heard = Heard()
    heard.pauses, heard.line = True, lease.connection
    lease.connection.start(HEAD, heard, whole=True, bodiless=False)
    assert await heard.out() is None
    assert heard.body == body
    lease.release()


class Slow(socket.socket):
    """A socket whose other side answers late, and takes little at a time."""

    late = 3

    def send(self, data) -> int:  # type: ignore[override]
        if self.late:
            self.late -= 1
            raise BlockingIOError
        return super().send(data[:5])


async def test_what_is_sent_before_the_other_side_has_answered_waits_and_goes_in_order() -> None:
    one, other = socket.socketpair()
    slow = Slow(one.family, one.type, fileno=one.detach())
    slow.setblocking(False)
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    line = BegunConnection(lambda _: gone.set())
    transport = SocketTransport(loop, slow, line, WAIT)
    line.connection_made(transport)
    heard = Heard()
    line.start(HEAD, heard, whole=False, bodiless=False)
    line.write(b"and more")
    line.finish()
    assert not transport.connected
    reader, writer = await asyncio.open_connection(sock=other)
    async with asyncio.timeout(WAIT):
        assert await reader.readexactly(len(HEAD) + 8) == HEAD + b"and more"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        assert await heard.out() is None
        line.drop()
        await gone.wait()
    assert (heard.body, transport.get_write_buffer_size()) == (b"ok", 0)
    writer.close()


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_who_goes_after_it_was_sent_may_have_done_it(how, scripted, upstream_of) -> None:
    async def talk(peer) -> None:
        await peer.request()
        if how == "reset":
            peer.reset()

    server = await scripted(talk)
    heard = await sent(upstream_of(server.url).begun(10.0))
    assert heard.failure is not None
    assert not isinstance(heard.failure, NotConnectedError)
    assert len(server.requests) == 1
