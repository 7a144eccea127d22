"""A service of files that is in a mood: it answers early, late, in parts, in pieces, or not at all."""

import asyncio
import contextlib
import random
from collections import Counter
from hashlib import sha256

from chaos_bodies import body_of

MOODS = {
    "well": 60,
    "slow": 10,
    "drips": 6,
    "early": 6,  # says no before the body is there, and goes on
    "early, and gone": 4,
    "gone": 5,
    "reset": 5,
    "half": 4,
}
SIZES = (0, 1, 700, 70_000, 300_000, 1_500_000)
CutShort = (asyncio.IncompleteReadError, ConnectionError)


def content(path: str) -> bytes:
    """What is at `/…/N`: many bytes or few, by N, and none of them like another path's."""
    size = SIZES[int(path.rpartition("/")[2]) % len(SIZES)]
    return (sha256(path.encode()).digest() * (size // 32 + 1))[:size]


def receipt(path: str, body: bytes) -> bytes:
    """What is said of a body that was taken."""
    return f"{path} {len(body)} {sha256(body).hexdigest()}".encode()


class MoodyStore:
    """Takes what is PUT, tells of what is POSTed, and gives `content`; `calm` = it is well from now on."""

    def __init__(self, seed: int) -> None:
        self.calm = False
        self.taken: Counter[str] = Counter()
        """How often something was PUT, by path."""
        self.url = ""
        self._chance = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "MoodyStore":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(*CutShort, asyncio.CancelledError):
            while await self._one(reader, writer):
                await writer.drain()
        self._tasks.discard(task)
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection goes on."""
        head = await reader.readuntil(b"\r\n\r\n")
        verb, path, _ = head.partition(b"\r\n")[0].decode().split(" ")
        mood = "well" if self.calm else self._chance.choices(tuple(MOODS), tuple(MOODS.values()))[0]
        if mood.startswith("early") and verb != "GET":
            writer.write(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")
            await writer.drain()
            if mood == "early":
                await body_of(reader, head)
            return mood == "early"
        body = await body_of(reader, head)
        if verb == "PUT":
            self.taken[path] += 1
        if mood == "slow":
            await asyncio.sleep(self._chance.random() * 0.4)
        if mood == "reset":
            writer.transport.abort()
        if mood in ("gone", "reset"):
            return False
        answer = content(path) if verb == "GET" else receipt(path, body)
        return await self._answered(writer, answer, mood)

    async def _answered(self, writer: asyncio.StreamWriter, answer: bytes, mood: str) -> bool:
        form = self._chance.choice((b"Content-Length: %d" % len(answer), b"Transfer-Encoding: chunked", b""))
        data = answer
        if form.endswith(b"chunked"):
            pieces = [answer[at : at + 50_000] for at in range(0, len(answer), 50_000)]
            data = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in pieces) + b"0\r\n\r\n"
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n%b\r\n\r\n" % (form or b"Connection: close")
        )
        if mood == "half" and form:
            writer.write(data[: len(data) // 2])
            await writer.drain()
            writer.transport.abort()
            return False
        step = max(1, len(data) // 5) if mood == "drips" else len(data) or 1
        for at in range(0, len(data), step):
            writer.write(data[at : at + step])
            await writer.drain()
            await asyncio.sleep(0.02 if mood == "drips" else 0)
        return bool(form)
