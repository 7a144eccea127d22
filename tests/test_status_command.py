"""`labgated status`, `switch`, `cordon` and `uncordon`, as they are typed, at a gate that runs."""

import asyncio
import json
import re
import socket
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from gateway import cli
from gateway.commands.status import _plain

SERVICES = """\
policies:
  - {{to: ["group:lab"], allow: ["*"], operate: true}}
  - {{to: ["group:guests"], allow: ["*"]}}
services:
  jobs: {{dialect: jsonrpc, rpc_path: /api, url: "{url}"}}
  gone: {{dialect: jsonrpc, rpc_path: /api, url: "http://127.0.0.1:1"}}
datastacks:
  minnie65: {{services: {{roots: {{dialect: listed, url: "http://127.0.0.1:1"}}}}}}
"""
VERSION = "1.2\x1b[31m"


class Typed:
    """`await typed("status", "--json")` -> status, stdout, stderr; who asks is an operator."""

    def __init__(self, gate, config, capsys, operator):
        self.gate = gate
        self.config = config
        self._capsys = capsys
        self._operator = operator

    @property
    def url(self):
        host, port = self.gate.operator_address
        return f"http://{host}:{port}"

    async def __call__(self, *words, where=None, token=None):
        where = ("--config", str(self.config)) if where is None else where
        token = ("--token", self._operator) if token is None else token
        self._capsys.readouterr()
        try:
            status = await asyncio.to_thread(cli.main, [*words, *where, *token])
        except SystemExit as end:
            status = end.code
        out, err = self._capsys.readouterr()
        assert self._operator not in out + err
        return status, out, err


