"""`labgated serve` as a process: one line when it is ready, its log elsewhere, an end that loses no call."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

CONFIG = """\
listen: 127.0.0.1:0
operator: {{listen: 127.0.0.1:0}}
state_dir: {folder}/state
shutdown_seconds: 10
policies:
  - {{to: ["group:lab"], allow: ["*"]}}
services:
  slow: {{url: "{url}", headers: {{License-ID: "${{env:SLOW_LICENCE}}"}}}}
"""
LICENCE = "licence-0123456789"


@contextmanager
def slow_service():
    """A service whose `work` answers when the test lets it."""
    release, seen, started = threading.Event(), [], threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            called = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append((called["method"], self.headers["License-ID"]))
            answer = {"jsonrpc": "2.0", "id": called["id"]}
            if called["method"] == "system.describe":
                answer["result"] = {"procs": [{"name": "work"}]}
            elif called["method"] == "work":
                started.set()
                release.wait(10)
                answer["result"] = "done"
            else:
                answer["error"] = {"code": -32601, "message": "no"}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", release, seen, started
    finally:
        release.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def gate(tmp_path):
    """A serving process before the slow service, with a token for it."""
    with slow_service() as (url, release, seen, started):
        file = tmp_path / "labgate.yaml"
        file.write_text(CONFIG.format(folder=tmp_path, url=url))
        command = [sys.executable, "-m", "gateway.cli"]
        environ = {"SLOW_LICENCE": LICENCE, "PATH": "/usr/bin:/bin"}
        create = ["token", "create", "--subject", "ada", "--group", "lab", "--config", str(file)]
        made = subprocess.run(command + create, capture_output=True, text=True, check=True, env=environ)
        child = subprocess.Popen(
            [*command, "serve", "--config", str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environ,
        )
        try:
            yield child, child.stdout.readline(), made.stdout.strip(), release, seen, started
        finally:
            child.kill()
            child.communicate()


def call(address, token):
    body = json.dumps({"jsonrpc": "2.0", "method": "slow.work", "id": 1}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(
        urllib.request.Request(f"{address}/rpc", body, headers), timeout=20
    ) as response:
        return json.loads(response.read())


def test_it_says_one_line_on_stdout_and_keeps_secrets_out_of_its_log(gate):
    child, line, token, release, seen, _ = gate
    found = re.fullmatch(r"ready (http://127\.0\.0\.1:\d+)\n", line)
    assert found
    release.set()
    assert call(found[1], token)["result"] == "done"
    assert ("work", LICENCE) in seen
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=20)
    assert (child.returncode, out) == (0, "")
    assert token not in err
    assert LICENCE not in err
    visits = [json.loads(line) for line in err.splitlines() if '"door"' in line]
    assert [(one["subject"], one["method"], one["status"]) for one in visits] == [("ada", "slow.work", 200)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_call_under_way_is_answered_before_it_ends(gate, number):
    child, line, token, release, _, started = gate
    answers = []
    caller = threading.Thread(target=lambda: answers.append(call(line.split()[1], token)))
    caller.start()
    assert started.wait(10)
    child.send_signal(number)
    threading.Timer(0.3, release.set).start()
    caller.join(20)
    assert answers[0]["result"] == "done"
    assert child.wait(20) == 0


@pytest.mark.parametrize("taken", [True, False], ids=["taken", "of another host"])
def test_an_address_that_cannot_be_had_is_told_before_any_service_is_asked(tmp_path, taken):
    with slow_service() as (url, _, seen, _), socket.create_server(("127.0.0.1", 0)) as other:
        file = tmp_path / "labgate.yaml"
        file.write_text(CONFIG.format(folder=tmp_path, url=url) + "behind_proxy: true\n")
        host, port = other.getsockname() if taken else ("192.0.2.1", 8700)  # RFC 5737: nobody's
        options = ["--config", str(file), "--host", host, "--port", str(port)]
        command = [sys.executable, "-m", "gateway.cli", "serve", *options]
        environ = {"SLOW_LICENCE": LICENCE, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=60)
    assert (done.returncode, done.stdout, seen) == (1, "", [])
    assert f"labgated serve: cannot listen at {host}:{port}: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_no_machine_has_is_refused_before_any_service_is_asked(tmp_path):
    with slow_service() as (url, _, seen, _):
        file = tmp_path / "labgate.yaml"
        file.write_text(CONFIG.format(folder=tmp_path, url=url))
        command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(file), "--port", "99999"]
        environ = {"SLOW_LICENCE": LICENCE, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=60)
    assert (done.returncode, done.stdout, seen) == (1, "", [])
    assert "--port: listen: `127.0.0.1:99999` has no port between 0 and 65535" in done.stderr
