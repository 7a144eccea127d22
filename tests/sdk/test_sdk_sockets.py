"""Is a gate asked that listens on a Unix-domain socket, as one that is on this machine?"""

from __future__ import annotations

import pickle  # noqa: TID251 - the law is that users can pickle their clients
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

import labgate
from labgate._address import parse_address
from labgate._tokens import stored_token_path
from labgate.errors import GateUnreachable, SetupError
from tests.sdk.conftest import TOKEN, Gate, Handler, Server


class _Handler(Handler):
    disable_nagle_algorithm = False  # no such thing here


class SocketServer(Server):
    """The scripted gate, on a socket that has a path."""

    address_family = socket.AF_UNIX

    def __init__(self, gate: Gate, path: Path) -> None:
        socketserver.TCPServer.__init__(self, str(path), _Handler)  # type: ignore[arg-type]
        self.gate = gate
        self._open = set()

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)


@pytest.fixture
def path(files: Gate, tmp_path: Path) -> Iterator[Path]:
    where = tmp_path / "run dir" / "gate.sock"
    where.parent.mkdir()
    server = SocketServer(files, where)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield where
    server.end()
    thread.join()


@pytest.mark.parametrize("form", ["unix:{}", "http+unix://{quoted}", "http+unix://{quoted}/lab/rpc"])
def test_calls_and_plain_http_go_over_a_socket_with_a_path(
    files: Gate, path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    lab = labgate.connect(form.format(path, quoted=quote(str(path), safe="")))
    assert [lab.jobs.list_lanes() for _ in range(3)] == [["a", "b"]] * 3
    below = "/lab" if "lab" in form else ""
    with labgate.request(lab.files, "GET", "/x") as reply:
        assert reply.text() == f"GET {below}/files/x 0"
    assert {headers["host"] for _, _, headers, _ in files.requests} == {"localhost"}
    assert {headers["authorization"] for _, _, headers, _ in files.requests} == {f"Bearer {TOKEN}"}


def test_a_client_of_a_socket_comes_back_from_a_pickle(path: Path) -> None:
    lab = labgate.connect(f"unix:{path}")
    assert str(path.name) in repr(lab)
    assert pickle.loads(pickle.dumps(lab)).jobs.list_lanes() == ["a", "b"]


def test_a_socket_that_is_not_there_is_no_gate(tmp_path: Path) -> None:
    with pytest.raises(GateUnreachable, match=r"none\.sock cannot be reached: No such file"):
        labgate.connect(f"unix:{tmp_path}/none.sock", retries=0)


def test_the_doctor_knows_sockets(path: Path) -> None:
    found = labgate.doctor(f"unix:{path}")
    states = [found[name].state for name in ("address", "name", "connection", "certificate")]
    assert states == ["ok", "ok", "ok", "skipped"]


@pytest.mark.parametrize(
    ("text", "socket", "read"),
    [
        ("unix:/run/gate.sock", "/run/gate.sock", "http+unix://%2Frun%2Fgate.sock"),
        ("http+unix://%2Frun%2Fgate.sock/", "/run/gate.sock", "http+unix://%2Frun%2Fgate.sock"),
        ("HTTP+UNIX://%2frun%2fg%20s/lab/rpc", "/run/g s", "http+unix://%2Frun%2Fg%20s/lab"),
    ],
)
def test_a_sockets_address_is_read_and_written(text: str, socket: str, read: str) -> None:
    address = parse_address(text)
    assert (address.socket, str(address), address.is_loopback) == (socket, read, True)
    assert str(parse_address(str(address))) == read


@pytest.mark.parametrize(
    "text", ["unix:", "unix:run/x", "http+unix://run", "http+unix://%2Fa%00b", "unix:/a\nb"]
)
def test_what_is_no_sockets_address_is_refused(text: str) -> None:
    with pytest.raises(SetupError):
        parse_address(text)


def test_tokens_of_two_sockets_are_kept_in_two_files() -> None:
    paths = ["unix:/run/a_b", "unix:/run/a-b", "unix:/run/A-b", "http://localhost"]
    assert len({stored_token_path(parse_address(one)) for one in paths}) == len(paths)
    assert parse_address("unix:/a").origin != parse_address("http://localhost").origin
