"""What does a mount cost, beside nginx's proxy_pass on the same core in the same run?"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench_lab import (
    HERE,
    LOAD_CORE,
    SERVER_CORE,
    free_port,
    median_of,
    nginx_binary,
    process,
    table,
    token_of,
    wrk,
)

MIB = 1 << 20
FILE_MIB = 256
OPERATIONS = 5_000

UPSTREAM = """
daemon off; master_process off; pid {folder}/up.pid; error_log {folder}/up.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/u1; proxy_temp_path {folder}/u2;
  fastcgi_temp_path {folder}/u3; uwsgi_temp_path {folder}/u4; scgi_temp_path {folder}/u5;
  keepalive_requests 100000000; sendfile on;
  server {{
    listen 127.0.0.1:{port};
    location /small {{ default_type application/json; add_header ETag '"x"'; return 200 '{small}'; }}
    location / {{ root {folder}/files; }}
  }}
}}
"""

PROXY = """
daemon off; master_process off; pid {folder}/proxy.pid; error_log {folder}/proxy.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/p1; proxy_temp_path {folder}/p2;
  fastcgi_temp_path {folder}/p3; uwsgi_temp_path {folder}/p4; scgi_temp_path {folder}/p5;
  keepalive_requests 100000000;
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""

CONFIG = """
listen: 127.0.0.1:{port}
operator: {{listen: 127.0.0.1:{operator}}}
state_dir: {folder}/state
policies:
  - {{to: ["group:bench"], allow: ["*", "/**"], operate: true}}
services:
  up: {{dialect: listed, url: "http://127.0.0.1:{upstream}", mount: /up}}
  stream: {{dialect: listed, url: "http://127.0.0.1:{stream}", mount: /stream}}
  described: {{dialect: openapi, url: "http://127.0.0.1:{upstream}", describe: /openapi.json}}
telemetry: {{access_log: "off"}}
limits: {{reply: 10GiB}}
"""


class Passing:
    """An upstream, and a gate and nginx in front of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.upstream, self.gate, self.operator, self.proxy, self.stream = (free_port() for _ in range(5))
        self.token = ""
        self.pid = 0

    @property
    def headers(self) -> dict[str, str]:
        """What a caller of the gate sends."""
        return {"Authorization": f"Bearer {self.token}"}


@contextmanager
def passing() -> Iterator[Passing]:
    """Everything started; what is measured on one core, load and upstreams on the other."""
    with tempfile.TemporaryDirectory() as name:
        here = Passing(Path(name))
        files = here.folder / "files"
        files.mkdir()
        (files / "big").write_bytes(os.urandom(MIB) * FILE_MIB)
        (files / "openapi.json").write_text(json.dumps(_document()))
        small = json.dumps({"uid": "J42", "log": "x" * 170})
        up, proxy, config = here.folder / "up.conf", here.folder / "proxy.conf", here.folder / "labgate.yaml"
        up.write_text(UPSTREAM.format(folder=name, port=here.upstream, small=small))
        proxy.write_text(PROXY.format(folder=name, port=here.proxy, upstream=here.upstream))
        config.write_text(
            CONFIG.format(
                folder=name,
                port=here.gate,
                operator=here.operator,
                upstream=here.upstream,
                stream=here.stream,
            )
        )
        here.token = token_of(config)
        nginx, python = nginx_binary(), sys.executable
        with (
            process(nginx, "-c", str(up), "-p", name, core=LOAD_CORE),
            process(
                python, str(HERE / "stream_upstream.py"), str(here.stream), core=LOAD_CORE, wait_for="ready"
            ),
            process(nginx, "-c", str(proxy), "-p", name, core=SERVER_CORE),
        ):
            _wait(here.proxy, "/small")
            serve = (python, "-m", "gateway.cli", "serve", "--config", str(config))
            with process(*serve, core=SERVER_CORE, wait_for="ready") as here.pid:
                yield here


def _document() -> dict[str, object]:
    """An OpenAPI document of many operations."""
    paths = {
        f"/items/{n}/{{uid}}": {
            "get": {
                "operationId": f"get_item_{n}",
                "summary": f"Item {n} of the benchmark.",
                "parameters": [{"name": "uid", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": {"content": {"application/json": {"schema": {"type": "object"}}}}},
            }
        }
        for n in range(OPERATIONS)
    }
    return {"openapi": "3.1.0", "info": {"title": "bench", "version": "1"}, "paths": paths}


def _wait(port: int, path: str) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1).read()
        except OSError:
            time.sleep(0.02)
        else:
            return
    sys.exit("nginx did not come up")


def _download(port: int, path: str, headers: dict[str, str]) -> float:
    """MiB a second of one large download, received into one buffer."""
    buffer = bytearray(MIB)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    started = time.perf_counter()
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    total = 0
    while got := response.readinto(buffer):
        total += got
    connection.close()
    assert (response.status, total) == (200, FILE_MIB * MIB), (response.status, total)
    return FILE_MIB / (time.perf_counter() - started)


def _peak(pid: int) -> float:
    """The most memory that a process has had so far, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


