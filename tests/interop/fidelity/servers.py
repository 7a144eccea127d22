"""How do the upstreams start, and how are they asked what they saw?"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from fidelity import nginx
from fidelity.asking import OCTETS
from fidelity.exceptions import Seen
from fidelity.raw import Line, Request

UPSTREAMS = Path(__file__).parents[1] / "upstreams"


def start(name: str, python_of: Callable[[str], Path], folder: Path, ends: ExitStack) -> int:
    """Start an upstream that ends with `ends`; the port on loopback where it listens already."""
    if name == "nginx":
        return _start_nginx(folder, ends)
    if name == "aiohttp":
        return _ready([sys.executable, str(UPSTREAMS / "fidelity_aiohttp.py")], ends)
    if name == "node":
        return _ready(["node", str(UPSTREAMS / "fidelity_node.js")], ends)
    return _ready([str(python_of(name)), str(UPSTREAMS / f"fidelity_{name}.py")], ends)


async def seen(port: int) -> list[Seen]:
    """What a scripted upstream saw since it was last asked."""
    line = await Line.open(port)
    try:
        answer = await line.exchange(Request(target=b"/__seen"), b"127.0.0.1:%d" % port)
    finally:
        await line.close()
    return [
        Seen(
            told["verb"].encode("latin-1"),
            told["target"].encode("latin-1"),
            tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in told["fields"]),
            told["length"],
            told["sha256"],
        )
        for told in json.loads(answer.body)
    ]


def _ready(command: list[str], ends: ExitStack) -> int:
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    ends.enter_context(process)
    ends.callback(process.kill)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("ready "):
        raise RuntimeError(f"it did not start: try {' '.join(command)}")
    return int(line.rpartition(":")[2])


def _start_nginx(folder: Path, ends: ExitStack) -> int:
    _write_files(folder)
    # Whoever is bound to a port in this way, without listening, keeps it for others of the same user.
    kept = ends.enter_context(socket.socket())
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    kept.bind(("127.0.0.1", 0))
    port = kept.getsockname()[1]
    file = folder / "nginx.conf"
    file.write_text(_configuration(folder, port))
    command = ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(file)]
    environ = os.environ | {"PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"}
    process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
    ends.enter_context(process)
    ends.callback(process.kill)
    assert process.stderr is not None
    # It tells its version once it listens.
    told = []
    while " nginx/" not in (line := process.stderr.readline()):
        told.append(line)
        if not line:
            raise RuntimeError(f"nginx did not start: {''.join(told)}")
    return port


def _write_files(folder: Path) -> None:
    files = folder / "files"
    (files / "folder").mkdir(parents=True)
    (folder / "store").mkdir()
    contents = {
        "octets.bin": OCTETS * 400,
        "page.html": b"<p>A page of some length.</p>\n" * 60,
        "data.arrow": OCTETS,
        "empty": b"",
        "ü.txt": "Zürich\n".encode(),
        "folder/index.html": b"<p>The folder.</p>\n",
    }
    for name, data in contents.items():
        (files / name).write_bytes(data)
        os.utime(files / name, (1_700_000_000, 1_700_000_000))


def _configuration(folder: Path, port: int) -> str:
    statuses = "\n".join(
        f'location = /status/{code} {{ return {code} "told {code}"; }}' for code in nginx.STATUSES
    )
    redirects = "\n".join(
        f'location = /to/{code}/{name} {{ return {code} "{where}"; }}'
        for name, where in nginx.REDIRECTS.items()
        for code in (301, 302, 307)
    )
    return f"""
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 256; }}
http {{
  access_log off;
  error_log {folder}/error.log crit;
  client_body_temp_path {folder}/bodies;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size 8m;
  large_client_header_buffers 8 16k;
  keepalive_timeout 600;
  keepalive_requests 100000;
  underscores_in_headers on;
  ignore_invalid_headers off;
  default_type application/octet-stream;
  log_format noted escape=json '{{"verb":"$request_method","target":"$request_uri","body":"$request_body"}}';
  types {{ text/html html; text/plain txt; }}
  server {{
    listen 127.0.0.1:{port} reuseport;
    # Of itself nginx compresses nothing for requests with a Via field.
    location /files/ {{ alias {folder}/files/; gzip on; gzip_proxied any; gzip_min_length 100; }}
    location /store/ {{ alias {folder}/store/; dav_methods PUT DELETE; }}
    # What comes here is noted with its body, which nginx has in full once it asks the server behind.
    location /noted/ {{
      access_log {folder}/noted.json noted;
      client_body_in_single_buffer on;
      proxy_pass http://127.0.0.1:{port}/taken/;
    }}
    location /taken/ {{ return 200 "ok"; }}
    location /echo {{
      return 200 "$request_method $request_uri\\n$args\\n$content_length\\n$http_x_one\\n$http_x_two\\n$http_cookie\\n";
    }}
    location = /reply-fields {{
      add_header X-Twice 1;
      add_header x-other "Zürich";
      add_header X-Twice 2;
      add_header X_Under_Score "a  b";
      add_header ETag 'W/"made up"';
      add_header Warning '299 - "odd"';
      return 200 "fields";
    }}
    {statuses}
    {redirects}
  }}
}}
"""
