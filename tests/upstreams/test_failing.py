"""What becomes of a request whose replica fails: is it sent again, where, how often, and when is nobody asked any more?"""

import asyncio
import gc
import socket

import pytest

from gateway.core.breaker import BreakerRule
from gateway.core.call import Call, Params
from gateway.core.faults import DeadlineExceeded, Unavailable, UpstreamBroken, UpstreamUnreachable
from gateway.core.health import HealthCheck
from gateway.core.method import Hedge, Method, RpcBinding
from gateway.core.principal import Principal
from gateway.core.retrying import Retries
from gateway.upstreams.guard import Guard
from gateway.upstreams.health import HealthChecks
from gateway.wire.upstream import ConnectionLostError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"
BUSY_SOON = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nbusy"
BUSY_LATER = b"HTTP/1.1 503 Busy\r\nRetry-After: 60\r\nContent-Length: 4\r\n\r\nbusy"
RPC_503 = b'{"jsonrpc":"2.0","error":{"code":1,"message":"full"},"id":1}'
NEVER = Retries(attempts=0)


def dead_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def answering(*answers: bytes | None):
    """Gives these answers, one a request over all connections, and the last for ever; None ends the connection without one."""
    left = list(answers)

    async def talk(peer) -> None:
        while await peer.request() is not None:
            answer = left.pop(0) if len(left) > 1 else left[0]
            if answer is None:
                peer.reset()
                return
            peer.send(answer)

    return talk


def call(method: Method, params: bytes = b"{}", **more: object) -> Call:
    return Call("id", Principal("ada", "test"), method, Params(params), 0.0, **more)


def method(**facts: object) -> Method:
    return Method("jobs.get", "jobs", RpcBinding("get"), **facts)


# sent again


