"""Laws of requests on one connection: what is refused, what passes, and how the connection goes on."""

import asyncio
import json
import socket

import pytest
from aiohttp.web import BaseRequest, HTTPNotFound, Response

from gateway.wire.answer import Answer

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
SECRET = b"Authorization: Bearer very-secret\r\n"


def post(*fields: bytes, body: bytes = b"") -> bytes:
    return b"POST /p HTTP/1.1\r\nHost: h\r\n" + b"".join(f + b"\r\n" for f in fields) + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", body=body)


# facts/gateways-security.md, 2.3: what must be rejected.
REJECTED = {
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
    "length then coding": post(b"Content-Length: 2", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "coding then length": post(b"Transfer-Encoding: chunked", b"Content-Length: 2", body=b"0\r\n\r\n"),
    "two equal lengths": post(b"Content-Length: 2", b"Content-Length: 2", body=b"ab"),
    "two lengths": post(b"Content-Length: 2", b"Content-Length: 3", body=b"abc"),
    "length 2,2": post(b"Content-Length: 2,2", body=b"ab"),
    "length +2": post(b"Content-Length: +2", body=b"ab"),
    "length 0x2": post(b"Content-Length: 0x2", body=b"ab"),
    "length 1_0": post(b"Content-Length: 1_0", body=b"0123456789"),
    "length -1": post(b"Content-Length: -1"),
    "length empty": post(b"Content-Length:"),
    "length huge": post(b"Content-Length: 99999999999999999999999999"),
    "coding xchunked": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "coding chunked, identity": post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    "coding identity": post(b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "coding gzip, chunked": post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "coding ,chunked": post(b"Transfer-Encoding: ,chunked", body=b"0\r\n\r\n"),
    "coding twice": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "coding with vertical tab": post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "coding with space before the colon": post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
    "coding in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: h\n\n",
    "bare LF in a field": b"GET / HTTP/1.1\r\nHost: h\r\nA: b\nC: d\r\n\r\n",
    "bare CR": b"GET / HTTP/1.1\r\nHost: h\r\nA: b\rC: d\r\n\r\n",
    "NUL": b"GET / HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n",
    "folding": b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n",
    "folding by tab": b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\tc\r\n\r\n",
    "leading space": b"GET / HTTP/1.1\r\n Host: h\r\n\r\n",
    "empty name": b"GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n",
    "x85 in a name": b"GET / HTTP/1.1\r\nHost: h\r\nA\x85: x\r\n\r\n",
    "( in a name": b"GET / HTTP/1.1\r\nHost: h\r\nA(: x\r\n\r\n",
    "bad verb": b"GET! / HTTP/1.1\r\nHost: h\r\n\r\n",
    "unknown verb": b"FETCH / HTTP/1.1\r\nHost: h\r\n\r\n",
    "lower-case verb": b"get / HTTP/1.1\r\nHost: h\r\n\r\n",
    "bad version": b"GET / HTTP/1.x\r\nHost: h\r\n\r\n",
    "version in lower case": b"GET / http/1.1\r\nHost: h\r\n\r\n",
    "no version": b"GET /\r\nHost: h\r\n\r\n",
    "bad target": b"GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
    "authority as target": b"GET h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    # What must be added to aiohttp.
    "absolute target of another host": b"GET http://evil/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "absolute target with credentials": b"GET http://h@evil/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "absolute target of another port": b"GET http://h:81/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "absolute target of another scheme": b"GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "absolute target without host": b"GET http:///x HTTP/1.1\r\nHost: h\r\n\r\n",
    "host that is none": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "two hosts in one": b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
}


@pytest.mark.parametrize("data", REJECTED.values(), ids=REJECTED)
async def test_what_two_readers_could_read_differently_is_a_400_and_the_last_of_its_connection(
    serve, data: bytes
) -> None:
    gate = await serve()
    caller = await gate.caller()
    await caller.send(data.replace(b"\r\n", b"\r\n" + SECRET, 1) + GET)
    answer = await caller.answer()
    assert answer.status == 400
    assert answer.closes
    assert answer[b"Content-Type"] == b"application/json"
    error = json.loads(answer.body)["error"]
    assert error["code"] == -32016
    assert error["data"]["request_id"].encode() == answer[b"X-Request-Id"]
    assert b"secret" not in answer.body
    assert await caller.rest() == b""
    assert gate.server.counters.refused.total() == 1


BROKEN_BODIES = {
    "size 0x1": b"0x1\r\na\r\n0\r\n\r\n",
    "size 1_0": b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    "size +1": b"+1\r\na\r\n0\r\n\r\n",
    "size -1": b"-1\r\na\r\n0\r\n\r\n",
    "size with garbage": b"1 x\r\na\r\n0\r\n\r\n",
    "size with space before": b" 1\r\na\r\n0\r\n\r\n",
    "size empty": b"\r\na\r\n0\r\n\r\n",
    "size beyond all": b"ffffffffffffffffff\r\na\r\n0\r\n\r\n",
    "LF-only line": b"1\na\r\n0\r\n\r\n",
    "missing CRLF after the data": b"1\r\na0\r\n\r\n",
    "LF after the data": b"1\r\na\n0\r\n\r\n",
    "CR in the extension": b"1;a\rb\r\na\r\n0\r\n\r\n",
    "LF in the extension": b"1;a\nb\r\na\r\n0\r\n\r\n",
    "Content-Length as trailer": b"1\r\na\r\n0\r\nContent-Length: 3\r\n\r\n",
    "Transfer-Encoding as trailer": b"1\r\na\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "folded trailer": b"1\r\na\r\n0\r\nA: b\r\n c\r\n\r\n",
    "trailer without colon": b"1\r\na\r\n0\r\nGET / HTTP/1.1\r\n\r\n",
    "LF-only trailer": b"1\r\na\r\n0\r\nA: b\n\r\n",
    "endless extension": b"1;" + b"a" * 5000 + b"\r\na\r\n0\r\n\r\n",
    "endless trailers": b"1\r\na\r\n0\r\n" + b"A: b\r\n" * 100 + b"\r\n",
}


@pytest.mark.parametrize("body", BROKEN_BODIES.values(), ids=BROKEN_BODIES)
async def test_a_body_whose_end_is_unsure_is_a_400_and_the_last_of_its_connection(serve, body: bytes) -> None:
    gate = await serve()
    caller = await gate.caller()
    answer = await caller.get(chunked(body) + GET)
    assert answer.status == 400
    assert answer.body.startswith(b"BadRequest: ")
    assert answer.closes
    assert await caller.rest() == b""
    assert gate.server.counters.broken_bodies == 1
    assert gate.server.counters.requests == 1


OTHERWISE_REFUSED = {
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/0.9": (b"GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505),
    "CONNECT": (b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", 501),
    "long line": (b"GET / HTTP/1.1\r\nHost: h\r\nA: " + b"x" * 10_000 + b"\r\n\r\n", 431),
    "long target": (b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 431),
    "1000 fields": (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"A: b\r\n" * 1000 + b"\r\n", 431),
    "large head": (b"GET / HTTP/1.1\r\nHost: h\r\n" + (b"A: " + b"b" * 4000 + b"\r\n") * 5 + b"\r\n", 431),
    "endless head": (b"GET / HTTP/1.1\r\nHost: h\r\n" + (b"A: " + b"b" * 4000 + b"\r\n") * 50, 431),
    "unknown expectation": (post(b"Expect: tea", b"Content-Length: 1", body=b"x"), 417),
}


@pytest.mark.parametrize(("data", "status"), OTHERWISE_REFUSED.values(), ids=OTHERWISE_REFUSED)
async def test_what_cannot_be_served_is_refused_before_any_handler(serve, data: bytes, status: int) -> None:
    gate = await serve()
    caller = await gate.caller()
    await caller.send(data + GET)
    answer = await caller.answer()
    assert (answer.status, answer.closes) == (status, True)
    assert await caller.rest() == b""
    assert gate.server.counters.requests == 0


PASSES = {
    "origin target": (b"GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n", b"GET\n/a?b=c\n"),
    "escapes are kept": (b"GET /%2e%2e//a%2Fb HTTP/1.1\r\nHost: h\r\n\r\n", b"GET\n/%2e%2e//a%2Fb\n"),
    "absolute target": (b"GET http://H:80/a HTTP/1.1\r\nHost: h:80\r\n\r\n", b"GET\nhttp://H:80/a\n"),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", b"OPTIONS\n*\n"),
    "IPv6 host": (b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", b"GET\n/\n"),
    "empty host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", b"GET\n/\n"),
    "QUERY": (b"QUERY /q HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", b"QUERY\n/q\nx"),
    "empty lines before": (b"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", b"GET\n/\n"),
    "names with _": (b"GET / HTTP/1.1\r\nHost: h\r\nX_User: u\r\n\r\n", b"GET\n/\n"),
    "space around values": (post(b"Content-Length: \t 2 \t", body=b"ab"), b"POST\n/p\nab"),
    "GET with a body": (b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab", b"GET\n/\nab"),
    "chunks": (chunked(b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"), b"POST\n/p\nabcde"),
    "chunks in capitals": (
        post(b"TRANSFER-encoding: CHUNKED", body=b"A\r\n0123456789\r\n0\r\n\r\n"),
        b"POST\n/p\n0123456789",
    ),
    "extensions and trailers": (
        chunked(b'2;a=b;c="d e"\r\nab\r\n000;x\r\nDigest: x\r\nETagged: y\r\n\r\n'),
        b"POST\n/p\nab",
    ),
    "ignored upgrade": (
        b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        b"GET\n/\n",
    ),
    "encoded body": (post(b"Content-Encoding: gzip", b"Content-Length: 3", body=b"abc"), b"POST\n/p\nabc"),
}


@pytest.mark.parametrize(("data", "said"), PASSES.values(), ids=PASSES)
async def test_what_is_sound_passes_and_the_connection_goes_on(serve, data: bytes, said: bytes) -> None:
    gate = await serve()
    caller = await gate.caller()
    answer = await caller.get(data)
    assert (answer.status, answer.body, answer[b"Connection"]) == (200, said, None)
    assert (await caller.get(GET)).body == b"GET\n/a\n"


PIPELINE = (
    b"\r\nPOST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
    b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
    b"\r\nPOST /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n2;e\r\nyz\r\n0\r\nT: u\r\n\r\n"
    b"GET /4 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    b"GET /never HTTP/1.1\r\nHost: h\r\n\r\n"
)
PIPELINE_ANSWERS = [b"POST\n/1\nabc", b"GET\n/2\n", b"POST\n/3\nxyz", b"GET\n/4\n"]


async def test_pipelined_requests_are_answered_in_order(serve) -> None:
    gate = await serve()
    caller = await gate.caller()
    await caller.send(PIPELINE)
    assert [(await caller.answer()).body for _ in PIPELINE_ANSWERS] == PIPELINE_ANSWERS
    assert await caller.rest() == b""


async def test_requests_are_the_same_wherever_their_bytes_are_cut(serve, recorded, eventually) -> None:
    gate = await serve()
    for at in range(len(PIPELINE)):
        connection, transport = recorded(gate.server)
        connection.data_received(PIPELINE[:at])
        if at % 2:
            await asyncio.sleep(0)
        connection.data_received(PIPELINE[at:])
        await eventually(lambda transport=transport: transport.closed)
        found = [transport.written.find(body) for body in PIPELINE_ANSWERS]
        assert found == sorted(found)
        assert min(found) > 0
        assert transport.written.count(b"HTTP/1.1 200 OK\r\n") == len(PIPELINE_ANSWERS)
        connection.connection_lost(None)


async def test_requests_that_come_byte_by_byte_are_the_same_requests(serve, recorded, eventually) -> None:
    gate = await serve()
    connection, transport = recorded(gate.server)
    for at in range(len(PIPELINE)):
        connection.data_received(PIPELINE[at : at + 1])
    await eventually(lambda: transport.closed)
    assert transport.written.count(b"HTTP/1.1 200 OK\r\n") == len(PIPELINE_ANSWERS)
    assert all(body in transport.written for body in PIPELINE_ANSWERS)
    connection.connection_lost(None)


async def test_one_request_at_a_time_is_with_the_handler(serve) -> None:
    running = most = 0

    async def handler(request: BaseRequest) -> Answer:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return Answer(200, None, (), request.path.encode())

    gate = await serve(handler)
    caller = await gate.caller()
    await caller.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % n for n in range(200)))
    assert [(await caller.answer()).body for _ in range(200)] == [b"/%d" % n for n in range(200)]
    assert most == 1


async def test_reading_pauses_while_enough_is_held_for_later(serve, recorded, eventually) -> None:
    go = asyncio.Event()

    async def handler(request: BaseRequest) -> Answer:
        await go.wait()
        return Answer(200, None, (), b"")

    gate = await serve(handler, held_bytes=1000)
    connection, transport = recorded(gate.server)
    connection.data_received(GET * 30)
    assert transport.reading
    connection.data_received(GET * 30)
    assert not transport.reading
    go.set()
    await eventually(lambda: transport.written.count(b"HTTP/1.1 200 OK") == 60)
    assert transport.reading
    connection.connection_lost(None)


KEEP_ALIVE = {
    "1.1": (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", None),
    "1.1 close": (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", b"close"),
    "1.1 CLOSE among others": (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: x, CLOSE\r\n\r\n", b"close"),
    "1.0": (b"GET / HTTP/1.0\r\n\r\n", b"close"),
    "1.0 keep-alive": (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", b"keep-alive"),
    "1.0 Keep-Alive": (b"GET / HTTP/1.0\r\nHost: h\r\nConnection: Keep-Alive\r\n\r\n", b"keep-alive"),
}


@pytest.mark.parametrize(("data", "said"), KEEP_ALIVE.values(), ids=KEEP_ALIVE)
async def test_a_connection_stays_as_its_version_and_its_fields_say(serve, data, said) -> None:
    gate = await serve()
    caller = await gate.caller()
    answer = await caller.get(data)
    assert (answer.status, answer[b"Connection"]) == (200, said)
    if said == b"close":
        assert await caller.rest() == b""
    else:
        assert (await caller.get(data)).status == 200


async def test_small_answers_leave_at_once(serve) -> None:
    nodelay = None

    async def handler(request: BaseRequest) -> Answer:
        nonlocal nodelay
        sock = request.transport.get_extra_info("socket")
        nodelay = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        return Answer(200, None, ())

    gate = await serve(handler)
    await (await gate.caller()).get(GET)
    assert nodelay


async def test_a_handler_that_fails_is_a_500_that_says_nothing_and_the_connection_goes_on(
    serve, caplog
) -> None:
    async def handler(request: BaseRequest) -> Answer:
        raise LookupError("inner secret")

    gate = await serve(handler)
    caller = await gate.caller()
    for _ in range(2):
        answer = await caller.get(GET)
        assert answer.status == 500
        error = json.loads(answer.body)["error"]
        assert (error["code"], error["data"]["fault"]) == (-32603, "InternalFault")
        assert b"secret" not in answer.body
        assert error["data"]["request_id"] in caplog.text


async def test_responses_of_aiohttp_itself_are_sent_too(serve) -> None:
    async def handler(request: BaseRequest) -> Response:
        if request.path == "/missing":
            raise HTTPNotFound
        return Response(text="hello")

    gate = await serve(handler)
    caller = await gate.caller()
    assert (await caller.get(GET)).body == b"hello"
    assert (await caller.get(b"GET /missing HTTP/1.1\r\nHost: h\r\n\r\n")).status == 404
    assert (await caller.get(GET)).body == b"hello"
    assert (await caller.get(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))).closes
    assert await caller.rest() == b""


async def test_what_aiohttp_refuses_is_logged_nowhere_with_its_text(serve, caplog) -> None:
    gate = await serve()
    caller = await gate.caller()
    answer = await caller.get(b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer very-secret\0\r\n\r\n")
    assert answer.status == 400
    assert "secret" not in caplog.text
    assert gate.server.counters.refused == {"malformed": 1}
