"""`labgated times`: what the gate has measured of each method, as lines for people and as JSON for programs."""

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web

from gateway import cli
from gateway.commands.tables import moment

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
services:
  jobs: {{dialect: listed, url: "{url}", rpc_path: /, methods: {{get: {{safe: true, cache: {{fresh: 1h}}}}, put: {{}}, fails: {{}}}}}}
"""


@pytest.fixture
async def told(gate_of, token_for, capsys):
    """Runs the command at a gate with some calls behind it."""

    async def answer(request):
        said = await request.json()
        answer = {"jsonrpc": "2.0", "id": said["id"]}
        if said["method"] == "fails":
            return web.json_response({**answer, "error": {"code": 7, "message": "no"}})
        return web.json_response({**answer, "result": 1})

    app = web.Application()
    app.add_routes([web.post("/", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with gate_of(CONFIG.format(url=url)) as gate:
        token = token_for("ada", "lab")

        async def run(*words):
            where = ("--url", "http://{}:{}".format(*gate.operator_address), "--token", token)
            capsys.readouterr()
            status = await asyncio.to_thread(cli.main, ["times", *words, *where])
            said = capsys.readouterr()
            return status, said.out.splitlines(), said.err

        async def call(name, times):
            address = "http://{}:{}/rpc".format(*gate.address)
            headers = {"Authorization": f"Bearer {token}"}
            async with aiohttp.ClientSession(headers=headers) as session:
                for _ in range(times):
                    said = {"jsonrpc": "2.0", "method": f"jobs.{name}", "id": 1}
                    async with session.post(address, json=said) as got:
                        assert got.status == 200

        run.call = call
        yield run
    await runner.cleanup()


async def test_a_line_for_each_method_and_one_for_all_of_them(told):
    await told.call("get", 4)
    await told.call("put", 2)
    await told.call("fails", 1)
    status, lines, err = await told()
    assert (status, err) == (0, "")
    head, *rows = lines
    assert status == 0
    assert head.split() == ["METHOD", "CALLS", "FAILED", "CACHED", "HALF", "WITHIN", "99", "%", "WITHIN"]
    cells = [row.split() for row in rows]
    assert [one[:5] for one in cells] == [
        ["jobs.get", "4", "0", "75", "%"],
        ["jobs.put", "2", "0", "0", "%"],
        ["jobs.fails", "1", "1", "0", "%"],
        ["all", "7", "1", "43", "%"],
    ]
    assert {one[6] for one in cells} | {one[8] for one in cells} <= {"us", "ms", "s"}


async def test_some_of_them_are_chosen_sorted_and_counted(told):
    await told.call("get", 3)
    await told.call("put", 2)
    await told.call("fails", 1)
    _, rows, _ = await told("--sort", "name", "--limit", "1")
    assert [row.split()[0] for row in rows] == ["METHOD", "jobs.fails", "all", "and"]
    assert rows[-1].startswith("and 2 more: --limit")
    _, rows, _ = await told("JOBS", "put")
    assert [row.split()[0] for row in rows[1:]] == ["jobs.put"]
    _, rows, _ = await told("--by", "service", "--since", "15min")
    assert [row.split()[:2] for row in rows[1:]] == [["jobs", "6"]]


async def test_programs_get_what_the_gate_says(told):
    await told.call("get", 2)
    status, lines, _ = await told("--json")
    found = json.loads("\n".join(lines))
    assert (status, found["found"], found["rows"][0]["method"]) == (0, 1, "jobs.get")
    assert 0 < found["rows"][0]["p50"] <= found["rows"][0]["p99"] < 60


async def test_where_there_is_nothing_to_show_it_says_so(told):
    assert (await told())[:2] == (0, ["nobody has called anything in that time"])
    await told.call("get", 1)
    assert (await told("nothing"))[:2] == (0, ["nobody has called such a method in that time"])


@pytest.mark.parametrize("words", [("--since", "1d"), ("--limit", "0")])
async def test_what_the_gate_does_not_tell_is_refused_by_the_name_that_it_has(told, words):
    status, lines, err = await told(*words)
    assert (status, lines) == (1, [])
    assert words[0].strip("-") in err


async def test_a_time_that_is_none_is_refused_with_what_is_one(told, capsys):
    with pytest.raises(SystemExit):
        await told("--since", "soon")
    assert "--since: expected a duration, found `soon`: write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.000123, "123 us"), (0.00142, "1.42 ms"), (0.25, "250 ms"), (12.34, "12.3 s")]
)
def test_a_moment_has_three_digits_that_count(seconds, shown):
    assert moment(seconds) == shown
