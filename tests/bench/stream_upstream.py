"""An upstream that takes what it is sent and sends as much as is asked for: `stream_upstream.py PORT`.

`PUT /sink` reads a body; `GET /source?mib=N` answers with N MiB.
"""

from __future__ import annotations

import asyncio
import re
import sys

_PIECE = bytes(1 << 20)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, one request after the other."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            left = int(length[1]) if length else 0
            while left:
                left -= len(await reader.read(min(left, 1 << 18)))
            wanted = re.search(rb"mib=(\d+)", head)
            size = int(wanted[1]) if wanted else 0
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (size << 20))
            for _ in range(size):
                writer.write(_PIECE)
                await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.start_server(serve, "127.0.0.1", port, limit=1 << 18)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
