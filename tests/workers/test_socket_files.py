"""Does a gate listen on a Unix-domain socket as it does on a port, and to whom?"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import labgate
from gateway.settings import SocketFile, examine
from gateway.workers.listeners import ListenError, close_all, open_all

POLICIES = """\
identity: {anonymous: true}
policies: [{to: [anonymous], allow: ["*", "/**"]}]
services: {told: {dialect: listed, url: "URL", mount: /told, methods: {ways: {http: GET /ways, safe: true, cache: {fresh: 1h, share: everyone}}}}}
"""


class _Told(BaseHTTPRequestHandler):
    """A service that answers what it was told of the way that a request came."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        names = ("Forwarded", "X-Forwarded-For")
        body = json.dumps({name: self.headers[name] for name in names if name in self.headers}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def policies() -> Iterator[str]:
    """The rest of a settings file, with the service running."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Told)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield POLICIES.replace("URL", f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the file will be; the folders of tests can be too deep for one."""
    return tmp_path_factory.mktemp("s") / "gate.sock"


def ways(place: Path, path: str = "/told/ways", **fields: str) -> dict[str, str]:
    """What the service was told of a request by curl."""
    said = [word for name, value in fields.items() for word in ("-H", f"{name.replace('_', '-')}: {value}")]
    command = [
        "curl",
        "-sS",
        "--fail-with-body",
        "--unix-socket",
        str(place),
        *said,
        f"http://localhost{path}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def called(lab: Any) -> tuple[list[Any], str | None, str]:
    """Answers to calls, how the last came about, and what the service was told by the client's plain HTTP."""
    answers = [lab.told.ways() for _ in range(3)]
    last = labgate.last(lab)
    with labgate.request(lab.told, "GET", "/ways") as reply:
        return answers, last and last.cache, reply.json()["X-Forwarded-For"]


async def test_curl_aiohttp_and_the_sdk_call_by_a_socket_file(gate_of, policies, place, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(place.parent))
    async with gate_of(f"listen: unix:{place}\n{policies}"):
        # Who has no address is told so (RFC 7239 section 6.2), and what callers say of themselves is not believed.
        told = await asyncio.to_thread(ways, place, X_Forwarded_For="192.0.2.9")
        assert told == {"Forwarded": 'for=unknown;host="localhost";proto=http', "X-Forwarded-For": "unknown"}
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(place))) as session:
            for _ in range(2):
                async with session.get("http://gate/told/ways") as reply:
                    assert "for=unknown" in (await reply.json())["Forwarded"]
        lab = await asyncio.to_thread(labgate.connect, f"unix:{place}")
        assert await asyncio.to_thread(called, lab) == ([{}] * 3, "hit", "unknown")
        async with labgate.aconnect(f"unix:{place}") as awaited:
            assert await awaited.told.ways() == {}


async def test_a_proxy_at_a_socket_file_is_believed_where_it_is_named(gate_of, policies, place) -> None:
    async with gate_of(f"listen: unix:{place}\ntrusted_proxies: [unix]\n{policies}"):
        told = await asyncio.to_thread(ways, place, X_Forwarded_For="192.0.2.9")
        assert told["X-Forwarded-For"] == "192.0.2.9, unknown"


def test_workers_share_a_socket_file_and_the_next_gate_takes_what_the_last_has_left(
    policies: str, place: Path
) -> None:
    file = place.with_name("labgate.yaml")
    file.write_text(
        f"listen: unix:gate.sock\noperator: {{listen: 127.0.0.1:0}}\nstate_dir: state\nworkers: 2\n"
        f'telemetry: {{access_log: "off"}}\n{policies}'
    )
    for _ in range(2):
        with started(file) as gate:
            assert stat.S_IMODE(place.stat().st_mode) == 0o660
            with ThreadPoolExecutor(8) as crew:
                assert {*crew.map(lambda _: ways(place)["X-Forwarded-For"], range(24))} == {"unknown"}
            refused = command(file, stderr=subprocess.PIPE)
            assert refused.wait(60) == 1
            assert refused.stderr is not None
            assert f"unix:{place}: somebody listens there already" in refused.stderr.read()
            refused.stderr.close()
            assert ways(place)
            gate.send_signal(signal.SIGTERM)
            assert gate.wait(60) == 0
        assert place.is_socket()