@pytest.mark.parametrize(
    "first", [None, OK[:-1], b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
)
async def test_what_changes_nothing_is_sent_once_more_when_its_answer_fails(
    first, scripted, upstream_of, ask
) -> None:
    async def talk(peer) -> None:
        await peer.request()
        if peer.number > 1:
            peer.send(OK)
        elif first is not None:
            peer.send(first)

    server = await scripted(talk)
    upstream = upstream_of(server.url)
    assert (await ask(upstream)).body == b"ok"
    assert len(server.requests) == 2
    assert (upstream.retries, upstream.failures) == (1, 0)


@pytest.mark.parametrize("first", [None, OK[:-1], b"garbage\r\n\r\n", BUSY, BUSY_SOON])
async def test_what_may_have_changed_something_is_sent_once_whatever_becomes_of_it(
    first, scripted, upstream_of, ask, echoing
) -> None:
    async def talk(peer) -> None:
        await peer.request()
        if first is not None:
            peer.send(first)

    server, other = await scripted(talk), await scripted(talk)
    upstream = upstream_of(server.url, other.url)
    if first in (BUSY, BUSY_SOON):
        assert (await ask(upstream, repeatable=False)).status == 503
    else:
        with pytest.raises((UpstreamUnreachable, UpstreamBroken)) as fault:
            await ask(upstream, repeatable=False)
        assert fault.value.data == {"maybe_executed": True}
    assert len(server.requests) + len(other.requests) == 1
    assert upstream.retries == 0


async def test_a_write_goes_to_another_replica_where_the_first_took_no_connection(
    scripted, upstream_of, ask, echoing
) -> None:
    server = await scripted(echoing)
    for urls in ((dead_port(), server.url), (server.url, dead_port())):
        assert (await ask(upstream_of(*urls), repeatable=False)).body == b"ok"
    assert len(server.requests) == 2


async def test_the_second_attempt_goes_to_another_replica(scripted, upstream_of, ask, echoing) -> None:
    bad, good = await scripted(answering(None)), await scripted(echoing)
    upstream = upstream_of(bad.url, good.url)
    for _ in range(4):
        assert (await ask(upstream)).body == b"ok"
    assert len(bad.requests) >= 1


async def test_an_answer_that_says_down_is_better_had_of_another_replica(
    scripted, upstream_of, ask, echoing
) -> None:
    bad, good = await scripted(answering(BUSY)), await scripted(echoing)
    upstream = upstream_of(bad.url, good.url)
    for _ in range(4):
        assert (await ask(upstream)).body == b"ok"
    assert len(bad.requests) >= 1


async def test_what_the_only_replica_says_is_the_services_word_unless_it_asks_to_come_back(
    scripted, upstream_of, ask
) -> None:
    final = await scripted(answering(BUSY, OK))
    assert (await ask(upstream_of(final.url))).status == 503
    soon = await scripted(answering(BUSY_SOON, OK))
    assert (await ask(upstream_of(soon.url))).status == 200
    later = await scripted(answering(BUSY_LATER, OK))
    assert (await ask(upstream_of(later.url))).status == 503


async def test_a_json_rpc_error_is_an_answer_whatever_its_status(scripted, upstream_of, ask, echoing) -> None:
    said = b"HTTP/1.1 503 x\r\nRetry-After: 0\r\nContent-Length: %d\r\n\r\n" % len(RPC_503) + RPC_503
    servers = [await scripted(answering(said)) for _ in range(2)]
    upstream = upstream_of(*(server.url for server in servers), breaker=BreakerRule(failures=2))
    for _ in range(5):
        assert (await ask(upstream)).body == RPC_503
    assert sum(len(server.requests) for server in servers) == 5
    assert (upstream.breaker, upstream.retries) == ("closed", 0)


async def test_retries_stop_where_their_number_or_their_budget_is_used_up(scripted, upstream_of, ask) -> None:
    server = await scripted(answering(None))
    with pytest.raises(UpstreamUnreachable):
        await ask(upstream_of(server.url, retries=Retries(attempts=3), breaker=None))
    assert len(server.requests) == 4
    server.requests.clear()
    upstream = upstream_of(server.url, retries=Retries(attempts=1, budget=0.2), breaker=None)
    for _ in range(50):
        with pytest.raises(UpstreamUnreachable):
            await ask(upstream)
    assert 5 <= upstream.retries <= 5 + 0.2 * 50 + 5
    assert len(server.requests) == 50 + upstream.retries


async def test_the_time_that_is_left_is_told_with_each_attempt_and_shrinks(
    scripted, upstream_of, ask
) -> None:
    server = await scripted(answering(None))
    upstream = upstream_of(server.url, retries=Retries(attempts=2))
    with pytest.raises(UpstreamUnreachable):
        await ask(upstream, fields=((b"Labgate-Timeout", b"20.000"), (b"X", b"y")))
    told = [float(one.split(b"Labgate-Timeout: ")[1].split(b"\r\n")[0]) for one in server.requests]
    assert told[0] == 20.0
    assert told == sorted(told, reverse=True)
    assert len(set(told)) == 3
    assert all(b"\r\nX: y\r\n" in one for one in server.requests)


async def test_no_attempt_begins_for_which_there_is_no_time(scripted, upstream_of, ask) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 0.5

    async def talk(peer) -> None:
        await peer.request()
        await asyncio.sleep(deadline - 0.01 - loop.time())
        peer.reset()

    server = await scripted(talk)
    # Where this machine is so slow that the reset comes late, the deadline has passed; there is no other attempt either way.
    with pytest.raises((UpstreamUnreachable, DeadlineExceeded)):
        await ask(upstream_of(server.url), deadline=deadline)
    assert len(server.requests) == 1


async def test_a_silent_service_is_given_up_before_the_call_and_asked_again(
    scripted, upstream_of, ask
) -> None:
    async def talk(peer) -> None:
        await peer.request()
        if peer.number == 1:
            await peer.ended()
        else:
            for piece in (OK[:20], OK[20:-1], OK[-1:]):
                peer.send(piece)
                await asyncio.sleep(0.4)

    server = await scripted(talk)
    upstream = upstream_of(server.url, read_timeout=1.0)
    assert (await ask(upstream)).body == b"ok", "what moves is not silent"
    assert upstream.retries == 1
    server.connections = 0
    with pytest.raises(DeadlineExceeded, match="silent") as fault:
        await ask(upstream, repeatable=False)
    assert fault.value.data == {"maybe_executed": True}


async def test_idempotent_writes_are_sent_again_only_where_the_settings_say_so(
    scripted, upstream_of, ask
) -> None:
    for idempotent, declared, requests in ((False, True, 1), (True, False, 1), (True, True, 2)):
        server = await scripted(answering(None, OK))
        upstream = upstream_of(server.url, retries=Retries(1, 0.2, idempotent))
        aimed = upstream.aim(call(method(idempotent=declared)))
        try:
            await ask(aimed, repeatable=False)
        except UpstreamUnreachable:
            pass
        assert len(server.requests) == requests


# left alone


async def test_after_too_many_failures_nobody_is_asked_and_one_probe_finds_that_it_is_back(
    scripted, upstream_of, ask
) -> None:
    turns: list[str | None] = []
    server = await scripted(answering(*[None] * 3, OK))
    rule = BreakerRule(failures=3, window=60, open=0.2)
    upstream = upstream_of(server.url, breaker=rule, retries=NEVER, turned=lambda _, why: turns.append(why))
    for _ in range(3):
        with pytest.raises(UpstreamUnreachable):
            await ask(upstream)
    assert upstream.breaker == "open"
    for repeatable in (True, False):
        with pytest.raises(Unavailable, match="'jobs' is not asked at present") as fault:
            await ask(upstream, repeatable=repeatable)
        assert fault.value.data == {"retry_after": 1}
    with pytest.raises(Unavailable):
        await upstream.lease(asyncio.get_running_loop().time() + 5)
    assert upstream.at_hand() is None
    assert (len(server.requests), upstream.refused) == (3, 3)
    assert (await ask(upstream.beside)).body == b"ok", "the gate's own questions pass"
    assert upstream.breaker == "open", "and say nothing of calls"
    while True:
        try:
            assert (await ask(upstream)).body == b"ok"
            break
        except Unavailable:
            await asyncio.sleep(0.02)
    assert upstream.breaker == "closed"
    assert turns == [turns[0], None]
    assert "too many requests to it failed" in turns[0]


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 429, 500, 501])
async def test_what_a_caller_does_wrong_never_opens_the_breaker(status, scripted, upstream_of, ask) -> None:
    said = b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\nno" % status
    server = await scripted(answering(said))
    upstream = upstream_of(server.url, breaker=BreakerRule(failures=1))
    for _ in range(4):
        assert (await ask(upstream)).status == status
    assert upstream.breaker == "closed"


