"""The processes that a benchmark needs, each pinned to its core, started and ended here."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
SERVER_CORE, LOAD_CORE = 0, 1 if (os.cpu_count() or 1) > 1 else 0

NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 100000000; client_body_buffer_size 64k;
  proxy_cache_path {folder}/cache keys_zone=c:64m inactive=1h;
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location /proxy {{ proxy_pass http://up/api; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    location /cached {{
      proxy_pass http://up/api; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_cache c; proxy_cache_methods POST; proxy_cache_key "$request_uri|$request_body"; proxy_cache_valid 200 1h;
    }}
    location /return {{ default_type application/json; return 200 '{returned}'; }}
  }}
}}
"""

CONFIG = """
listen: 127.0.0.1:{port}
operator: {{listen: 127.0.0.1:{operator}}}
state_dir: {folder}/state
policies:
{rules}  - {{to: ["group:bench"], allow: ["*"], operate: true}}
services:
  bench:
    dialect: jsonrpc
    url: http://127.0.0.1:{upstream}
    rpc_path: /api
    methods:
      "get_*": {{safe: true}}
      "get_00000": {{cache: {{fresh: 1h, share: everyone}}}}
      "get_00002": {{cache: {{fresh: 1h, share: everyone}}}}
      "get_00003": {{safe: false}}
telemetry: {{{telemetry}}}
"""


def free_port() -> int:
    """A port that was free a moment ago, and that the system does not give to connections."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@contextmanager
def process(
    *command: str,
    core: int,
    wait_for: str | None = None,
    env: Mapping[str, str] = {},
    errors: int | None = None,
) -> Iterator[int]:
    """A child process on one core; `wait_for` is how the line begins that says it is ready, `errors` where it writes errors."""
    child = subprocess.Popen(
        ["taskset", "-c", str(core), *command],
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env=os.environ | dict(env),
    )
    try:
        assert child.stdout is not None
        while wait_for is not None and not child.stdout.readline().startswith(wait_for):
            if child.poll() is not None:
                sys.exit(f"{command[0]} ended with {child.returncode}")
        yield child.pid
    finally:
        child.terminate()
        child.wait(30)
        assert child.stdout is not None
        child.stdout.close()


class Lab:
    """An upstream, a gate and nginx before it, with their addresses."""

    def __init__(self, folder: Path, methods: int) -> None:
        self.folder = folder
        self.methods = methods
        self.upstream, self.gate_port, self.operator, self.nginx_port = (free_port() for _ in range(4))
        self.config = folder / "labgate.yaml"
        self.token = ""
        self.pid = self.nginx_pid = 0

    @property
    def gate(self) -> str:
        """The gate's `/rpc`."""
        return f"http://127.0.0.1:{self.gate_port}/rpc"

    def nginx(self, place: str) -> str:
        """One of nginx's locations: `proxy`, `cached`, `return`."""
        return f"http://127.0.0.1:{self.nginx_port}/{place}"


@contextmanager
def lab(
    methods: int = 10,
    *,
    with_nginx: bool = True,
    more: str = "",
    rules: str = "",
    telemetry: str = 'access_log: "off"',
    program: Sequence[str] = ("-m", "gateway.cli"),
) -> Iterator[Lab]:
    """Everything started; the servers under test on one core, the load and the upstream on the other.

    `more` is added to the gate's settings, `rules` are lines of policies before the one that lets the load in;
    `program` is the gate's, as Python is told it. What the gate writes is told nobody while there is an access log.
    """
    with tempfile.TemporaryDirectory() as name:
        here = Lab(Path(name), methods)
        here.config.write_text(
            CONFIG.format(
                port=here.gate_port,
                operator=here.operator,
                upstream=here.upstream,
                folder=name,
                rules=rules,
                telemetry=telemetry,
            )
            + more
        )
        python = sys.executable
        here.token = token_of(here.config)
        upstream = (python, str(HERE / "upstream.py"), str(here.upstream), str(methods))
        serve = (python, *program, "serve", "--config", str(here.config))
        errors = None if 'access_log: "off"' in telemetry else subprocess.DEVNULL
        with (
            process(*upstream, core=LOAD_CORE, wait_for="ready"),
            process(*serve, core=SERVER_CORE, wait_for="ready", errors=errors) as pid,
        ):
            here.pid = pid
            if not with_nginx:
                yield here
                return
            with nginx(here):
                yield here


