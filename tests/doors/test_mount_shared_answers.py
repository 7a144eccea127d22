"""Equal requests read one answer while it comes: each at once, each at their own pace, and whoever leaves costs nobody anything."""

import asyncio
import errno
import gc
import os
import weakref

import pytest
from mounting import PATIENCE, Asked, CutShort, told, until

from gateway import trips
from gateway.core import waiting
from gateway.doors import answer_stream
from gateway.doors.answer_stream import AnswerStream, Reader
from gateway.doors.keeping import Keeping
from gateway.tiers.spool_file import SpoolFile

CONFIG = """\
policies: [{{to: ["group:lab"], allow: ["*", "/**"], operate: true}}]
cache: {{memory: 512MiB{disk}}}
services:
  up:
    dialect: listed
    url: "{url}"
    mount: /up
    idle: {idle}
    links: {links}
    methods: {{get: {{http: "GET /ruled/{{id}}", cache: {{fresh: 1h, share: everyone, max_size: {most}}}}}}}
"""
WITH_A_DISK = ", disk: {size: 256MiB}"
PIECE = bytes(range(256)) * 4096
"""A MiB."""


class Coming:
    """An answer of which the test sends piece after piece; `gone` = nobody takes it any more."""

    def __init__(self, length: int | None, *lines: str) -> None:
        framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        self.head = "\r\n".join(["HTTP/1.1 200 OK", *lines, framing]).encode() + b"\r\n\r\n"
        self.chunked = length is None
        self.asked: list[Asked] = []
        self.ended = asyncio.Event()
        self.gone = asyncio.Event()

    async def __call__(self, asked: Asked) -> None:
        """Begin, and go on until the test ends it or nobody reads it."""
        self.asked.append(asked)
        asked.writer.write(self.head)
        closed = asyncio.ensure_future(asked.reader.read(1))
        ended = asyncio.ensure_future(self.ended.wait())
        try:
            await asyncio.wait((closed, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not self.ended.is_set():
                self.gone.set()
            closed.cancel()
            ended.cancel()
            await asyncio.gather(closed, ended, return_exceptions=True)

    async def send(self, *pieces: bytes) -> None:
        """Send these, as the gate takes them."""
        await until(lambda: self.asked)
        writer = self.asked[0].writer
        for piece in pieces:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self.chunked else piece)
            await writer.drain()

    async def end(self) -> None:
        """It is whole."""
        if self.chunked:
            self.asked[0].writer.write(b"0\r\n\r\n")
        await self.asked[0].writer.drain()
        self.ended.set()

    def break_off(self) -> None:
        """It does not come to its end."""
        self.asked[0].writer.transport.abort()
        self.ended.set()


class Reading:
    """A caller who reads an answer as slowly as the test wants."""

    def __init__(self, line) -> None:
        self.line = line
        self.head = b""
        self.rest = b""  # of a chunk

    @classmethod
    async def of(cls, caller, target: str = "/up/ruled/1", *lines: str) -> "Reading":
        made = cls(await caller.line())
        made.line.writer.write(caller.request("GET", target, *lines))
        return made

    async def begins(self) -> "Reading":
        async with asyncio.timeout(PATIENCE):
            self.head = await self.line.reader.readuntil(b"\r\n\r\n")
        return self

    async def read(self, size: int) -> bytes:
        """So many bytes of the body, without its frames."""
        reader, found = self.line.reader, self.rest
        async with asyncio.timeout(PATIENCE):
            if b"chunked" not in self.head:
                return await reader.readexactly(size)
            while len(found) < size:
                length = int(await reader.readuntil(b"\r\n"), 16)
                assert length
                found += (await reader.readexactly(length + 2))[:-2]
        self.rest = found[size:]
        return found[:size]

    async def ends(self) -> bool:
        """Whether the answer, all of which was read, ends as it should: the connection serves once more."""
        assert not self.rest
        if b"chunked" in self.head:
            async with asyncio.timeout(PATIENCE):
                assert await self.line.reader.readexactly(5) == b"0\r\n\r\n"
        self.line.writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        return (await self.line.answer()).status == 200


@pytest.fixture
async def lab(stand):
    """A gate as the test wants it, by `await lab(...)`: the upstream."""

    async def made(disk: str = WITH_A_DISK, most: str = "128MiB", links: str = "false", idle: str = "60s"):
        upstream = await stand.upstream()
        await stand.gate(CONFIG.format(url=upstream.url, disk=disk, most=most, links=links, idle=idle))
        return upstream

    return made


@pytest.fixture
def ada(stand):
    return lambda: stand.caller("lab")


async def is_kept(caller) -> bool:
    """Whether memory or the disk has the answer, as soon as it lies there."""
    async with asyncio.timeout(PATIENCE):
        while not (answer := await caller.get("/up/ruled/1")).hit:
            assert "collapsed" in answer["Cache-Status"]
    return True


async def shared(up, coming, who, others: int = 1, *lines: str):
    """The first reader of this answer, and others who read it too; the first MiB has come to each."""
    up.on("/ruled/1", coming)
    first = await Reading.of(who, "/up/ruled/1", *lines)
    await coming.send(PIECE)
    await first.begins()
    readers = [first, *[await (await Reading.of(who, "/up/ruled/1", *lines)).begins() for _ in range(others)]]
    for one in readers:
        assert await one.read(len(PIECE)) == PIECE
    return readers


@pytest.mark.parametrize("disk", [WITH_A_DISK, ""])
@pytest.mark.parametrize("known", [True, False])
async def test_who_asks_for_what_is_coming_gets_what_has_come_and_then_the_rest_as_it_comes(
    lab, ada, disk, known
):
    up = await lab(disk)
    coming = Coming(6 << 20 if known else None, "X-Own: 1")
    readers = await shared(up, coming, ada(), 3)
    for at in range(1, 6):
        await coming.send(PIECE)
        if at == 3:
            late = await (await Reading.of(ada())).begins()
            assert await late.read(at << 20) == PIECE * at
            readers.append(late)
        for one in readers:
            assert await one.read(len(PIECE)) == PIECE
    await coming.end()
    assert all([await one.ends() for one in readers])
    assert [b"X-Own: 1" in one.head for one in readers] == [True] * 5
    assert ["collapsed" in one.head.decode() for one in readers] == [False, True, True, True, True]
    assert len({one.head.partition(b"X-Request-Id: ")[2].split()[0] for one in readers}) == 5
    assert await is_kept(ada())
    assert len(up.asked) == 1


async def test_the_first_caller_may_leave_and_the_others_get_it_whole(lab, ada):
    up = await lab()
    coming = Coming(4 << 20)
    first, second, third = await shared(up, coming, ada(), 2)
    await first.line.close()
    await coming.send(PIECE)
    assert await second.read(len(PIECE)) == PIECE
    await second.line.close()
    await coming.send(PIECE, PIECE)
    await coming.end()
    assert await third.read(3 << 20) == PIECE * 3
    assert await third.ends()
    assert await is_kept(ada())
    assert len(up.asked) == 1


@pytest.mark.parametrize("slow", [0, 1])
async def test_who_is_slow_keeps_nobody_waiting(lab, ada, slow):
    up = await lab()
    coming = Coming(64 << 20)
    readers = await shared(up, coming, ada())
    late, quick = readers[slow], readers[1 - slow]
    sending = asyncio.ensure_future(coming.send(*[PIECE] * 63))
    assert await quick.read(63 << 20) == PIECE * 63
    await sending
    await coming.end()
    assert await quick.ends()
    assert await late.read(63 << 20) == PIECE * 63
    assert await late.ends()
    assert len(up.asked) == 1


@pytest.mark.parametrize("disk", [WITH_A_DISK, ""])
async def test_a_first_caller_who_takes_nothing_keeps_nobody_waiting_who_comes_later(lab, ada, disk):
    up = await lab(disk)
    coming = Coming(40 << 20)
    up.on("/ruled/1", coming)
    first = await Reading.of(ada())
    first.line.writer.transport.pause_reading()
    sending = asyncio.ensure_future(coming.send(*[PIECE] * 40))
    await asyncio.sleep(0.5)
    assert not sending.done()  # the service waits for the only caller
    quick = await (await Reading.of(ada())).begins()
    assert await quick.read(40 << 20) == PIECE * 40
    await sending
    await coming.end()
    assert await quick.ends()
    first.line.writer.transport.resume_reading()
    assert await (await first.begins()).read(40 << 20) == PIECE * 40
    assert await first.ends()
    assert len(up.asked) == 1


async def test_when_everybody_has_left_the_service_is_left_too_and_nothing_is_stored(lab, ada):
    up = await lab()
    coming = Coming(4 << 20)
    for one in await shared(up, coming, ada()):
        await one.line.close()
    async with asyncio.timeout(PATIENCE):
        await coming.gone.wait()
    up.on("/ruled/1", told(b"anew"))
    assert (await ada().get("/up/ruled/1")).body == b"anew"
    assert len(up.asked) == 2


async def test_an_answer_that_breaks_off_is_whole_for_nobody_and_not_stored(lab, ada):
    for length in (4 << 20, None):
        up = await lab()
        coming = Coming(length)
        readers = await shared(up, coming, ada(), 2)
        coming.break_off()
        for one in readers:
            assert not (await one.line.ended()).endswith(b"0\r\n\r\n")
        up.on("/ruled/1", told(b"anew"))
        assert (await ada().get("/up/ruled/1")).body == b"anew"


async def test_an_answer_that_is_silent_for_too_long_is_cut_for_everybody(lab, ada):
    up = await lab(idle="1s")
    coming = Coming(4 << 20)
    for one in await shared(up, coming, ada()):
        assert await one.line.ended() == b""
    async with asyncio.timeout(PATIENCE):
        await coming.gone.wait()


async def test_what_is_another_answer_for_another_request_is_asked_for_at_once(lab, ada):
    up = await lab()
    coming = Coming(2 << 20, "Vary: X-Kind")
    readers = await shared(up, coming, ada(), 1, "X-Kind: a")
    up.on("/ruled/1", told(b"other", "Vary: X-Kind"))
    async with asyncio.timeout(PATIENCE / 4):
        assert (await ada().get("/up/ruled/1", "X-Kind: b")).body == b"other"
    await coming.send(PIECE)
    await coming.end()
    for one in readers:
        assert await one.read(len(PIECE)) == PIECE
        assert await one.ends()


@pytest.mark.parametrize("lines", [("Range: bytes=0-3",), ("Cache-Control: no-cache",)])
async def test_who_wants_something_else_of_it_reads_no_others(lab, ada, lines):
    up = await lab()
    coming = Coming(2 << 20)
    readers = await shared(up, coming, ada())
    up.on("/ruled/1", told(b"own"))
    assert (await ada().get("/up/ruled/1", *lines)).body == b"own"
    await coming.send(PIECE)
    await coming.end()
    assert [await one.read(len(PIECE)) == PIECE for one in readers] == [True, True]


async def test_nobody_reads_what_left_before_a_write_ended_who_asks_after_it(lab, ada):
    up = await lab()
    coming = Coming(2 << 20)
    readers = await shared(up, coming, ada())
    up.on("/ruled/1", told(b"new"))
    assert (await ada().ask("PUT", "/up/ruled/1", body=b"x")).status == 200
    assert (await ada().get("/up/ruled/1")).body == b"new"
    await coming.send(PIECE)
    await coming.end()
    for one in readers:
        assert await one.read(len(PIECE)) == PIECE
        assert await one.ends()
    assert (await ada().get("/up/ruled/1")).body == b"new"


async def test_a_revoked_token_ends_its_own_reading_and_nobody_elses(stand, lab, ada):
    up = await lab()
    coming = Coming(3 << 20)
    up.on("/ruled/1", coming)
    bob = stand.caller("lab", name="bob")
    mine = await Reading.of(ada())
    await coming.send(PIECE)
    await mine.begins()
    theirs, others = [await (await Reading.of(who)).begins() for who in (bob, ada())]
    stand.revoke(bob)
    await theirs.line.ended()
    await coming.send(PIECE, PIECE)
    await coming.end()
    for one in (mine, others):
        assert await one.read(3 << 20) == PIECE * 3
        assert await one.ends()


@pytest.mark.parametrize("disk", [WITH_A_DISK, ""])
async def test_what_turns_out_too_long_to_be_stored_is_read_to_its_end_by_whoever_reads_it(lab, ada, disk):
    up = await lab(disk, most="8MiB")
    coming = Coming(None)
    readers = await shared(up, coming, ada(), 2)
    sending = asyncio.ensure_future(coming.send(*[PIECE] * 30))
    found = await asyncio.gather(*[one.read(30 << 20) for one in readers])
    assert all(one == PIECE * 30 for one in found)
    await sending
    await coming.end()
    assert all([await one.ends() for one in readers])
    up.on("/ruled/1", told(b"anew"))
    assert (await ada().get("/up/ruled/1")).body == b"anew"


async def test_of_what_is_not_kept_no_more_is_in_memory_than_the_slowest_lags_behind(lab, ada, monkeypatch):
    seen: list[int] = []
    piece = answer_stream.AnswerStream.piece

    def looked_at(self, data):
        piece(self, data)
        seen.append(self._size - min(one.at for one in self._readers))

    monkeypatch.setattr(answer_stream.AnswerStream, "piece", looked_at)
    up = await lab("", most="2MiB")
    coming = Coming(None)
    slow, quick = await shared(up, coming, ada())
    slow.line.writer.transport.pause_reading()  # else the test itself would hold what nobody reads
    sending = asyncio.ensure_future(coming.send(*[PIECE] * 40))
    reading = asyncio.ensure_future(quick.read(40 << 20))
    await asyncio.sleep(0.5)
    assert not sending.done()  # the service waits for the slow one
    slow.line.writer.transport.resume_reading()
    assert await slow.read(40 << 20) == PIECE * 40
    assert await reading == PIECE * 40
    await sending
    assert max(seen) < 6 << 20
    await coming.end()
    assert await slow.ends()


@pytest.mark.parametrize("ends", ["whole", "broken", "left"])
@pytest.mark.parametrize("disk", [WITH_A_DISK, ""])
async def test_when_it_is_over_nothing_of_it_stays_but_what_is_stored(lab, ada, monkeypatch, disk, ends):
    made: list[weakref.ref] = []
    for kind in (AnswerStream, Reader, Keeping):
        monkeypatch.setattr(kind, "__init__", _noting(kind.__init__, made))
    up = await lab(disk)
    coming = Coming(3 << 20)
    readers = await shared(up, coming, ada(), 2)
    gc.disable()
    try:
        match ends:
            case "whole":
                await coming.send(PIECE, PIECE)
                await coming.end()
                for one in readers:
                    assert await one.read(2 << 20) == PIECE * 2
            case "broken":
                coming.break_off()
        for one in readers:
            await one.line.close()
        assert len(made) == 5
        await until(lambda: not [one for one in made if one() is not None])
    finally:
        gc.enable()


def _noting(init, made):
    def noted(self, *args, **kwargs):
        init(self, *args, **kwargs)
        made.append(weakref.ref(self))

    return noted


async def test_a_full_disk_costs_who_reads_nothing(lab, ada, monkeypatch):
    def full(self, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    up = await lab()
    coming = Coming(20 << 20)
    readers = await shared(up, coming, ada(), 2)
    await coming.send(*[PIECE] * 3)
    monkeypatch.setattr(SpoolFile, "add", full)
    sending = asyncio.ensure_future(coming.send(*[PIECE] * 16))
    for found in await asyncio.gather(*[one.read(19 << 20) for one in readers]):
        assert found == PIECE * 19
    await sending
    await coming.end()
    assert all([await one.ends() for one in readers])
    monkeypatch.undo()
    up.on("/ruled/1", told(b"anew"))
    assert (await ada().get("/up/ruled/1")).body == b"anew"


async def test_an_answer_that_is_read_for_its_links_is_led_for_each_and_asked_for_once(lab, ada):
    up = await lab(links="true")
    text = b'{"at": "%b/ruled/2", "x": "%b"}' % (up.url.encode(), b"x" * 1000)
    coming = Coming(len(text), "Content-Type: application/json")
    up.on("/ruled/1", coming)
    asking = [asyncio.ensure_future(ada().get("/up/ruled/1")) for _ in range(3)]
    await coming.send(text[:500])
    await asyncio.sleep(0.1)
    await coming.send(text[500:])
    await coming.end()
    answers = await asyncio.gather(*asking)
    assert {b"/up/ruled/2" in answer.body for answer in answers} == {True}
    assert len(up.asked) == 1


async def test_of_what_cannot_be_read_while_it_comes_nobody_waits_for_what_takes_long(lab, ada, monkeypatch):
    monkeypatch.setattr(waiting, "_TELLS", 0.05)
    monkeypatch.setattr(waiting, "SOON", 0.2)
    monkeypatch.setattr(trips, "LOOK_SECONDS", 0.05)
    up = await lab(links="true")
    text = b'"%b"' % (b"x" * 100_000)
    lines = ("Content-Type: application/json",)
    coming = Coming(len(text), *lines)
    up.on("/ruled/1", coming)
    first = asyncio.ensure_future(ada().get("/up/ruled/1"))
    await coming.send(text[:50_000])
    up.on("/ruled/1", told(text, *lines))
    async with asyncio.timeout(waiting.UNSEEN / 2):
        assert (await ada().get("/up/ruled/1")).body == text
    assert not first.done()
    await coming.send(text[50_000:])
    await coming.end()
    assert (await first).body == text
    assert len(up.asked) == 2


async def test_an_old_caller_gets_what_has_no_length_until_the_connection_ends(lab, ada):
    up = await lab()
    coming = Coming(None)
    readers = await shared(up, coming, ada())
    who = ada()
    old = Reading(await who.line())
    old.line.writer.write(who.request("GET", "/up/ruled/1").replace(b"HTTP/1.1", b"HTTP/1.0", 1))
    await old.begins()
    await coming.send(PIECE)
    await coming.end()
    assert await old.line.ended() == PIECE * 2
    assert [await one.read(len(PIECE)) == PIECE for one in readers] == [True, True]


async def test_many_readers_who_come_and_go_all_get_the_same_bytes(lab, ada):
    up = await lab()
    coming = Coming(None)
    up.on("/ruled/1", coming)
    body = b"".join(os.urandom(1000) * 100 for _ in range(120))
    first = asyncio.ensure_future(ada().get("/up/ruled/1"))

    async def another(at: int) -> bytes | None:
        one = await Reading.of(ada())
        try:
            if at % 3 == 0:
                await (await one.begins()).read(min(at, 3) * 100_000)
                return None
            return (await one.line.answer()).body
        except CutShort:
            return None
        finally:
            await one.line.close()

    tasks = []
    for at in range(120):
        await coming.send(body[at * 100_000 : (at + 1) * 100_000])
        tasks.append(asyncio.ensure_future(another(at)))
        await asyncio.sleep(0.002)
    await coming.end()
    assert (await first).body == body
    found = await asyncio.gather(*tasks)
    assert sum(one is not None for one in found) == 80
    assert all(one in (None, body) for one in found)
    assert len(up.asked) == 1
