"""A running gate that takes the tokens of a running issuer, for tests that are no coroutines."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SETTINGS = """\
identity:
  issuers:
    - issuer: "{issuer}"
      audience: labgate
      algorithms: [ES256]
      leeway: 0s
      device: {{client_id: labgate-cli, scopes: [openid, offline_access]}}
policies:
  - {{to: ["group:lab"], allow: ["jobs.*", "/jobs/**"], rate: 1000/min}}
  - {{to: ["group:others"], allow: ["*"]}}
services:
  jobs:
    dialect: listed
    url: "{up}"
    mount: /jobs
    methods:
      hello: {{http: "GET /hello", params: [{{name: q}}]}}
      add: {{http: "POST /add"}}
  hidden:
    dialect: listed
    url: "{up}"
    methods: {{secret: {{http: "GET /secret"}}}}
"""


@contextmanager
def served(gate_of: Any, text: str) -> Iterator[str]:
    """The address of a gate with these settings, which runs on a thread of its own until the block ends."""
    ready: threading.Event = threading.Event()
    found: list[Any] = []

    async def run() -> None:
        stop = asyncio.Event()
        async with gate_of(text) as gate:
            found.extend((asyncio.get_running_loop(), stop, "http://{}:{}".format(*gate.address)))
            ready.set()
            await stop.wait()

    def whole() -> None:
        try:
            asyncio.run(run())
        finally:
            ready.set()

    thread = threading.Thread(target=whole)
    thread.start()
    assert ready.wait(120)
    assert found, "the gate did not start"
    loop, stop, url = found
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def says(value: Any) -> Any:
    """What answers a request with a value as JSON."""

    def answer(asked: Any) -> None:
        body = json.dumps(value).encode()
        asked.send_response(200)
        asked.send_header("Content-Type", "application/json")
        asked.send_header("Content-Length", str(len(body)))
        asked.end_headers()
        asked.wfile.write(body)

    return answer


def folder() -> Path:
    """Where this test's user keeps what is theirs."""
    return Path(os.environ["XDG_CONFIG_HOME"]) / "labgate"


def kept(kind: str = "logins") -> list[Path]:
    """The files of logins, or of `tokens`."""
    return sorted(path for path in (folder() / kind).glob("*") if path.suffix != ".lock")
