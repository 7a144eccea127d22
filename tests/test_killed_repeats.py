"""Writes with a key, over workers and over a gate that is killed: is each carried out once, and told honestly?"""

import asyncio
import json
import os
import signal
import sys
import uuid
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).parent.parent
SETTINGS = """\
listen: 127.0.0.1:0
operator: {{listen: 127.0.0.1:0}}
state_dir: {state}
workers: {workers}
telemetry: {{access_log: "off"}}
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"]}}
services:
  lab:
    dialect: listed
    url: {url}
    mount: /lab
    methods:
      "set": {{http: "PUT /value"}}
"""


class Lab:
    """A service with a number that a PUT raises; it answers only when it is `free`."""

    def __init__(self) -> None:
        self.number = 0
        self.done = asyncio.Event()
        self.free = asyncio.Event()

    async def put(self, _: web.Request) -> web.Response:
        self.number += 1
        number = self.number
        self.done.set()
        await self.free.wait()
        return web.json_response(number)


@pytest.fixture
async def lab():
    service = Lab()
    app = web.Application()
    app.router.add_put("/{path:.*}", service.put)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield service
    service.free.set()
    await runner.cleanup()


@asynccontextmanager
async def serving(config: Path):
    """A gate of its own processes: its address, and how to kill them all."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli", "serve", "--config", str(config),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, cwd=ROOT, start_new_session=True,
    )  # fmt: skip

    async def kill() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    try:
        assert process.stdout is not None
        async with asyncio.timeout(100):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("ready ")
        yield line.split()[1], kill
    finally:
        await kill()


def told(tmp_path, lab, workers):
    config = tmp_path / "labgate.yaml"
    config.write_text(SETTINGS.format(state=tmp_path / "state", url=lab.url, workers=workers))
    return config


async def called(address, token, key):
    """The answer to the write, over a connection of its own: any worker may get it."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "lab.set"})
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {token}",
        "Idempotency-Key": f'"{key}"',
    }
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{address}/rpc", data=body) as got,
    ):
        return await got.json()


async def put(address, token, key):
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f'"{key}"'}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.put(f"{address}/lab/value", data=b"x") as got,
    ):
        return await got.json()


@pytest.mark.parametrize("write", [called, put], ids=["a call", "a request through a mount"])
async def test_whichever_worker_gets_a_repetition_the_write_runs_once(lab, tmp_path, token_for, write):
    config = told(tmp_path, lab, 2)
    token, key = token_for("ada", "lab"), uuid.uuid4()
    async with serving(config) as (address, _):
        first = [asyncio.ensure_future(write(address, token, key)) for _ in range(12)]
        await asyncio.wait_for(lab.done.wait(), 60)
        lab.free.set()
        later = [await write(address, token, key) for _ in range(12)]
        answers = [*await asyncio.gather(*first), *later]
    assert all(one == answers[0] for one in answers)
    assert lab.number == 1


@pytest.mark.parametrize("write", [called, put], ids=["a call", "a request through a mount"])
async def test_a_write_that_a_killed_gate_had_sent_is_told_as_such_and_never_made_again(
    lab, tmp_path, token_for, write
):
    config = told(tmp_path, lab, 1)
    token, key, other = token_for("ada", "lab"), uuid.uuid4(), uuid.uuid4()
    async with serving(config) as (address, kill):
        waiting = asyncio.ensure_future(write(address, token, key))
        await asyncio.wait_for(lab.done.wait(), 60)
        await kill()
        with pytest.raises((aiohttp.ClientError, OSError)):
            await waiting
    lab.free.set()
    async with serving(config) as (address, kill):
        error = (await write(address, token, key))["error"]
        assert error["data"]["maybe_executed"]
        assert lab.number == 1
        ended = await write(address, token, other)
        await kill()
    async with serving(config) as (address, _):
        assert await write(address, token, other) == ended  # what had ended is known to the next gate
    assert lab.number == 2
