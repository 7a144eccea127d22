"""Gates that are killed at any moment, on one folder: the next one answers rightly, and every entry is whole."""

import asyncio
import json
import random
import signal
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

ROOT = Path(__file__).parent.parent
SETTINGS = """\
listen: 127.0.0.1:0
operator: {{listen: 127.0.0.1:0}}
state_dir: {state}
telemetry: {{access_log: "off"}}
policies:
  - {{to: ["group:lab"], allow: ["*"]}}
cache: {{memory: 1MiB, disk: {{size: 64MiB}}}}
services:
  jobs:
    dialect: jsonrpc
    url: {url}
    rpc_path: /api
    methods:
      "get": {{safe: true, cache: {{fresh: 1h, share: everyone, tags: [jobs]}}}}
      "set": {{invalidates: [jobs]}}
"""


SIZES = (20, 3000, 40_000, 120_000)


class Jobs:
    """A service with one number, which every `set` raises; `get(n)` tells it, padded to the length n."""

    def __init__(self) -> None:
        self.number = 0
        self.gets = 0

    async def answer(self, request: web.Request) -> web.Response:
        called = await request.json()
        told = {"jsonrpc": "2.0", "id": called["id"]}
        match called["method"]:
            case "system.describe":
                procs = [
                    {"name": "get", "params": [{"name": "size", "type": "num"}]},
                    {"name": "set", "params": []},
                ]
                told["result"] = {"sdversion": "1.0", "name": "jobs", "procs": procs}
            case "get":
                self.gets += 1
                told["result"] = f"{self.number} ".ljust(called["params"][0], "x")
            case "set":
                self.number += 1
                told["result"] = self.number
            case _:
                told["error"] = {"code": -32601, "message": "no such method"}
        return web.json_response(told)


@pytest.fixture
async def jobs():
    service = Jobs()
    app = web.Application()
    app.router.add_post("/api", service.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield service
    await runner.cleanup()


@asynccontextmanager
async def serving(config: Path):
    """A gate of its own process: its address, and the process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli", "serve", "--config", str(config),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("ready ")
        yield line.split()[1], process
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def called(session, address, method, *params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": f"jobs.{method}", "params": params})
    async with session.post(
        f"{address}/rpc", data=body, headers={"Content-Type": "application/json"}
    ) as reply:
        return (await reply.json()).get("result"), reply.headers["Cache-Status"]


async def known(session, address):
    """Wait until the gate knows the service's methods."""
    async with asyncio.timeout(60):
        while (await called(session, address, "get", 9))[0] is None:
            await asyncio.sleep(0.05)


async def test_kills_under_load_leave_no_wrong_answer_and_no_broken_entry(jobs, tmp_path, token_for) -> None:
    config = tmp_path / "labgate.yaml"
    config.write_text(SETTINGS.format(state=tmp_path / "state", url=jobs.url))
    pick = random.Random(1)
    headers = {"Authorization": f"Bearer {token_for('ada', 'lab')}"}
    checked = ended = 0  # calls whose answer was right; the number of the last write that was answered

    async def ask(session, address):
        """Call until the gate is gone."""
        nonlocal checked, ended
        with suppress(aiohttp.ClientError, ConnectionError):
            while True:
                if pick.random() < 0.02:
                    ended = max(ended, (await called(session, address, "set"))[0])
                least = ended
                size = pick.choice(SIZES) + pick.randrange(40)
                result, _ = await called(session, address, "get", size)
                assert len(result) == size
                assert result.split()[0].isdigit()
                assert int(result.split()[0]) >= least
                checked += 1

    async with aiohttp.ClientSession(headers=headers) as session:
        for _ in range(3):
            async with serving(config) as (address, process):
                await known(session, address)
                before = checked
                asking = [asyncio.ensure_future(ask(session, address)) for _ in range(8)]
                async with asyncio.timeout(60):
                    while checked < before + 300:
                        await asyncio.sleep(0.005)
                process.send_signal(signal.SIGKILL)
                await asyncio.gather(*asking)
        async with serving(config) as (address, process):
            await known(session, address)
            await called(session, address, "set")
            asked = jobs.gets
            first = [(await called(session, address, "get", size))[0] for size in SIZES]
            assert {one.split()[0] for one in first} == {str(jobs.number)}
            assert jobs.gets == asked + len(SIZES)
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        async with serving(config) as (address, _):
            await known(session, address)
            again = [await called(session, address, "get", size) for size in SIZES]
            assert [one for one, _ in again] == first
            assert all('detail="disk"' in told for _, told in again)
            assert jobs.gets <= asked + len(SIZES) + 1  # `known` asked for another one
