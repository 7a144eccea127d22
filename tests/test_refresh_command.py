"""`labgated refresh`, as it is typed: a service that has something new, and one that does not answer."""

import asyncio

import pytest
from aiohttp import web

from gateway import cli

SERVICES = """\
policies: [{{to: ["group:lab"], allow: ["*"], operate: true}}]
services:
  jobs: {{dialect: jsonrpc, url: "{url}", rpc_path: /api}}
  lost: {{dialect: jsonrpc, url: "http://127.0.0.1:1", rpc_path: /api}}
"""


@pytest.fixture
async def offered():
    """The address of a JSON-RPC service, and the names that it describes."""
    names = ["get"]

    async def answer(request):
        said = await request.json()
        procs = [{"name": name, "params": []} for name in names]
        described = {"sdversion": "1.0", "name": "jobs", "id": "urn:jobs", "procs": procs}
        result = (
            {"result": described}
            if said["method"] == "system.describe"
            else {"error": {"code": -32601, "message": "no"}}
        )
        return web.json_response({"jsonrpc": "2.0", "id": said.get("id"), **result})

    app = web.Application()
    app.router.add_post("/api", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", names
    await runner.cleanup()


async def test_what_a_service_has_now_is_told_and_who_does_not_answer(
    offered, gate_of, token_for, tmp_path, capsys, monkeypatch
):
    url, names = offered
    async with gate_of(SERVICES.format(url=url)) as gate:
        config = tmp_path / "here.yaml"
        config.write_text("operator: {{listen: '{}:{}'}}\n".format(*gate.operator_address))
        monkeypatch.setenv("LABGATE_TOKEN", token_for("ada", "lab"))

        async def typed(*words):
            capsys.readouterr()
            status = await asyncio.to_thread(cli.main, ["refresh", *words, "--config", str(config)])
            return status, *capsys.readouterr()

        assert await typed("jobs") == (0, "jobs: nothing new\n", "")
        names[:] = ["put"]
        assert await typed("jobs") == (0, "jobs: added jobs.put; removed jobs.get\n", "")
        status, out, _ = await typed()
        assert (status, "jobs: nothing new" in out, "lost: did not answer: " in out) == (1, True, True)
        status, out, err = await typed("job")
        assert (status, out, "'job'" in err) == (1, "", True)
