"""What do several callers get who ask for one large answer while it comes, and what does the service give for it?

Beside nginx, with its lock for cached answers, and Varnish, which streams. The service has so many MiB a second for all.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench_lab import (
    HERE,
    LOAD_CORE,
    SERVER_CORE,
    free_port,
    nginx_binary,
    process,
    table,
    token_of,
    until_it_answers,
)
from mount_lab import varnish_command
from side_by_side import family, resident_mib

MIB, PACE, CALLERS, APART = 64, 32, 8, 0.25
"""How large it is, how much of it comes in a second, how many ask for it, and by how many seconds they are apart."""

_GATE = """
listen: 127.0.0.1:{gate}
operator: {{listen: 127.0.0.1:{operator}}}
state_dir: {folder}/state
cache: {{disk: {{size: 2GiB}}}}
policies: [{{to: ["group:bench"], allow: ["*", "/**"]}}]
services:
  up:
    dialect: listed
    url: http://127.0.0.1:{upstream}
    mount: /up
    methods: {{get: {{http: "GET /{{size}}", cache: {{fresh: 1h, share: everyone, max_size: 1GiB}}}}}}
telemetry: {{access_log: "off"}}
"""

_NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/n1; proxy_temp_path {folder}/n2;
  fastcgi_temp_path {folder}/n3; uwsgi_temp_path {folder}/n4; scgi_temp_path {folder}/n5;
  proxy_cache_path {folder}/cache levels=1:2 keys_zone=c:16m inactive=1h;
  server {{
    listen 127.0.0.1:{nginx};
    location / {{
      proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_cache c; proxy_cache_lock on;
    }}
  }}
}}
"""


class Got(NamedTuple):
    """Seconds until a caller had the first of the body, and all of it."""

    first: float
    whole: float


async def _caller(port: int, path: str, token: str, moment: float) -> Got:
    await asyncio.sleep(moment)
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    began = loop.time()
    shown = f"Authorization: Bearer {token}\r\n" if token else ""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: h\r\n{shown}\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    left = MIB << 20
    first = 0.0
    while left:
        piece = await reader.read(min(left, 1 << 20))
        if not piece:
            sys.exit(f"the answer of port {port} broke off")
        first = first or loop.time() - began
        left -= len(piece)
    writer.close()
    return Got(first, loop.time() - began)


async def _callers(port: int, path: str, token: str) -> list[Got]:
    asking = [_caller(port, path, token, at * APART) for at in range(CALLERS)]
    return await asyncio.gather(*asking)


@contextmanager
def _servers(folder: Path) -> Iterator[tuple[dict[str, int], dict[str, int], str]]:
    """The service on one core and what stands before it on the other: ports, processes, and a token."""
    ports = {name: free_port() for name in ("upstream", "gate", "operator", "nginx", "varnish")}
    config, front = folder / "labgate.yaml", folder / "nginx.conf"
    config.write_text(_GATE.format(folder=folder, **ports))
    front.write_text(_NGINX.format(folder=folder, **ports))
    token = token_of(config)
    upstream = (sys.executable, str(HERE / "paced_upstream.py"), str(ports["upstream"]), str(PACE))
    varnish = varnish_command(folder, ports["varnish"], ports["upstream"], "1g")
    with ExitStack() as ends:
        ends.enter_context(process(*upstream, core=LOAD_CORE, wait_for="ready"))
        serve = (sys.executable, "-m", "gateway.cli", "serve", "--config", str(config))
        pids = {
            "gate": ends.enter_context(process(*serve, core=SERVER_CORE, wait_for="ready")),
            "nginx": ends.enter_context(
                process(nginx_binary(), "-c", str(front), "-p", str(folder), core=SERVER_CORE)
            ),
            "varnish": ends.enter_context(process(*varnish, core=SERVER_CORE)),
        }
        for name in ("nginx", "varnish"):
            until_it_answers(f"http://127.0.0.1:{ports[name]}/told", 30)
        yield ports, pids, token


def run(runs: int) -> None:
    """Print the table."""
    rows: list[tuple[str, ...]] = [
        (
            "before the service",
            "answers it gave",
            "first byte, s",
            "whole, s",
            "all whole after, s",
            "memory grown, MiB",
        )
    ]
    with tempfile.TemporaryDirectory() as name, _servers(Path(name)) as (ports, pids, token):
        ways = {
            "nothing": ("upstream", ""),
            "nginx, `proxy_cache_lock`": ("nginx", ""),
            "Varnish": ("varnish", ""),
            "labgate": ("gate", "/up"),
        }
        for title, (which, mount) in ways.items():
            shown = token if mount else ""  # Varnish stores nothing for who shows a credential
            rows.append((title, *_row(ports, which, mount, shown, pids.get(which), runs)))
    table(
        f"{CALLERS} callers of {MIB} MiB, {APART:g} s apart, of a service that gives {PACE} MiB/s in all; "
        "the medians of the callers but the first",
        rows,
    )


def _row(
    ports: dict[str, int], which: str, mount: str, token: str, pid: int | None, runs: int
) -> tuple[str, ...]:
    told = f"http://127.0.0.1:{ports['upstream']}/told"
    given, first, whole, last = [], [], [], []
    before = _memory(pid, "VmRSS")
    for turn in range(runs):
        begun = _number(told)
        got = asyncio.run(_callers(ports[which], f"{mount}/{MIB}?turn={turn}", token))
        given.append(_number(told) - begun)
        first += [one.first for one in got[1:]]
        whole += [one.whole for one in got[1:]]
        last.append(max(at * APART + one.whole for at, one in enumerate(got)))
    grown = f"{_memory(pid, 'VmHWM') - before:.0f}" if pid else "-"
    return (
        f"{statistics.median(given):g}",
        *(f"{statistics.median(one):.2f}" for one in (first, whole, last)),
        grown,
    )


def _memory(pid: int | None, line: str) -> float:
    return sum(resident_mib(one, line) for one in family(pid)) if pid else 0.0


def _number(url: str) -> int:
    with urllib.request.urlopen(url) as answer:
        return int(answer.read())
