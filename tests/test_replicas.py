"""Two gates in two processes that share a Redis: a write through one ends what the other has in its memory."""

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from redis import Redis

PATIENCE = 20.0
CONFIG = """\
listen: 127.0.0.1:0
operator: {{listen: "127.0.0.1:{operator}"}}
state_dir: {folder}/{name}
shutdown_seconds: 2
identity: {{anonymous: true, signing_keys: ["${{file:key.pem}}"]}}
policies:
  - {{to: ["group:operators"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:few"], allow: ["lab.get"], rate: 20/d}}
  - {{to: [anonymous, authenticated], allow: ["*", "/**"]}}
services:
  lab:
    url: "{url}"
    methods:
      get: {{safe: true, cache: {{fresh: 1h, share: everyone, tags: [runs]}}}}
      slow: {{safe: true, cache: {{fresh: 1h, share: everyone, tags: [runs]}}}}
      put: {{invalidates: [runs]}}
  pages: {{dialect: listed, url: "{url}", mount: /pages}}
cache:
  redis: {{url: "redis://127.0.0.1:{port}/0", password: "${{env:REDIS_PASSWORD}}"}}
"""
PASSWORD = "redis-password-0123456789"
ENVIRON = {"PATH": "/usr/bin:/bin", "REDIS_PASSWORD": PASSWORD, "PYTHONPATH": ":".join(sys.path)}


class Asked(Counter):
    """How often each page was asked for; `slow` was `begun`, and ends when it is told to `go_on`."""

    def __init__(self):
        super().__init__()
        self.begun, self.go_on = threading.Semaphore(0), threading.Event()


@contextmanager
def lab():
    """A service with one value: `get` gives it, `slow` in its own time, `put` changes it; and what was asked."""
    state, asked = {"value": 0}, Asked()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            called = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = {"jsonrpc": "2.0", "id": called["id"]}
            if called["method"] == "slow":
                value = state["value"]
                asked.begun.release()
                asked.go_on.wait(PATIENCE)
            with lock:
                if called["method"] == "system.describe":
                    answer["result"] = {"procs": [{"name": "get"}, {"name": "put"}, {"name": "slow"}]}
                elif called["method"] == "get":
                    answer["result"] = state["value"]
                elif called["method"] == "slow":
                    answer["result"] = value
                elif called["method"] == "put":
                    state["value"] += 1
                    answer["result"] = state["value"]
                else:
                    answer["error"] = {"code": -32601, "message": "no"}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            with lock:
                asked[self.path] += 1
                body = f"{self.path} {state['value']}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "public, max-age=600")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        asked.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def redis_server(folder):
    """A Redis or Valkey with a password; yields its port and a function that ends it at once."""
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    assert program, "neither valkey-server nor redis-server is installed: ./dev test does that"
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    options += ["--dir", str(folder), "--requirepass", PASSWORD]
    child = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    try:
        yield port, child
    finally:
        child.kill()
        child.wait()


@contextmanager
def serving(folder, name, url, port):
    """`labgated serve` as a process; yields its address and the process."""
    file = folder / f"{name}.yaml"
    file.write_text(CONFIG.format(folder=folder, name=name, url=url, port=port, operator=free_port()))
    with (folder / f"{name}.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", "serve", "--config", str(file)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=ENVIRON,
        )
    try:
        yield child.stdout.readline().split()[1], child
    finally:
        child.terminate()
        child.communicate()


@pytest.fixture
def replicas(tmp_path):
    """Two gates before one lab: their addresses, what the lab was asked, the folder of their logs, and Redis."""
    with ExitStack() as stack:
        url, asked = stack.enter_context(lab())
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / "key.pem").write_bytes(private)
        port, redis = stack.enter_context(redis_server(tmp_path))
        addresses = [stack.enter_context(serving(tmp_path, name, url, port))[0] for name in ("one", "other")]
        for name in ("one", "other"):
            until(lambda name=name: "redis at 127.0.0.1" in (tmp_path / f"{name}.log").read_text())
            until(lambda name=name: "is there" in (tmp_path / f"{name}.log").read_text())
        yield (*addresses, asked, tmp_path, redis)


