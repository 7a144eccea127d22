"""The job manager as a process of its own, and callers that speak plain HTTP to it."""

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest


@dataclass(frozen=True, slots=True)
class Failed:
    """A JSON-RPC error as a caller sees it."""

    code: int
    name: str
    message: str
    data: Any


@dataclass(frozen=True, slots=True)
class JobsCaller:
    """A caller of the job manager that listens on `port`; a connection for each call."""

    port: int

    def post(self, body: bytes, path: str = "/api", **headers: str) -> tuple[int, bytes]:
        """Status and body of the answer to a POST."""
        fields = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request("POST", path, body, fields)
            response = connection.getresponse()
            return response.status, response.read()

    def answer(self, request: Any) -> Any:
        """The JSON that answers a request; None when there is none."""
        status, body = self.post(json.dumps(request).encode())
        assert status == (200 if body else 204)
        return json.loads(body) if body else None

    def call(self, method: str, *args: Any, **params: Any) -> Any:
        """The result, or what Failed."""
        answer = self.answer({"jsonrpc": "2.0", "id": 1, "method": method, "params": params or args})
        if "error" in answer:
            return Failed(**answer["error"])
        return answer["result"]

    def finish(self, job_type: str, **params: Any) -> str:
        """Make and queue a job in P1, wait for its end and return its uid."""
        uid = str(self.call("make_job", job_type=job_type, project_uid="P1", params=params))
        assert self.call("enqueue_job", "P1", uid) == "queued"
        assert self.call("wait_job", "P1", uid, 30) in ("completed", "failed")
        return uid


@contextmanager
def running_jobs() -> Iterator[JobsCaller]:
    """A job manager that ends with the block."""
    command = [sys.executable, "-m", "gateway.demo.jobs", "--until-stdin-closes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        word, _, url = process.stdout.readline().strip().partition(" ")
        assert word == "ready"
        yield JobsCaller(int(url.rpartition(":")[2]))
        process.communicate()  # closes its standard input, which ends it
        assert process.returncode == 0


@pytest.fixture(scope="session")
def jobs() -> Iterator[JobsCaller]:
    """A job manager that the tests share."""
    with running_jobs() as caller:
        yield caller


@pytest.fixture
def fresh_jobs() -> Iterator[JobsCaller]:
    """A job manager of this test's own."""
    with running_jobs() as caller:
        yield caller


class SmallDvid:
    """A DVID of this test's own: `server` and what is in it (see `Small` in lab/dvid.py)."""

    def __init__(self, server: Any, content: Any) -> None:
        self.server = server
        self.content = content
        self.ask = server.ask
        self.json = server.json

    def node(self, name: str, path: str) -> str:
        """The path of a node's data: `root`, `middle`, `open` or `branch`."""
        return f"/api/node/{getattr(self.content, name).uuid}/{path}"

    def get(self, name: str, path: str) -> bytes:
        """The body of the 200 at a node's data."""
        status, _, body = self.ask("GET", self.node(name, path))
        assert status == 200, body
        return bytes(body)

    def refused(self, verb: str, path: str, body: bytes | None = None) -> str:
        """The text of a 400, without the path in brackets that must follow it."""
        status, fields, said = self.ask(verb, path, body)
        assert (status, fields["Content-Type"]) == (400, "text/plain; charset=utf-8")
        assert fields["X-Content-Type-Options"] == "nosniff"
        ending = f" ({path.partition('?')[0]}).\n"
        text = said.decode()
        assert text.endswith(ending)
        return str(text.removesuffix(ending))


@pytest.fixture
def dvid(dvid_lab: ModuleType) -> Iterator[SmallDvid]:
    """A small DVID, whose nodes are `root` and `middle`, both locked, and `open` and `branch`."""
    content = dvid_lab.small()
    with dvid_lab.running(content.store) as server:
        yield SmallDvid(server, content)