def token_of(config: Path, group: str = "bench") -> str:
    """A token of a group, and of a subject of the same name, for the gate of these settings."""
    create = ("token", "create", "--subject", group, "--group", group, "--config", str(config))
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", *create], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def program(name: str, package: str) -> str:
    """Where a system program is; exits with the name of its package where it is missing."""
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    if found is None:
        sys.exit(f"{name} is needed as the yardstick: apt-get install {package}")
    return found


def nginx_binary() -> str:
    """Where nginx is."""
    return program("nginx", "nginx-light")


@contextmanager
def nginx(here: Lab) -> Iterator[None]:
    """nginx with one worker on the server's core."""
    binary = nginx_binary()
    returned = json.dumps({"jsonrpc": "2.0", "result": {"uid": "J42", "log": "x" * 170}, "id": 1})
    config = here.folder / "nginx.conf"
    config.write_text(
        NGINX.format(folder=here.folder, upstream=here.upstream, port=here.nginx_port, returned=returned)
    )
    with process(binary, "-c", str(config), "-p", str(here.folder), core=SERVER_CORE) as here.nginx_pid:
        until_it_answers(here.nginx("return"))
        yield


def until_it_answers(url: str, seconds: float = 10) -> None:
    """Wait for a server that has just been started; exits when it does not come up."""
    latest = time.monotonic() + seconds
    while time.monotonic() < latest:
        try:
            urllib.request.urlopen(url, timeout=1).read()
        except OSError:
            time.sleep(0.02)
        else:
            return
    sys.exit(f"nothing answers at {url}")


def post(url: str, body: bytes, token: str = "") -> bytes:
    """One POST, checked."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=30) as response:
        return bytes(response.read())


def switch(here: Lab, lanes: str) -> None:
    """Turn the gate's lanes `on` or `off`."""
    said = json.dumps({"lanes": lanes}).encode()
    post(f"http://127.0.0.1:{here.operator}/-/switches", said, here.token)


def wrk(
    url: str, body: str, *, script: str = "post.lua", token: str = "", seconds: float, connections: int = 32
) -> float:
    """Requests a second that wrk counts with the body; exits when any answer failed."""
    done, spent = wrk_counts(url, body, script=script, token=token, seconds=seconds, connections=connections)
    return done / spent


def wrk_counts(
    url: str, body: str, *, script: str, token: str = "", seconds: float, connections: int = 32
) -> tuple[int, float]:
    """How many requests wrk had answered, and in how many seconds; exits when any answer failed."""
    out = subprocess.run(
        [
            *("taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s"),
            *("-s", str(HERE / script), url),
        ],
        env=os.environ | {"BENCH_BODY": body, "BENCH_TOKEN": token},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"answers failed at {url}:\n{out}")
    done, rate = re.search(r"(\d+) requests in", out), re.search(r"Requests/sec:\s+([\d.]+)", out)
    assert done, out
    assert rate, out
    return int(done[1]), int(done[1]) / float(rate[1])


def median_of(runs: int, *measures: tuple[str, object]) -> dict[str, float]:
    """The median of each measure, taken in turn so that a slow minute falls on all of them alike."""
    seen: dict[str, list[float]] = {name: [] for name, _ in measures}
    for _ in range(runs):
        for name, measure in measures:
            seen[name].append(measure())  # type: ignore[operator]
    return {name: statistics.median(values) for name, values in seen.items()}


def table(title: str, rows: list[tuple[str, ...]]) -> None:
    """Print rows as a Markdown table; the first is its head."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows[1:]:
        print("| " + " | ".join(row) + " |")
