"""A gate, nginx and Varnish in front of the same upstream, each ready to answer the same things from its cache."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench_lab import (
    LOAD_CORE,
    SERVER_CORE,
    free_port,
    nginx_binary,
    process,
    program,
    token_of,
    until_it_answers,
)

MIB = 1 << 20
CACHED_MIB, STORED_MIB = 64, 256

_NGINX = """
daemon off; master_process off; pid {folder}/{name}.pid; error_log {folder}/{name}.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/{name}1; proxy_temp_path {folder}/{name}2;
  fastcgi_temp_path {folder}/{name}3; uwsgi_temp_path {folder}/{name}4; scgi_temp_path {folder}/{name}5;
  keepalive_requests 100000000; client_body_buffer_size 64k; sendfile on;
"""

_UPSTREAM = (
    _NGINX
    + """
  server {{
    listen 127.0.0.1:{upstream};
    default_type application/json;
    location /api {{ return 200 '{answer}'; }}
    location /plain {{ return 200 '{small}'; }}
    location /small {{ add_header Cache-Control "public, max-age=3600"; return 200 '{small}'; }}
    location / {{ add_header Cache-Control "public, max-age=3600"; root {folder}/files; }}
  }}
}}
"""
)

_FRONT = (
    _NGINX
    + """
  proxy_cache_path {folder}/cache levels=1:2 keys_zone=c:16m inactive=1h;
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{nginx};
    proxy_http_version 1.1; proxy_set_header Connection "";
    location /proxy/ {{ proxy_pass http://up/; proxy_max_temp_file_size 0; }}
    location /cached/ {{ proxy_pass http://up/; proxy_cache c; }}
    location /files/ {{ alias {folder}/files/; }}
  }}
}}
"""
)

_GATE = """
listen: 127.0.0.1:{gate}
operator: {{listen: 127.0.0.1:{operator}}}
state_dir: {folder}/state
policies:
  - {{to: ["group:bench"], allow: ["*", "/**"]}}
services:
  calls:
    dialect: listed
    url: http://127.0.0.1:{upstream}
    rpc_path: /api
    methods: {{get_job: {{safe: true}}}}
  up: {{dialect: listed, url: "http://127.0.0.1:{upstream}", mount: /up}}
  large:
    dialect: listed
    url: http://127.0.0.1:{upstream}
    mount: /large
    methods: {{http: {{safe: true, cache: {{fresh: 1h, share: everyone, max_size: 1GiB}}}}}}
telemetry: {{access_log: "off"}}
limits: {{reply: 10GiB}}
"""

_ON_DISK = """
cache: {{disk: {{size: 8GiB, path: {folder}/disk}}}}
"""


class Mounted:
    """Where everything is; processes by their ids."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.upstream, self.gate, self.operator, self.nginx, self.varnish = (free_port() for _ in range(5))
        self.token = ""
        self.pid = self.nginx_pid = self.varnish_pid = 0

    def at_gate(self, path: str) -> str:
        """A URL of the gate."""
        return f"http://127.0.0.1:{self.gate}{path}"

    def at_nginx(self, path: str) -> str:
        """A URL of nginx: below `/proxy/`, `/cached/` or `/files/`."""
        return f"http://127.0.0.1:{self.nginx}{path}"

    def at_varnish(self, path: str) -> str:
        """A URL of Varnish."""
        return f"http://127.0.0.1:{self.varnish}{path}"


@contextmanager
def mounted(*, disk: bool = False) -> Iterator[Mounted]:
    """Upstream, nginx and gate; the gate has a disk tier if asked for."""
    with tempfile.TemporaryDirectory() as name:
        here = Mounted(Path(name))
        files = here.folder / "files"
        files.mkdir()
        if disk:
            for mib in (CACHED_MIB, STORED_MIB):
                (files / f"{mib}").write_bytes(os.urandom(MIB) * mib)
        up = _written(here, "up", _UPSTREAM)
        front = _written(here, "front", _FRONT)
        config = _written(here, "labgate", _GATE + (_ON_DISK if disk else ""))
        here.token = token_of(config)
        nginx = nginx_binary()
        serve = (sys.executable, "-m", "gateway.cli", "serve", "--config", str(config))
        with (
            process(nginx, "-c", str(up), "-p", name, core=LOAD_CORE),
            process(nginx, "-c", str(front), "-p", name, core=SERVER_CORE) as here.nginx_pid,
        ):
            until_it_answers(here.at_nginx("/proxy/small"))
            with process(*serve, core=SERVER_CORE, wait_for="ready") as here.pid:
                yield here


def _written(here: Mounted, name: str, text: str) -> Path:
    """The settings of one process, in its file."""
    answer = {"jsonrpc": "2.0", "result": {"uid": "J42", "status": "completed", "log": "x" * 150}}
    file = here.folder / (f"{name}.yaml" if name == "labgate" else f"{name}.conf")
    file.write_text(
        text.format(
            name=name,
            folder=here.folder,
            upstream=here.upstream,
            nginx=here.nginx,
            gate=here.gate,
            operator=here.operator,
            answer=json.dumps(answer),
            small=json.dumps({"uid": "J42", "log": "x" * 998}),
        )
    )
    return file


def varnish_command(folder: Path, port: int, upstream: int, memory: str) -> tuple[str, ...]:
    """What runs Varnish at a port before another one, with so much memory."""
    return (
        program("varnishd", "varnish"),
        *("-F", "-j", "none", "-T", "none", "-n", str(folder / "varnish")),
        *("-a", f"127.0.0.1:{port}", "-b", f"127.0.0.1:{upstream}", "-s", f"malloc,{memory}"),
        *("-p", "thread_pools=1", "-p", "thread_pool_min=50", "-p", "thread_pool_max=100"),
    )


@contextmanager
def varnish(here: Mounted) -> Iterator[None]:
    """Varnish on the server's core, in memory, with the rules that are built in; its threads are bounded."""
    command = varnish_command(here.folder, here.varnish, here.upstream, "256m")
    with process(*command, core=SERVER_CORE) as here.varnish_pid:
        until_it_answers(here.at_varnish("/small"), 30)
        yield
