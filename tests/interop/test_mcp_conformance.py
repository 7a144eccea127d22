"""The official conformance suite of the Model Context Protocol before the gate, in every revision that it speaks."""

import asyncio
import json
import re
import subprocess

import pytest
from aiohttp import web

# The first test may have to fetch the suite.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

CONFIG = """\
identity: {{anonymous: true}}
policies:
  - {{to: [anonymous], allow: ["*"]}}
services:
  test: {{dialect: jsonrpc, url: "{url}", rpc_path: /, methods: {{"*": {{safe: true}}}}}}
"""
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="

LEGACY = (
    "server-initialize",
    "ping",
    "tools-list",
    "tools-call-error",
    "resources-list",
    "dns-rebinding-protection",
)
MODERN = ("server-stateless", "tools-list", "tools-call-error", "resources-list", "caching", "http-header-validation",
          "dns-rebinding-protection", "sep-2164-resource-not-found", "tools-call-simple-text", "tools-call-image")  # fmt: skip
SCENARIOS = [
    *((one, "2025-11-25") for one in (*LEGACY, "tools-call-simple-text", "tools-call-image")),
    *((one, "2026-07-28") for one in MODERN),
]
NOT_OURS = {
    # They want a tool that asks its caller for something in between, which no method of the gate does.
    ("server-stateless", "2026-07-28"): {
        "sep-2575-server-rejects-undeclared-capability",
        "sep-2575-missing-capability-http-400",
    },
    # There are no prompts, and none are promised.
    ("caching", "2026-07-28"): {"sep-2549-prompts-list-caching-hints"},
}
"""What fails because it is about what the gate does not offer: these checks and no others."""


async def _answer(request):
    """The suite's own tools, as methods of a service: `test.simple_text` is the tool `test_simple_text`."""
    message = await request.json()
    names = ("simple_text", "image_content", "error_handling", "logging_tool", "streaming_elicitation")
    said = {"jsonrpc": "2.0", "id": message["id"]}
    match message["method"]:
        case "system.describe":
            said["result"] = {"procs": [{"name": name, "params": []} for name in names]}
        case "simple_text" | "logging_tool" | "streaming_elicitation":
            said["result"] = "This is a simple text response for testing."
        case "image_content":
            said["result"] = {"$binary": {"base64": PIXEL}}
        case _:
            said["error"] = {
                "code": -32000,
                "message": "This tool intentionally returns an error for testing",
            }
    return web.Response(
        body=json.dumps(said, separators=(",", ":")).encode(), content_type="application/json"
    )


@pytest.fixture
async def address(gate_of):
    app = web.Application()
    app.router.add_post("/", _answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with gate_of(CONFIG.format(url=f"http://127.0.0.1:{runner.addresses[0][1]}")) as gate:
        yield "http://{}:{}/mcp".format(*gate.address)
    await runner.cleanup()


@pytest.mark.parametrize(("scenario", "revision"), SCENARIOS)
async def test_the_official_suite_finds_nothing_wrong(address, conformance, tmp_path, scenario, revision):
    command = [*conformance(), "server", "--url", address, "--scenario", scenario, "--spec-version", revision]

    def run():
        return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)

    done = await asyncio.to_thread(run)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    found = dict(re.findall(r"^\S+ \[(\S+) *\] (SUCCESS|FAILURE|WARNING|SKIPPED|INFO)", plain, re.MULTILINE))
    assert "SUCCESS" in found.values(), done.stdout + done.stderr
    assert {one for one, how in found.items() if how == "FAILURE"} == NOT_OURS.get(
        (scenario, revision), set()
    ), plain
