"""Is a service behind TLS only believed when its certificate holds?"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.core.faults import UpstreamUnreachable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def certificate(folder: Path, host: str, valid: timedelta = timedelta(days=1)) -> Path:
    """A file with the key and the self-signed certificate of a host."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + valid)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{host}.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
async def secure() -> AsyncIterator[Callable]:
    """`await secure(pem)`: the URL of a server with this certificate, which answers `ok` to every request."""
    async with AsyncExitStack() as ends:
        talks: set[asyncio.Task] = set()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            talks.add(asyncio.current_task())
            try:
                while True:
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(OK)
            except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
                pass
            finally:
                writer.close()

        async def start(pem: Path) -> str:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(pem)
            server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)

            async def stop() -> None:
                server.close()
                for task in talks:
                    task.cancel()
                await asyncio.gather(*talks, return_exceptions=True)
                await server.wait_closed()

            ends.push_async_callback(stop)
            return f"https://localhost:{server.sockets[0].getsockname()[1]}"

        yield start


def trusting(pem: Path) -> ssl.SSLContext:
    """What trusts this certificate alone."""
    return ssl.create_default_context(cafile=str(pem))


async def test_a_certificate_that_holds_carries_calls_over_one_connection(
    tmp_path, secure, upstream_of, ask
) -> None:
    pem = certificate(tmp_path, "localhost")
    upstream = upstream_of(await secure(pem), tls=trusting(pem))
    for _ in range(3):
        assert (await ask(upstream, body=None, verb="GET")).body == b"ok"
    assert (upstream.opened, upstream.reused) == (1, 2)


async def test_nothing_is_sent_to_who_cannot_prove_who_they_are(tmp_path, secure, upstream_of, ask) -> None:
    pem = certificate(tmp_path, "localhost")
    upstream = upstream_of(await secure(pem))
    with pytest.raises(UpstreamUnreachable, match="certificate cannot be trusted") as fault:
        await ask(upstream, repeatable=False)
    assert fault.value.data == {}


async def test_a_certificate_for_another_host_is_refused_without_naming_hosts(
    tmp_path, secure, upstream_of, ask
) -> None:
    pem = certificate(tmp_path, "elsewhere.example")
    upstream = upstream_of(await secure(pem), tls=trusting(pem))
    with pytest.raises(UpstreamUnreachable) as fault:
        await ask(upstream)
    assert fault.value.message == (
        "The service 'jobs' could not be reached: its TLS certificate is for another host."
    )


async def test_an_expired_certificate_is_refused(tmp_path, secure, upstream_of, ask) -> None:
    pem = certificate(tmp_path, "localhost", valid=timedelta(days=-1))
    upstream = upstream_of(await secure(pem), tls=trusting(pem))
    with pytest.raises(UpstreamUnreachable, match="has expired"):
        await ask(upstream)


async def test_who_speaks_no_tls_is_unreachable(scripted, upstream_of, ask) -> None:
    async def talk(peer) -> None:
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.ended()

    server = await scripted(talk)
    with pytest.raises(UpstreamUnreachable, match="does not speak TLS"):
        await ask(upstream_of(f"https://localhost:{server.port}"))
