"""Is a server that is not the gate asked through the network's proxy, and is what it answers bounded?"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from labgate._outside import NotAsked, ask
from labgate.errors import LoginError
from tests.sdk.conftest import head_of, http, read_request, scripted


@contextmanager
def proxy(port: int, seen: list[bytes], refusal: bytes = b"") -> Iterator[str]:
    """A proxy's address, which tunnels one connection to a port of this machine, whatever name was asked for."""

    def tunnel(connection: socket.socket) -> None:
        seen.append(head_of(connection))
        if refusal:
            connection.sendall(refusal)
            return
        with socket.create_connection(("127.0.0.1", port)) as behind:
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=pump, args=(behind, connection))
            back.start()
            pump(connection, behind)
            back.join()

    with scripted(tunnel) as url:
        yield url


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Bytes from one to the other, until there are none."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture
def behind(issuer_lab: Any, authority: Any) -> Iterator[Any]:
    """An authorization server with a certificate for login.lab.org."""
    issued = authority.issue("CN=login", "dns:login.lab.org")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(issued.certificate, issued.key)
    with issuer_lab.running(tls=tls) as made:
        made.port = int(made.url.rpartition(":")[2])
        yield made


WHERE = "https://login.lab.org/.well-known/openid-configuration"


def test_a_server_is_asked_through_the_proxy_which_sees_its_name_alone(
    behind: Any, authority: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    with proxy(behind.port, seen) as url:
        monkeypatch.setenv("https_proxy", url)
        told = ask(WHERE, timeout=60, ca_file=str(authority.file))
    assert told.members["issuer"] == behind.url
    assert len(seen) == 1
    assert seen[0].startswith(b"CONNECT login.lab.org:443 HTTP/1.")
    assert b"openid" not in seen[0]


def test_a_proxy_that_pretends_to_be_the_server_is_sent_nothing(
    behind: Any, authority_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(behind.port, []) as url:
        monkeypatch.setenv("https_proxy", url)
        with pytest.raises(LoginError, match="not trusted"):
            ask(WHERE, {"secret": "of mine"}, timeout=60, ca_file=str(authority_of("other").file))
    assert behind.asked == []


def test_a_proxy_that_lets_nobody_through_is_why_there_is_no_answer(
    authority: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with proxy(0, [], refusal) as url:
        monkeypatch.setenv("https_proxy", url)
        with pytest.raises(NotAsked, match=r"login\.lab\.org cannot be reached"):
            ask(WHERE, timeout=60)


def test_no_proxy_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9/")
    monkeypatch.setenv("no_proxy", "lab.invalid")
    with pytest.raises(NotAsked, match=r"login\.lab\.invalid cannot be reached: (?!.*refused)"):
        ask("https://login.lab.invalid/", timeout=60)


def answered(*replies: bytes, **how: Any) -> Any:
    """What is made of an answer's bytes."""

    def script(connection: Any) -> None:
        read_request(connection)
        for one in replies:
            connection.sendall(one)

    with scripted(script) as url:
        return ask(url, timeout=60, **how)


@pytest.mark.parametrize("status", ["429 Too Many Requests", "500 Oh", "503 Later"])
def test_a_server_that_stumbles_may_be_asked_again_when_it_says(status: str) -> None:
    with pytest.raises(NotAsked) as caught:
        answered(http(b"{}", status, "Retry-After: 7"))
    assert (caught.value.retry_after, caught.value.http_status) == (7, int(status[:3]))
    with pytest.raises(NotAsked) as caught:
        answered(http(b"{}", status, "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT"))
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"nothing of the sort\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
def test_half_an_answer_and_what_is_none_is_no_answer(reply: bytes) -> None:
    with pytest.raises(LoginError):
        answered(reply)


def test_an_answer_without_an_end_is_left() -> None:
    def script(connection: Any) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with scripted(script) as url, pytest.raises(LoginError, match="has more than"):
        ask(url, timeout=60)


def test_a_server_that_says_nothing_is_not_waited_for(tmp_path: Any) -> None:
    done = threading.Event()

    def script(connection: Any) -> None:
        read_request(connection)
        done.wait(60)

    with scripted(script) as url:
        with pytest.raises(NotAsked, match="did not answer within"):
            ask(url, timeout=0.2)
        done.set()
