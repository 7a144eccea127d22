"""`labgated bench`: figures of a gate that runs, of calls that may be made again and again."""

import asyncio
import json

import pytest
from aiohttp import web

from gateway import cli
from gateway.commands.load import Seen

SERVICES = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:guests"], allow: ["jobs.*"]}}
services:
  jobs:
    dialect: jsonrpc
    rpc_path: /api
    url: "{url}"
    methods:
      get: {{safe: true, cache: {{fresh: 1h, share: everyone}}}}
      broken: {{safe: true}}
      slow: {{safe: true}}
  files: {{dialect: listed, url: "{url}", mount: /files}}
"""


class Lab:
    """A gate that runs, and how often its service was asked for what."""

    def __init__(self, tmp_path, capsys):
        self.config = tmp_path / "here.yaml"
        self.folder = tmp_path
        self.seen = {}
        self.token = ""
        self._capsys = capsys

    async def handle(self, request):
        called = await request.json()
        method, answer = called["method"], {"jsonrpc": "2.0", "id": called["id"]}
        self.seen[method] = self.seen.get(method, 0) + 1
        if method == "system.describe":
            procs = [{"name": name} for name in ("get", "put", "broken", "slow")]
            return web.json_response(answer | {"result": {"sdversion": "1.0", "name": "j", "procs": procs}})
        if method == "broken":
            return web.json_response(answer | {"error": {"code": 7, "message": "boom"}})
        if method == "slow":
            await asyncio.sleep(3600)
        return web.json_response(answer | {"result": called.get("params")})

    async def give(self, request):
        self.seen[request.path] = self.seen.get(request.path, 0) + 1
        if request.path == "/pieces":
            response = web.StreamResponse()
            response.enable_chunked_encoding()
            await response.prepare(request)
            for _ in range(3):
                await response.write(b"x" * 1000)
            return response
        return web.Response(body=b"y" * 200_000)

    async def bench(self, *words):
        self._capsys.readouterr()
        own = ["--config", str(self.config), "--token", self.token]
        try:
            status = await asyncio.to_thread(cli.main, ["bench", *words, *own])
        except SystemExit as end:
            status = end.code
        out, err = self._capsys.readouterr()
        assert self.token not in out + err
        return status, out, err

    async def figures(self, *words):
        status, out, err = await self.bench(*words, "--json")
        assert err == ""
        return status, json.loads(out)


@pytest.fixture
async def lab(gate_of, token_for, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("LABGATE_TOKEN", raising=False)
    lab = Lab(tmp_path, capsys)
    app = web.Application()
    app.router.add_post("/api", lab.handle)
    app.router.add_get("/{name}", lab.give)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with gate_of(SERVICES.format(url=f"http://127.0.0.1:{runner.addresses[0][1]}")) as gate:
        addresses = "listen: '{}:{}'\noperator: {{listen: '{}:{}'}}\n"
        lab.config.write_text(addresses.format(*gate.address, *gate.operator_address))
        lab.gate, lab.token = gate, token_for("ada", "lab")
        lab.guest = token_for("gus", "guests")
        yield lab
    await runner.cleanup()


async def test_a_call_is_made_as_often_as_was_said_and_most_of_it_comes_from_the_cache(lab):
    status, said = await lab.figures("jobs.get", "x=1", "--calls", "200", "--callers", "4", "--seconds", "60")
    assert (status, said["calls"], said["failures"]) == (0, 200, {})
    assert said["hits"] >= 190
    assert lab.seen["get"] <= 4
    assert 0 < said["latency_ms"]["p50"] <= said["latency_ms"]["p99"] <= said["latency_ms"]["most"]
    assert said["gate_cpu_us_per_call"] > 0


async def test_who_wants_it_fresh_asks_the_service_each_time(lab):
    _, said = await lab.figures("jobs.get", "--fresh", "--calls", "20", "--callers", "1", "--seconds", "60")
    assert (said["hits"], lab.seen["get"]) == (0, 20)


async def test_it_ends_with_its_time_and_calls_under_way_are_given_up(lab):
    status, said = await lab.figures("jobs.slow", "--seconds", "0.2", "--callers", "2")
    assert (status, said["calls"]) == (1, 0)
    assert said["seconds"] >= 0.2


async def test_what_may_change_something_is_called_only_when_that_is_said(lab):
    status, out, err = await lab.bench("jobs.put", "--calls", "5")
    assert (status, out) == (1, "")
    assert "--writes" in err
    assert "put" not in lab.seen
    status, said = await lab.figures("jobs.put", "--writes", "--calls", "5", "--seconds", "60")
    assert (status, said["calls"], lab.seen["put"]) == (0, 5, 5)


async def test_errors_are_counted_by_what_they_are_and_are_no_success(lab):
    status, said = await lab.figures("jobs.broken", "--calls", "10", "--seconds", "60")
    assert (status, said["failures"], said["said"]) == (1, {"error 7": 10}, {"error 7": "boom"})


@pytest.mark.parametrize(("path", "size"), [("/files/whole", 200_000), ("/files/pieces", 3000)])
async def test_requests_through_a_mount_are_read_to_their_end_however_they_are_framed(lab, path, size):
    status, said = await lab.figures(f"GET {path}", "--calls", "10", "--seconds", "60", "--callers", "2")
    assert (status, said["calls"], said["bytes"]) == (0, 10, 10 * size)


async def test_lines_of_a_file_are_made_in_turn(lab):
    file = lab.folder / "calls.jsonl"
    file.write_text('{"method": "jobs.get", "params": [1]}\n# of the night\n{"get": "/files/whole"}\n')
    status, said = await lab.figures("--file", str(file), "--calls", "8", "--callers", "2", "--seconds", "60")
    assert (status, said["calls"]) == (0, 8)
    assert lab.seen["/whole"] == 4
    file.write_text('{"methods": "jobs.get"}\n')
    status, _, err = await lab.bench("--file", str(file))
    assert (status, "line 1" in err) == (2, True)


async def test_people_are_told_the_same_and_who_may_not_ask_for_numbers_has_the_rest(lab):
    status, out, _ = await lab.bench("jobs.get", "--calls", "50", "--seconds", "60")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()][1:6] == [
        "calls",
        "latency",
        "cache",
        "bytes",
        "gate",
    ]
    lab.token = lab.guest
    status, said = await lab.figures("jobs.get", "--calls", "5", "--seconds", "60")
    assert (status, said["calls"], said["gate_cpu_us_per_call"]) == (0, 5, None)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "say one method"),
        (("jobs.get", "--file", "x"), "say one method"),
        (("jobs.get", "x"), "NAME=VALUE"),
        (("DELETE /files/x",), "only GET"),
        (("--file", "/no/such/file"), "No such file"),
        (("jobs.get", "--seconds", "0"), "no number of seconds"),
        (("jobs.get", "--seconds", "9999"), "no number of seconds"),
        (("jobs.get", "--callers", "1000"), "1 to 256"),
    ],
)
async def test_what_cannot_be_measured_is_refused_with_a_reason(lab, words, told):
    status, out, err = await lab.bench(*words)
    assert (status, out, told in err) == (2, "", True), err
    assert not {"get", "put", "/x"} & set(lab.seen)


async def test_a_method_that_is_not_there_and_a_gate_that_is_not_are_named(lab):
    status, _, err = await lab.bench("jobs.nope")
    assert (status, "no method jobs.nope" in err) == (1, True)
    status, _, err = await lab.bench("jobs.get", "--gate", "http://127.0.0.1:1")
    assert (status, "no gate answers at http://127.0.0.1:1" in err) == (1, True)


def test_a_quantile_is_the_time_of_a_call_and_of_none_there_is_none():
    seen = Seen(seconds=[0.3, 0.1, 0.2, 0.4])
    assert [seen.quantile(part) for part in (0.5, 0.99, 1.0)] == [0.2, 0.4, 0.4]
    assert Seen().quantile(0.5) == 0.0
