"""Laws of TLS on a listener: what is spoken, for how long a beginning lasts, and which files count."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
from collections.abc import AsyncIterator

import pytest
from aiohttp.web import BaseRequest

from gateway.wire.answer import StreamAnswer
from gateway.wire.server import Limits, Server
from gateway.wire.tls import Live, ServerTls, TlsError, keep_live
from gateway.wire.transport import connection_of

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture
async def listening(authority, echo):
    """`await listening(minimum="1.3", header_seconds=0.2)`: a server, its port, its files and its live context."""
    servers = []

    async def start(minimum: str = "1.2", client_ca=None, handler=echo, **limits):
        issued = authority.issue()
        asks = "none" if client_ca is None else "required"
        live = Live("tls", ServerTls(issued.certificate, issued.key, client_ca, asks, minimum))
        server = Server(handler, Limits(**limits), tls=live)
        servers.append(server)
        _, port = server.start("127.0.0.1")
        return server, port, issued, live

    yield start
    for server in servers:
        await server.close()
        assert server.connections == 0


async def connected(port: int, context: ssl.SSLContext):
    async with asyncio.timeout(20):
        return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")


async def asked(reader, writer) -> bytes:
    async with asyncio.timeout(20):
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        return await reader.readexactly(6)


async def status(reader, writer) -> bytes:
    async with asyncio.timeout(20):
        writer.write(GET)
        return await reader.readline()


def replace(issued, new) -> None:
    shutil.copy(new.certificate, issued.certificate)
    shutil.copy(new.key, issued.key)


async def test_only_tls_with_forward_secrecy_and_http_1_1_is_spoken(listening, authority) -> None:
    _, port, *_ = await listening()
    old = authority.context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await connected(port, old)
    link = writer.get_extra_info("ssl_object")
    assert (link.version(), link.selected_alpn_protocol(), link.compression()) == (
        "TLSv1.2",
        "http/1.1",
        None,
    )
    assert link.cipher()[0].startswith("ECDHE")
    writer.close()
    old.set_ciphers("AES128-SHA256:AES256-GCM-SHA384")
    with pytest.raises(OSError):  # noqa: PT011 - a reset or an alert, as it comes
        await connected(port, old)


async def test_a_minimum_of_1_3_refuses_1_2(listening, authority) -> None:
    server, port, *_ = await listening(minimum="1.3")
    old = authority.context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError):  # noqa: PT011 - a reset or an alert, as it comes
        await connected(port, old)
    _, writer = await connected(port, authority.context())
    assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
    assert server.counters.failed_handshakes == 1
    writer.close()


async def test_who_never_ends_a_handshake_counts_as_a_connection_and_is_let_go(listening, eventually) -> None:
    server, port, *_ = await listening(header_seconds=0.3)
    silent = await asyncio.open_connection("127.0.0.1", port)
    await eventually(lambda: server.connections == 1)
    async with asyncio.timeout(20):
        assert await silent[0].read() == b""
    await eventually(lambda: server.connections == 0)
    assert server.counters.failed_handshakes == 1
    silent[1].close()


async def test_handshakes_take_no_more_than_the_connections_there_may_be(
    listening, authority, eventually
) -> None:
    server, port, *_ = await listening(connections=2)
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    await eventually(lambda: server.connections == 3)
    with pytest.raises(OSError):  # noqa: PT011 - a reset, or an end, as it comes
        await connected(port, authority.context())
    assert server.counters.turned_away == 1
    silent.pop()[1].close()
    await eventually(lambda: server.connections == 2)
    told = await connected(port, authority.context())
    assert await status(*told) == b"HTTP/1.1 503 Service Unavailable\r\n"
    for _, writer in (*silent, told):
        writer.close()
    await eventually(lambda: server.connections == 0)
    end = await connected(port, authority.context())
    assert await asked(*end) == b"GET\n/\n"
    end[1].close()


async def test_handshakes_count_for_the_address_that_they_come_from(listening, authority, eventually) -> None:
    server, port, *_ = await listening(connections_per_address=1)
    _, silent = await asyncio.open_connection("127.0.0.1", port)
    await eventually(lambda: server.connections == 1)
    told = await connected(port, authority.context())
    assert await status(*told) == b"HTTP/1.1 503 Service Unavailable\r\n"
    assert server.counters.refused == {"crowded": 1}
    for writer in (silent, told[1]):
        writer.close()
    await eventually(lambda: server.connections == 0)
    for _ in range(3):  # neither those that failed nor those that ended count any more
        end = await connected(port, authority.context())
        assert await asked(*end) == b"GET\n/\n"
        end[1].close()
        await eventually(lambda: server.connections == 0)


async def test_a_server_that_goes_down_waits_for_no_handshake(listening, eventually) -> None:
    server, port, *_ = await listening(header_seconds=60)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await eventually(lambda: server.connections == 1)
    async with asyncio.timeout(20):
        await server.close()
        with pytest.raises((EOFError, OSError)):
            await reader.readexactly(1)
    writer.close()


async def test_words_without_tls_are_no_request(listening) -> None:
    server, port, *_ = await listening()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET)
    async with asyncio.timeout(20):
        assert b"HTTP" not in await reader.read()
    assert server.counters.requests == 0
    writer.close()


async def test_new_connections_have_the_new_files_and_open_ones_go_on(
    listening, authority, authority_of
) -> None:
    _, port, issued, live = await listening()
    end = await connected(port, authority.context())
    other = authority_of("other")
    replace(issued, other.issue())
    live.look()
    early = await connected(port, authority.context())
    assert await asked(*early), "files that may be half written are left"
    early[1].close()
    live.look()
    fresh = await connected(port, other.context())
    assert await asked(*fresh) == await asked(*end) == b"GET\n/\n"
    fresh[1].close()
    end[1].close()


async def test_bad_new_files_are_refused_with_one_line_and_the_old_ones_stay(
    listening, authority, caplog
) -> None:
    _, port, issued, live = await listening()
    before = live.context
    issued.key.write_text("nothing")
    for _ in range(4):
        live.look()
    assert live.context is before
    (said,) = [record.message for record in caplog.records if "not taken" in record.message]
    assert said.endswith(f"tls.key: no private key is in {issued.key} (give the private key in PEM form)")
    end = await connected(port, authority.context())
    assert await asked(*end) == b"GET\n/\n"
    end[1].close()
    replace(issued, authority.issue())
    live.look()
    live.look()
    assert live.context is not before


async def test_files_are_looked_at_again_and_again(authority) -> None:
    issued = authority.issue()
    live = Live("tls", ServerTls(issued.certificate, issued.key))
    before, turns = live.context, 0

    async def sleep(_: float) -> None:
        nonlocal turns
        turns += 1
        if turns == 1:
            replace(issued, authority.issue())
        if live.context is not before:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await keep_live([live], sleep)
    assert turns == 3


async def test_a_session_from_before_the_authorities_changed_is_not_resumed(
    listening, authority, authority_of, tmp_path
) -> None:
    ca = tmp_path / "client-ca.pem"
    shutil.copy(authority.file, ca)
    _, port, _, live = await listening(client_ca=ca)
    context = authority.issue("CN=ada", "none").context(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # its sessions are whole with the handshake

    def visit(session: ssl.SSLSession | None) -> tuple[bool, ssl.SSLSession | None]:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
            with context.wrap_socket(plain, server_hostname="localhost", session=session) as link:
                link.sendall(GET)
                assert link.recv(1)
                return link.session_reused, link.session

    _, session = await asyncio.to_thread(visit, None)
    assert (await asyncio.to_thread(visit, session))[0]
    shutil.copy(authority_of("other").file, ca)
    live.look()
    live.look()
    with pytest.raises(OSError):  # noqa: PT011 - a reset or an alert, as it comes
        await asyncio.to_thread(visit, session)


def deaf(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A connection of someone who asks and never reads, with a small buffer to receive."""
    plain = socket.socket()
    plain.settimeout(20)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.connect(("127.0.0.1", port))
    link = context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)
    link.sendall(GET)
    return link


