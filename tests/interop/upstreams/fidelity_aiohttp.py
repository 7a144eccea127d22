"""How does aiohttp's server answer, and what does it see? Scripted by the request; see fidelity_script.py."""

import asyncio
import sys

from aiohttp import web
from fidelity_script import SEEN, Record

record = Record()


async def handler(request: web.BaseRequest) -> web.Response:
    """Note the request, and answer that it came."""
    target = request.raw_path
    if target == SEEN:
        return web.Response(body=record.told())
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
    body = await request.content.read()
    record.add(request.method, target.encode("utf-8", "surrogateescape").decode("latin-1"), fields, body)
    return web.Response(text="ok")


async def main() -> None:
    """Serve until nobody holds the other end of standard input."""
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"ready {site.name.partition(':0')[0]}:{runner.addresses[0][1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