def _up_and_down(here: Passing, stream_mib: int) -> float:
    """MiB that the gate's memory grows by when so many go up and as many come down at the same time."""
    before = _peak(here.pid)
    failures: list[str] = []

    def up() -> None:
        with socket.create_connection(("127.0.0.1", here.gate)) as sock:
            head = f"PUT /stream/sink HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {here.token}\r\n"
            sock.sendall(f"{head}Content-Length: {stream_mib * MIB}\r\n\r\n".encode())
            piece = bytes(MIB)
            for _ in range(stream_mib):
                sock.sendall(piece)
            if b" 200 " not in sock.recv(4096):
                failures.append("up")

    def down() -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{here.gate}/stream/source?mib={stream_mib}", headers=here.headers
        )
        total = 0
        with urllib.request.urlopen(request, timeout=120) as response:
            while piece := response.read(MIB):
                total += len(piece)
        if total != stream_mib * MIB:
            failures.append("down")

    threads = [threading.Thread(target=work) for work in (up, down)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    return _peak(here.pid) - before


def _listed(here: Passing) -> tuple[str, str, str]:
    """Milliseconds of the list of many operations, of it once more, and of a 304, on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", here.gate, timeout=60)

    def ask(path: str, tag: str = "") -> tuple[int, str, float]:
        started = time.perf_counter()
        connection.request("GET", path, headers=here.headers | ({"If-None-Match": tag} if tag else {}))
        response = connection.getresponse()
        response.read()
        return response.status, response.headers["ETag"], (time.perf_counter() - started) * 1000

    for _ in range(600):
        connection.request("GET", "/openrpc.json", headers=here.headers)
        if len(json.loads(connection.getresponse().read())["methods"]) >= OPERATIONS:
            break
        time.sleep(0.1)
    again = sorted(ask("/openrpc.json")[2] for _ in range(9))[4]
    openapi = sorted(ask("/openapi.json")[2] for _ in range(9))[4]
    tag = ask("/openrpc.json")[1]
    not_modified = sorted(ask("/openrpc.json", tag)[2] for _ in range(50))[25]
    assert ask("/openrpc.json", tag)[0] == 304
    return f"{again:.1f}", f"{openapi:.1f}", f"{not_modified:.2f}"


def run(seconds: float, runs: int, stream_mib: int) -> None:
    """Print the tables; so many MiB go up and down at once."""
    with passing() as here:
        gate, proxy = f"http://127.0.0.1:{here.gate}/up/small", f"http://127.0.0.1:{here.proxy}/small"
        rate = {"script": "get_unique.lua", "seconds": seconds}
        found = median_of(
            runs,
            ("gate", lambda: wrk(gate, "/up/small?n=@@", token=here.token, **rate)),
            ("gate paths", lambda: wrk(gate, "/up/small/@@", token=here.token, **rate)),
            ("nginx", lambda: wrk(proxy, "/small/@@", **rate)),
            ("gate big", lambda: _download(here.gate, "/up/big", here.headers)),
            ("nginx big", lambda: _download(here.proxy, "/big", {})),
        )
        grown = _up_and_down(here, stream_mib)
        listed, openapi, not_modified = _listed(here)
    rows = [("work", "gate", "nginx proxy_pass", "ratio")]
    for work, mine, theirs in (
        ("small GET, another query each time, /s", "gate", "nginx"),
        ("small GET, another path each time, /s", "gate paths", "nginx"),
        (f"download of {FILE_MIB} MiB, MiB/s", "gate big", "nginx big"),
    ):
        ratio = found[mine] / found[theirs]
        rows.append((work, f"{found[mine]:,.0f}", f"{found[theirs]:,.0f}", f"{ratio:.2f}"))
    table("Through a mount, one core for the server, token, policies and metrics on, access log off", rows)
    table(
        "Memory and lists",
        [
            ("work", "measured"),
            (
                f"{stream_mib} MiB up and {stream_mib} MiB down at once: the gate grows by, MiB",
                f"{grown:.0f}",
            ),
            (f"{OPERATIONS:,} operations as OpenRPC, ms", listed),
            (f"{OPERATIONS:,} operations as OpenAPI, ms", openapi),
            ("304, ms", not_modified),
        ],
    )
