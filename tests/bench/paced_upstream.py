"""A service that has so much to give and no more: `paced_upstream.py PORT MIB_PER_SECOND`.

`GET /N` answers with N MiB; all answers of a moment share the pace, as what one disk or one computation gives. `GET /told`
tells how many answers were begun so far.
"""

from __future__ import annotations

import asyncio
import sys

_PIECE = bytes(1 << 18)
_HEAD = b"HTTP/1.1 200 OK\r\nCache-Control: public, max-age=3600\r\nContent-Length: %d\r\n\r\n"


class Service:
    """One that gives a piece after the other, to whomever is next."""

    def __init__(self, pace: float) -> None:
        self._apart = len(_PIECE) / pace
        self._next = 0.0
        self._begun = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request after the other."""
        try:
            while True:
                await self._answer((await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1], writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, target: bytes, writer: asyncio.StreamWriter) -> None:
        name = target.rpartition(b"/")[2].partition(b"?")[0]
        if name == b"told":
            text = b"%d" % self._begun
            writer.write(
                b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n%b"
                % (len(text), text)
            )
            return
        self._begun += 1
        size = int(name) << 20
        writer.write(_HEAD % size)
        for _ in range(size // len(_PIECE)):
            await self._turn()
            writer.write(_PIECE)
            await writer.drain()

    async def _turn(self) -> None:
        now = asyncio.get_running_loop().time()
        self._next = max(now, self._next + self._apart)
        await asyncio.sleep(self._next - now)


async def main(port: int, pace: float) -> None:
    """Serve until killed."""
    server = await asyncio.start_server(Service(pace * (1 << 20)).serve, "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