async def test_a_caller_with_less_patience_than_the_service_has_time_never_opens_the_breaker(
    scripted, upstream_of, ask
) -> None:
    async def talk(peer) -> None:
        await peer.request()
        await peer.ended()

    server = await scripted(talk)
    upstream = upstream_of(server.url, breaker=BreakerRule(failures=1), timeout=10.0)
    loop = asyncio.get_running_loop()
    with pytest.raises(DeadlineExceeded):
        await ask(upstream, deadline=loop.time() + 0.1)
    assert upstream.breaker == "closed"
    quick = upstream_of(server.url, breaker=BreakerRule(failures=1), timeout=0.1, retries=NEVER)
    with pytest.raises(DeadlineExceeded):
        await ask(quick, deadline=loop.time() + 0.1)
    assert quick.breaker == "open"


async def test_a_caller_who_leaves_says_nothing_of_the_service_and_gives_the_probe_free(
    scripted, upstream_of, ask
) -> None:
    async def talk(peer) -> None:
        await peer.request()
        if peer.number == 1:
            return
        if peer.number == 3:
            peer.send(OK)
        await peer.ended()

    server = await scripted(talk)
    upstream = upstream_of(server.url, breaker=BreakerRule(failures=1, open=0.001), retries=NEVER)
    with pytest.raises(UpstreamUnreachable):
        await ask(upstream)
    await asyncio.sleep(0.01)
    server.came.clear()
    probe = asyncio.ensure_future(ask(upstream))
    await server.came.wait()
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    assert upstream.breaker == "open"
    assert (await ask(upstream)).body == b"ok"
    assert upstream.breaker == "closed"