@pytest.fixture
async def jobs():
    """The address of a small upstream that offers one method, and a version that would paint the terminal red."""

    async def handle(request):
        called = await request.json()
        if called["method"] == "rpc.discover":
            result = {
                "openrpc": "1.3.2",
                "info": {"title": "jobs", "version": VERSION},
                "methods": [{"name": "get", "params": [], "result": {"name": "r", "schema": {}}}],
            }
            return web.json_response({"jsonrpc": "2.0", "id": called["id"], "result": result})
        return web.json_response({"jsonrpc": "2.0", "id": called["id"], "result": 7})

    app = web.Application()
    app.router.add_post("/api", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def typed(gate_of, jobs, token_for, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("LABGATE_TOKEN", raising=False)
    monkeypatch.delenv("LABGATE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    async with gate_of(SERVICES.format(url=jobs)) as gate:
        config = tmp_path / "here.yaml"
        config.write_text("operator: {{listen: '{}:{}'}}\n".format(*gate.operator_address))
        yield Typed(gate, config, capsys, token_for("ada", "lab"))


async def test_status_prints_a_line_for_each_service_and_why_it_is_down(typed):
    status, out, err = await typed("status")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    rows = {line.split()[0]: line.split() for line in lines if line}
    assert rows["labgate"][2] == "up"
    assert " ".join(rows["SERVICE"]) == "SERVICE STATE METHODS DIALECT VERSION ASKED CALLS WAITING FAILED AT"
    assert rows["jobs"][1:5] == ["up", "1", "jsonrpc", "1.2\ufffd[31m"]
    assert rows["minnie65/roots"][1] == "up"
    assert any(line.startswith("gone: down") and "could not be reached" in line for line in lines)


async def test_status_tells_which_service_is_left_alone_and_which_replica_rests(typed):
    upstream = typed.gate.estate.upstreams["jobs"]
    now = typed.gate.monotonic()
    for _ in range(10):
        upstream.guard.failed(now, "HTTP 503", upstream.choice.replicas[0])
    _, out, _ = await typed("status")
    lines = out.splitlines()
    assert any(line.startswith("jobs ") and "left alone" in line for line in lines)
    assert any(line.startswith("jobs: calls are refused") and "breaker is open" in line for line in lines)
    assert f"jobs: {upstream.choice.replicas[0].address} is resting" in lines


async def test_status_has_everything_as_json(typed):
    status, out, _ = await typed("status", "--json")
    told = json.loads(out)
    assert status == 0
    assert set(told["services"]) == {"jobs", "gone", "minnie65/roots"}
    assert (told["services"]["jobs"]["methods"], told["services"]["gone"]["down"]) == (1, True)


async def test_switch_says_how_it_is_now(typed):
    for name in ("cache", "lanes"):
        for state in ("off", "off", "on"):
            assert await typed("switch", name, state) == (0, f"{name} {state}\n", "")
            assert getattr(typed.gate.switches, name) is (state == "on")


async def test_cordon_and_uncordon_take_a_service_out_and_back(typed):
    assert await typed("cordon", "minnie65/roots") == (0, "minnie65/roots takes no calls\n", "")
    assert typed.gate.switches.cordons["minnie65/roots"].by == "ada"
    _, out, _ = await typed("status")
    assert "minnie65/roots  up, cordoned" in out
    assert re.search(r"minnie65/roots: cordoned for \d+ s, by ada", out)
    assert await typed("uncordon", "minnie65/roots") == (0, "minnie65/roots takes new calls\n", "")
    assert not typed.gate.switches.cordons


async def test_an_unknown_service_is_named_with_those_that_are_like_it(typed):
    status, out, err = await typed("cordon", "job")
    assert (status, out) == (1, "")
    assert "labgated cordon: " in err
    assert "'job' (perhaps jobs)" in err


@pytest.mark.parametrize("words", [("switch", "cash", "off"), ("switch", "cache", "of"), ("cordon",)])
async def test_misuse_is_refused_with_status_2(typed, words):
    status, out, err = await typed(*words)
    assert (status, out) == (2, "")
    assert "usage" in err


async def test_the_token_comes_from_the_environment_too(typed, monkeypatch):
    monkeypatch.setenv("LABGATE_TOKEN", typed._operator + "\n")
    status, _, err = await typed("status", token=())
    assert (status, err) == (0, "")


async def test_without_a_token_it_is_said_how_to_get_one(typed):
    status, out, err = await typed("status", token=())
    assert (status, out) == (1, "")
    assert "set LABGATE_TOKEN, or say --token" in err
    assert "labgated token create" in err


async def test_a_token_that_fails_and_one_of_no_operator_are_told_apart(typed, token_for):
    status, _, err = await typed("status", token=("--token", "nonsense"))
    assert status == 1
    assert "token create" in err
    status, _, err = await typed("switch", "cache", "off", token=("--token", token_for("gwen", "guests")))
    assert status == 1
    assert "'gwen' is no operator" in err
    assert "operate: true" in err
    assert typed.gate.switches.cache is True


def test_nothing_that_a_terminal_obeys_is_printed():
    assert _plain("ada\x1b[31m\n\u202e7") == "ada?[31m??7"


@pytest.mark.parametrize("token", ["a\nb", "a\x00", "t\u00f6ken"])
async def test_what_is_no_token_is_not_sent(typed, token):
    status, _, err = await typed("status", token=("--token", token))
    assert status == 1
    assert "copy it again" in err


async def test_a_gate_that_does_not_run_is_told_with_how_to_start_it(typed):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        status, out, err = await typed("status", where=("--url", url))
    assert (status, out) == (1, "")
    assert f"no gate answers at {url} (connection refused)" in err
    assert "labgated serve" in err


async def test_the_address_of_callers_is_told_from_the_operators(typed):
    status, _, err = await typed("status", where=("--url", "http://{}:{}".format(*typed.gate.address)))
    assert status == 1
    assert "the operator's address, and not that of callers?" in err


async def test_what_answers_and_is_no_gate_is_told_as_that(typed, jobs):
    status, _, err = await typed("status", where=("--url", jobs))
    assert status == 1
    assert f"what answers at {jobs} (404) is no operator's door of labgate" in err


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8701",
        "ftp://h",
        "http://",
        "http://h:x",
        "http://u:hunter2@h",
        "http://h/?q",
        "http://h:99999",
    ],
)
async def test_what_is_no_address_is_told_without_what_it_holds(typed, url):
    status, _, err = await typed("status", where=("--url", url))
    assert status == 1
    assert "is no address: write http://127.0.0.1:8701" in err
    assert "hunter2" not in err


@asynccontextmanager
async def answering(handler):
    """The address of a server that answers every request so."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("said", [{"status": "fine"}, [], "up", 7])
@pytest.mark.parametrize(
    "words", [("status",), ("services",), ("cordon", "jobs"), ("cache", "purge", "--all"), ("reload",)]
)
async def test_a_service_that_answers_everything_is_no_gate(typed, said, words):
    async def fine(_):
        return web.json_response(said)

    async with answering(fine) as url:
        status, out, err = await typed(*words, where=("--url", url))
    assert (status, out) == (1, "")
    assert f"what answers at {url} (200) is no operator's door of labgate" in err


async def test_the_token_follows_no_redirect(typed):
    seen = []

    async def elsewhere(request):
        seen.append(request.headers.get("Authorization"))
        raise web.HTTPTemporaryRedirect(f"{typed.url}/-/status")

    async with answering(elsewhere) as url:
        status, _, _ = await typed("status", where=("--url", url))
    assert (status, len(seen)) == (1, 1)


async def test_the_host_that_the_settings_name_is_the_one_that_is_sent(gate_of, token_for, tmp_path, capsys):
    text = 'hosts: [gate.lab.org]\npolicies: [{to: [authenticated], allow: ["*"], operate: true}]\n'
    async with gate_of(text) as gate, aiohttp.ClientSession() as session:
        url = "http://{}:{}/-/status".format(*gate.operator_address)
        async with session.get(url, headers={"Host": "elsewhere.org"}) as got:
            assert got.status == 421
        config = tmp_path / "here.yaml"
        config.write_text(text + "operator: {{listen: '{}:{}'}}\n".format(*gate.operator_address))
        typed = Typed(gate, config, capsys, token_for("ada"))
        status, _, err = await typed("status")
        assert (status, err) == (0, "")


async def test_an_operators_port_that_is_left_open_is_not_guessed(typed, tmp_path):
    (tmp_path / "labgate.yaml").write_text("operator: {listen: '127.0.0.1:0'}\n")
    status, _, err = await typed("status", where=())
    assert status == 1
    assert "say --url" in err


async def test_services_are_told_alone_and_the_status_says_whether_all_take_calls(typed):
    status, out, err = await typed("services", "jobs", "minnie65/roots")
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["SERVICE", "jobs", "minnie65/roots"]
    status, out, _ = await typed("services")
    assert status == 1
    assert any(line.startswith("gone: down") for line in out.splitlines())
    status, out, _ = await typed("services", "jobs", "--json")
    assert (status, list(json.loads(out))) == (0, ["jobs"])
    await typed("cordon", "jobs")
    assert (await typed("services", "jobs"))[0] == 1


async def test_a_service_that_is_not_there_is_named_with_those_that_are(typed):
    status, out, err = await typed("services", "job")
    assert (status, out) == (1, "")
    assert err == "labgated services: there is no job; there are: gone, jobs, minnie65/roots\n"


async def test_a_gate_that_another_program_runs_is_not_ended_by_operators(typed):
    status, out, err = await typed("drain")
    assert (status, out) == (1, "")
    assert "part of another program" in err
