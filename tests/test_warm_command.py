"""`labgated cache warm`: what a file wants is in the cache when it ends, however often it had to be begun."""

import asyncio
import json
import os
import signal
import sys
import threading
from collections import Counter
from itertools import pairwise

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from gateway import cli
from gateway.commands.warm_file import Progress, read
from gateway.commands.warming import Pace

SERVICES = """\
limits: {{batch: 10}}
policies:
  - {{to: ["group:lab"], allow: ["jobs.*", "files.*", "/**"], operate: true}}
services:
  jobs:
    dialect: jsonrpc
    rpc_path: /api
    url: "{url}"
    methods:
      "get*": {{safe: true, cache: {{fresh: 1h, share: everyone, max_size: 1KiB}}}}
      "look": {{safe: true}}
  files:
    dialect: listed
    url: "{url}"
    mount: /files
    methods: {{http: {{cache: {{fresh: 1h, share: everyone}}}}}}
"""
NAMES = ("get", "get_large", "get_held", "get_error", "look", "put")


class Lab:
    """A gate that runs, and its upstream, whose calls are counted by their params."""

    def __init__(self, tmp_path, capsys):
        self.seen: Counter[str] = Counter()
        self.most = self.now = 0
        self.free = asyncio.Event()
        self.file = tmp_path / "calls.jsonl"
        self.progress = tmp_path / "calls.jsonl.progress"
        self.config = tmp_path / "here.yaml"
        self._capsys = capsys
        self.gate = None
        self.token = ""

    async def handle(self, request):
        called = await request.json()
        answer = {"jsonrpc": "2.0", "id": called["id"]}
        method = called["method"]
        if method == "system.describe":
            procs = [{"name": name} for name in NAMES]
            return web.json_response(answer | {"result": {"sdversion": "1.0", "name": "j", "procs": procs}})
        if method not in NAMES:
            return web.json_response(answer | {"error": {"code": -32601, "message": "no"}})
        self.seen[f"{method} {json.dumps(called.get('params'))}"] += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await (self.free.wait() if method == "get_held" else asyncio.sleep(0.001))
        finally:
            self.now -= 1
        if method == "get_error":
            return web.json_response(answer | {"error": {"code": 7, "message": f"boom\x1b {self.seen['x']}"}})
        return web.json_response(answer | {"result": "x" * 5000 if method == "get_large" else 1})

    async def give(self, request):
        self.seen[f"GET {request.path_qs} {request.headers.get('X-Own')}"] += 1
        if request.path == "/missing":
            raise web.HTTPNotFound
        return web.Response(text="a file" * 100_000)

    def write(self, *lines):
        text = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines)
        self.file.write_text(text + "\n")

    async def warm(self, *words):
        self._capsys.readouterr()
        own = ["--config", str(self.config), "--token", self.token]
        try:
            status = await asyncio.to_thread(cli.main, ["cache", "warm", str(self.file), *words, *own])
        except SystemExit as end:
            status = end.code
        out, err = self._capsys.readouterr()
        assert self.token not in out + err
        return status, out, err


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
        yield lab
        lab.free.set()
    await runner.cleanup()


def calls(count, method="jobs.get", first=0):
    return [{"method": method, "params": [n]} for n in range(first, first + count)]


async def test_what_the_file_wants_is_stored_and_is_there_the_next_time(lab):
    lab.write("# the night before", "", *calls(20), {"get": "/files/a?x=1"}, {"get": "/files/b"})
    status, out, err = await lab.warm("--rate", "1000")
    assert (status, err) == (0, "")
    assert out == "22 asked for: 22 stored, 0 were there, 0 not kept, 0 failed\n"
    assert len(lab.gate.tier) == 22
    assert not lab.progress.exists()
    assert (await lab.warm("--rate", "1000"))[1].startswith("22 asked for: 0 stored, 22 were there")
    assert set(lab.seen.values()) == {1}


async def test_params_are_sent_as_they_are_written(lab):
    lab.write('{"params": [1e2, "\\u00e9", {"b":1, "a":2}], "method": "jobs.get"}')
    await lab.warm()
    (entry,) = lab.gate.tier.recent()
    assert b'[1e2,"\\u00e9",{"b":1,"a":2}]' in entry.key