class Told:
    """The receiver of an answer that is carried part by part."""

    def __init__(self) -> None:
        self.ended: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def whole(self, head, body) -> None:
        self.ended.set_result((head.status, body))

    def head(self, head) -> None:
        self.status = head.status

    def piece(self, data) -> None: ...

    def end(self) -> None:
        self.ended.set_result((self.status, b""))

    def failed(self, failure) -> None:
        self.ended.set_result(failure)

    def fed(self) -> None: ...


async def carried(upstream) -> object:
    """What comes of one request that is carried over a lease, as the doors do it."""
    lease = upstream.at_hand() or await upstream.lease(asyncio.get_running_loop().time() + 10)
    told = Told()
    lease.connection.start(lease.head(b"GET", b"/", b"", None, b""), told, whole=True, bodiless=False)
    try:
        return await told.ended
    finally:
        lease.release()


async def test_requests_that_are_carried_part_by_part_open_and_close_the_same_breaker(
    scripted, upstream_of
) -> None:
    pieces = b"HTTP/1.1 502 x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n"
    server = await scripted(answering(OK, BUSY, pieces, None, OK))
    upstream = upstream_of(server.url, breaker=BreakerRule(failures=3, open=0.05))
    assert await carried(upstream) == (200, b"ok")
    assert (await carried(upstream))[0] == 503
    assert (await carried(upstream))[0] == 502
    assert upstream.breaker == "closed"
    assert isinstance(await carried(upstream), ConnectionLostError), (
        "a kept connection that dies is no failure"
    )
    assert upstream.breaker == "closed"
    upstream.guard.failed(asyncio.get_running_loop().time(), "one more")
    assert upstream.breaker == "open"
    while True:
        try:
            assert await carried(upstream) == (200, b"ok")
            break
        except Unavailable:
            await asyncio.sleep(0.02)
    assert upstream.breaker == "closed"


async def test_streams_that_a_service_ends_as_it_is_started_again_open_no_breaker(
    scripted, upstream_of
) -> None:
    begun = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"
    )

    async def talk(peer) -> None:
        await peer.request()
        peer.send(begun if peer.number < 4 else begun[:20])

    server = await scripted(talk)
    upstream = upstream_of(server.url, breaker=BreakerRule(failures=1))
    for _ in range(3):
        assert isinstance(await carried(upstream), ConnectionLostError)
    assert upstream.breaker == "closed"
    assert isinstance(await carried(upstream), ConnectionLostError)
    assert upstream.breaker == "open", "what breaks off in its head is no stream"


async def test_a_lease_that_is_late_counts_only_by_the_services_own_time(
    scripted, upstream_of, echoing
) -> None:
    server = await scripted(echoing)
    upstream = upstream_of(server.url, breaker=BreakerRule(failures=1), timeout=10.0)
    lease = await upstream.lease(asyncio.get_running_loop().time() + 5)
    lease.late(2.0)
    assert upstream.breaker == "closed"
    lease.late(10.0)
    lease.release()
    assert upstream.breaker == "open"


def test_the_guard_is_not_alert_when_everything_is_answered_again(upstream_of) -> None:
    class Once:
        troubled = False

        def missed(self, now: float) -> None:
            self.troubled = True

        def answered(self) -> None:
            self.troubled = False

    from gateway.core.service import Service

    replicas = [Once(), Once()]
    guard = Guard(Service("jobs", "jsonrpc", ("http://h",)), replicas, lambda *_: None)
    guard.failed(0.0, "x", replicas[0])
    guard.failed(0.0, "x", replicas[1])
    guard.succeeded(1.0, replicas[0])
    assert guard.alert
    guard.succeeded(2.0, replicas[1])
    guard.succeeded(40.0, replicas[1])
    assert not guard.alert


# which replica


async def test_a_replica_that_often_gives_no_answer_rests(scripted, upstream_of, ask, echoing) -> None:
    bad, good = await scripted(answering(None)), await scripted(echoing)
    upstream = upstream_of(bad.url, good.url)
    for _ in range(30):
        await ask(upstream)
    assert len(bad.requests) == 3
    assert (upstream.ejections, upstream.breaker) == (1, "closed")
    assert [row["state"] for row in upstream.replicas.values()] == ["resting", "up"]


