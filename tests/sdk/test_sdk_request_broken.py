"""What becomes of a raw request whose reply comes early, late, not to its end, or not at all?"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import labgate
from labgate import errors
from tests.sdk.conftest import Gate, head_of, http, mounted, read_request, scripted
from tests.sdk.test_sdk_connections import certificate, over_tls


def pieces(*parts: bytes) -> Iterator[bytes]:
    """Bytes as a generator has them."""
    yield from parts


BIG = 30_000_000
REFUSAL = http(b"over 1 MiB", "413 Content Too Large", "Connection: close", kind="text/plain")


def drain(connection: socket.socket) -> None:
    """Read until the other end has closed."""
    try:
        while connection.recv(1 << 20):
            pass
    except OSError:
        return


@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_a_refusal_that_comes_before_the_body_was_read_is_the_answer(closes: bool, known: bool) -> None:
    done = threading.Event()

    def refuses(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" + REFUSAL)
        if not closes:
            done.wait()

    with scripted(mounted, refuses) as url:
        lab = labgate.connect(url, timeout=30)
        data: Any = bytes(BIG) if known else (bytes(100_000) for _ in range(300))
        try:
            with pytest.raises(errors.TooLarge, match="over 1 MiB"):
                labgate.request(lab, "PUT", "/files/x", data=data)
        finally:
            done.set()
        assert not lab._session.link.pool.idle


def test_a_refusal_ends_an_upload_that_is_paused(files: Gate) -> None:
    refused = threading.Event()

    def refuses(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(REFUSAL)
        refused.set()
        drain(connection)

    def slow() -> Iterator[bytes]:
        yield b"first"
        refused.wait()
        while True:
            yield b"more"

    with scripted(mounted, refuses) as url, pytest.raises(errors.TooLarge):
        labgate.request(labgate.connect(url), "PUT", "/files/x", data=slow())


def test_a_success_that_begins_while_the_body_is_sent_does_not_end_the_sending() -> None:
    received = bytearray()

    def echoes(connection: socket.socket) -> None:
        body = head_of(connection).partition(b"\r\n\r\n")[2]
        connection.sendall(
            b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG
        )
        received.extend(body)
        while len(received) < BIG:
            received.extend(connection.recv(1 << 20))
        connection.sendall(received)

    data = os.urandom(1000) * (BIG // 1000)
    with scripted(mounted, echoes) as url:
        with labgate.request(labgate.connect(url), "PUT", "/files/x", data=data) as response:
            assert response.read() == data == received


def test_large_bodies_go_over_tls_and_are_refused_early_there_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    data = os.urandom(3_000_000)

    def takes(connection: Any) -> None:
        body = head_of(connection).partition(b"\r\n\r\n")[2]
        while len(body) < len(data):
            body += connection.recv(1 << 16)
        connection.sendall(http(str(body == data).encode() * 100_000))
        head_of(connection)
        connection.sendall(REFUSAL)
        drain(connection)

    with scripted(over_tls(context, mounted), over_tls(context, takes)) as url:
        lab = labgate.connect(url.replace("http://127.0.0.1", "https://localhost"), token="other")
        with labgate.request(lab, "PUT", "/files/x", data=data) as response:
            assert response.read() == b"True" * 100_000
        with pytest.raises(errors.TooLarge):
            labgate.request(lab, "PUT", "/files/x", data=bytes(BIG))


def ends_unread(connection: socket.socket) -> None:
    """Take the request, and answer nothing."""
    read_request(connection)


def says(body: bytes) -> Any:
    """Answer one request with this."""

    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(http(body))

    return script


def test_what_may_be_carried_out_twice_is_sent_again_with_its_whole_body(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(100_000))
    for data in (None, b"x", bytes(100_000), (tmp_path / "file").open("rb")):
        with scripted(mounted, ends_unread, says(b"then")) as url:
            assert labgate.request(labgate.connect(url), "PUT", "/files/x", data=data).read() == b"then"
        if hasattr(data, "close"):
            data.close()  # type: ignore[union-attr]


@pytest.mark.parametrize(("verb", "data"), [("POST", b"x"), ("POST", None), ("PATCH", b"x")])
def test_a_verb_that_may_not_be_carried_out_twice_is_never_sent_again(verb: str, data: Any) -> None:
    with scripted(mounted, ends_unread, says(b"twice")) as url:
        with pytest.raises(errors.GateUnreachable) as caught:
            labgate.request(labgate.connect(url), verb, "/files/x", data=data)
        assert caught.value.maybe_executed is True


def test_a_body_that_can_be_had_once_is_not_sent_a_second_time() -> None:
    def ends(connection: socket.socket) -> None:
        head_of(connection)

    with scripted(mounted, ends, says(b"twice")) as url:
        with pytest.raises(errors.GateUnreachable):
            labgate.request(labgate.connect(url), "PUT", "/files/x", data=pieces(b"x"))


def test_a_body_of_which_nothing_was_taken_waits_for_a_gate_that_comes_back() -> None:
    with scripted(mounted) as url:
        lab = labgate.connect(url, retries=8)
    refused = threading.Event()

    def serve() -> None:
        refused.wait(0.2)  # the first attempts find nobody
        with socket.create_server(("127.0.0.1", int(url.rpartition(":")[2]))) as listener:
            connection, _ = listener.accept()
            with connection:
                data = b""
                while not data.endswith(b"0\r\n\r\n"):
                    data += connection.recv(65536)
                connection.sendall(http(b"done"))

    server = threading.Thread(target=serve)
    server.start()
    try:
        assert labgate.request(lab, "POST", "/files/x", data=pieces(b"x")).read() == b"done"
    finally:
        server.join()


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", errors.GateUnreachable),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf", errors.GateUnreachable),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n", errors.BadReply),
    ],
)
def test_a_body_that_does_not_come_to_its_end_is_an_error_and_never_a_short_body(
    reply: bytes, kind: type[errors.Error]
) -> None:
    def answers(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(reply)

    with scripted(mounted, answers) as url:
        response = labgate.request(labgate.connect(url), "POST", "/files/x")
        with pytest.raises(kind) as caught:
            response.read()
        assert caught.value.maybe_executed is True
        assert response.closed


def test_a_reply_that_does_not_begin_in_time_and_one_that_stops_are_deadlines() -> None:
    def silent(connection: socket.socket) -> None:
        read_request(connection)
        connection.recv(1)

    def stops(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        connection.recv(1)

    with scripted(mounted, silent, stops) as url:
        lab = labgate.connect(url)
        with pytest.raises(errors.DeadlineExceeded, match="did not answer within"):
            labgate.request(lab, "GET", "/files/x", timeout=0.05)
        response = labgate.request(lab(timeout=0.2), "GET", "/files/x")
        assert response.read(4) == b"half"
        with pytest.raises(errors.DeadlineExceeded, match="no more of the body"):
            response.read()
        assert response.closed


def test_an_upload_that_nobody_reads_ends_at_its_deadline() -> None:
    done = threading.Event()

    def idle(connection: socket.socket) -> None:
        done.wait()

    with scripted(mounted, idle) as url:
        try:
            with pytest.raises(errors.DeadlineExceeded):
                labgate.request(labgate.connect(url), "PUT", "/files/x", data=bytes(BIG), timeout=0.2)
        finally:
            done.set()