def command(file: Path, **streams: int) -> subprocess.Popen[str]:
    """`labgated serve`."""
    words = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(file)]
    return subprocess.Popen(
        words, text=True, stdout=subprocess.PIPE if not streams else subprocess.DEVNULL, **streams
    )  # type: ignore[call-overload, no-any-return]


class started:
    """A gate that is ready; it is ended with the block at the latest."""

    def __init__(self, file: Path) -> None:
        self._process = command(file)

    def __enter__(self) -> subprocess.Popen[str]:
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith("ready unix:/")
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


async def test_a_file_that_is_no_socket_stays_and_so_does_one_that_somebody_listens_at(place: Path) -> None:
    place.write_text("results of a year")
    with pytest.raises(ListenError, match="there is a file that is no socket"):
        await open_all({"callers": (f"unix:{place}", 0o600)})
    assert place.read_text() == "results of a year"
    place.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(place))
        other.listen(0)
        # Its queue is full, and it is there all the same.
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(str(place))
        with pytest.raises(ListenError, match="somebody listens there already"):
            await open_all({"callers": (f"unix:{place}", 0o600)})
        for one in waiting:
            one.close()
    opened = await open_all({"callers": (f"unix:{place}", 0o600)})
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    close_all(opened)
    with pytest.raises(ListenError, match="no such file"):
        await open_all({"callers": (f"unix:{place.parent}/gone/gate.sock", 0o600)})


def found(folder: Path, text: str) -> tuple[object, list[str]]:
    """The settings, and what is said of them."""
    file = folder / "labgate.yaml"
    file.write_text(text)
    settings, problems = examine(file, {})
    return settings, [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("listen: 'unix:'", "names no file to listen on"),
        ("listen: unix:/run/", "names no file to listen on"),
        (f"listen: unix:/{'x' * 103}", "at most 103 bytes"),
        ("listen: unix:/run/gate.sock\ntls: {certificate: a}", "TLS is for what goes over a network"),
        ("listen: unix:/run/gate.sock\nsocket_mode: 0660", "a mode has octal digits"),
        ("listen: unix:/run/gate.sock\nsocket_mode: '680'", "is no mode"),
        ("listen: unix:/run/gate.sock\nsocket_mode: '1777'", "is no mode"),
        ("operator: {listen: unix:/run/gate.sock}", "write HOST:PORT"),
    ],
)
def test_what_is_no_socket_file_or_no_mode_is_refused_with_the_fix(
    tmp_path: Path, text: str, said: str
) -> None:
    settings, problems = found(tmp_path, text)
    assert settings is None
    assert any(said in one for one in problems), problems


def test_the_path_starts_from_the_settings_folder_and_the_command_line_goes_over_it(tmp_path: Path) -> None:
    settings, _ = found(tmp_path, 'listen: unix:run/gate.sock\nsocket_mode: "600"')
    assert settings.listen == SocketFile(str(tmp_path / "run" / "gate.sock"))
    assert settings.socket_mode == 0o600
    assert settings.listening_on(None, None) == settings
    assert str(settings.listening_on(None, 8000).listen) == "127.0.0.1:8000"


def test_check_names_the_socket_and_no_address(tmp_path: Path) -> None:
    file = tmp_path / "labgate.yaml"
    file.write_text("listen: unix:gate.sock\n")
    command = [sys.executable, "-m", "gateway.cli", "check", "--json", "--config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert json.loads(done.stdout)["serves"]["listens"] == [f"unix:{tmp_path}/gate.sock"]