async def test_replicas_without_a_connection_at_hand_get_their_turn_too(
    scripted, upstream_of, echoing
) -> None:
    one, two = await scripted(echoing), await scripted(echoing)
    upstream = upstream_of(one.url, two.url)
    for _ in range(12):
        await carried(upstream)
    assert (len(one.requests), len(two.requests)) == (6, 6)
    assert (one.connections, two.connections) == (1, 1)


async def test_a_replica_that_is_back_has_a_clean_slate(scripted, upstream_of, ask, echoing) -> None:
    one, two = await scripted(echoing), await scripted(echoing)
    upstream = upstream_of(one.url, two.url)
    replica = upstream.choice.replicas[0]
    upstream.guard.unreached(-1000.0, replica)
    assert upstream.guard.alert
    for _ in range(4):
        await ask(upstream)
    assert not replica.troubled
    assert not upstream.guard.alert


async def test_the_less_busy_of_two_is_asked(scripted, upstream_of, ask, echoing) -> None:
    async def stuck(peer) -> None:
        await peer.request()
        await peer.ended()

    slow, quick = await scripted(stuck), await scripted(echoing)
    upstream = upstream_of(slow.url, quick.url)
    waiting = asyncio.ensure_future(ask(upstream))
    await slow.came.wait()
    for _ in range(10):
        await ask(upstream)
    assert (len(slow.requests), len(quick.requests)) == (1, 10)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_calls_with_the_same_key_go_to_the_same_replica_and_move_only_when_it_is_gone(
    scripted, upstream_of, ask, echoing
) -> None:
    servers = [await scripted(echoing) for _ in range(3)]
    upstream = upstream_of(*(one.url for one in servers), sticky="project")
    homes = {}
    for project in range(12):
        aimed = upstream.aim(call(method(safe=True), b'{"project": "P%d", "x": %d}' % (project, project)))
        for one in servers:
            one.requests.clear()
        for _ in range(3):
            await ask(aimed)
        (homes[project],) = [at for at, one in enumerate(servers) if one.requests]
    assert len(set(homes.values())) > 1
    gone = homes[0]
    upstream.checked([at == gone for at in range(3)])
    for one in servers:
        one.requests.clear()
    for project, home in homes.items():
        await ask(upstream.aim(call(method(safe=True), b'{"project": "P%d"}' % project)))
        if home != gone:
            assert len(servers[home].requests) >= 1
    assert not servers[gone].requests
    assert upstream.aim(call(method(safe=True), b"{}")) is upstream, "no key, no place"


# called twice


async def test_a_late_call_is_made_a_second_time_and_the_first_answer_counts(
    scripted, upstream_of, ask
) -> None:
    async def stuck(peer) -> None:
        await peer.request()
        await peer.ended()

    async def quick(peer) -> None:
        while await peer.request() is not None:
            peer.send(OK)

    slow, other = await scripted(stuck), await scripted(quick)
    upstream = upstream_of(slow.url, other.url)
    hedged = method(safe=True, hedge=Hedge(seconds=0.05))
    for _ in range(4):
        assert (await ask(upstream.aim(call(hedged)))).body == b"ok"
    assert 1 <= upstream.hedges == len(slow.requests) <= 4
    await slow.closed.acquire()  # who is not needed any more is left
    assert upstream.in_flight == 0


async def test_only_what_changes_nothing_is_called_twice(scripted, upstream_of, ask) -> None:
    async def slow(peer) -> None:
        await peer.request()
        await asyncio.sleep(0.1)
        peer.send(OK)

    server = await scripted(slow)
    upstream = upstream_of(server.url)
    await ask(upstream.aim(call(method(hedge=Hedge(seconds=0.01)))), repeatable=False)
    assert (upstream.hedges, len(server.requests)) == (0, 1)


async def test_by_a_quantile_nothing_is_hedged_before_it_is_known_what_is_usual(
    scripted, upstream_of, ask, echoing
) -> None:
    server = await scripted(echoing)
    upstream = upstream_of(server.url)
    hedged = method(safe=True, hedge=Hedge(quantile=0.95))
    for _ in range(10):
        await ask(upstream.aim(call(hedged)))
    assert (upstream.hedges, len(server.requests)) == (0, 10)


