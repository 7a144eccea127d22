"""A small real gate on loopback, as the wire contract has it, whose methods and replies a test writes down."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from labgate._codec import Encoder, decode_json, decode_msgpack

TOKEN = "token-of-the-test"


class ScriptedError(Exception):
    """A JSON-RPC error that a scripted method answers."""

    def __init__(self, code: int, message: str, status: int = 200, **members: Any) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, **members}
        self.status = status


class Gate:
    """What the server answers, and what it has been asked.

    `methods` are descriptions by name, `answers` the functions behind them, which get the params; `service` answers
    what comes below `/files`, `plain` what comes by a method's plain URL; `requests` are (verb, target, headers, body) of everything that came.
    """

    def __init__(self) -> None:
        self.methods: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, Callable[[Any], Any]] = {}
        self.about: dict[str, Any] = {}
        self.components: dict[str, Any] = {}
        self.reply_headers: dict[str, str] = {}
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.token: str | None = TOKEN
        self.document: bytes | None = None
        self.service: Callable[[Handler], None] | None = None
        self.plain: Callable[[Handler], None] | None = None
        self.url = ""

    def add(self, name: str, answer: Callable[[Any], Any] | Any = None, **described: Any) -> None:
        """Describe a method and say what it answers."""
        self.methods[name] = {"name": name, "params": [], **described}
        self.answers[name] = answer if callable(answer) else lambda _: answer

    def openrpc(self) -> bytes:
        if self.document is not None:
            return self.document
        methods = [self.methods[name] for name in sorted(self.methods)]
        return json.dumps(
            {
                "openrpc": "1.3.2",
                "info": {"title": "labgate", "version": "0"},
                "methods": methods,
                "components": self.components,
                "x-labgate": self.about,
            }
        ).encode()

    @property
    def version(self) -> str:
        return hashlib.sha256(self.openrpc()).hexdigest()[:12]

    def calls(self) -> list[Any]:
        """The decoded bodies of what was sent to /rpc."""
        return [
            (decode_msgpack if "msgpack" in headers["content-type"] else decode_json)(body)
            for verb, _, headers, body in self.requests
            if verb == "POST"
        ]

    def documents(self) -> int:
        """How often the list of methods was asked for."""
        return sum(1 for verb, *_ in self.requests if verb == "GET")

    def outcome(self, call: Any) -> tuple[int, dict[str, Any]]:
        """Status and answer of one JSON-RPC request."""
        answer = {"jsonrpc": "2.0", "id": call.get("id")}
        if call["method"] not in self.answers:
            data = {"fault": "UnknownMethod", "request_id": "r-1"}
            return 200, {**answer, "error": {"code": -32601, "message": "no such method", "data": data}}
        try:
            return 200, {**answer, "result": self.answers[call["method"]](call.get("params"))}
        except ScriptedError as fault:
            return fault.status, {**answer, "error": fault.error}


class Handler(BaseHTTPRequestHandler):
    """One connection to the scripted gate."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *_: Any) -> None:
        """Nothing: tests ask the gate's record."""

    def do_PUT(self) -> None:
        """Let the mounted service answer; a body that it leaves unread ends the connection."""
        gate = self._noted(b"")
        if self._admitted() and gate.service is not None:
            gate.service(self)

    do_HEAD = do_DELETE = do_OPTIONS = do_PATCH = do_PUT  # noqa: N815 - http.server's own names

    def do_GET(self) -> None:
        if "/files" in self.path:
            self.do_PUT()
            return
        gate = self._noted(b"")
        if not self._admitted():
            return
        if "/rpc/" in self.path and gate.plain is not None:
            gate.plain(self)
        elif self.headers.get("If-None-Match") == f'"{gate.version}"':
            self._reply(304, b"", "application/json")
        else:
            self._reply(200, gate.openrpc(), "application/json", ETag=f'"{gate.version}"')

    def do_POST(self) -> None:
        if "/files" in self.path:
            self.do_PUT()
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        gate = self._noted(body)
        if not self._admitted():
            return
        packed = "msgpack" in self.headers["Content-Type"]
        call = (decode_msgpack if packed else decode_json)(body)
        if isinstance(call, list):
            status, answer = 200, [gate.outcome(one)[1] for one in reversed(call)]
        else:
            status, answer = gate.outcome(call)
        self._answer(status, answer)

    def body(self) -> bytes:
        """The request's body; it joins the gate's record."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            found = b""
            while size := int(self.rfile.readline(), 16):
                found += self.rfile.read(size)
                assert self.rfile.readline() == b"\r\n"
            assert self.rfile.readline() == b"\r\n"
        else:
            found = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        verb, target, headers, _ = self.server.gate.requests[-1]
        self.server.gate.requests[-1] = (verb, target, headers, found)
        return found

    def reply(self, status: int, body: bytes = b"", *fields: tuple[str, str]) -> None:
        """The mounted service's answer."""
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        if "Content-Length" not in dict(fields):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _noted(self, body: bytes) -> Gate:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.gate.requests.append((self.command, self.path, headers, body))
        return self.server.gate

    def _admitted(self) -> bool:
        token = self.server.gate.token
        if token is None or self.headers.get("Authorization") == f"Bearer {token}":
            return True
        data = {"fault": "Unauthenticated", "request_id": "r-401"}
        error = {"code": -32001, "message": "this gate does not know you", "data": data}
        self._answer(401, {"jsonrpc": "2.0", "id": None, "error": error}, WWW_Authenticate="Bearer")
        return False

    def _answer(self, status: int, answer: Any, **headers: str) -> None:
        if "application/msgpack" in self.headers.get("Accept", ""):
            self._reply(status, Encoder().encode_msgpack(answer), "application/msgpack", **headers)
        else:
            body = json.dumps(answer, default=Encoder().simple_or_binary).encode()
            self._reply(status, body, "application/json", **headers)

    def _reply(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("X-Request-Id", "r-1")
        if status != 401:
            self.send_header("Labgate-Catalog", self.server.gate.version)
        for name, value in {**headers, **self.server.gate.reply_headers}.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 304:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """The listening half."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64  # many connections at once are part of the tests

    def __init__(self, gate: Gate) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.gate = gate
        gate.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the tests."""

    def end(self) -> None:
        """Stop listening and end the connections that are still open."""
        self.shutdown()
        self.server_close()
        for request in list(self._open):
            with_no_reader(request)


def with_no_reader(sock: socket.socket) -> None:
    """End a connection that another thread may be reading."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


@contextmanager
def running(gate: Gate) -> Iterator[Gate]:
    """The gate, served until the block ends."""
    server = Server(gate)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield gate
    finally:
        server.end()
        thread.join()


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders and variables of this test alone."""
    for name in ("LABGATE_URL", "LABGATE_TOKEN_FILE", "LABGATE_INSECURE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("LABGATE_TOKEN", TOKEN)
    return tmp_path


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate with one service, `jobs`."""
    made = Gate()
    made.add(
        "jobs.get_job",
        lambda params: {"params": params},
        summary="One job.",
        description="One job. With all that is known of it.",
        params=[
            {
                "name": "project_uid",
                "required": True,
                "schema": {"type": "string"},
                "description": "Its project.",
            },
            {"name": "job_uid", "required": True, "schema": {"type": "string"}},
            {"name": "limit", "schema": {"type": "integer", "default": 10}},
            {"name": "lane", "schema": {"type": ["string", "null"]}},
        ],
        result={"name": "result", "schema": {"type": "object"}},
        **{"x-labgate": {"safe": True}},
    )
    made.add("jobs.enqueue_job", lambda params: params, params=[{"name": "job_uid", "required": True}])
    made.add("jobs.list_lanes", ["a", "b"], **{"x-labgate": {"safe": True}})
    made.add("jobs.anything", lambda params: params, **{"x-labgate": {"undescribed": True}})
    made.about = {"namespaces": {"jobs": {"summary": "The job manager."}}}
    with running(made):
        yield made


@pytest.fixture
def files(gate: Gate) -> Gate:
    """The gate with a second service, `files`, mounted at `/files`: it says what it was sent."""

    def says(asked: Handler) -> None:
        sent = asked.body()
        asked.reply(200, f"{asked.command} {asked.path} {len(sent)}".encode(), ("Content-Type", "text/plain"))

    gate.add("files.get_tile", None)
    gate.about = {"namespaces": {"files": {"mount": "/files"}}}
    gate.service = says
    return gate


Script = Callable[[socket.socket], None]


@contextmanager
def scripted(*scripts: Script) -> Iterator[str]:
    """A raw server's address; the n-th connection is handled by the n-th script, and closed behind it."""
    listener = socket.create_server(("127.0.0.1", 0))
    current: list[socket.socket] = []

    def serve() -> None:
        for script in scripts:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                current[:] = [connection]
                try:
                    script(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with_no_reader(listener)
        listener.close()
        for connection in current:
            with_no_reader(connection)
        thread.join()


def read_request(connection: socket.socket) -> bytes:
    """One whole request, head and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    while len(body) < length:
        body += _some(connection)
    return head + b"\r\n\r\n" + body


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise OSError("the client is gone")
    return data


def http(body: bytes, status: str = "200 OK", *fields: str, kind: str = "application/json") -> bytes:
    """A reply's bytes, framed by its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", f"Content-Type: {kind}", *fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def result(value: Any) -> bytes:
    """A JSON-RPC answer's bytes."""
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": value}).encode()


def mounted(connection: Any) -> None:
    """Answer the list of methods, of a gate that has a service mounted at `/files`, then end the connection."""
    read_request(connection)
    about = {"namespaces": {"files": {"mount": "/files"}}}
    listed = {"openrpc": "1.3.2", "methods": [], "x-labgate": about}
    connection.sendall(http(json.dumps(listed).encode(), "200 OK", "Connection: close"))


def head_of(connection: Any) -> bytes:
    """A request's head, and what came with it."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(connection)
    return data


@pytest.fixture
def voxels(gate: Gate) -> Any:
    """The gate with a service of volumes, `dvid`: 48 x 64 x 80 voxels of uint8 that begin at (-16, 0, 32)."""
    import numpy as np

    from tests.sdk.voxels import Voxels

    values = np.random.default_rng(7).integers(0, 256, (48, 64, 80), np.uint8)
    return Voxels(gate, values, (-16, 0, 32))


@pytest.fixture
def issuer(issuer_lab: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An authorization server (lab/issuer.py) that also answers what comes below the gate's mount; nobody has a token yet."""
    from tests.sdk.logins import says

    monkeypatch.delenv("LABGATE_TOKEN", raising=False)
    with issuer_lab.running() as made:
        made.answers["/hello"] = says("hello")
        made.answers["/add"] = says("added")
        yield made
