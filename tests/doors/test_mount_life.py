"""How does a request through a mount live and end: callers who leave, times that are over, connections that stay?"""

import asyncio
import gc
import json
import warnings

import pytest
from mounted_labs import PLAIN
from mounting import PATIENCE, Caller, Held, Upstream, as_json, told, until


@pytest.fixture
async def up(stand) -> Upstream:
    upstream = await stand.upstream()
    await stand.gate(PLAIN.format(url=upstream.url))
    return upstream


@pytest.fixture
def ada(stand, up):
    return stand.caller("lab")


async def soon(event: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE):
        await event.wait()


# --- who leaves


async def test_a_caller_of_a_read_who_leaves_ends_the_upstreams_work(stand, up, ada):
    for path in ("/slow", "/thing"):
        held = Held()
        up.on(path, held)
        line = await ada.line()
        line.writer.write(ada.request("GET", f"/up{path}"))
        await until(lambda path=path: up.to(path))
        await line.close()
        await soon(held.gone)
    await until(lambda: stand.running.estate.upstreams["up"].in_flight == 0)


class Nobody(asyncio.Transport):
    """A connection that takes whatever is written."""

    def write(self, data) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high=None, low=None) -> None:
        pass


async def test_a_caller_who_leaves_in_the_moment_of_the_request_leaves_no_work_behind(stand, up, ada):
    await ada.get("/up/thing")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        connection = stand.running.servers[0].connection()
        connection.connection_made(Nobody())
        connection.data_received(ada.request("PUT", "/up/other", body=b"x" * 100_000))
        connection.connection_lost(None)
        await asyncio.sleep(0.05)
        gc.collect()
    assert [str(one.message) for one in said] == []
    await until(lambda: stand.running.estate.upstreams["up"].in_flight == 0)
    assert up.to("/other") == []


async def test_a_write_runs_to_its_end_though_its_caller_leaves_and_ends_what_its_tags_name(up, ada):
    held = Held()
    up.on("/thing/7", held)
    await ada.get("/up/thing")
    line = await ada.line()
    line.writer.write(ada.request("PUT", "/up/thing/7", body=b"x"))
    await until(lambda: up.to("/thing/7"))
    await line.close()
    assert (await ada.get("/up/thing")).hit
    held.free.set()
    hits = [True]
    while hits[-1]:
        hits.append((await ada.get("/up/thing")).hit)
    assert not held.gone.is_set()


async def test_a_write_whose_caller_has_left_ends_with_its_time(stand, up, ada):
    held = Held()
    up.on("/slow", held)
    line = await ada.line()
    line.writer.write(ada.request("POST", "/brief/slow", body=b"x"))
    await until(lambda: up.to("/slow"))
    await line.close()
    await soon(held.gone)
    await until(lambda: stand.running.estate.upstreams["brief"].in_flight == 0)


# --- times


async def test_a_service_that_does_not_answer_in_time_is_a_504_and_for_a_write_a_500_that_says_so(up, ada):
    for target, lines in (("/brief/slow", ()), ("/up/slow", ("Labgate-Timeout: 0.2",))):
        for verb in ("GET", "POST"):
            held = Held()
            up.on("/slow", held)
            answer = await ada.ask(verb, target, *lines, body=b"x" if verb == "POST" else None)
            assert answer.fault == "DeadlineExceeded"
            data = json.loads(answer.body)["error"]["data"]
            expected = (504, None) if verb == "GET" else (500, True)
            assert (answer.status, data.get("maybe_executed")) == expected
            await soon(held.gone)


async def test_the_upstream_is_told_how_much_time_is_left_and_never_more_than_the_services(up, ada):
    for target, line, most in (
        ("/up/x", None, 300),
        ("/up/x", "5", 5),
        ("/brief/x", "1000", 0.3),
        ("/brief/x", None, 0.3),
    ):
        await ada.get(target, *([f"Labgate-Timeout: {line}"] if line else []))
        (left,) = up.asked[-1].values("Labgate-Timeout")
        assert most - 0.25 <= float(left) <= most


@pytest.mark.parametrize("bad", ["x", "-1", "nan", "0"])
async def test_a_time_that_is_none_is_a_400(up, ada, bad):
    assert (await ada.get("/up/x", f"Labgate-Timeout: {bad}")).status in (400, 504)
    assert up.asked == []


# --- upstream connections


async def test_a_read_is_asked_again_once_where_a_kept_connection_had_died_and_a_write_is_sent_once(up, ada):
    dying = iter([True])

    async def die(asked):
        return None if next(dying, False) else told(b"alive")

    up.on("/die", die)
    await ada.get("/up/x")
    assert (await ada.get("/up/die")).body == b"alive"
    assert (len(up.to("/die")), up.connections) == (2, 2)

    async def always(asked):
        return None

    up.on("/never", always)
    await ada.get("/up/x")
    assert (await ada.get("/up/never")).status == 502
    assert len(up.to("/never")) == 2, "once on the kept connection, once on a new one"
    for verb in ("POST", "PUT", "DELETE", "PATCH"):
        before = len(up.to("/never"))
        await ada.get("/up/x")
        answer = await ada.ask(verb, "/up/never", body=b"x")
        assert (answer.status, answer.fault) == (500, "UpstreamUnreachable")
        assert len(up.to("/never")) == before + 1