async def test_what_is_not_kept_and_what_fails_is_told_with_its_reason_and_line(lab):
    lab.write(
        {"method": "jobs.look"},
        {"method": "jobs.put"},
        {"method": "jobs.get_large"},
        {"method": "jobs.get_error"},
        {"method": "jobs.nope"},
        {"method": "jobs.get", "datastack": "minnie"},
        {"get": "/files/missing"},
        {"get": "/files/a", "fields": {"Cookie": "a=b", "X-Own": "mine"}},
    )
    status, out, _ = await lab.warm("--concurrency", "1")
    assert status == 1
    lines = out.splitlines()
    assert lines[0] == "8 asked for: 0 stored, 0 were there, 4 not kept, 4 failed"
    assert "not kept: 1 x no rule (line 1)" in lines
    assert "not kept: 1 x unsafe (line 2)" in lines
    assert any(one.startswith("not kept: 1 x the reply is larger than") for one in lines)
    assert "not kept: 1 x a cookie of the caller's (line 8)" in lines
    assert any("boom? 0 (line 4)" in one for one in lines)
    assert any("did you mean" in one or "no method is called jobs.nope" in one for one in lines)
    assert any("minnie" in one for one in lines)
    assert "failed: 1 x status 404 (line 7)" in lines
    assert lab.seen["GET /a mine"] == 1


async def test_to_resume_asks_again_for_what_failed_and_for_nothing_else(lab):
    lab.write(*calls(3), {"method": "jobs.get_error"}, *calls(3, first=3))
    assert (await lab.warm())[0] == 1
    assert json.loads(lab.progress.read_text())["failed"] == [4]
    before = Counter(lab.seen)
    _, out, _ = await lab.warm("--resume")
    assert out.startswith("1 asked for: 0 stored, 0 were there, 0 not kept, 1 failed")
    assert lab.seen - before == {"get_error null": 1}
    assert (await lab.warm())[1].startswith("7 asked for")


async def test_a_file_that_changed_is_not_gone_on_with(lab):
    lab.write({"method": "jobs.get_error"})
    await lab.warm()
    lab.write(*calls(2))
    status, out, err = await lab.warm("--resume")
    assert (status, out) == (2, "")
    assert "has changed since the last run: run without --resume" in err
    assert (await lab.warm())[0] == 0
    assert (await lab.warm("--resume"))[0] == 0, "where there is nothing to go on with, all is asked for"


async def test_a_progress_file_that_is_none_is_refused(lab):
    lab.write(*calls(1))
    for text in ("", "[]", "{}", '{"of": 1, "through": "x", "failed": []}'):
        lab.progress.write_text(text)
        status, _, err = await lab.warm("--resume")
        assert (status, "cannot be read: remove it" in err) == (2, True)


async def test_no_more_calls_are_under_way_than_are_asked_for(lab):
    lab.write(*calls(60))
    await lab.warm("--rate", "100000", "--concurrency", "3")
    assert 1 <= lab.most <= 3
    assert len(lab.gate.tier) == 60


@given(st.floats(0.1, 1000), st.lists(st.floats(0, 0.1), min_size=2, max_size=50))
def test_no_two_calls_are_made_closer_to_each_other_than_the_rate_allows(rate, work):
    pace, now, made = Pace(rate), 5.0, []
    for seconds in work:
        now += pace.wait(now)
        made.append(now)
        now += seconds
    gaps = [after - before for before, after in pairwise(made)]
    for gap, seconds in zip(gaps, work, strict=False):
        assert gap == pytest.approx(max(1 / rate, seconds)), "and none is made later than it has to be"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nonsense", "it is no JSON"),
        ("[1]", "it is no object"),
        ("{}", "it names no method"),
        ('{"method": 7}', "it names no method"),
        ('{"method": "jobs.get", "params": 7}', "params is an array or an object"),
        ('{"method": "jobs.get", "param": []}', "'param' is not one of method, params, datastack"),
        ('{"method": "jobs.get", "method": "jobs.put"}', "something is said twice"),
        ('{"method": "jobs.get", "datastack": []}', "datastack is a text"),
        ('{"get": "files/a"}', "get is a path"),
        ('{"get": "/a b"}', "write %20"),
        ('{"get": "/a\\r\\nX: y"}', "get is a path"),
        ('{"get": "/a", "fields": {"X": "a\\r\\nY: b"}}', "fields is an object of texts"),
        ('{"get": "/a", "method": "jobs.get"}', "'method' is not one of get, fields"),
    ],
)
async def test_a_line_that_cannot_be_used_is_told_before_anything_is_asked_for(lab, line, words):
    lab.write(*calls(2), line)
    status, out, err = await lab.warm()
    assert (status, out) == (2, "")
    assert f"{lab.file}, line 3: " in err
    assert words in err
    assert not lab.seen