def read_all(link: ssl.SSLSocket) -> None:
    while link.recv(1 << 16):
        pass


async def test_a_reader_that_never_reads_is_bounded_and_then_reset_over_tls_too(
    authority, listening, eventually
) -> None:
    made = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal made
        while True:
            made += 1 << 16
            yield bytes(1 << 16)

    async def handler(_: BaseRequest) -> StreamAnswer:
        return StreamAnswer(200, None, (), endless())

    server, port, *_ = await listening(handler=handler, write_seconds=0.4, write_bytes=1 << 18)
    link = await asyncio.to_thread(deaf, port, authority.context())
    await eventually(lambda: server.counters.stuck == 1)
    await eventually(lambda: server.connections == 0)
    assert made < 1 << 24
    with pytest.raises(OSError):  # noqa: PT011 - a reset, or an end without the word that ends TLS
        await asyncio.to_thread(read_all, link)
    link.close()


async def test_a_connection_has_the_names_of_the_certificate_that_was_verified(
    authority, serve_known
) -> None:
    mill = authority.issue(
        "CN=mill, OU=A, OU=B", "uri:spiffe://lab/mill", "dns:mill.lab.org", "email:m@lab.org"
    )
    seen, port = await serve_known()
    for context in (mill.context(authority), authority.context()):
        end = await connected(port, context)
        assert await asked(*end)
        end[1].close()
    known, unknown = seen
    assert known.names == (
        ("CN", "mill"),
        ("OU", "A"),
        ("OU", "B"),
        ("uri", "spiffe://lab/mill"),
        ("dns", "mill.lab.org"),
        ("email", "m@lab.org"),
    )
    assert len(known.fingerprint) == 64
    assert unknown is None


@pytest.fixture
async def serve_known(authority, echo):
    """A server that asks for certificates, and those that its connections have."""
    issued = authority.issue()
    live = Live("tls", ServerTls(issued.certificate, issued.key, authority.file, "optional"))
    seen = []

    async def note(request):
        seen.append(connection_of(request).certificate)
        return await echo(request)

    server = Server(note, tls=live, by_certificate=True)

    async def start():
        return seen, (server.start("127.0.0.1"))[1]

    yield start
    await server.close()


def test_a_file_that_cannot_be_used_is_named_with_its_setting(tmp_path) -> None:
    with pytest.raises(
        TlsError, match=r"^operator\.tls\.certificate: .*/none\.crt cannot be read: no such file"
    ):
        Live("operator.tls", ServerTls(tmp_path / "none.crt"))
