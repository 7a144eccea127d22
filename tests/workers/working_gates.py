"""A gate of several processes, as its callers, its operators and the system see it; and a service behind it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

PYTHON = [sys.executable, "-m", "gateway.cli"]
ENVIRON = {"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path), "HOME": "/nonexistent"}

CONFIG = """\
listen: 127.0.0.1:0
operator: {{listen: "127.0.0.1:{operator}"}}
state_dir: {folder}/state
shutdown_seconds: 10
workers: {workers}
telemetry: {{access_log: "off"{telemetry}}}
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
services:
  calc:
    dialect: jsonrpc
    rpc_path: /api
    url: "{url}"
    mount: /calc
    methods: {{"get*": {{safe: true, cache: {{fresh: 1h, share: everyone}}}}}}
  other: {{dialect: listed, url: "{url}", mount: /}}
"""


class Service:
    """What stands behind the gate: how often it was asked what, what it offers, and a call that waits."""

    def __init__(self, url):
        self.url = url
        self.calls = Counter()
        self.names = ["get", "get_slow", "work"]
        self.started = threading.Semaphore(0)
        self.release = threading.Event()
        self.cookies = []
        self.fails = False

    def answer(self, method):
        self.calls[method] += 1
        if method == "system.describe":
            return {"procs": [{"name": name} for name in self.names]}
        if method in ("work", "get_slow"):
            self.started.release()
            self.release.wait(20)
            return None if self.fails else "done"
        return self.calls[method] if method in self.names else None


@contextmanager
def scripted():
    """A service that runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            called = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            result = service.answer(called["method"])
            answer = {"jsonrpc": "2.0", "id": called["id"]}
            answer |= {"error": {"code": -32601, "message": "no"}} if result is None else {"result": result}
            self.say(json.dumps(answer).encode())

        def do_GET(self):
            if self.path.startswith("/slow"):
                service.answer("get_slow")
            service.cookies.append((self.path, self.headers["Cookie"]))
            self.say(b"page", ("Set-Cookie", "session=1") if self.path == "/login" else ("X-Nothing", "1"))

        def say(self, body, field=("X-Nothing", "1")):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header(*field)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service = Service(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield service
    finally:
        service.release.set()
        server.shutdown()
        thread.join()
        server.server_close()


def until(condition, seconds=30.0):
    """What the condition returns as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came to be so"
        time.sleep(0.01)
    return found


def alive(pid):
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def children(pid):
    """The processes that this one has started."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Line:
    """A connection that is kept: so all its calls go to one worker, which `worker` tells apart from others."""

    def __init__(self, address, token):
        self._connection = http.client.HTTPConnection(address, timeout=30)
        self._fields = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.worker = self.ask("GET", "/openrpc.json")[1]["X-Request-Id"][:16]

    def ask(self, verb, path, body=None, **fields):
        """Status, header fields and body of the answer."""
        data = None if body is None else json.dumps(body).encode()
        self._connection.request(verb, path, data, self._fields | fields)
        answer = self._connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def call(self, method):
        """The answer to a JSON-RPC call, and the header fields."""
        status, fields, body = self.ask("POST", "/rpc", {"jsonrpc": "2.0", "id": 1, "method": method})
        return json.loads(body) | {"status": status}, fields

    def close(self):
        self._connection.close()


class Gate:
    """`labgated serve` as a process. `pid` is the supervisor's, or that of the only process."""

    def __init__(self, folder, upstream, workers=2, operator=0, **options):
        self.folder = folder
        self.file = folder / "labgate.yaml"
        self.file.write_text(
            CONFIG.format(
                folder=folder,
                url=upstream.url,
                workers=workers,
                operator=operator,
                telemetry=options.get("telemetry", ""),
            )
            + options.get("more", "")
        )
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [*PYTHON, "serve", "--config", str(self.file)],
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=ENVIRON,
            text=True,
        )
        self.pid = self._process.pid
        self._lines = []
        self.ready = self._process.stdout.readline()
        if self.ready:
            self.address = self.ready.split("//")[1].strip()
            self.operator = until(self._operator)
            self.token = self.token_for("ada", "lab")
            # On a busy machine it takes calls before the service has told what it offers.
            until(self._knows)

    @property
    def log(self):
        """What it has written to stderr."""
        return (self.folder / "log").read_text()

    def _knows(self):
        status = self.status()
        catalogs = {one["catalog"] for one in status["workers"]}
        return not status["services"]["calc"]["down"] and len(catalogs) == 1

    def _operator(self):
        return self.log.partition("operators: http://")[2].partition('"')[0].strip()

    def token_for(self, subject, *groups, opaque=False):
        """A token, made by the command."""
        words = [word for group in groups for word in ("--group", group)] + ["--opaque"] * opaque
        command = [*PYTHON, "token", "create", "--subject", subject, *words, "--config", str(self.file)]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRON).stdout.strip()

    def line(self, token=None, address=None):
        """A new connection."""
        self._lines.append(Line(address or self.address, token or self.token))
        return self._lines[-1]

    def lines(self, token=None, address=None, workers=2):
        """A connection to each worker."""
        found = {}

        def complete():
            one = self.line(token, address)
            found.setdefault(one.worker, one)
            return len(found) == workers

        until(complete)
        return list(found.values())

    def told(self, verb, path, body=None):
        """What the operator's door says, as JSON."""
        line = self.line(address=self.operator)
        status, _, text = line.ask(verb, path, body)
        line.close()
        assert status == 200, text
        return json.loads(text)

    def status(self):
        return self.told("GET", "/-/status")

    def pids(self):
        """The workers' process ids, by number."""
        return [one["pid"] for one in self.status()["workers"]]

    def metrics(self):
        """Every sample by its name and labels."""
        line = self.line(address=self.operator)
        text = line.ask("GET", "/-/metrics")[2].decode()
        line.close()
        return {
            (one.name, *sorted(one.labels.items())): one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
        }

    def signal(self, number):
        self._process.send_signal(number)

    def wait(self):
        """The exit status."""
        return self._process.wait(30)

    def kill(self):
        for one in self._lines:
            one.close()
        left = children(self.pid) if self._process.poll() is None else []
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._log.close()
        until(lambda: not any(map(alive, left)))
