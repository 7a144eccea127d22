"""Laws of one server that takes another's place: callers keep their connections, and every answer is one server's alone."""

import asyncio

import pytest
from aiohttp.web import BaseRequest

from gateway.wire.answer import Answer, StreamAnswer
from gateway.wire.crowd import Crowd
from gateway.wire.limits import Limits
from gateway.wire.server import Server
from gateway.wire.tls import Live, ServerTls

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


class Named:
    """Answers with its name; `/wait` when it is let, `/stream` piece by piece as it is let."""

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.asked = asyncio.Event()
        self.free = asyncio.Event()

    async def __call__(self, request: BaseRequest) -> Answer | StreamAnswer:
        body = await request.read()
        if request.path == "/wait":
            self.asked.set()
            await self.free.wait()
        if request.path == "/stream":
            return StreamAnswer(200, None, (), self._pieces())
        return Answer(200, None, (), self.name + body)

    async def _pieces(self):
        yield self.name
        self.asked.set()
        await self.free.wait()
        yield self.name


@pytest.fixture
async def pair(serve):
    """Two servers, of which one listens, and their handlers."""
    first, second = Named(b"first"), Named(b"second")
    gate = await serve(first)
    after = Server(second, Limits(), tls=gate.server._tls)
    yield gate, first, after, second
    first.free.set()
    second.free.set()
    await after.close()


@pytest.mark.parametrize("over", ["tcp", "tls"])
async def test_a_connection_between_two_requests_goes_on_with_the_next_server(over, pair):
    gate, _, after, _ = pair
    caller = await gate.caller()
    assert (await caller.get(GET)).body == b"first"
    after.succeed(gate.server)
    assert (gate.server.connections, after.connections) == (0, 1)
    answer = await caller.get(GET)
    assert (answer.body, answer.closes) == (b"second", False)
    assert (await caller.get(GET)).body == b"second"


@pytest.mark.parametrize("over", ["tcp", "tls"])
async def test_a_connection_that_has_sent_nothing_or_half_a_head_goes_on_too(over, pair):
    gate, _, after, _ = pair
    silent, half = await gate.caller(), await gate.caller()
    await half.send(GET[:20])
    while gate.server.connections < 2:
        await asyncio.sleep(0.001)
    after.succeed(gate.server)
    await half.send(GET[20:])
    assert (await half.answer()).body == b"second"
    assert (await silent.get(GET)).body == b"second"


@pytest.mark.parametrize("over", ["tcp", "tls"])
async def test_an_answer_is_finished_by_who_began_it_and_the_next_request_is_the_next_servers(over, pair):
    gate, first, after, _ = pair
    caller = await gate.caller()
    await caller.send(b"GET /wait HTTP/1.1\r\nHost: h\r\n\r\n")
    await first.asked.wait()
    after.succeed(gate.server)
    assert gate.server.connections == 1
    first.free.set()
    answer = await caller.answer()
    assert (answer.body, answer.closes) == (b"first", False)
    assert (await caller.get(GET)).body == b"second"
    assert (gate.server.connections, after.connections) == (0, 1)


@pytest.mark.parametrize("over", ["tcp", "tls"])
async def test_of_requests_sent_at_once_those_that_were_not_begun_are_the_next_servers(over, pair):
    gate, first, after, _ = pair
    caller = await gate.caller()
    await caller.send(b"GET /wait HTTP/1.1\r\nHost: h\r\n\r\n" + GET * 3)
    await first.asked.wait()
    after.succeed(gate.server)
    first.free.set()
    assert [(await caller.answer()).body for _ in range(4)] == [b"first"] + [b"second"] * 3


