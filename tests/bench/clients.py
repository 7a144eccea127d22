"""How much does the gate cost the clients of CAVE and CryoSPARC, and how much does its cache give back?"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench_lab import (
    HERE,
    LOAD_CORE,
    SERVER_CORE,
    free_port,
    nginx_binary,
    process,
    token_of,
    until_it_answers,
)

PEOPLE = {name: format(at, "032x") for at, name in enumerate(("ada", "eve", "tom", "gate"), 0xC0FFEE)}
LICENSE = "00000000-0000-0000-0000-0000000000ff"
CONFIG = """
include: [pack:cave]
listen: 127.0.0.1:{port}
operator: {{listen: 127.0.0.1:{operator}}}
state_dir: {folder}/state
identity:
  introspection: [{{kind: middle_auth, url: "http://127.0.0.1:{cave}/auth"}}]
policies:
  - {{to: ["group:bench"], allow: ["*", "/**"], operate: true}}
  - {{to: [authenticated], allow: ["*", "/**"]}}
services:
  cave: {{dialect: cave, url: "http://127.0.0.1:{cave}", mount: /, token: "{token}", forward_token: true}}
  cryosparc:
    dialect: jsonrpc
    url: http://127.0.0.1:{command}
    rpc_path: /api
    mount: /cryosparc
    headers: {{License-ID: "{license}"}}
telemetry: {{access_log: "off"}}
"""
NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{nginx};
    location = /ready {{ return 204; }}
    location / {{ proxy_pass http://127.0.0.1:{command}; }}
  }}
  upstream global {{ server 127.0.0.1:{cave}; keepalive 8; }}
  upstream local {{ server {local}; keepalive 8; }}
  keepalive_requests 100000000;
  server {{
    listen 127.0.0.1:{nginx_cave};
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
    sub_filter "http://{local}" "http://$http_host"; sub_filter_once off; sub_filter_types application/json;
    location ~ ^/(info|auth|sticky_auth|nglstate|schema)/ {{ proxy_pass http://global; }}
    location / {{ proxy_pass http://local; }}
  }}
}}
"""


def run(runs: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name, _servers(Path(name)) as (ports, operators):
        direct, gate, operator, nginx = (
            f"http://127.0.0.1:{ports[key]}" for key in ("cave", "port", "operator", "nginx_cave")
        )
        words = (direct, gate, operator, nginx, PEOPLE["ada"], operators, str(runs))
        session = _told(environment("caveclient"), "clients_session.py", Path(name), *words)
        words = (
            *(str(ports[key]) for key in ("command", "port", "nginx", "forwarder")),
            operators,
            LICENSE,
            "50",
        )
        calls = _told(environment("cryosparc-tools"), "clients_calls.py", Path(name), *words)
    print("\n| a client's work | direct | gate | ratio | at most |\n|---|---|---|---|---|")
    _row("caveclient, made and 50 calls, cold", session["direct"], session["cold"], "1.15", 1e3, "ms")
    _row("the same, warm", session["direct"], session["warm"], "0.5", 1e3, "ms")
    _row("get_roots of 200,000 ids", session["large direct"], session["large gate"], "1.1", 1e3, "ms")
    _row("CommandClient, a call that changes something", calls["direct"], calls["gate"], "1.3", 1e6, "us")
    print("\nWhat leaves no room: with another in the gate's place, and what the client itself needs.\n")
    print("| a client's work | direct | this | ratio | at most |\n|---|---|---|---|---|")
    _row("caveclient, nginx's proxy_pass between", session["direct"], session["nginx"], "-", 1e3, "ms")
    _row("caveclient's own processor time, warm", session["direct"], session["own"], "-", 1e3, "ms")
    _row("CommandClient, nginx's proxy_pass between", calls["direct"], calls["nginx"], "-", 1e6, "us")
    _row("CommandClient, a bare forwarder in Python", calls["direct"], calls["forwarder"], "-", 1e6, "us")


@contextmanager
def _servers(folder: Path) -> Iterator[tuple[dict[str, int], str]]:
    """The two services on one core, and on the other what stands before them; their ports, and an operator's token."""
    names = ("port", "operator", "cave", "command", "nginx", "nginx_cave", "forwarder")
    ports = {key: free_port() for key in names}
    config = folder / "labgate.yaml"
    config.write_text(CONFIG.format(folder=folder, token=PEOPLE["gate"], license=LICENSE, **ports))
    operators = token_of(config)
    env = {"LABGATE_DEMO_CAVE_TOKENS": json.dumps(PEOPLE), "LABGATE_DEMO_LICENSE": LICENSE}
    python = (sys.executable, "-m")
    forward = (sys.executable, str(HERE / "forwarder.py"), str(ports["forwarder"]), str(ports["command"]))
    serve = (*python, "gateway.cli", "serve", "--config", str(config))
    with ExitStack() as ends:
        for name in ("cave", "command"):
            words = (*python, f"gateway.demo.{name}", "--port", str(ports[name]))
            ends.enter_context(process(*words, core=LOAD_CORE, wait_for="ready", env=env))
        yardstick = folder / "nginx.conf"
        yardstick.write_text(NGINX.format(folder=folder, local=_local(ports["cave"]), **ports))
        for words in (serve, forward):
            ends.enter_context(process(*words, core=SERVER_CORE, wait_for="ready"))
        ends.enter_context(process(nginx_binary(), "-c", str(yardstick), "-p", str(folder), core=SERVER_CORE))
        until_it_answers(f"http://127.0.0.1:{ports['nginx']}/ready")
        yield ports, operators


def _local(port: int) -> str:
    """HOST:PORT of the server that the session's datastack has."""
    url = f"http://127.0.0.1:{port}/info/api/v2/datastack/full/minnie_demo"
    asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {PEOPLE['ada']}"})
    with urllib.request.urlopen(asked) as answer:
        told: str = json.load(answer)["local_server"]
    return told.removeprefix("http://")


def _row(work: str, direct: list[float], gate: list[float], most: str, scale: float, unit: str) -> None:
    # Each pair was taken in turn, so that what slows one slows the other.
    ratio = statistics.median(b / a for a, b in zip(direct, gate, strict=True))
    first, second = (statistics.median(one) * scale for one in (direct, gate))
    print(f"| {work} | {first:.1f} {unit} | {second:.1f} {unit} | {ratio:.2f} | {most} |")


def _told(python: Path, script: str, home: Path, *words: str) -> dict[str, list[float]]:
    """What a script prints that runs in a client's own environment."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "NO_PROXY": "*"}
    command = ["taskset", "-c", str(LOAD_CORE), str(python), str(HERE / script), *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environ, text=True, check=True)
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def environment(name: str, locks: Path | None = None) -> Path:
    """The interpreter of a client's environment, by the name of its lock; built now unless it is there already."""
    file = HERE.parent / "interop" / "environments.py"
    spec = importlib.util.spec_from_file_location("interop_environments", file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Path = module.ensure(name, locks or module.LOCKS).python
    return found
