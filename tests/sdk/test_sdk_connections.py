"""Are connections secure, each thread's and each process's own, and kept?"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import labgate
from labgate.errors import GateUnreachable
from tests.sdk.conftest import Gate, http, read_request, result, scripted


def document(connection: Any) -> None:
    """Answer the list of methods, then end the connection."""
    read_request(connection)
    listed = {"openrpc": "1.3.2", "methods": [{"name": "s.safe", "params": [], "x-labgate": {"safe": True}}]}
    connection.sendall(http(json.dumps(listed).encode(), "200 OK", "Connection: close"))


def answers(*replies: bytes) -> Callable[[Any], None]:
    """Answer one request after the other with these bytes, then end the connection."""

    def script(connection: Any) -> None:
        for reply in replies:
            read_request(connection)
            connection.sendall(reply)

    return script


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for a host name, signed by itself, and its key."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


def over_tls(context: ssl.SSLContext, script: Callable[[Any], None]) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            script(secured)

    return serve


def test_https_works_keeps_its_connections_and_is_refused_without_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    kept = over_tls(context, answers(http(result(1)), http(result(2))))
    with scripted(over_tls(context, document), over_tls(context, document), kept) as url:
        url = url.replace("http://127.0.0.1", "https://localhost")
        with pytest.raises(GateUnreachable, match="certificate"):
            labgate.connect(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        lab = labgate.connect(url, token="other")
        assert (lab.s.safe(), lab.s.safe()) == (1, 2)


def test_a_certificate_for_another_name_is_not_said_to_lack_an_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = certificate(tmp_path, "gate.lab.org")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    with scripted(over_tls(context, document)) as url, pytest.raises(GateUnreachable) as caught:
        labgate.connect(url.replace("http://127.0.0.1", "https://localhost"))
    assert "its certificate is for another name (Hostname mismatch" in str(caught.value)
    assert "SSL_CERT_FILE" not in str(caught.value)


@pytest.mark.parametrize("awaited", [False, True])
def test_https_to_what_speaks_plain_http_says_which_address_may_be_right(gate: Gate, awaited: bool) -> None:
    url = gate.url.replace("http://", "https://")
    with pytest.raises(
        GateUnreachable, match=r"speaks no TLS; if it is plain http, write its address with http://"
    ):
        asyncio.run(_opened(url)) if awaited else labgate.connect(url)


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_refused_connection_reads_the_same_with_and_without_an_event_loop(host: str, awaited: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://{host}:{port}"
    with pytest.raises(
        GateUnreachable,
        match=r"cannot be reached: (Connection refused|Cannot assign|Network|Address family)[^:]*\n",
    ):
        asyncio.run(_opened(url)) if awaited else labgate.connect(url, retries=0)


@pytest.mark.parametrize("awaited", [False, True])
def test_plain_http_to_what_speaks_tls_says_which_address_may_be_right(tmp_path: Path, awaited: bool) -> None:
    cert, key = certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with (
        scripted(over_tls(context, document)) as url,
        pytest.raises(GateUnreachable, match=r"if what is there speaks TLS, write its address with https://"),
    ):
        asyncio.run(_opened(url)) if awaited else labgate.connect(url, retries=0)


async def _opened(url: str) -> None:
    async with labgate.aconnect(url, retries=0):
        pass


def test_a_forked_child_does_not_use_its_parents_connections(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    lab.jobs.list_lanes()
    pool = lab._session.link.pool
    parents = pool.idle[0][0].getsockname()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            lab.jobs.list_lanes()
            os.write(writer, b"same" if pool.idle[0][0].getsockname() == parents else b"own")
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b"own"
    os.waitpid(child, 0)
    assert lab.jobs.list_lanes() == ["a", "b"]
    assert pool.idle[0][0].getsockname() == parents


def test_many_threads_get_each_their_own_answer(gate: Gate) -> None:
    gate.add("jobs.echo", lambda params: params["x"], params=[{"name": "x", "required": True}])
    lab = labgate.connect(gate.url)
    wrong: list[tuple[int, Any]] = []

    def work(first: int) -> None:
        for number in range(first, first + 30):
            got = lab.jobs.echo(number)
            if got != number or labgate.last(lab).status != 200:
                wrong.append((number, got))

    threads = [threading.Thread(target=work, args=(1000 * at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(lab._session.link.pool.idle) <= 8
