"""What do limits cost a call that the front lane answers, apart from the bytes that tell of them?

Two gates in this process, one with limits, answer the same known request in turns; nothing is read or sent meanwhile, so that
what is left is what the lane itself does for a call.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from aiohttp import web
from bench_lab import table, token_of

from gateway.app import running
from gateway.settings import load

CALLS = 20_000
ROUNDS = 25
SETTINGS = {
    "without limits": "",
    "with limits": "limits: {per_principal: {rate: 1000000/s, bytes: 500TiB/h}}",
}
CONFIG = """\
listen: 127.0.0.1:0
operator: {{listen: 127.0.0.1:0}}
state_dir: {folder}/state
telemetry: {{access_log: "off"}}
policies: {policies}
{more}
services:
  up: {{dialect: listed, url: "{url}", rpc_path: /, methods: {{get: {{safe: true, cache: {{fresh: 10h, share: everyone}}}}}}}}
"""

ALL = '[{to: [authenticated], allow: ["*"]}]'
BODY = b'{"jsonrpc":"2.0","method":"up.get","params":["J42"],"id":1}'
HEAD = (
    "POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    "{field}: Bearer {token}\r\nContent-Length: {length}\r\n\r\n"
)


def request(token: str, field: str = "Authorization", body: bytes = BODY) -> bytes:
    """A call, of the service's method unless another is said; the token is in this field."""
    return HEAD.format(field=field, token=token, length=len(body)).encode() + body


def run() -> None:
    """Print the table."""
    found = asyncio.run(_measured())
    rows = [("processor time for a call, us", "median", "least")]
    rows += [(name, f"{statistics.median(each):.2f}", f"{min(each):.2f}") for name, each in found.items()]
    table("A known request at the front lane, without reading and sending", rows)


async def _measured() -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    async with service() as url, _gate("", url) as plain, _gate(SETTINGS["with limits"], url) as limited:
        gates = tuple(zip(SETTINGS, (plain, limited), strict=True))
        # At once, before the lane wants to be shown the request anew.
        for name, gate in gates * ROUNDS:
            known = next(iter(gate.servers[0].lane.requests.values()))
            found.setdefault(f"a known request, {name}", []).append(_spent(known))
    return found


def _spent(known: Any) -> float:
    """Microseconds that an answer takes."""
    out = SimpleNamespace(write_now=lambda data: None)
    caller = SimpleNamespace(out=out, peer="127.0.0.1", shared=SimpleNamespace(date=lambda: b""))
    answer = known.answer
    began = time.process_time()
    for _ in range(CALLS):
        if not answer(caller):
            raise SystemExit("the lane did not answer")
    return (time.process_time() - began) / CALLS * 1e6


@asynccontextmanager
async def service() -> AsyncIterator[str]:
    """A service of one method; gives its address."""

    async def answer(request: web.Request) -> web.Response:
        said = await request.json()
        result = {"uid": "J42", "status": "completed"}
        return web.json_response({"jsonrpc": "2.0", "id": said["id"], "result": result})

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@asynccontextmanager
async def _gate(limits: str, url: str) -> AsyncIterator[Any]:
    """A gate whose front lane knows a request that came a few times."""
    with TemporaryDirectory() as name:
        file = Path(name, "labgate.yaml")
        file.write_text(CONFIG.format(folder=name, policies=ALL, more=limits, url=url))
        async with running(load(file, {})) as gate:
            said = request(token_of(file))
            reader, writer = await asyncio.open_connection(*gate.address)
            while not gate.servers[0].lane.requests:
                writer.write(said)
                await reader.readuntil(b"\r\n\r\n")
                await reader.readuntil(b'"id":1}')
            yield gate
            writer.close()
