"""Who holds connections without using them: `slow_callers.py PORT COUNT` keeps so many, and prints `ready` when they are there.

A quarter drips a head, a quarter a body, a quarter is silent, and a quarter asks once a second and
never reads. Whoever is closed comes again at once. Bytes are dripped once a second, by each in a moment of its own: all
at once they would keep the honest load waiting on their processor, and not at the gate.
"""

from __future__ import annotations

import asyncio
import os
import sys

_HEAD = b"POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "


async def drip(port: int, start: bytes) -> None:
    """Send the start of something, then a byte a second, until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(start)
    ended = asyncio.ensure_future(reader.read())
    try:
        while not ended.done():
            await asyncio.wait((ended,), timeout=1)
            writer.write(b"a")
    finally:
        ended.cancel()
        writer.transport.abort()


async def silent(port: int) -> None:
    """Say nothing until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await reader.read()
    finally:
        writer.transport.abort()


async def deaf(port: int, request: bytes) -> None:
    """Ask once a second, and read nothing, until the connection is closed."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.transport.pause_reading()
    try:
        while not writer.transport.is_closing():
            writer.write(request)
            await asyncio.sleep(1)
    finally:
        writer.transport.abort()


async def again(port: int, kind: int, request: bytes, moment: float) -> None:
    """Be one slow caller after the other, `moment` seconds behind the first."""
    await asyncio.sleep(moment)
    body = b"POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n"
    while True:
        try:
            if kind == 0:
                await drip(port, _HEAD)
            elif kind == 1:
                lines = request.partition(b"\r\n\r\n")[0].split(b"\r\n")
                await drip(port, body + b"\r\n".join(lines[2:-1]) + b"\r\n\r\n{")
            elif kind == 2:
                await silent(port)
            else:
                await deaf(port, request)
        except OSError:
            await asyncio.sleep(0.1)


async def main(port: int, count: int) -> None:
    """Be there until killed."""
    body, token = os.environ["BENCH_BODY"].encode(), os.environ["BENCH_TOKEN"]
    head = f"POST /rpc HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    tasks = [asyncio.create_task(again(port, number % 4, request, number / count)) for number in range(count)]
    await asyncio.sleep(2)
    print("ready", flush=True)
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
