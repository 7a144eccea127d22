"""Two gates of two workers, a Redis and a HAProxy, as docker-compose.yml has them; behind them a service that counts."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from redis import Redis

CONFIG = Path(__file__).parents[2] / "config"
PYTHON = [sys.executable, "-m", "gateway.cli"]
PATIENCE = 60.0
"""Seconds after which a test gives up waiting for what must come: reached only by a failure."""
PASSWORD = "redis-password-0123456789"
NAMES = ("one", "two")

GATE = """\
include: ["{config}/cluster.yaml"]
workers: {workers}
listen: 127.0.0.1:{port}
operator: {{listen: "127.0.0.1:{operator}"}}
state_dir: {folder}/{name}
notice_seconds: 2s
telemetry: {{access_log: "off"}}
limits: {{connections_per_address: 10000}}
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
services:
  lab:
    dialect: jsonrpc
    rpc_path: /api
    url: "{url}"
    refresh: {refresh}
    methods:
      get: {{safe: true, cache: {{fresh: 1h, share: everyone, tags: [value]}}}}
      put: {{invalidates: [value]}}
  pages: {{dialect: listed, url: "{url}", mount: /pages}}
"""


def until(condition, seconds=PATIENCE):
    """What the condition returns as soon as that is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it never came to be so"
        time.sleep(0.02)
    return found


def free_ports(count):
    """Ports that nobody listens on."""
    with ExitStack() as stack:
        opened = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in opened:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in opened]


class Service:
    """One value: `get` says it, `put` raises it. Every write is counted by the name that it was given."""

    def __init__(self):
        self.value = 0
        self.written = Counter()
        self.at_work = 0
        self.lock = threading.Lock()
        self.pause = 0.0
        """Seconds that a write takes."""
        self.methods = ["get", "put"]
        """What it says that it offers, or who knows that; None = it does not say."""
        self.described = 0
        """How often it was asked that."""
        self.url = ""

    def answer(self, method, params):
        """The result, None where there is no such method."""
        if method == "system.describe":
            self.described += 1
            methods = self.methods() if callable(self.methods) else self.methods
            return None if methods is None else {"procs": [{"name": name} for name in methods]}
        if method == "get":
            return self.value
        if method == "echo":
            return params
        if method != "put":
            return None
        with self.lock:
            self.at_work += 1
        time.sleep(self.pause)
        with self.lock:
            self.at_work -= 1
            self.written[params[0]] += 1
            self.value += 1
            return self.value


@contextmanager
def serving(handler):
    """Where these requests are answered, as long as this is open."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_):
            pass  # connections of a gate that was killed, or looks that HAProxy resets

    server = Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def counting():
    """The service, as long as this is open."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are sent apart: the body would wait some 40 ms

        def do_POST(self):
            called = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            batch = called if isinstance(called, list) else [called]
            answers = []
            for one in batch:
                result = service.answer(one["method"], one.get("params") or [])
                told = {"error": {"code": -32601, "message": "no"}} if result is None else {"result": result}
                answers.append({"jsonrpc": "2.0", "id": one["id"], **told})
            body = json.dumps(answers if isinstance(called, list) else answers[0]).encode()
            with suppress(OSError):  # a gate that was killed
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def do_GET(self):
            """A WebSocket that says again what it hears; else as many bytes as the path says, which may be kept or not."""
            if self.headers["Upgrade"] is None:
                _, kind, count = self.path.split("/")
                self.send_response(200)
                self.send_header("Content-Length", count)
                self.send_header("Cache-Control", "public, max-age=600" if kind == "kept" else "no-store")
                self.end_headers()
                self.wfile.write(bytes(int(count)))
                return
            self.send_response(101)
            self.send_header("Connection", "Upgrade")
            self.send_header("Upgrade", "websocket")
            self.send_header("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")  # RFC 6455 section 1.3
            self.end_headers()
            self.close_connection = True
            while data := self.connection.recv(1 << 16):
                self.connection.sendall(data)

        def log_message(self, *_):
            pass

    with serving(Handler) as service.url:
        yield service


class Store:
    """A Redis or Valkey with a password."""

    def __init__(self, folder):
        program = shutil.which("valkey-server") or shutil.which("redis-server")
        assert program, "neither valkey-server nor redis-server is installed: ./dev test does that"
        (self.port,) = free_ports(1)
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._command = [program, *options, "--dir", str(folder), "--requirepass", PASSWORD]
        self._child = None

    def client(self):
        """A client of the test's own."""
        return Redis(port=self.port, password=PASSWORD, socket_timeout=PATIENCE, protocol=2)

    def start(self):
        self._child = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        until(lambda: reachable(self.port))

    def kill(self):
        if self._child is not None:
            self._child.send_signal(signal.SIGCONT)
            self._child.kill()
            self._child.wait()

    @property
    def pids(self):
        return [self._child.pid]

    def freeze(self):
        self._child.send_signal(signal.SIGSTOP)

    def thaw(self):
        self._child.send_signal(signal.SIGCONT)