def until(condition):
    """Wait for what must come."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def call(address, method, params=()):
    """The result and the Cache-Status of one call."""
    body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}).encode()
    request = urllib.request.Request(f"{address}/rpc", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return json.loads(response.read())["result"], response.headers["Cache-Status"]


def known(address):
    """Wait until the gate knows the lab's methods."""

    def listed():
        with urllib.request.urlopen(f"{address}/openrpc.json", timeout=PATIENCE) as response:
            return "lab.put" in {one["name"] for one in json.loads(response.read())["methods"]}

    until(listed)


def test_a_write_through_one_gate_ends_what_the_other_has_in_memory(replicas):
    one, other, _, folder, _ = replicas
    known(one)
    known(other)
    for value in range(3):
        assert call(one, "lab.get")[0] == value
        assert call(other, "lab.get")[0] == value
        assert "hit" in call(other, "lab.get")[1]
        assert call(one, "lab.put")[0] == value + 1
        assert call(one, "lab.get")[0] == value + 1, "on the gate itself at once"
        until(lambda value=value: call(other, "lab.get")[0] == value + 1)
    logs = "".join((folder / f"{name}.log").read_text() for name in ("one", "other"))
    assert PASSWORD not in logs


def test_what_one_gate_has_stored_the_other_serves_from_redis_and_nothing_of_before_a_write(replicas):
    one, other, *_ = replicas
    known(one)
    known(other)
    numbers = count()

    def served_from_redis():
        """Once the other gate has heard that the service has entries there, it asks for them."""
        params = [next(numbers)]
        call(one, "lab.get", params)
        return "hit" in (said := call(other, "lab.get", params)[1]) and 'detail="redis"' in said

    until(served_from_redis)
    value = call(other, "lab.put")[0]
    until(lambda: call(one, "lab.get", [0])[0] == value)
    until(lambda: call(one, "lab.get", [1])[0] == value)
    until(served_from_redis)
    until(lambda: call(other, "lab.get", [0])[0] == value)


def test_a_page_that_one_gate_has_stored_the_other_serves_from_redis(replicas):
    one, other, asked, *_ = replicas
    known(one)
    known(other)
    numbers = count()

    def page(address, path):
        with urllib.request.urlopen(f"{address}/pages{path}", timeout=PATIENCE) as response:
            return response.read(), response.headers["Cache-Control"]

    def served_from_redis():
        path = f"/page/{next(numbers)}"
        first, second = page(one, path), page(other, path)
        assert first == second == (f"{path} 0".encode(), "public, max-age=600")
        return asked[path] == 1

    until(served_from_redis)


def test_replicas_that_are_asked_for_the_same_at_once_make_one_trip(replicas):
    one, other, asked, *_ = replicas
    known(one)
    known(other)
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(call, address, "lab.slow") for address in (one, other)]
        assert asked.begun.acquire(timeout=PATIENCE)
        assert not asked.begun.acquire(timeout=1), "the other one waits"
        asked.go_on.set()
        found = [answer.result() for answer in answers]
    assert [value for value, _ in found] == [0, 0]
    assert sorted("collapsed" in said for _, said in found) == [False, True]


def test_a_trip_that_left_before_a_write_ended_is_waited_for_by_nobody_who_asks_after_it(replicas):
    one, other, asked, *_ = replicas
    known(one)
    known(other)
    with ThreadPoolExecutor(2) as pool:
        early = pool.submit(call, one, "lab.slow")
        assert asked.begun.acquire(timeout=PATIENCE)
        assert call(other, "lab.put")[0] == 1
        late = pool.submit(call, other, "lab.slow")
        assert asked.begun.acquire(timeout=PATIENCE), "it goes for itself"
        asked.go_on.set()
        assert early.result()[0] == 0
        assert late.result()[0] == 1
    assert call(other, "lab.slow")[0] == 1


def test_gates_whose_redis_ends_go_on_and_say_so_once(replicas):
    one, other, _, folder, redis = replicas
    known(one)
    known(other)
    call(one, "lab.get")
    redis.kill()
    redis.wait()
    until(lambda: all("is away" in (folder / f"{name}.log").read_text() for name in ("one", "other")))
    for address in (one, other):
        value = call(address, "lab.put")[0]
        assert call(address, "lab.get")[0] == value
        assert "hit" in call(address, "lab.get")[1]
    for name in ("one", "other"):
        assert (folder / f"{name}.log").read_text().count("is away") == 1