async def test_a_read_with_a_body_is_asked_again_with_it(up, ada):
    dying = iter([True])

    async def die(asked):
        return None if next(dying, False) else told(asked.body)

    up.on("/die", die)
    await ada.get("/up/x")
    assert (await ada.get("/up/die", body=b"the question")).body == b"the question"


async def test_what_began_to_answer_is_not_asked_again(up, ada):
    async def half(asked):
        asked.writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
        await asked.writer.drain()

    up.on("/half", half)
    await ada.get("/up/x")
    assert (await ada.get("/up/half")).status == 502
    assert len(up.to("/half")) == 1


async def test_a_service_that_is_not_there_is_a_502_and_soon_marked_as_down(stand):
    up = await stand.upstream()

    async def described(asked):
        said = json.loads(asked.body)
        return as_json({"jsonrpc": "2.0", "id": said["id"], "result": {"procs": [{"name": "a"}]}})

    up.on("/api", described)
    service = f'{{dialect: jsonrpc, url: "{up.url}", rpc_path: /api, mount: /up}}'
    await stand.gate(
        f'policies: [{{to: ["group:lab"], allow: ["*", "/**"], operate: true}}]\nservices: {{up: {service}}}'
    )
    ada = stand.caller("lab")
    assert (await ada.get("/up/x")).status == 200
    await up.stop()
    for verb, target in (("GET", "/up/x"), ("POST", "/up/x"), ("POST", "/up/api")):
        body = b'{"jsonrpc":"2.0","method":"a","id":1}' if verb == "POST" else None
        answer = await ada.ask(verb, target, body=body)
        assert (answer.status, answer.fault) == (502, "UpstreamUnreachable"), (
            "nothing was sent, so nothing happened"
        )

    async def is_down():
        status = json.loads((await stand.at(ada).get("/-/status")).body)
        return status["services"]["up"]["down"]

    async with asyncio.timeout(PATIENCE):
        while not await is_down():
            pass


# --- callers' connections


async def test_pipelined_requests_are_answered_in_their_order(up, ada):
    held = Held(told(b"slow"))
    up.on("/slow", held)
    line = await ada.line()
    targets = ["/up/slow", "/up/a", "/-/healthy", "/up/%2e", "/up/b", "/nowhere", "/up/thing", "/up/thing"]
    line.writer.write(b"".join(ada.request("GET", target) for target in targets))
    await until(lambda: up.to("/slow"))
    held.free.set()
    answers = [await line.answer() for _ in targets]
    assert [one.status for one in answers] == [200, 200, 200, 400, 200, 404, 200, 200]
    assert answers[0].body == b"slow"
    assert [one.target for one in up.asked] == ["/slow", "/a", "/b", "/thing"]


KINDS = {
    "a body": ("GET", "/up/a", 200),
    "HEAD": ("HEAD", "/up/a", 200),
    "chunks": ("GET", "/up/chunks", 200),
    "no content": ("GET", "/up/204", 204),
    "not modified": ("GET", "/up/304", 304),
    "a hit": ("GET", "/up/thing", 200),
    "an upload": ("POST", "/up/a", 200),
    "an empty upload": ("PUT", "/up/a", 200),
    "a bad path": ("GET", "/up/../a", 400),
    "a bad path with a body": ("POST", "/up/../a", 400),
    "nothing there": ("GET", "/nowhere", 404),
    "an error": ("GET", "/up/500", 500),
}


async def test_a_connection_stays_after_each_kind_of_answer(stand, up, ada):
    up.on("/chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    up.on("/204", b"HTTP/1.1 204 Nothing\r\n\r\n")
    up.on("/304", b'HTTP/1.1 304 Same\r\nETag: "x"\r\nContent-Length: 5\r\n\r\n')
    up.on("/500", told(b"oh", status="500 Oh"))
    line = await ada.line()
    stranger, unknown = Caller(ada.port, "junk", ada._ends), stand.nobody()
    for _ in range(2):
        for verb, target, status in KINDS.values():
            body = b"x" if verb == "POST" else b"" if verb == "PUT" else None
            answer = await ada.ask(verb, target, body=body, on=line)
            assert (answer.status, answer["Connection"]) == (status, ""), target
        for caller in (stranger, unknown):
            assert (await caller.get("/up/a", on=line)).status == 401
    answer = await ada.get("/up/a", "Connection: close", on=line)
    assert answer["Connection"] == "close"
    assert await line.ended() == b""


@pytest.mark.parametrize("framing", ["Content-Length: 5", "Transfer-Encoding: chunked"])
async def test_who_waits_for_leave_gets_the_upstreams_or_the_gates(up, ada, framing):
    body = b"hello" if "Length" in framing else b"5\r\nhello\r\n0\r\n\r\n"

    async def leave(asked):
        asked.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    for path in ("/a", "/b"):
        if path == "/b":
            up.on("/b head", leave)
        line = await ada.line()
        line.writer.write(ada.head("POST", f"/up{path}", "Expect: 100-continue", framing))
        async with asyncio.timeout(PATIENCE):
            assert await line.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.writer.write(body)
        answer = await line.answer("POST")
        assert answer.status == 200
        assert up.asked[-1].body == b"hello"
        assert (await ada.get("/up/a", on=line)).status == 200


async def test_who_may_not_is_told_so_instead_of_being_given_leave(stand, up):
    line = await stand.nobody().line()
    line.writer.write(stand.nobody().head("POST", "/up/a", "Expect: 100-continue", "Content-Length: 5"))
    async with asyncio.timeout(PATIENCE):
        assert (await line.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401 ")
    assert up.asked == []
