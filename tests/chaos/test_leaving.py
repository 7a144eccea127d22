"""Callers who keep their connections, send much, and leave in the middle, at a service in a mood: who stays notices nothing."""

import asyncio
import gc
import random
import traceback
from itertools import count

import aiohttp
import pytest
from chaos_bodies import body_of
from chaos_callers import FULL, PATIENCE
from moody_store import CutShort, MoodyStore, content, receipt

CONFIG = """
identity: {{anonymous: true}}
policies: [{{to: [anonymous], allow: ["*", "/**"]}}]
services:
  store:
    dialect: listed
    url: {url}
    mount: /store
    timeout: 3s
    concurrency: 6
    breaker: off
    methods:
      kept: {{http: "GET /kept/{{n}}", safe: true, cache: {{fresh: 200ms, stale: 1s, share: everyone}}}}
      look: {{http: "POST /look", safe: true, cache: {{fresh: 200ms, share: everyone}}}}
"""
CALLERS = 24
SECONDS = 15.0 if FULL else 3.0
LEAVING = (0.001, 0.01, 0.05, 0.1, 0.3)
UPLOADS = (0, 10, 5000, 64 << 10, (64 << 10) + 1, 190_000, 700_000)
_numbers = count(1)


class Storm:
    """Some callers, and what was wrong with what they got."""

    def __init__(self, port: int, seed: int) -> None:
        self.chance = random.Random(seed)
        self.wrong: list[object] = []
        self.done: list[str] = []
        """What was acknowledged."""
        self.answers = 0
        self._port = port

    async def caller(self, until: float) -> None:
        """One caller after the other, each with connections of its own that it keeps."""
        clock = asyncio.get_running_loop().time
        while clock() < until:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{self._port}") as session:
                while clock() < until and self.chance.random() > 0.03:
                    await self._once(session)

    async def _once(self, session: aiohttp.ClientSession) -> None:
        deed = self.chance.choice((self.get, self.get, self.put, self.put, self.look, self.several))
        leaves = self.chance.random() < 0.35
        try:
            await asyncio.wait_for(deed(session), self.chance.choice(LEAVING) if leaves else PATIENCE)
        except TimeoutError:
            if not leaves:
                self.wrong.append(("hangs for ever", deed.__name__))
        except (aiohttp.ClientError, *CutShort):
            pass  # the service broke off

    def _held_against(self, status: int, body: bytes, expected: bytes) -> None:
        self.answers += 1
        if status == 200 and body != expected:
            self.wrong.append((len(body), body[:80], len(expected), expected[:80]))

    async def get(self, session: aiohttp.ClientSession) -> None:
        """Something that is kept for a moment, or is not."""
        path = f"/{self.chance.choice(('kept', 'large'))}/{self.chance.randrange(12)}"
        async with session.get(f"/store{path}") as answer:
            self._held_against(answer.status, await answer.read(), content(path))

    async def put(self, session: aiohttp.ClientSession) -> None:
        """Something new, whole or piece by piece."""
        path, body = f"/new/{next(_numbers)}", b"x" * self.chance.choice(UPLOADS)

        async def pieces():
            for at in range(0, len(body), 60_000):
                yield body[at : at + 60_000]
                await asyncio.sleep(0)

        data = pieces() if self.chance.random() < 0.5 else body
        async with session.put(f"/store{path}", data=data) as answer:
            self._held_against(answer.status, await answer.read(), receipt(path, body))
            if answer.status == 200:
                self.done.append(path)

    async def look(self, session: aiohttp.ClientSession) -> None:
        """What changes nothing, and has a body that may be large."""
        body = b"%d" % self.chance.randrange(5) * self.chance.choice((1, 100, 70_000))
        async with session.post("/store/look", data=body) as answer:
            self._held_against(answer.status, await answer.read(), receipt("/look", body))

    async def several(self, _: aiohttp.ClientSession) -> None:
        """Requests that are sent before the answers to those before them."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            expected = []
            for _ in range(6):
                verb = self.chance.choice(("GET", "PUT", "POST"))
                body = b"" if verb == "GET" else b"y" * self.chance.choice((0, 10, 100_000))
                path = {"PUT": f"/new/{next(_numbers)}", "GET": f"/kept/{self.chance.randrange(12)}"}.get(
                    verb, "/look"
                )
                head = f"{verb} /store{path} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                expected.append((path, content(path) if verb == "GET" else receipt(path, body)))
            for path, body in expected:
                head = await reader.readuntil(b"\r\n\r\n")
                self._held_against(int(head[9:12]), await body_of(reader, head, until_the_end=True), body)
                if head[9:12] == b"200" and path.startswith("/new/"):
                    self.done.append(path)
                if b"connection: close" in head.lower():
                    return
        finally:
            writer.transport.abort()


def _words(told: dict[str, object]) -> str:
    failure = told.get("exception")
    story = traceback.format_exception(failure) if isinstance(failure, BaseException) else ()
    return "".join((str(told["message"]), "\n", *story))


@pytest.mark.parametrize("seed", range(8 if FULL else 2))
async def test_who_stays_gets_all_and_only_their_own_no_write_is_doubled_and_nothing_of_those_who_left_stays(
    gate_of, caplog, seed
) -> None:
    loop, said = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, told: said.append(_words(told)))
    async with MoodyStore(seed) as store, gate_of(CONFIG.format(url=store.url)) as gate:
        storm, until = Storm(gate.address[1], seed), loop.time() + SECONDS
        await asyncio.gather(*(storm.caller(until) for _ in range(CALLERS)))
        assert storm.wrong == []
        assert storm.answers > CALLERS
        assert storm.done
        assert all(store.taken[path] == 1 for path in storm.done)
        assert max(store.taken.values()) == 1
        store.calm = True
        async with asyncio.timeout(PATIENCE):
            while gate.estate.upstreams["store"].in_flight or gate.parts.connections:
                await asyncio.sleep(0.05)
        # Its turns and its connections are all there again.
        answers = storm.answers
        async with aiohttp.ClientSession(f"http://127.0.0.1:{gate.address[1]}") as session:
            deeds = [storm.get, storm.put, storm.look, storm.several] * 6
            await asyncio.wait_for(asyncio.gather(*(deed(session) for deed in deeds)), PATIENCE)
        assert storm.wrong == []
        assert storm.answers == answers + 18 + 36
        gc.collect()
        await asyncio.sleep(0)
    assert said == []
    assert [one.getMessage() for one in caplog.records if one.levelname in ("ERROR", "CRITICAL")] == []
