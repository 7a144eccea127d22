"""A write through a mount ends what its tags name, at every door, however it ends itself."""

import asyncio
import select
import socket

import pytest
from mounted_labs import REST, document
from mounting import Upstream, as_json, told, until


@pytest.fixture
async def up(stand) -> Upstream:
    upstream = await stand.upstream()
    upstream.on("/openapi.json", as_json(document()))
    await stand.gate(REST.format(url=upstream.url))
    upstream.asked.clear()
    return upstream


@pytest.fixture
def ada(stand, up):
    return stand.caller("lab")


WRITES = {
    "mount": lambda ada: ada.ask("PUT", "/lab/thing/9", body=b"x"),
    "mount, undescribed": lambda ada: ada.ask("DELETE", "/lab/whatever"),
    "rpc": lambda ada: ada.call("lab.put_thing", {"id": "9"}),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))
@pytest.mark.parametrize("answer", ["200 OK", "400 No", "500 Oh"])
async def test_a_write_ends_what_its_tags_name_at_every_door_whatever_is_answered(up, ada, write, answer):
    up.on("/thing/9", told(b"{}", "Content-Type: application/json", status=answer))
    up.on("/whatever", told(b"{}", status=answer))
    up.on("/thing/7", as_json({"a": 1}))

    async def read():
        through = await ada.get("/lab/thing/7")
        called = await ada.rpc(
            "/rpc", {"jsonrpc": "2.0", "method": "lab.get_thing", "params": {"id": "7"}, "id": 1}
        )
        return through.hit, called.hit

    await read()
    assert await read() == (True, True)
    await write(ada)
    assert await read() == (False, False)
    assert await read() == (True, True)


async def test_a_write_whose_answer_never_comes_ends_what_its_tags_name(up, ada):
    async def nothing(asked):
        return None

    up.on("/thing/9", nothing)
    await ada.get("/lab/thing/7")
    assert (await ada.ask("PUT", "/lab/thing/9", body=b"x")).status == 500
    assert not (await ada.get("/lab/thing/7")).hit


async def test_a_write_whose_caller_leaves_ends_what_its_tags_name_when_it_ends(up, ada):
    held = asyncio.Event()

    async def wait(asked):
        await held.wait()
        return told(b"done")

    up.on("/thing/9", wait)
    line = await ada.line()
    line.writer.write(ada.request("PUT", "/lab/thing/9", body=b"x"))
    await until(lambda: up.to("/thing/9"))
    await line.close()
    await ada.get("/lab/thing/7")
    held.set()
    hits = [True]
    while hits[-1]:
        hits.append((await ada.get("/lab/thing/7")).hit)
    assert (await ada.get("/lab/thing/7")).hit


async def test_a_refused_write_ends_nothing(stand, up, ada):
    await ada.get("/lab/thing/7")
    assert (await stand.caller("paths", name="eve").ask("PUT", "/lab/thing/9", body=b"x")).status == 403
    assert (await ada.get("/lab/thing/7")).hit


async def test_no_answer_that_left_before_a_write_ended_is_served_after_it(up, ada):
    held = asyncio.Event()

    async def wait(asked):
        if len(up.to("/thing/7")) == 1:
            await held.wait()
            return told(b"old")
        return told(b"new")

    up.on("/thing/7", wait)
    early = asyncio.ensure_future(ada.get("/lab/thing/7"))
    await until(lambda: up.to("/thing/7"))
    await ada.ask("PUT", "/lab/thing/9", body=b"x")
    held.set()
    assert (await early).body == b"old"
    assert (await ada.get("/lab/thing/7")).body == b"new"


async def test_no_answer_that_left_during_a_write_is_served_after_it(up, ada):
    held = asyncio.Event()

    async def wait(asked):
        await held.wait()
        return told(b"done")

    up.on("/thing/9", wait)
    write = asyncio.ensure_future(ada.ask("PUT", "/lab/thing/9", body=b"x"))
    await until(lambda: up.to("/thing/9"))
    during = await ada.get("/lab/thing/7")
    assert (await ada.get("/lab/thing/7")).body == during.body
    held.set()
    await write
    assert not (await ada.get("/lab/thing/7")).hit


async def test_what_a_write_changed_has_ended_before_the_caller_has_the_whole_answer(stand, up, monkeypatch):
    """Else who has it could read, through another worker, what was stored before."""
    up.on("/thing/9", told(b"0123456789"))
    ada = stand.caller("lab")
    writes, seen = stand.running.relay.writes, []
    ended = writes.ended
    with socket.create_connection(stand.running.address) as sock:

        def noted(*args, **more):
            came = b""
            while select.select([sock], [], [], 0)[0]:
                came += sock.recv(1 << 16)
            seen.append(came)
            ended(*args, **more)

        monkeypatch.setattr(type(writes), "ended", lambda _, *args, **more: noted(*args, **more))
        head = f"PUT /lab/thing/9 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ada.token}\r\nContent-Length: 1\r\n\r\nx"
        sock.sendall(head.encode())
        await until(lambda: seen)
        whole = await asyncio.to_thread(sock.recv, 1 << 16)
    assert [b"9" in came for came in seen] == [False]
    assert whole.endswith(b"0123456789")