async def test_a_hedge_that_fails_leaves_the_first_call_its_chance(scripted, upstream_of, ask) -> None:
    go = asyncio.Event()

    async def first(peer) -> None:
        await peer.request()
        await go.wait()
        peer.send(OK)

    async def second(peer) -> None:
        await peer.request()
        peer.reset()
        go.set()

    one, two = await scripted(first), await scripted(second)
    upstream = upstream_of(one.url, two.url, retries=NEVER)
    hedged = method(safe=True, hedge=Hedge(seconds=0.02))
    assert (await ask(upstream.aim(call(hedged)))).body == b"ok"
    assert (len(one.requests), len(two.requests)) == (1, 1)


# health checks


async def test_a_sick_replica_is_asked_last_and_a_well_one_is_asked_again(
    scripted, upstream_of, ask, echoing
) -> None:
    state = {"well": False}

    async def checked(peer) -> None:
        while (request := await peer.request()) is not None:
            peer.send(OK if state["well"] or not request.startswith(b"GET /healthz") else BUSY)

    ill, well = await scripted(checked), await scripted(echoing)
    upstream = upstream_of(ill.url, well.url, health=HealthCheck("/healthz", every=0.0))
    told: list[list[bool]] = []
    checks = HealthChecks({"jobs": upstream}, lambda: True, lambda _, sick: told.append(list(sick)))
    for _ in range(2):
        checks.look(asyncio.get_running_loop().time())
        await checks._asking["jobs"]
    assert told == [[False, False], [True, False]]
    ill.requests.clear()
    for _ in range(6):
        await ask(upstream)
    assert not ill.requests
    state["well"] = True
    checks.look(asyncio.get_running_loop().time())
    await checks._asking["jobs"]
    for _ in range(6):
        await ask(upstream)
    assert len(ill.requests) > 1
    assert upstream.ejections == 1


@pytest.mark.parametrize(
    ("body", "well"),
    [
        (b'{"jsonrpc":"2.0","id":1,"result":null}', True),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}', False),
        (b"[]", False),
        (b"<html>", False),
        (b"[" * 100_000, False),
    ],
)
async def test_a_method_is_well_that_gives_a_result(body, well, scripted, upstream_of) -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    server = await scripted(answering(said))
    upstream = upstream_of(server.url, health=HealthCheck("/api", 'p"ing', every=0.0))
    checks = HealthChecks({"jobs": upstream}, lambda: True)
    for _ in range(2):
        checks.look(asyncio.get_running_loop().time())
        await checks._asking["jobs"]
    assert server.requests[0].startswith(b"POST /api HTTP/1.1\r\n")
    assert b'"method":"p\\"ing"' in server.requests[0]
    assert upstream.replicas[server.url]["state"] == ("up" if well else "sick")


async def test_who_does_not_lead_asks_nobody_and_believes_what_it_is_told(upstream_of) -> None:
    upstream = upstream_of(dead_port(), health=HealthCheck(every=0.0))
    checks = HealthChecks({"jobs": upstream}, lambda: False)
    task = asyncio.ensure_future(checks.run())
    await asyncio.sleep(0)
    assert not checks._asking
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    upstream.checked([True])
    assert [row["state"] for row in upstream.replicas.values()] == ["sick"]
    upstream.checked([True, False, True])  # of other settings than ours
    assert len(upstream.replicas) == 1


async def test_of_a_hedged_call_that_fails_as_whoever_asked_goes_away_nothing_is_said(
    scripted, upstream_of, ask
):
    said: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, told: said.append(told))
    server = await scripted(answering(None))
    upstream = upstream_of(server.url, retries=NEVER)
    aimed = upstream.aim(call(method(safe=True, hedge=Hedge(seconds=30))))
    for turns in range(1, 6):
        # The call has failed, and nobody was told yet.
        asking = loop.create_task(ask(aimed))
        while not (asking.done() or upstream.failures == turns):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        del asking
        gc.collect()
    assert said == []