class Cable:
    """The network between one gate and Redis: it can be slow, or cut."""

    def __init__(self, port):
        self._to = port
        self.seconds = 0.0
        """How long everything takes on its way."""
        self._whole = True
        self._lock = threading.Lock()
        self._pairs = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """Nobody comes through any more, and whoever is connected is not any longer."""
        self._whole = False
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for one in pairs:
            _end(one)

    def mend(self):
        self._whole = True

    def close(self):
        self.cut()
        _end(self._listener)

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._whole:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                near.close()
                continue
            for each in (near, far):  # else it would wait for what is under way, some 40 ms
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs |= {near, far}
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one, other):
        with suppress(OSError):
            while data := one.recv(1 << 16):
                if self.seconds:
                    time.sleep(self.seconds)
                other.sendall(data)
        for each in (one, other):
            _end(each)
            with self._lock:
                self._pairs.discard(each)


def _end(one):
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def reachable(port):
    """Whether somebody takes connections there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


class Gate:
    """`labgated serve` with two workers, as a process; it can be ended and started again at its address."""

    def __init__(self, name, folder, environ, more):
        self.name, self.folder = name, folder
        self.environ = environ
        self.port, self.operator = free_ports(2)
        self.file = folder / f"{name}.yaml"
        own = {"folder": folder, "name": name, "port": self.port, "operator": self.operator}
        self.file.write_text(GATE.format(config=CONFIG, **own, **more))
        self._process = None
        self.program = []
        """What it is started by, such as a program that lies about the time."""

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def log(self):
        """What it has written to stderr."""
        return (self.folder / f"{self.name}.log").read_text()

    def start(self):
        """Start it; `wait_until_ready` says when it takes calls."""
        with (self.folder / f"{self.name}.log").open("ab") as log:
            command = [*self.program, *PYTHON, "serve", "--config", str(self.file)]
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=self.environ
            )

    def wait_until_ready(self):
        assert self._process.stdout.readline().startswith("ready"), self.log

    def stop(self):
        """Tell it to end, and wait until it has: the exit status."""
        self._process.terminate()
        return self.ended()

    def kill(self):
        """End all its processes at once, as a host does that loses its power."""
        for one in self.pids:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        self.ended()

    def ended(self):
        """The exit status, once it has ended."""
        self._process.communicate(timeout=PATIENCE)
        return self._process.returncode

    @property
    def pids(self):
        """Its processes: the one that was started, and its workers."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    @property
    def runs(self):
        return self._process is not None and self._process.poll() is None

    def command(self, *words):
        """What a command says, with this gate's settings."""
        line = [*PYTHON, *words, "--config", str(self.file)]
        done = subprocess.run(line, env=self.environ, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def status(self, token):
        """What operators see."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.operator}/-/status", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return json.loads(response.read())

    def refresh(self, token):
        """Have it ask its services what they offer."""
        fields = {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.operator}/-/refresh?service=lab", b"", fields, method="POST"
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return json.loads(response.read())

    def agrees(self, token):
        """Whether Redis is there for both workers, and all others have heard all that was told."""
        shown = self.status(token)["cache"]["tiers"]["redis"]
        return shown["connected"] and not shown["unsent"] and not any(shown["replicas"].values())


class Line:
    """A connection that is kept."""

    def __init__(self, address, token):
        self._connection = http.client.HTTPConnection(address, timeout=PATIENCE)
        self.fields = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, verb, path, body=None):
        """Status, header fields and body."""
        data = None if body is None else json.dumps(body).encode()
        self._connection.request(verb, path, data, self.fields)
        answer = self._connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def call(self, method, *params):
        """The result. Raises AssertionError where there is none."""
        status, _, body = self.ask(
            "POST", "/rpc", {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        )
        assert status == 200, (status, body)
        found = json.loads(body)
        assert "result" in found, found
        return found["result"]

    def worker(self):
        """What tells the worker that answers apart from others."""
        return self.ask("GET", "/-/healthy")[1]["X-Request-Id"][:16]

    def close(self):
        self._connection.close()


class Balancer:
    """HAProxy by config/haproxy.cfg, or settings made of it; `more` is what else its environment says."""

    def __init__(self, folder, gates, settings=CONFIG / "haproxy.cfg", **more):
        self.program = shutil.which("haproxy") or "/usr/sbin/haproxy"
        port, numbers = free_ports(2)
        self.address, self.numbers = f"127.0.0.1:{port}", f"127.0.0.1:{numbers}"
        addresses = {f"LABGATE_{one.name.upper()}": one.address for one in gates}
        own = {"LABGATE_BALANCER": self.address, "LABGATE_BALANCER_NUMBERS": self.numbers}
        self._environ = {"PATH": "/usr/sbin:/usr/bin", **addresses, **own, **more}
        self._folder = folder
        self._settings = settings
        self._child = None

    def start(self):
        with (self._folder / "haproxy.log").open("ab") as log:
            command = [self.program, "-db", "-f", str(self._settings)]
            self._child = subprocess.Popen(command, stderr=log, stdout=log, env=self._environ)

        def listens():
            assert self._child.poll() is None, self.log
            return all(reachable(int(one.rpartition(":")[2])) for one in (self.address, self.numbers))

        until(listens)

    def stop(self):
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    @property
    def pids(self):
        return [self._child.pid]

    @property
    def log(self):
        """A line for every request."""
        return (self._folder / "haproxy.log").read_text()

    def up(self):
        """The gates that take calls, as HAProxy sees it."""
        with urllib.request.urlopen(f"http://{self.numbers}/stats;csv", timeout=PATIENCE) as response:
            rows = [line.split(",") for line in response.read().decode().splitlines()]
        state = rows[0].index("status")
        return {
            row[1]
            for row in rows
            if row[0] == "gates" and row[1] not in ("FRONTEND", "BACKEND") and row[state].startswith("UP")
        }


class Cluster:
    """All of it. `gates`, each with the cable to Redis, by the same name."""

    def __init__(self, folder, service, stack, **more):
        self.service = service
        self.folder = folder
        self.redis = Store(folder)
        key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.cables = {name: Cable(self.redis.port) for name in NAMES}
        self._more = {"refresh": "1h", "workers": 2} | more
        self.gates = {}
        for name in NAMES:
            environ = {
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": os.pathsep.join(sys.path),
                "HOME": "/nonexistent",
                "LABGATE_BALANCERS": "127.0.0.1/32",
                "LABGATE_SIGNING_KEY": key.decode(),
                "LABGATE_REDIS": f"redis://127.0.0.1:{self.cables[name].port}/0",
                "LABGATE_REDIS_PASSWORD": PASSWORD,
            }
            self.gates[name] = Gate(name, folder, environ, self._more | {"url": service.url})
        self.balancer = Balancer(folder, self.gates.values())
        self._stack = stack
        self.token = ""

    def start(self):
        """Start everything, and wait until all are one."""
        self._stack.callback(self.close)
        self.redis.start()
        for gate in self.gates.values():
            gate.start()
        self.token = self.gates["one"].command("token", "create", "--subject", "ada", "--group", "lab")
        for gate in self.gates.values():
            gate.wait_until_ready()
        self.balancer.start()
        until(self.whole)

    def whole(self):
        """Whether both gates take calls, know the service, and agree."""
        try:
            up = self.balancer.up()
        except ConnectionError:  # HAProxy may reset what comes while it begins
            return False
        if up != set(NAMES):
            return False
        shown = [gate.status(self.token) for gate in self.gates.values()]
        return not any(one["services"]["lab"]["down"] for one in shown) and self.agreed()

    def agreed(self):
        """Whether every gate knows what any of them has told."""
        return all(gate.agrees(self.token) for gate in self.gates.values())

    def close(self):
        self.balancer.stop()
        for gate in self.gates.values():
            if gate.runs:
                gate.kill()
        self.redis.kill()
        for cable in self.cables.values():
            cable.close()

    @contextmanager
    def line(self, name=None):
        """A connection to HAProxy, or to the gate of this name."""
        line = Line(self.gates[name].address if name else self.balancer.address, self.token)
        try:
            yield line
        finally:
            line.close()


@contextmanager
def clustered(folder, **more):
    """A cluster that runs as long as this is open."""
    with ExitStack() as stack:
        service = stack.enter_context(counting())
        cluster = Cluster(folder, service, stack, **more)
        cluster.start()
        yield cluster


class Load:
    """Callers that write and read through HAProxy without a pause, each with a connection of its own."""

    def __init__(self, cluster, callers=4, address=None):
        self._cluster = cluster
        self._mark = uuid.uuid4().hex
        """Of its writes; the id of an object may have been another one's before."""
        self._address = address or cluster.balancer.address
        self._over = threading.Event()
        self.sent = Counter()
        """How many writes of each caller were answered."""
        self.failures = []
        self.seconds = []
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(callers)]

    def __enter__(self):
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for each in self._threads:
            each.join()

    def goes_on(self, calls=200):
        """Wait until so many more calls were answered."""
        wanted = len(self.seconds) + calls
        until(lambda: len(self.seconds) >= wanted or self.failures)

    def _work(self, number):
        line = Line(self._address, self._cluster.token)
        count = 0
        while not self._over.is_set():
            name = f"{self._mark}-{number}-{count}"
            began = time.monotonic()
            try:
                if count % 4:
                    line.call("lab.get")
                else:
                    self.sent[name] += 1
                    line.call("lab.put", name)
            except (OSError, http.client.HTTPException, AssertionError) as failure:
                self.failures.append((name, repr(failure)))
                line.close()
                line = Line(self._address, self._cluster.token)
            else:
                self.seconds.append(time.monotonic() - began)
            count += 1
        line.close()

    def kept(self):
        """The writes that the service carried out, of those that were sent by this."""
        return Counter({name: n for name, n in self._cluster.service.written.items() if name in self.sent})
