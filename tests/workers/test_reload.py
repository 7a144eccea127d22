"""Laws of reloading, at a gate of one process and at one of two workers: nobody notices but by what has changed."""

import asyncio
import contextlib
import hashlib
import http.client
import json
import signal
import socket
import subprocess
import threading
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from working_gates import ENVIRON, PYTHON, Gate, until

PIECE = bytes(range(256)) * 256
PIECES = 1024
"""Of 64 KiB: 64 MiB."""


class Lab:
    """A service that counts what it was told to add, and has a long stream and a WebSocket."""

    def __init__(self):
        self.added = []
        self.begun = threading.Event()
        self.going = threading.Event()
        self.going.set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """End; it is as good to end twice."""
        self.going.set()
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join()

    async def _serve(self):
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application()
        app.router.add_post("/api", self._called)
        app.router.add_get("/stream", self._streamed)
        app.router.add_get("/talk", self._talked)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._ready.set()
        await self._end.wait()
        await runner.cleanup()

    async def _called(self, request):
        called = await request.json()
        method, params = called["method"], called.get("params", [])
        answer = {"jsonrpc": "2.0", "id": called["id"]}
        if method == "system.describe":
            answer["result"] = {"procs": [{"name": name} for name in ("add", "get", "get_count", "work")]}
        elif method == "add":
            self.added.append(params[0])
            answer["result"] = params[0]
        elif method in ("get", "get_count", "work"):
            answer["result"] = len(self.added)
        else:
            answer["error"] = {"code": -32601, "message": "no"}
        return web.json_response(answer)

    async def _streamed(self, request):
        answer = web.StreamResponse(headers={"Content-Length": str(len(PIECE) * PIECES)})
        await answer.prepare(request)
        for at in range(PIECES):
            if at == 16:
                self.begun.set()
            while at >= 16 and not self.going.is_set():
                await asyncio.sleep(0.01)
            await answer.write(PIECE)
        return answer

    async def _talked(self, request):
        line = web.WebSocketResponse()
        await line.prepare(request)
        async for message in line:
            await line.send_str(message.data)
        return line


@pytest.fixture
def lab():
    with Lab() as found:
        yield found


