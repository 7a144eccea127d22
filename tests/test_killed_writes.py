"""A gate is killed after the service has done a write and before it has answered: the next one serves nothing from before."""

import asyncio
import json
import os
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
  - {{to: ["group:lab"], allow: ["*", "/**"]}}
cache: {{memory: 1MiB, disk: {{size: 64MiB}}}}
services:
  lab:
    dialect: listed
    url: {url}
    mount: /lab
    methods:
      "get": {{http: "GET /value", safe: true, cache: {{fresh: 1h, share: everyone, tags: [values]}}}}
      "set": {{http: "PUT /value", invalidates: [values]}}
"""


class Lab:
    """A service with a number that a PUT raises; it answers a PUT only if it is `free`."""

    def __init__(self) -> None:
        self.number = 0
        self.done = asyncio.Event()
        self.free = False

    async def get(self, request: web.Request) -> web.Response:
        told = {"Cache-Control": "public, max-age=3600"} if request.path != "/value" else {}
        return web.json_response(self.number, headers=told)

    async def put(self, request: web.Request) -> web.Response:
        self.number += 1
        self.done.set()
        if not self.free:
            await asyncio.Event().wait()
        return web.json_response(self.number)


@pytest.fixture
async def lab():
    service = Lab()
    app = web.Application()
    app.router.add_get("/{path:.*}", service.get)
    app.router.add_put("/{path:.*}", service.put)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
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


async def called(session, address, method):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": f"lab.{method}"})
    async with session.post(f"{address}/rpc", data=body, headers={"Content-Type": "application/json"}) as got:
        return (await got.json())["result"], got.headers["Cache-Status"]


async def mounted(session, address, path, verb="GET"):
    async with session.request(verb, f"{address}/lab{path}") as got:
        return await got.json(), got.headers["Cache-Status"]


WRITES = {
    "a call": lambda session, address: called(session, address, "set"),
    "a request of the method": lambda session, address: mounted(session, address, "/value", "PUT"),
    "a request for an address": lambda session, address: mounted(session, address, "/plain", "PUT"),
}

CHANGED = {"a call": (0, 1, 2), "a request of the method": (0, 1, 2), "a request for an address": (2,)}
"""Which of what is `read` does not hold after each."""


@pytest.fixture
async def run(lab, tmp_path, token_for):
    config = tmp_path / "labgate.yaml"
    config.write_text(SETTINGS.format(state=tmp_path / "state", url=lab.url))
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token_for('ada', 'lab')}"}) as one:
        yield config, one, tmp_path / "state"


async def read(session, address):
    """What a call, a request of the same method, and one for an address of its own are answered."""
    return [
        await called(session, address, "get"),
        await mounted(session, address, "/value"),
        await mounted(session, address, "/plain"),
    ]


async def stored(state: Path, count: int) -> None:
    """Wait until so many entries lie on the disk."""
    async with asyncio.timeout(60):
        while len(list(state.glob("cache/entries/*/*/*"))) < count:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", WRITES)
async def test_what_a_write_has_changed_whose_gate_was_killed_is_not_served_by_the_next_one(
    lab, run, how
) -> None:
    config, session, state = run
    async with serving(config) as (address, process):
        await read(session, address)
        await stored(state, 3)
        writing = asyncio.ensure_future(WRITES[how](session, address))
        async with asyncio.timeout(60):
            await lab.done.wait()
        process.send_signal(signal.SIGKILL)
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await writing
    async with serving(config) as (address, _):
        values = [value for value, _ in await read(session, address)]
    # What a call changes and at which addresses, nobody knows: its reply says nothing of it.
    assert all(values[at] == 1 for at in CHANGED[how])


async def test_a_gate_that_was_killed_with_no_write_under_way_keeps_what_it_had(lab, run) -> None:
    config, session, state = run
    lab.free = True
    async with serving(config) as (address, process):
        for write in WRITES.values():
            await write(session, address)
        await read(session, address)
        await stored(state, 3)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    async with serving(config) as (address, _):
        told = await read(session, address)
        assert [value for value, _ in told] == [3, 3, 3]
        assert all("; hit" in status for _, status in told)


def writing(state: Path) -> list[int]:
    """The processes that have noted a write under way."""

    def noted(file: Path) -> bool:
        try:
            return any(file.read_bytes())
        except FileNotFoundError:  # whoever takes its writer's place has read it, and taken it away
            return False

    return [int(file.name.partition("-")[0]) for file in state.glob("writes/*.writes") if noted(file)]


async def test_what_a_killed_workers_write_has_changed_is_not_served_by_those_that_go_on(lab, run) -> None:
    config, session, state = run
    config.write_text(config.read_text() + "workers: 2\n")
    async with serving(config) as (address, gate):
        await read(session, address)
        await stored(state, 3)
        # A POST: clients send others again by themselves when their connection is lost.
        asked = asyncio.ensure_future(WRITES["a call"](session, address))
        async with asyncio.timeout(60):
            await lab.done.wait()
        (worker,) = writing(state)
        assert worker != gate.pid
        os.kill(worker, signal.SIGKILL)
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await asked
        async with asyncio.timeout(60):
            while writing(state):  # until the worker that takes its place is here
                await asyncio.sleep(0.01)
        async with aiohttp.ClientSession(headers=session.headers) as another:
            values = [value for _ in range(6) for value, _ in await read(another, address)]
        assert set(values) == {1}
        gate.send_signal(signal.SIGTERM)
        await gate.wait()
