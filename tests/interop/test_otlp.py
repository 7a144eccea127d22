"""Are spans what OTLP's own messages say they are? A collector made of the official package reads them."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

READ = Path(__file__).with_name("callers") / "otlp_read.py"
CONFIG = """\
telemetry: {{access_log: "off", otlp: {{url: "{collector}", sample: 100%}}}}
policies: [{{to: [authenticated], allow: ["*", "/**"]}}]
services:
  jobs: {{dialect: listed, url: "{collector}", rpc_path: /api, mount: /jobs, methods: {{get: {{safe: true, cache: {{fresh: 1h}}}}, put: {{}}}}}}
"""


async def test_the_official_messages_take_every_span_with_nothing_left_over(
    python_of: Callable[[str], Path], gate_of, token_for
) -> None:
    python = await asyncio.to_thread(python_of, "opentelemetry")
    batches: list[str] = []

    async def take(request):
        batches.append(json.dumps(await request.json()))
        return web.json_response({})

    async def call(request):
        said = await request.json()
        if said["method"] == "put":
            return web.Response(status=503)
        return web.json_response({"jsonrpc": "2.0", "id": said["id"], "result": 1})

    app = web.Application()
    app.add_routes([web.post("/v1/traces", take), web.post("/api", call)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collector = f"http://127.0.0.1:{runner.addresses[0][1]}"
    asked = 0
    async with gate_of(CONFIG.format(collector=collector)) as gate:
        address = "http://{}:{}".format(*gate.address)
        shown = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "lab=1"}
        headers = {"Authorization": f"Bearer {token_for('ada', 'lab')}", **shown}
        async with aiohttp.ClientSession(headers=headers) as session:
            for path, body in (
                ("/rpc", {"method": "jobs.get"}),
                ("/rpc", [{"method": "jobs.get"}, {"method": "jobs.put"}, {"method": "jobs.\ud800"}]),
                ("/jobs/api", {"method": "get"}),
            ):
                said = [
                    {"jsonrpc": "2.0", "id": 1, **one} for one in (body if isinstance(body, list) else [body])
                ]
                await session.post(address + path, json=said if isinstance(body, list) else said[0])
                asked += 1
            await asyncio.gather(*(session.post(address + "/rpc", json=said[0]) for _ in range(5)))
            asked += 5
    await runner.cleanup()  # the gate has sent what waited before it ended
    done = await asyncio.to_thread(
        subprocess.run,
        [python, READ],
        input="\n".join(batches),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    roots = [span for span in found if span[1] == 2]
    assert len(roots) == asked
    assert {span[2] for span in roots} == {"b" * 16}
    assert {"judge", "trip", "POST", "store", "jobs.get", "jobs.put"} <= {span[0] for span in found}
    assert {span[3] for span in found} == {0, 2}