class Reloaded(Gate):
    """A gate whose file is changed while it runs."""

    def change(self, *pairs):
        """Write the file anew, as an editor does."""
        text = self.file.read_text()
        for before, after in pairs:
            assert before in text, before
            text = text.replace(before, after)
        beside = self.file.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self.file)

    def reload(self, *pairs):
        """Change the file, and have it taken; what became of it."""
        self.change(*pairs)
        return self.told("POST", "/-/reload", {})

    def taken(self):
        """When the settings that hold were taken."""
        return self.status()["reload"]["settings_of"]

    def typed(self, *words):
        """Status and stdout of a command."""
        done = subprocess.run(
            [*PYTHON, *words, "--config", str(self.file), "--url", f"http://{self.operator}"],
            capture_output=True,
            text=True,
            env=ENVIRON | {"LABGATE_TOKEN": self.token},
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(params=[1, 2], ids=["alone", "workers"])
def started(request, tmp_path, lab):
    """Starts a gate: `started(more="...")`."""
    gates = []

    def made(more="reload: {watch: false}\n"):
        gates.append(Reloaded(tmp_path, lab, workers=request.param, more=more))
        return gates[-1]

    yield made
    for gate in gates:
        gate.kill()


def called(line, method, params=(), **fields):
    """The result or the error of a JSON-RPC call over a kept connection."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    status, _, text = line.ask("POST", "/rpc", body, **fields)
    assert status == 200, text
    answer = json.loads(text)
    return answer["result"] if "result" in answer else answer["error"]["data"]["fault"]


def everywhere(gate, said):
    """Wait until a new connection to any worker sees it so."""
    lines = gate.lines(workers=len(gate.status()["workers"]))
    until(lambda: all(map(said, lines)))


class Callers:
    """Threads that call as quickly as they can over kept connections, until they are told to stop."""

    def __init__(self, gate):
        self.gate = gate
        self.failed, self.added, self.connections, self.calls = [], [], 0, 0
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._call, args=(number, kind))
            for number, kind in enumerate(("add", "add", "add", "work", "get", "mount"))
        ]

    def __enter__(self):
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for one in self._threads:
            one.join()

    def _call(self, number, kind):
        line = http.client.HTTPConnection(self.gate.address, timeout=60)
        line.connect()
        own = line.sock
        fields = {"Authorization": f"Bearer {self.gate.token}", "Content-Type": "application/json"}
        path, method = ("/calc/api", "add") if kind == "mount" else ("/rpc", f"calc.{kind}")
        at = 0
        while not self._stop.is_set():
            at += 1
            what = f"{number}:{at}"
            body = {"jsonrpc": "2.0", "id": at, "method": method, "params": [what]}
            try:
                line.request("POST", path, json.dumps(body).encode(), fields)
                answer = json.loads(line.getresponse().read())
                assert line.sock is own, "another connection was needed"
                assert answer["id"] == at
                if method.endswith("add"):
                    assert answer["result"] == what
                    self.added.append(what)
                else:
                    assert "result" in answer
            except (OSError, http.client.HTTPException, AssertionError, LookupError, ValueError) as failure:
                self.failed.append((kind, at, repr(failure)))
                return
            self.calls += 1
        line.close()


class Stream(threading.Thread):
    """Reads the long stream through the mount."""

    def __init__(self, gate):
        super().__init__()
        self._gate = gate
        self.digest = None
        self.failure = None

    def run(self):
        line = http.client.HTTPConnection(self._gate.address, timeout=60)
        try:
            line.request("GET", "/calc/stream", headers={"Authorization": f"Bearer {self._gate.token}"})
            answer, digest = line.getresponse(), hashlib.sha256()
            while piece := answer.read(1 << 16):
                digest.update(piece)
            self.digest = digest.hexdigest() if answer.length == 0 else None
        except (OSError, http.client.HTTPException) as failure:
            self.failure = failure
        finally:
            line.close()


WHOLE = hashlib.sha256(PIECE * PIECES).hexdigest()


@contextlib.contextmanager
def talking(gate):
    """A WebSocket through the mount; gives what says something and returns what comes back."""
    with asyncio.Runner() as runner:
        session = runner.run(_session())
        fields = {"Authorization": f"Bearer {gate.token}"}
        line = runner.run(session.ws_connect(f"http://{gate.address}/calc/talk", headers=fields))

        def say(text):
            async def said():
                await line.send_str(text)
                return await line.receive(timeout=30)

            return runner.run(said())

        yield say
        runner.run(line.close())
        runner.run(session.close())


async def _session():
    return aiohttp.ClientSession()


def test_while_the_file_changes_ten_times_no_call_fails_no_connection_ends_and_no_write_is_lost_or_doubled(
    started, lab
):
    gate = started(more="")
    lab.going.clear()
    stream = Stream(gate)
    with talking(gate) as say, Callers(gate) as callers:
        stream.start()
        assert lab.begun.wait(60)
        for number in range(10):
            before = gate.taken()
            gate.change((f"shutdown_seconds: {10 + number}\n", f"shutdown_seconds: {11 + number}\n"))
            until(lambda: gate.taken() != before, 60)  # noqa: B023 - it is asked at once
            assert say(f"{number}").data == f"{number}"
        lab.going.set()
        stream.join(60)
        before = callers.calls
        until(lambda: callers.calls > before + 50)
    assert callers.failed == []
    assert sorted(lab.added) == sorted(callers.added)
    assert len(set(callers.added)) == len(callers.added)
    assert (stream.failure, stream.digest) == (None, WHOLE)
    counted = gate.metrics()
    assert counted["labgate_reloads_total", ("what", "reloaded")] == 10
    assert counted["labgate_reload_refused",] == 0


def test_a_new_policy_holds_for_the_next_call_on_every_old_connection(started):
    gate = started()
    lines = gate.lines(workers=len(gate.status()["workers"]))
    assert [called(line, "calc.work") for line in lines] == [0] * len(lines)
    outcome = gate.reload(('allow: ["*", "/**"]', 'allow: ["calc.get", "/**"]'))
    assert outcome["what"] == "reloaded"
    assert outcome["changes"] == ["~ policies[0].allow: [*, /**] -> [calc.get, /**]"]
    assert [called(line, "calc.work") for line in lines] == ["Forbidden"] * len(lines)
    assert [called(line, "calc.get") for line in lines] == [0] * len(lines)
    assert gate.reload(('"calc.get", ', '"*", '))["what"] == "reloaded"
    assert [called(line, "calc.work") for line in lines] == [0] * len(lines)


def test_a_bad_file_is_refused_with_every_problem_and_the_one_before_holds(started):
    gate = started()
    line = gate.line()
    before = gate.taken()
    outcome = gate.reload(
        ('allow: ["*", "/**"]', "allow: 7"), ("shutdown_seconds: 10", "shutdown_second: 10")
    )
    assert outcome["what"] == "refused"
    assert len(outcome["problems"]) == 2
    assert all(f"{gate.file}:" in problem and "(fix: " in problem for problem in outcome["problems"])
    assert called(line, "calc.work") == 0
    assert gate.taken() == before
    assert gate.status()["reload"]["last"]["what"] == "refused"
    assert gate.metrics()["labgate_reload_refused",] == 1
    assert "shutdown_second" in gate.log
    status, said = gate.typed("reload")
    assert (status, "refused" in said, "shutdown_second" in said) == (1, True, True)
    assert (
        gate.reload(("allow: 7", 'allow: ["*"]'), ("shutdown_second:", "shutdown_seconds:"))["what"]
        == "reloaded"
    )
    assert gate.metrics()["labgate_reload_refused",] == 0


def test_what_cannot_change_while_it_runs_is_refused_by_name_and_nothing_else_is_taken(started, tmp_path):
    gate = started()
    line = gate.line()
    outcome = gate.reload(
        (f"{tmp_path}/state", f"{tmp_path}/elsewhere"),
        ("listen: 127.0.0.1:0\n", "listen: 127.0.0.1:1\n"),
        ("mount: /calc", 'mount: /calc\n    listen: "127.0.0.1:2"'),
        ('allow: ["*", "/**"]', 'allow: ["calc.get"]'),
    )
    assert outcome["what"] == "refused"
    assert [one.split(":")[0] for one in outcome["problems"]] == [
        "listen", "services.calc.listen", "state_dir",
    ]  # fmt: skip
    assert all("restart" in one for one in outcome["problems"])
    assert called(line, "calc.work") == 0


def test_a_storm_of_signals_ends_with_the_file_as_it_is(started):
    gate = started()
    with Callers(gate) as callers:
        for number in range(60):
            gate.change((f"shutdown_seconds: {10 + number}\n", f"shutdown_seconds: {11 + number}\n"))
            gate.signal(signal.SIGHUP)
        until(lambda: gate.told("GET", "/-/reload")["what"] == "unchanged", 60)
        before = callers.calls
        until(lambda: callers.calls > before + 50)
    assert callers.failed == []
    assert gate.metrics()["labgate_reloads_total", ("what", "refused")] == 0


def test_a_service_that_is_down_at_a_reload_keeps_its_methods_and_keeps_nobody_waiting(started, lab):
    nobody = socket.socket()
    nobody.bind(("127.0.0.1", 0))
    more = f"""\
  gone: {{dialect: jsonrpc, rpc_path: /api, url: "http://127.0.0.1:{nobody.getsockname()[1]}"}}
reload: {{watch: false}}
"""
    gate = started(more=more)
    line = gate.line()
    lab.stop()
    try:
        outcome = gate.reload(("shutdown_seconds: 10", "shutdown_seconds: 11"))
        assert outcome["what"] == "reloaded"
        listed = json.loads(line.ask("GET", "/openrpc.json")[2])["methods"]
        assert {"calc.add", "calc.work"} <= {one["name"] for one in listed}
        assert all(one["x-labgate"]["down"] for one in listed if one["name"].startswith("calc."))
        assert called(line, "calc.work") in ("UpstreamUnreachable", "Unavailable")
    finally:
        nobody.close()


def test_a_service_that_is_added_is_listed_and_the_catalogs_version_is_another(started, lab):
    gate = started()
    line = gate.line()
    version = line.ask("GET", "/openrpc.json")[1]["Labgate-Catalog"]
    added = f'services:\n  more: {{dialect: jsonrpc, rpc_path: /api, url: "{lab.url}"}}\n'
    outcome = gate.reload(("services:\n", added))
    assert outcome["changes"] == ["+ services.more: dialect, rpc_path, url"]
    status, fields, text = line.ask("GET", "/openrpc.json")
    assert status == 200
    assert "more.work" in {one["name"] for one in json.loads(text)["methods"]}
    assert fields["Labgate-Catalog"] != version
    assert called(line, "more.work") == 0
    assert gate.reload((added, "services:\n"))["what"] == "reloaded"
    assert line.ask("GET", "/openrpc.json")[1]["Labgate-Catalog"] == version
    assert called(line, "more.work") == "UnknownMethod"


def test_an_included_file_and_one_that_holds_a_secret_are_watched(started, tmp_path, lab):
    (tmp_path / "more.yaml").write_text("limits: {batch: 7}\n")
    (tmp_path / "secret").write_text("first-secret-0123456789\n")
    more = f"""\
  third: {{dialect: listed, url: "{lab.url}", headers: {{X-Key: "${{file:secret}}"}}}}
include: [more.yaml]
"""
    gate = started(more=more)
    before = gate.taken()
    (tmp_path / "more.yaml").write_text("limits: {batch: 8}\n")
    until(lambda: gate.taken() != before, 60)
    assert gate.status()["reload"]["last"]["changes"] == ["~ limits.batch: 7 -> 8"]
    before = gate.taken()
    (tmp_path / "secret").write_text("second-secret-0123456789\n")
    until(lambda: gate.taken() != before, 60)
    assert gate.status()["reload"]["last"]["changes"] == [
        "~ services.third.headers.X-Key: ${file:secret} (it stands for something else now)"
    ]
    assert "-secret-" not in gate.log


def test_a_diff_tells_what_a_reload_would_do_and_does_nothing(started):
    gate = started()
    line = gate.line()
    assert gate.typed("diff") == (0, "nothing has changed\n")
    gate.change(('allow: ["*", "/**"]', 'allow: ["calc.get"]'), ("mount: /calc", "mount: /calk"))
    status, said = gate.typed("diff")
    assert status == 0
    assert "~ services.calc.mount: /calc -> /calk" in said
    assert "~ policies[0].allow: [*, /**] -> [calc.get]" in said
    assert "a reload would take this" in said
    assert called(line, "calc.work") == 0
    assert gate.typed("reload")[0] == 0
    assert called(line, "calc.work") == "Forbidden"


def test_only_an_operator_reloads_and_only_as_json(started):
    gate = started()
    guest = gate.line(token=gate.token_for("bob", "guests"), address=gate.operator)
    assert [guest.ask(verb, "/-/reload", {})[0] for verb in ("GET", "POST")] == [403, 403]
    line = gate.line(address=gate.operator)
    assert line.ask("POST", "/-/reload", {}, **{"Content-Type": "text/plain"})[0] == 415


def test_what_memory_holds_outlives_a_reload_but_not_a_change_of_its_service(started, lab):
    gate = started()
    workers = len(gate.status()["workers"])
    lines = gate.lines(workers=workers)
    kept = [called(line, "calc.get_count") for line in lines]
    assert kept == [0] * workers
    called(lines[0], "calc.add", ["one"])
    assert gate.reload(("shutdown_seconds: 10", "shutdown_seconds: 11"))["what"] == "reloaded"
    assert [called(line, "calc.get_count") for line in lines] == kept
    assert gate.reload(("fresh: 1h", "fresh: 2h"))["what"] == "reloaded"
    assert [called(line, "calc.get_count") for line in lines] == [1] * workers


def test_a_call_repeated_after_a_reload_is_carried_out_once(started, lab):
    gate = started()
    line = gate.line()
    # A client of CryoSPARC's repeats what it had no answer to, with the same UUID.
    once = {
        "jsonrpc": "2.0",
        "id": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "method": "add",
        "params": ["once"],
    }
    first = line.ask("POST", "/calc/api", once)[2]
    assert gate.reload(("shutdown_seconds: 10", "shutdown_seconds: 11"))["what"] == "reloaded"
    assert line.ask("POST", "/calc/api", once)[2] == first
    assert lab.added == ["once"]


def test_what_was_counted_and_switched_outlives_a_reload(started):
    gate = started()
    line = gate.line()
    for _ in range(5):
        called(line, "calc.work")
    gate.told("POST", "/-/switches", {"cordon": {"other": True}})
    assert gate.reload(("shutdown_seconds: 10", "shutdown_seconds: 11"))["what"] == "reloaded"
    status = gate.status()
    assert status["switches"]["cordon"] == {"calc": False, "other": True}
    assert line.ask("GET", "/elsewhere")[0] == 503
    called(line, "calc.work")
    # The old gate has nothing left to do, and its last word has been heard.
    name = ("labgate_calls_total", ("method", "calc.work"), ("outcome", "pass"), ("service", "calc"))
    until(lambda: gate.metrics()[name] == 6)

    def lately():
        rows = gate.told("GET", "/-/methods?since=900&find=calc.work")["rows"]
        return [(row["method"], row["calls"]) for row in rows]

    until(lambda: lately() == [("calc.work", 6)])


def test_streams_of_old_settings_end_after_the_drain_limit_and_new_reloads_need_not_wait(started, lab):
    gate = started(more="reload: {watch: false, drain: 1s}\n")
    lab.going.clear()
    stream = Stream(gate)
    stream.start()
    line = gate.line()
    for number in range(3):
        pair = (f"shutdown_seconds: {10 + number}", f"shutdown_seconds: {11 + number}")
        assert gate.reload(pair)["what"] == "reloaded"
        assert called(line, "calc.work") == 0
    stream.join(60)
    assert not stream.is_alive()
    assert stream.digest is None


def test_the_end_does_not_wait_for_streams_that_old_settings_let_go_on(started, lab):
    gate = started()
    lab.going.clear()
    stream = Stream(gate)
    stream.start()
    until(lambda: gate.status()["connections"] > 0)
    assert gate.reload(("shutdown_seconds: 10", "shutdown_seconds: 0"))["what"] == "reloaded"
    assert gate.reload(("shutdown_seconds: 0", "shutdown_seconds: 1"))["what"] == "reloaded"
    gate.signal(signal.SIGTERM)
    assert gate.wait() == 0
    stream.join(60)
    assert stream.digest is None


@pytest.mark.parametrize("started", [2], indirect=True)
def test_a_worker_that_is_started_after_a_reload_works_by_the_new_settings(started):
    gate = started()
    assert gate.reload(('allow: ["*", "/**"]', 'allow: ["calc.get"]'))["what"] == "reloaded"
    gate.change(('allow: ["calc.get"]', 'allow: ["*"]'))  # which nobody has taken
    first = gate.pids()
    subprocess.run(["kill", "-9", str(first[0])], check=True)
    until(lambda: len(gate.pids()) == 2 and gate.pids()[0] != first[0], 60)
    lines = gate.lines()
    assert [called(line, "calc.work") for line in lines] == ["Forbidden"] * 2
    assert gate.told("POST", "/-/reload", {})["what"] == "reloaded"
    everywhere(gate, lambda line: called(line, "calc.work") == 0)


def test_nothing_of_settings_that_were_changed_stays_open(started):
    gate = started()
    pids = gate.pids()
    lines = gate.lines(workers=len(pids))

    def reload(number):
        pair = (f"shutdown_seconds: {10 + number}\n", f"shutdown_seconds: {11 + number}\n")
        assert gate.reload(pair)["what"] == "reloaded"
        assert [called(line, "calc.work") for line in lines] == [0] * len(pids)

    def files(*of):
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in of)

    for number in range(3):
        reload(number)
    before, above = files(*pids), files(gate.pid)
    for number in range(3, 13):
        reload(number)
    # Each gate has several of its own, and a connection to the service.
    until(lambda: files(*pids) < before + 10 * len(pids))
    # The process above them had one for each reload as long as nobody asked it for numbers.
    until(lambda: files(gate.pid) < above + 3)


def test_a_websocket_at_rpc_is_told_to_come_again_when_the_settings_change(started):
    gate = started()
    fields = {"Authorization": f"Bearer {gate.token}"}

    async def heard(before, after):
        async with aiohttp.ClientSession() as session:
            line = await session.ws_connect(f"http://{gate.address}/rpc", headers=fields)
            await asyncio.to_thread(gate.reload, (before, after))
            async with asyncio.timeout(60):
                said = [json.loads(message.data)["method"] async for message in line]
            again = await session.ws_connect(f"http://{gate.address}/rpc", headers=fields)
            await again.send_str('{"jsonrpc":"2.0","method":"calc.work","params":[],"id":1}')
            answer = json.loads(await again.receive_str(timeout=60))
            return said, line.close_code, answer["error"]["data"]["fault"]

    said = asyncio.run(heard('allow: ["*", "/**"]', 'allow: ["calc.get", "/**"]'))
    assert said == (["rpc.closing"], 1001, "Forbidden")