async def test_of_many_bad_lines_the_first_ones_are_told(lab):
    lab.write(*(["nonsense"] * 100))
    _, _, err = await lab.warm()
    assert len(err.splitlines()) == 11


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--rate", "0"), "'0' is no number above 0"),
        (("--rate", "x"), "'x' is no number above 0"),
        (("--rate", "nan"), "is no number above 0"),
        (("--timeout", "-1"), "'-1' is no number above 0"),
        (("--concurrency", "0"), "'0' is no whole number from 1 to 64"),
        (("--concurrency", "65"), "from 1 to 64"),
        (("--concurrency", "6400"), "from 1 to 64"),
    ],
)
async def test_numbers_that_are_none_are_refused(lab, words, told):
    lab.write(*calls(1))
    status, _, err = await lab.warm(*words)
    assert (status, told in err) == (2, True)
    assert not lab.seen


async def test_a_file_that_is_not_there_is_named(lab):
    status, _, err = await lab.warm()
    assert status == 2
    assert f"{lab.file} cannot be read: No such file or directory" in err
    assert "Errno" not in err


async def test_a_token_that_fails_ends_it_at_once(lab):
    lab.write(*calls(50))
    lab.token = "nonsense"
    status, out, err = await lab.warm("--rate", "1000")
    assert status == 1
    assert "the gate does not take the token" in err
    assert out.startswith("0 asked for")


async def test_a_gate_that_goes_away_ends_it_and_it_can_be_gone_on_with(lab):
    lab.write(*calls(5), {"method": "jobs.get_held"}, *calls(5, first=5))
    warming = asyncio.ensure_future(lab.warm("--concurrency", "1", "--rate", "1000"))
    while not lab.seen["get_held null"]:
        await asyncio.sleep(0.001)
    for server in lab.gate.servers:
        await server.close()
    status, out, err = await warming
    assert status == 1
    assert "does not answer any more" in err
    assert out.startswith("5 asked for: 5 stored")
    assert json.loads(lab.progress.read_text())["through"] == 5


async def test_an_interrupt_ends_it_soon_with_a_summary_and_it_can_be_gone_on_with(lab):
    lab.write(*calls(3), {"method": "jobs.get_held"}, *calls(3, first=3))
    command = [sys.executable, "-m", "gateway.cli", "cache", "warm", str(lab.file), "--concurrency", "1"]
    process = await asyncio.create_subprocess_exec(
        *command,
        "--rate",
        "1000",
        "--config",
        str(lab.config),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"LABGATE_TOKEN": lab.token},
    )
    while not lab.seen["get_held null"]:
        await asyncio.sleep(0.001)
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, err) == (130, b"")
    assert out.decode().splitlines() == [
        "3 asked for: 3 stored, 0 were there, 0 not kept, 0 failed",
        "it was not ended: --resume goes on from here",
    ]
    lab.free.set()
    status, text, _ = await lab.warm("--resume")
    assert (status, text) == (0, "4 asked for: 4 stored, 0 were there, 0 not kept, 0 failed\n")
    assert not lab.progress.exists()


# progress


def progress(tmp_path, lines):
    file = tmp_path / "f"
    file.write_text("x\n" * lines)
    return file, Progress.of(file, resume=False)


def test_lines_that_end_out_of_order_count_when_all_before_them_have_ended(tmp_path):
    file, one = progress(tmp_path, 5)
    assert [number for number in range(1, 6) if one.is_wanted(number)] == [1, 2, 3, 4, 5]
    for number, failed in ((3, False), (1, False), (4, True)):
        one.done(number, failed=failed)
    one.save()
    again = Progress.of(file, resume=True)
    assert [number for number in range(1, 6) if again.is_wanted(number)] == [2, 3, 4, 5]
    one.done(2, failed=False)
    one.save()
    again = Progress.of(file, resume=True)
    assert [number for number in range(1, 6) if again.is_wanted(number)] == [4, 5]


def test_a_line_is_read_with_its_params_as_they_were_written():
    line = read(7, b'{"method":"a.b", "params": {"x": 1.0 }}')
    assert (line.number, line.method, line.params) == (7, b'"a.b"', b'{"x": 1.0 }')


def test_progress_is_never_half_written(tmp_path):
    file, one = progress(tmp_path, 3)
    stop = threading.Event()
    target = file.with_name("f.progress")
    one.save()

    def save():
        while not stop.is_set():
            one.save()

    writer = threading.Thread(target=save)
    writer.start()
    try:
        for _ in range(300):
            assert json.loads(target.read_text())["through"] == 0
    finally:
        stop.set()
        writer.join()
