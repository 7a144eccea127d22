"""A gate with a disk tier: what it stored outlives it, workers share it, and a disk that cannot be had is no error."""

import json
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

SETTINGS = """\
policies:
  - {{to: ["group:lab"], allow: ["*"], operate: true}}
cache: {cache}
services:
  jobs:
    dialect: jsonrpc
    url: {url}
    rpc_path: /api
    methods:
      "get*": {{safe: true, cache: {{fresh: {fresh}, share: everyone, tags: [jobs]}}}}
      "set": {{invalidates: [jobs]}}
"""


class Jobs:
    """A service that counts what it is asked, and answers with a text as long as the test wants."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.text = "a"

    async def answer(self, request: web.Request) -> web.Response:
        called = await request.json()
        procs = [{"name": name, "params": []} for name in ("get", "get_all", "set")]
        if called["method"] == "system.describe":
            result = {"sdversion": "1.0", "name": "jobs", "procs": procs}
        elif called["method"] in [one["name"] for one in procs]:
            self.asked.append(called["method"])
            result = self.text
        else:
            error = {"code": -32601, "message": "no such method"}
            return web.json_response({"jsonrpc": "2.0", "id": called["id"], "error": error})
        return web.json_response({"jsonrpc": "2.0", "id": called["id"], "result": result})


@pytest.fixture
async def jobs():
    service = Jobs()
    app = web.Application()
    app.router.add_post("/api", service.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield service
    await runner.cleanup()


@pytest.fixture
def started(gate_of, token_for, jobs):
    @asynccontextmanager
    async def start(cache="{disk: {size: 64MiB}}", fresh="1h"):
        async with gate_of(SETTINGS.format(url=jobs.url, cache=cache, fresh=fresh)) as gate:
            await gate.discovery.refresh()
            headers = {"Authorization": f"Bearer {token_for('ada', 'lab')}"}
            base = "http://{}:{}".format(*gate.address)
            async with aiohttp.ClientSession(base, headers=headers) as session:

                async def call(method):
                    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": []})
                    async with session.post(
                        "/rpc", data=body, headers={"Content-Type": "application/json"}
                    ) as r:
                        told = await r.json()
                        return told["result"], r.headers["Cache-Status"]

                yield gate, call

    return start


async def test_what_a_gate_stored_is_answered_by_the_next_one_without_asking_the_service(started, jobs):
    jobs.text = "x" * 100_000
    async with started() as (_, call):
        assert (await call("jobs.get"))[0] == jobs.text
    async with started() as (gate, call):
        result, told = await call("jobs.get")
        assert result == jobs.text
        assert told.startswith("labgate; hit")
        assert 'detail="disk"' in told
        assert 'detail="disk"' not in (await call("jobs.get"))[1]
        disk = gate.status()["cache"]["tiers"]["disk"]
        assert (disk["entries"], disk["hits"], disk["corrupt"], disk["trouble"]) == (1, 1, 0, None)
    assert jobs.asked == ["get"]


async def test_gates_that_share_a_folder_share_entries_and_a_write_through_one_ends_them_in_all(
    started, jobs
):
    async with started() as (one, call), started() as (_, ask):
        await call("jobs.get")
        await one.shelves.settle()
        assert 'detail="disk"' in (await ask("jobs.get"))[1]
        await call("jobs.set")
        jobs.text = "b"
        assert (await ask("jobs.get"))[0] == "b"
        assert (await call("jobs.get"))[0] == "b"


async def test_an_entry_of_a_service_whose_settings_are_others_now_is_not_answered(started, jobs):
    async with started() as (_, call):
        await call("jobs.get")
    async with started(fresh="2h") as (_, call):
        assert "fwd=miss" in (await call("jobs.get"))[1]
    assert jobs.asked == ["get", "get"]


async def test_a_folder_that_cannot_be_had_costs_the_disk_tier_and_nothing_else(started, jobs):
    async with started("{disk: {size: 1GiB, path: /proc/labgate}}") as (gate, call):
        assert (await call("jobs.get"))[0] == "a"
        assert "labgate; hit" in (await call("jobs.get"))[1]
        assert "disk" not in gate.status()["cache"]["tiers"]


@pytest.mark.parametrize("cache", ["{}", "{disk: {size: 0}}"])
async def test_without_a_size_nothing_is_kept_on_the_disk(started, tmp_path, cache):
    async with started(cache) as (_, call):
        await call("jobs.get")
    assert not (tmp_path / "state" / "cache").exists()
