"""Does the open loop send what it says, and notice what goes wrong?"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

SCRIPT = Path(__file__).with_name("open_loop.py")
RATE, SECONDS, WARM_SECONDS = 400, 0.5, 0.3


class Counting:
    """A server that answers every POST, each in two pieces, as `status` says by its number."""

    def __init__(self, status: Callable[[int], bytes]) -> None:
        self.bodies: list[bytes] = []
        self._status = status

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection; never two requests at once, for each is read to its end before it is answered."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.bodies.append(await reader.readexactly(length))
                writer.write(b"HTTP/1.1 %b\r\nContent-Le" % self._status(len(self.bodies)))
                await writer.drain()
                await asyncio.sleep(0)
                writer.write(b"ngth: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def counting(status: Callable[[int], bytes]) -> AsyncIterator[tuple[Counting, int]]:
    """The server and its port."""
    server = Counting(status)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        yield server, listening.sockets[0].getsockname()[1]


async def loop_against(port: int) -> tuple[int | None, str, str]:
    """Exit code and output of the load."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SCRIPT), str(port), "/rpc", str(RATE), str(SECONDS)),
        env=os.environ | {"BENCH_BODY": "[1]"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode(), errors.decode()


async def test_every_request_that_is_due_is_sent_once_and_answered() -> None:
    async with counting(lambda _: b"200 OK") as (server, port):
        code, out, errors = await loop_against(port)
    told = json.loads(out)
    assert (code, errors) == (0, "")
    assert told["sent"] == RATE * SECONDS
    assert server.bodies == [b"[1]"] * int(RATE * (SECONDS + WARM_SECONDS))
    assert 0 < told["p50"] <= told["p99"]


async def test_an_answer_that_is_no_200_ends_the_measurement() -> None:
    async with counting(lambda number: b"503 No" if number == 150 else b"200 OK") as (_, port):
        code, out, errors = await loop_against(port)
    assert (code, out) == (1, "")
    assert "503 No" in errors
