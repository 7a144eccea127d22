"""Who uses what, kept: through restarts and by several processes, bounded, and told to operators alone."""

import argparse
import asyncio
import csv
import io
import json
import sqlite3
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web

from gateway.commands import usage as command
from gateway.core.method import Method, RpcBinding
from gateway.core.usage import HOUR, Person, Sums, Use, Uses, told
from gateway.telemetry.usage_store import UsageStore
from gateway.usage import UsageBook

GET = Method("jobs.get", "jobs", RpcBinding("get"))
ADA = Person("ada", "labgate", ("lab",))


def use(hour=0, subject="ada", method="jobs.get", calls=1):
    return Use(
        hour * HOUR,
        Person(subject, "labgate", ("lab",)),
        "jobs",
        method,
        Sums(calls, 0, 0, 10, 0, calls, 0.5),
    )


def test_what_is_written_twice_is_added_up_and_outlives_the_process(tmp_path):
    file = tmp_path / "usage.sqlite"
    UsageStore(file, 1e9).write([use(calls=2), use(method="jobs.put")], 10.0)
    UsageStore(file, 1e9).write([use(calls=3)], 20.0)
    found = {one.method: one.sums for one in UsageStore(file, 1e9).read(0.0)}
    assert found["jobs.get"] == Sums(5, 0, 0, 20, 0, 5, 1.0)
    assert found["jobs.put"].calls == 1
    assert file.stat().st_mode & 0o777 == 0o600


def test_groups_are_those_of_the_last_call_and_no_name_breaks_it(tmp_path):
    store = UsageStore(tmp_path / "usage.sqlite", 1e9)
    odd = Person("x'); DROP TABLE uses;--\ud800", "labgate", ("a\ud800",))
    store.write([Use(0, odd, "jobs", "jobs.get", Sums(1)), use()], 0.0)
    moved = Person("ada", "labgate", ("em", "lab"))
    store.write([Use(0, moved, "jobs", "jobs.get", Sums(1))], 0.0)
    groups = {one.person.subject: one.person.groups for one in store.read(0.0)}
    assert groups["ada"] == ("em", "lab")
    assert len(groups) == 2