def token(folder, *words):
    """What `labgated token …` says, with the settings of the first gate."""
    return labgated(folder, "token", *words)


def labgated(folder, *words):
    """What a command says, with the settings of the first gate."""
    command = [sys.executable, "-m", "gateway.cli", *words, "--config", str(folder / "one.yaml")]
    done = subprocess.run(command, env=ENVIRON, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def status(address, credential):
    """The status of a call with a credential."""
    body = json.dumps({"jsonrpc": "2.0", "method": "lab.get", "id": 1}).encode()
    return plain_status(f"{address}/rpc", credential, body, {"Content-Type": "application/json"})


def plain_status(url, credential, body=None, fields=()):
    """The status of a request with a credential."""
    request = urllib.request.Request(url, body, {**dict(fields), "Authorization": f"Bearer {credential}"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def test_what_a_caller_had_at_one_gate_they_do_not_get_at_the_other_as_well(replicas, tmp_path):
    one, other, _, folder, _ = replicas
    known(one)
    known(other)
    eve = token(folder, "create", "--subject", "eve", "--group", "few")
    port = int(re.search(r"redis://127.0.0.1:(\d+)", (folder / "one.yaml").read_text())[1])
    client = Redis(port=port, password=PASSWORD, socket_timeout=PATIENCE)

    def calls_told():
        """How many calls Redis knows of: each is back after a twentieth of a day."""
        found = client.keys("{labgate}:limit:*")
        return round((int(client.get(found[0])) / 1e6 - time.time()) / (86400 / 20)) if found else 0

    def let_in(address):
        """Whether a call of theirs is answered, by plain URL."""
        return plain_status(f"{address}/rpc/lab.get", eve) == 200

    assert sum(let_in(one) for _ in range(15)) == 15
    until(lambda: calls_told() == 15)
    assert let_in(other)
    until(lambda: calls_told() == 16)
    got = sum(let_in(other) for _ in range(30))
    assert 4 <= got < 14, "and not the nineteen that this gate alone would have let in"
    until(lambda: not let_in(one))
    client.close()


def test_a_token_that_is_revoked_at_one_gate_is_refused_at_the_other(replicas):
    one, other, _, folder, _ = replicas
    known(one)
    known(other)
    kept, lost = (token(folder, "create", "--subject", name) for name in ("ada", "bob"))
    assert [status(address, each) for address in (one, other) for each in (kept, lost)] == [200] * 4
    ids = json.loads(token(folder, "list", "--json"))
    told = token(folder, "revoke", next(each["id"] for each in ids if each["subject"] == "bob"))
    assert [line.endswith(" has heard") for line in told.splitlines()[1:]] == [True, True], told
    until(lambda: status(one, lost) == 401)
    until(lambda: status(other, lost) == 401)
    assert [status(address, kept) for address in (one, other)] == [200, 200]


def test_operators_see_who_shares_and_that_redis_is_away(replicas):
    *_, folder, redis = replicas
    operator = token(folder, "create", "--subject", "eve", "--group", "operators")
    told = ("status", "--token", operator)
    until(lambda: "redis shared by 2 gates, 0 hits" in labgated(folder, *told))
    shown = json.loads(labgated(folder, *told, "--json"))["cache"]["tiers"]["redis"]
    assert (shown["connected"], shown["unsent"], list(shown["replicas"].values())) == (True, 0, [0, 0])
    redis.kill()
    redis.wait()
    until(lambda: "redis away for" in labgated(folder, *told))
    assert PASSWORD not in labgated(folder, *told, "--json")


def test_a_revocation_without_redis_says_so_and_holds(replicas):
    one, other, _, folder, redis = replicas
    known(one)
    known(other)
    lost = token(folder, "create", "--subject", "bob")
    redis.kill()
    redis.wait()
    (row,) = json.loads(token(folder, "list", "--json"))
    command = [sys.executable, "-m", "gateway.cli", "token", "revoke", row["id"], "--config"]
    done = subprocess.run([*command, str(folder / "one.yaml")], env=ENVIRON, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith(f"revoked {row['id']} of bob")
    assert "no other host was told" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    until(lambda: status(one, lost) == 401)
    assert status(other, lost) == 200, "it cannot know"
