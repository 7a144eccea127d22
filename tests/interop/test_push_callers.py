"""Clients of WebSockets that others have written, at the gate's own /rpc."""

import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest
from aiohttp import web

# The first test may have to build the environment.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

CALLERS = Path(__file__).parent / "callers"
CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*"], operate: true}}
services:
  calc:
    dialect: listed
    url: "{url}"
    rpc_path: /api
    methods:
      echo: {{}}
      sub: {{}}
      get: {{safe: true, cache: {{fresh: 1h, share: everyone, tags: [numbers]}}}}
      set: {{invalidates: [numbers]}}
"""


@pytest.fixture
async def calc():
    async def answer(request):
        said = await request.json()
        params = said.get("params") or []
        result = params[0] - params[1] if said["method"] == "sub" else params
        return web.json_response({"jsonrpc": "2.0", "result": result, "id": said["id"]})

    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/api", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def run(calc, gate_of, token_for):
    """What a program got that was run with the gate's address and a token."""
    async with gate_of(CONFIG.format(url=calc)) as gate:

        async def ran(*command):
            address = "http://{}:{}".format(*gate.address)
            done = await asyncio.to_thread(
                subprocess.run,
                [*command, address, token_for("ada", "lab")],
                stdout=subprocess.PIPE,
                env={"PATH": os.environ["PATH"], "NO_PROXY": "*"},
                timeout=120,
                check=True,
            )
            return json.loads(done.stdout)

        yield ran


async def test_the_library_websockets_calls_and_is_told(run, python_of):
    assert await run(python_of("callers"), CALLERS / "push.py") == {
        "protocol": "labgate.json",
        "extensions": 0,
        "large": 300_000,
        "in parts": 42,
        "subscribed": ["subscription"],
        "told": ["answer", "rpc.cache"],
        "closed": 1000,
        "refused": 401,
        "too large": 1009,
    }


async def test_the_websocket_of_node_shows_its_token_as_a_subprotocol(run):
    assert await run("node", "--experimental-websocket", "--no-warnings", CALLERS / "push.js") == {
        "protocol": "labgate.json",
        "extensions": "",
        "large": 300_000,
        "subscribed": ["subscription"],
        "told": "rpc.cache",
        "closed": 1000,
        "refused": True,
    }