def test_what_is_older_than_it_is_kept_goes_and_so_does_the_oldest_of_too_many(tmp_path):
    store = UsageStore(tmp_path / "usage.sqlite", keep=10 * HOUR, most=3)
    store.write([use(hour) for hour in range(3)], 2 * HOUR)
    store.write([use(12)], 12 * HOUR)
    assert {one.hour // HOUR for one in store.read(0.0)} == {2, 12}
    store.write([use(12, name) for name in ("b", "c", "d")], 12 * HOUR)
    assert {one.hour // HOUR for one in store.read(0.0)} == set(), "an hour goes whole"
    store.write([use(13)], 13 * HOUR)
    assert len(store.read(0.0)) == 1
    assert store.read(14 * HOUR) == []


async def test_processes_that_write_at_once_lose_nothing(tmp_path):
    stores = [UsageStore(tmp_path / "usage.sqlite", 1e9) for _ in range(4)]
    await asyncio.gather(
        *(asyncio.to_thread(store.write, [use(calls=1)], 0.0) for store in stores for _ in range(5))
    )
    assert [one.sums.calls for one in stores[0].read(0.0)] == [20]


async def test_what_cannot_be_written_waits_for_the_next_time_and_is_told_once(tmp_path, caplog):
    class Broken(UsageStore):
        broken = True

        def write(self, uses, now):
            if self.broken:
                raise sqlite3.OperationalError("database or disk is full")
            super().write(uses, now)

    uses, store = Uses(), Broken(tmp_path / "usage.sqlite", 1e9)
    book = UsageBook(uses, lambda: None, store, lambda: 0.0)
    for _ in range(2):
        uses.called(ADA, GET, "miss", 1.0, 1)
        await book.write()
    assert (book.failed, len(caplog.records)) == (2, 1)
    store.broken = False
    assert (await book.told("user", 0.0))[0]["calls"] == 2


CONFIG = """\
telemetry: {{access_log: "off", usage: on}}
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
  - {{to: [authenticated], allow: ["*", "/**"]}}
services:
  jobs: {{dialect: listed, url: "{url}", rpc_path: /api, mount: /jobs, methods: {{get: {{safe: true, cache: {{fresh: 1h, share: everyone}}}}, put: {{}}}}}}
"""


@pytest.fixture
async def lab(gate_of, token_for):
    async def call(request):
        said = await request.json()
        return web.json_response({"jsonrpc": "2.0", "id": said["id"], "result": [1, 2, 3]})

    async def tile(request):
        return web.Response(body=b"x" * 50, headers={"Cache-Control": "public, max-age=3600"})

    app = web.Application()
    app.add_routes([web.post("/api", call), web.get("/tile", tile)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    @asynccontextmanager
    async def running():
        async with gate_of(CONFIG.format(url=url)) as gate, aiohttp.ClientSession() as session:

            async def ask(verb, address, token, **how):
                headers = {"Authorization": f"Bearer {token}"}
                async with session.request(verb, address, headers=headers, **how) as got:
                    return got.status, await got.read()

            yield SimpleNamespace(
                gate=gate,
                ask=ask,
                address="http://{}:{}".format(*gate.address),
                operator="http://{}:{}".format(*gate.operator_address),
                ada=token_for("ada", "lab"),
                bob=token_for("bob", "em", "guests"),
            )

    yield running
    await runner.cleanup()


async def rows(lab, by, token=None):
    status, body = await lab.ask("GET", f"{lab.operator}/-/usage?by={by}", token or lab.ada)
    assert status == 200, body
    return {row[by]: row for row in json.loads(body)["rows"]}


async def called(lab, token, times=1, method="jobs.get"):
    for _ in range(times):
        said = {"jsonrpc": "2.0", "method": method, "id": 1}
        status, body = await lab.ask("POST", f"{lab.address}/rpc", token, json=said)
        assert status == 200, body


@pytest.mark.parametrize("lanes", [True, False])
async def test_each_call_is_its_callers_whichever_way_it_was_answered(lab, lanes):
    async with lab() as running:
        running.gate.switches.lanes = lanes
        running.gate._set_lanes()
        await called(running, running.ada, 7)
        await called(running, running.bob, 5)
        await called(running, running.bob, 1, "jobs.put")
        for _ in range(6):
            status, body = await running.ask("GET", f"{running.address}/jobs/tile", running.bob)
            assert (status, len(body)) == (200, 50)
        by_user = await rows(running, "user")
        by_method = await rows(running, "method")
        by_group = await rows(running, "group")
    assert {name: (row["calls"], row["hits"]) for name, row in by_user.items()} == {
        "ada": (7, 6),
        "bob": (12, 10),
    }
    assert by_method["jobs.get"]["calls"] == 12
    assert (by_method["jobs.http"]["calls"], by_method["jobs.http"]["hits"]) == (6, 5)
    assert by_method["jobs.http"]["bytes"] == 300
    assert by_method["jobs.put"]["hits"] == 0
    assert {name: row["calls"] for name, row in by_group.items()} == {"lab": 7, "em": 12, "guests": 12}
    assert by_user["ada"]["bytes_saved"] == 6 * len(b"[1, 2, 3]")


async def test_it_is_told_after_a_restart_and_to_operators_alone(lab):
    async with lab() as running:
        await called(running, running.ada, 2)
    async with lab() as running:
        await called(running, running.ada, 1)
        assert (await rows(running, "service"))["jobs"]["calls"] == 3
        status, _ = await running.ask("GET", f"{running.operator}/-/usage", running.bob)
        assert status == 403
        for query in ("by=nobody", "since=0", "since=x", "since=-1", "since=inf"):
            status, _ = await running.ask("GET", f"{running.operator}/-/usage?{query}", running.ada)
            assert status == 400, query


async def test_where_it_is_not_kept_it_says_how_to_begin(gate_of, token_for):
    async with (
        gate_of('policies: [{to: ["group:lab"], operate: true}]') as gate,
        aiohttp.ClientSession() as session,
    ):
        headers = {"Authorization": f"Bearer {token_for('ada', 'lab')}"}
        async with session.get("http://{}:{}/-/usage".format(*gate.operator_address), headers=headers) as got:
            assert got.status == 404
            assert "telemetry: {usage: 90d}" in await got.text()
        assert gate.metrics.uses is None


async def test_the_command_shows_a_table_or_rows_for_a_spreadsheet(lab, capsys):
    def run(*words):
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        args = parser.parse_args(words)
        args.command = "usage"
        capsys.readouterr()
        code = command.run(args)
        return code, capsys.readouterr()

    async with lab() as running:
        await called(running, running.ada, 4)
        where = ("--url", running.operator, "--token", running.ada)
        code, said = await asyncio.to_thread(run, "--by", "method", *where)
        assert code == 0
        head, row = said.out.splitlines()
        assert head.split()[:3] == ["METHOD", "CALLS", "CACHED"]
        assert row.split()[:4] == ["jobs.get", "4", "75", "%"]
        code, said = await asyncio.to_thread(run, "--since", "2h", "--csv", *where)
        (found,) = csv.DictReader(io.StringIO(said.out))
        assert (code, found["user"], found["calls"], found["hits"]) == (0, "ada", "4", "3")
        code, said = await asyncio.to_thread(run, "--since", "90min", *where)
        assert (code, len(said.out.splitlines())) == (0, 2)
        with pytest.raises(SystemExit):
            await asyncio.to_thread(run, "--since", "yesterday", *where)
        assert "--since: expected a duration, found `yesterday`: write" in capsys.readouterr().err


def test_no_name_is_a_formula_to_a_spreadsheet(capsys):
    command._write("user", told([Use(0, Person("=1+1", "x"), "jobs", "jobs.get", Sums(1))], "user"))
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["user"] == "'=1+1"