async def test_a_body_that_is_on_its_way_goes_whole_to_who_took_its_head(pair, eventually):
    gate, _, after, _ = pair
    caller = await gate.caller()
    await caller.send(b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\nhalf")
    await eventually(lambda: gate.server.counters.requests == 1)
    after.succeed(gate.server)
    await caller.send(b"more" + GET)
    assert [(await caller.answer()).body for _ in range(2)] == [b"firsthalfmore", b"second"]


@pytest.mark.parametrize("over", ["tcp", "tls"])
async def test_a_stream_goes_on_and_its_connection_comes_after_it(over, pair):
    gate, first, after, _ = pair
    caller = await gate.caller()
    await caller.send(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
    await first.asked.wait()
    after.succeed(gate.server)
    retiring = asyncio.ensure_future(gate.server.retire(20))
    first.free.set()
    assert (await caller.answer()).body == b"firstfirst"
    assert (await caller.get(GET)).body == b"second"
    await retiring


async def test_what_does_not_end_in_its_time_is_reset_and_nobody_takes_it_for_the_whole(pair):
    gate, first, after, _ = pair
    caller, other = await gate.caller(), await gate.caller()
    assert (await other.get(GET)).body == b"first"
    await caller.send(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
    await first.asked.wait()
    after.succeed(gate.server)
    await gate.server.retire(0.01)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await caller.answer()
    assert (await other.get(GET)).body == b"second"


@pytest.mark.parametrize("over", ["tcp", "tls"])
async def test_new_callers_come_to_the_next_server_and_none_is_turned_away(over, pair):
    gate, _, after, _ = pair
    callers = [asyncio.ensure_future(gate.caller()) for _ in range(50)]
    await asyncio.sleep(0)
    after.succeed(gate.server)
    answers = [await (await one).get(GET) for one in callers]
    assert {one.body for one in answers} <= {b"first", b"second"}
    assert (await (await gate.caller()).get(GET)).body == b"second"
    assert after.counters.turned_away == gate.server.counters.turned_away == 0


async def test_a_connection_outlives_many_successions(pair, serve):
    gate, _, after, _ = pair
    caller = await gate.caller()
    before, servers = gate.server, [after]
    for number in range(20):
        server = servers[-1]
        server.succeed(before)
        assert (await caller.get(GET)).body == (b"second" if not number else b"%d" % number)
        before = server
        servers.append(Server(Named(b"%d" % (number + 1)), Limits()))
    assert before.connections == 1
    assert not any(one.connections for one in servers if one is not before)
    for one in servers:
        await one.close()


async def test_connections_are_counted_where_they_are(pair):
    gate, _, _, second = pair
    crowd = Crowd(Limits())
    after = Server(second, Limits(), crowd=crowd)
    caller, other = await gate.caller(), await gate.caller()
    await caller.get(GET)
    await other.get(GET)
    after.succeed(gate.server)
    assert crowd.count == 2
    other.reset()
    assert (await caller.get(GET)).body == b"second"
    async with asyncio.timeout(20):
        while crowd.count != 1:
            await asyncio.sleep(0.001)
    await after.close()
    assert crowd.count == 0


async def test_who_ends_after_being_succeeded_leaves_the_callers_alone(pair):
    gate, _, after, _ = pair
    caller = await gate.caller()
    await caller.get(GET)
    after.succeed(gate.server)
    await gate.server.close()
    assert (await caller.get(GET)).body == b"second"


@pytest.mark.parametrize("over", ["tls"])
async def test_where_tls_is_spoken_otherwise_callers_have_to_come_anew(over, pair, authority):
    gate, first, _, second = pair
    issued = authority.issue()
    tls = Live("tls", ServerTls(issued.certificate, issued.key, minimum="1.3"))
    after = Server(second, Limits(), tls=tls)
    idle, busy = await gate.caller(), await gate.caller()
    assert (await idle.get(GET)).body == b"first"
    await busy.send(b"GET /wait HTTP/1.1\r\nHost: h\r\n\r\n")
    await first.asked.wait()
    after.succeed(gate.server)
    assert await idle.rest() == b""
    first.free.set()
    answer = await busy.answer()
    assert (answer.body, await busy.rest()) == (b"first", b"")
    assert (await (await gate.caller()).get(GET)).body == b"second"
    await gate.server.retire(20)
    await after.close()
