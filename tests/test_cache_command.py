"""`labgated cache stats`, `show` and `purge`, and `labgated explain`, as they are typed, at a gate that runs."""

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web

from gateway import cli

SERVICES = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:guests"], allow: ["jobs.get"]}}
services:
  jobs:
    dialect: jsonrpc
    rpc_path: /api
    url: "{url}"
    methods:
      "get*": {{safe: true, cache: {{fresh: 1h, share: everyone, tags: [jobs]}}}}
      "put": {{invalidates: [jobs]}}
  files:
    dialect: listed
    url: "{url}"
    mount: /files
    methods: {{http: {{cache: {{fresh: 1h, share: everyone}}}}}}
"""
NAMES = ("get", "get_mine", "put", "get\x1b[31m")


class Typed:
    """`await typed("cache", "stats")` -> status, stdout, stderr; who asks is an operator."""

    def __init__(self, gate, config, capsys, operator, session):
        self.gate = gate
        self._config = config
        self._capsys = capsys
        self._operator = operator
        self._session = session

    async def __call__(self, *words, token=None):
        self._capsys.readouterr()
        own = ("--config", str(self._config), "--token", token or self._operator)
        try:
            status = await asyncio.to_thread(cli.main, [*words, *own])
        except SystemExit as end:
            status = end.code
        out, err = self._capsys.readouterr()
        assert self._operator not in out + err
        return status, out, err

    async def call(self, method, params):
        host, port = self.gate.address
        said = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        fields = {"Authorization": f"Bearer {self._operator}"}
        async with self._session.post(f"http://{host}:{port}/rpc", json=said, headers=fields) as got:
            return got.headers["Cache-Status"]


@pytest.fixture
async def upstream():
    """The address of a service that offers methods by JSON-RPC, and files."""

    async def handle(request):
        called = await request.json()
        answer = {"jsonrpc": "2.0", "id": called["id"]}
        if called["method"] == "system.describe":
            procs = [{"name": name} for name in NAMES]
            return web.json_response(
                answer | {"result": {"sdversion": "1.0", "name": "jobs", "procs": procs}}
            )
        if called["method"] not in NAMES:
            return web.json_response(answer | {"error": {"code": -32601, "message": "no"}})
        return web.json_response(answer | {"result": called.get("params")})

    async def file(request):
        return web.Response(text="a file")

    app = web.Application()
    app.router.add_post("/api", handle)
    app.router.add_get("/{name}", file)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def typed(gate_of, upstream, token_for, tmp_path, capsys, monkeypatch):
    for name in ("LABGATE_TOKEN", "LABGATE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    async with gate_of(SERVICES.format(url=upstream)) as gate, aiohttp.ClientSession() as session:
        config = tmp_path / "here.yaml"
        addresses = "listen: '{}:{}'\noperator: {{listen: '{}:{}'}}\n"
        config.write_text(addresses.format(*gate.address, *gate.operator_address))
        yield Typed(gate, config, capsys, token_for("ada", "lab"), session)


# stats and show


async def test_stats_has_a_line_for_each_method_and_one_for_all(typed):
    for _ in range(4):
        await typed.call("jobs.get", [1])
    status, out, err = await typed("cache", "stats")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "cache on"
    assert lines[1].startswith("memory: 1 entries, ")
    rows = {line.split()[0]: line.split()[1:7] for line in lines[3:]}
    assert " ".join(lines[3].split()) == (
        "METHOD HITS STALE MISSES PASSED FAILED RATIO FROM CACHE FROM SERVICE"
    )
    assert rows["jobs.get"] == rows["all"] == ["3", "0", "1", "0", "0", "75.0%"]
    _, out, _ = await typed("cache", "stats", "--json")
    assert json.loads(out)["methods"]["jobs.get"]["calls"]["hit"] == 3


async def test_show_is_a_table_of_entries_and_of_one_everything(typed):
    assert "no such entry in memory, of 0 there" in (await typed("cache", "show"))[1]
    await typed.call("jobs.get", ["J1"])
    await typed.call("jobs.get_mine", ["J2"])
    status, out, _ = await typed("cache", "show")
    lines = out.splitlines()
    assert status == 0
    assert lines[0].split()[0] == "METHOD"
    assert [line.split()[0] for line in lines[1:]] == ["jobs.get_mine", "jobs.get"]
    assert '["J1"]' in lines[2]
    _, out, _ = await typed("cache", "show", "--method", "jobs.get", "--limit", "1", "--json")
    (entry,) = json.loads(out)["entries"]
    assert lines[2].split()[-1] == entry["key"]
    _, out, _ = await typed("cache", "show", entry["key"])
    assert "fresh_until" in out
    assert "tags" in out


async def test_what_a_service_calls_its_methods_does_not_steer_the_terminal(typed):
    service = typed.gate.relay.catalog.listings["jobs"]
    assert "jobs.get\x1b[31m" not in service.items, "such names are left out already"
    await typed.call("jobs.get", ["\x1b[31m"])
    for words in (("cache", "show"), ("explain", "jobs.get", "--params", r'["\u001b[31m"]')):
        status, out, _ = await typed(*words)
        assert status == 0
        assert "\x1b" not in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "xyz"), "xyz is no key"),
        (("show", "--limit", "100000"), "no number from 1 to 500"),
        (("show", "--method", "jobs.gett"), "did you mean jobs.get"),
        (("purge", "--method", "nope.*"), "No method's name is nope.*"),
        (("purge", "--service", "job"), "did you mean jobs?"),
        (("purge", "--tag", "job"), "did you mean jobs?"),
        (("purge", "--key", "zz"), "zz is no key"),
        *((("purge", kind, ""), "is a text, not") for kind in ("--method", "--service", "--tag", "--key")),
    ],
)
async def test_what_the_gate_refuses_is_told_and_status_is_1(typed, words, told):
    status, out, err = await typed("cache", *words)
    assert (status, out) == (1, "")
    assert err.startswith("labgated cache: ")
    assert told in err


@pytest.mark.parametrize(
    "words", [(), ("purge",), ("purge", "--all", "--tag", "jobs"), ("purge", "--method"), ("look",)]
)
async def test_misuse_is_refused_with_status_2(typed, words):
    status, out, err = await typed("cache", *words)
    assert (status, out) == (2, "")
    assert "usage" in err


async def test_others_than_operators_are_told_how_to_become_one(typed, token_for):
    status, _, err = await typed("cache", "stats", token=token_for("gwen", "guests"))
    assert status == 1
    assert "operate: true" in err


# purge


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--method", "jobs.get"), "what was stored of method jobs.get serves no more\n"),
        (("--service", "jobs"), "what was stored of service jobs serves no more\n"),
        (("--tag", "jobs"), "what was stored of tag jobs serves no more\n"),
        (("--all",), "everything that was stored serves no more\n"),
    ],
)
async def test_purge_says_what_serves_no_more_and_it_does_not(typed, words, told):
    await typed.call("jobs.get", [1])
    assert "; hit" in await typed.call("jobs.get", [1])
    assert await typed("cache", "purge", *words) == (0, told, "")
    assert "; hit" not in await typed.call("jobs.get", [1])


async def test_one_entry_is_purged_by_the_key_that_show_prints(typed):
    await typed.call("jobs.get", [1])
    await typed.call("jobs.get", [2])
    key = (await typed("cache", "show"))[1].splitlines()[1].split()[-1]
    assert await typed("cache", "purge", "--key", key) == (0, "forgotten\n", "")
    assert "nothing was stored" in (await typed("cache", "purge", "--key", key))[1]
    assert "; hit" in await typed.call("jobs.get", [1])
    assert "; hit" not in await typed.call("jobs.get", [2])


# explain


async def test_explain_says_in_words_what_would_happen(typed):
    status, out, err = await typed("explain", "jobs.get", "--params", "[1]")
    assert (status, err) == (0, "")
    assert out.startswith("jobs.get: miss, nothing is stored under its key\n")
    await typed.call("jobs.get", [1])
    _, out, _ = await typed("explain", "jobs.get", "--params", "[ 1 ]")
    lines = {line[2:20].strip(): line[22:] for line in out.splitlines()[1:]}
    assert out.startswith("jobs.get: hit, it is stored, and still fresh\n")
    assert lines["policy"].startswith("number 1, to group:lab, allow *")
    assert lines["rule"].startswith("glob get*, fresh 3600")
    assert lines["void by"] == "service:jobs, method:jobs.get, tag:jobs"
    assert lines["tier"] == "memory"
    _, out, _ = await typed("explain", "jobs.get", "--params", "[1]", "--json")
    assert json.loads(out)["outcome"] == "hit"


async def test_params_are_asked_about_as_they_are_written(typed):
    await typed.call("jobs.get", [100])
    for params, outcome in (("[100]", "hit"), ("[1e2]", "miss"), ("[100.0]", "miss")):
        assert f": {outcome}," in (await typed("explain", "jobs.get", "--params", params))[1]


async def test_arguments_are_those_of_a_plain_url(typed):
    await typed.call("jobs.get", {"uid": "J1", "n": 7})
    assert ": hit," in (await typed("explain", "jobs.get", "uid=J1", "n=7"))[1]
    assert ": miss," in (await typed("explain", "jobs.get", "uid=J1", 'n="7"'))[1]


async def test_it_is_explained_for_somebody_else(typed):
    status, out, _ = await typed("explain", "jobs.put", "--as", "group:guests", "--as", "subject:gwen")
    assert status == 0
    assert "jobs.put: refused, 'gwen' may not call 'jobs.put'" in out
    _, out, _ = await typed("explain", "jobs.get", "--as", "anonymous")
    assert ": refused," in out


async def test_a_request_through_a_mount_is_explained_by_verb_and_path(typed):
    _, out, _ = await typed("explain", "GET /files/a?b=1", "--field", "Accept: text/plain")
    assert out.startswith("files.http: miss,")
    assert "path policy" in out
    assert (await typed("explain", "/files/a"))[1].startswith("files.http: miss,")
    assert (await typed("explain", "PUT /files/a"))[1].startswith("files.http: pass,")
    status, _, err = await typed("explain", "/nothing/here")
    assert (status, "Nothing is mounted at /nothing/here" in err) == (1, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("jobs.get", "uid"), "'uid' is not NAME=VALUE"),
        (("jobs.get", "--params", "{"), "--params is no JSON"),
        (("jobs.get", "--as", "lab"), "--as 'lab' is not subject:S"),
        (("jobs.get", "--as", "group:"), "is not subject:S"),
        (("jobs.get", "--as", "anonymous", "--as", "group:x"), "say it alone"),
        (("/files/a", "--field", "x"), "'x' is not 'Name: value'"),
    ],
)
async def test_a_question_that_cannot_be_read_is_status_2(typed, words, told):
    status, out, err = await typed("explain", *words)
    assert (status, out) == (2, "")
    assert told in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("rpc.discover",), "the gate's own method"),
        (("jobs.get", "--params", "7"), "params is an object or an array"),
        (("jobs.get", "a=1", "--params", "[]"), "not both"),
        (("/files/a", "a=1"), "Say a path or a method"),
    ],
)
async def test_a_question_that_the_gate_refuses_is_status_1(typed, words, told):
    status, out, err = await typed("explain", *words)
    assert (status, out) == (1, "")
    assert told in err


async def test_an_unknown_method_and_datastack_are_explained_as_refused(typed):
    assert "refused, no method is called" in (await typed("explain", "jobs.gett"))[1]
    assert "refused, no datastack is called" in (await typed("explain", "jobs.get", "--datastack", "x"))[1]
