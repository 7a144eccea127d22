"""Laws of bodies that lie in files: the kernel sends them, whole or not at all, and nothing gets in between."""

import asyncio
import os
import random
import ssl
from datetime import UTC, datetime, timedelta
from io import FileIO
from pathlib import Path

import pytest
from aiohttp.web import BaseRequest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.core.verdict import Extent
from gateway.wire.answer import Answer, FileAnswer
from gateway.wire.body import read_body
from gateway.wire.limits import Limits
from gateway.wire.passage import Passage
from gateway.wire.sendfile import ShortFileError, send_extent
from gateway.wire.server import Server

HEAD = b"HTTP/1.1 200 OK\r\nX-Odd: \xff\r\n"
LARGE = random.Random(1).randbytes(12_800_000)
"""12.8 MB: more than the sockets of both sides hold."""


def get(target: str, verb: str = "GET", more: str = "") -> bytes:
    return f"{verb} {target} HTTP/1.1\r\nHost: h\r\n{more}\r\n".encode()


def part_of(target: str) -> tuple[int, int | None]:
    """`/file/5/7` asks for 7 bytes from the 5th on, `/file` for all."""
    numbers = [int(number) for number in target.split("/")[2:]]
    return (numbers[0], numbers[1]) if numbers else (0, None)


class Guest(Passage):
    """A request that is answered without aiohttp; bodies are not asked for."""

    def __init__(self, caller, target: str, extent: Extent, ended: list[int]) -> None:
        super().__init__(caller)
        self.target = target
        self.extent = extent
        self.ended = ended

    @property
    def idle_seconds(self) -> float:
        return 60.0

    def begin(self) -> None:
        if self.target.startswith("/file"):
            self.write_stored_file(HEAD, self.extent, 200, *part_of(self.target))
        else:
            self.write_whole(HEAD, self.target.encode(), 200)

    def closed(self) -> None:
        self.ended.append(self.sent)


class Both:
    """Answers from a file by a guest (`guest`) or by aiohttp's handler (`door`)."""

    def __init__(self, way: str, file: Path) -> None:
        self.way = way
        self.file = file
        self.opened = FileIO(str(file))
        self.length = file.stat().st_size
        self.ended: list[int] = []

    def extent(self) -> Extent:
        return Extent(self.opened, 0, self.length)

    def takes(self, target: bytes) -> bool:
        return self.way == "guest"

    def again(self, caller, line, seen, data, end):
        return None

    def guest(self, caller, verb, target, seen):
        return Guest(caller, target.decode(), self.extent(), self.ended)

    async def answer(self, request: BaseRequest):
        if request.raw_path.startswith("/file"):
            return FileAnswer(200, b"OK", ((b"X-Odd", b"\xff"),), self.extent(), *part_of(request.raw_path))
        await read_body(request, 1000)
        return Answer(200, b"OK", (), request.raw_path.encode())


@pytest.fixture(params=["guest", "door"])
async def served(request, serve, tmp_path, eventually):
    """Starts a server that answers from a file of these bytes: `await served(LARGE, write_seconds=1)`."""
    made = []

    async def start(content: bytes, **limits):
        (tmp_path / "file").write_bytes(content)
        both = Both(request.param, tmp_path / "file")
        gate = await serve(both.answer)
        await gate.server.close()
        gate.server = Server(both.answer, Limits(**limits), host=both)
        gate.host, gate.port = gate.server.start("127.0.0.1")
        # uvloop opens a descriptor of its own with the first connection, and keeps it.
        (await gate.deaf()).close()
        await eventually(lambda: gate.server.counters.accepted == 1 and not gate.server.connections)
        made.append(both)
        return gate, both

    yield start
    for both in made:
        both.opened.close()


async def test_a_file_is_sent_whole_and_in_parts_and_the_connection_goes_on(served) -> None:
    gate, _ = await served(LARGE)
    caller = await gate.caller()
    seen = await caller.get(get("/file"))
    assert (seen.status, seen[b"X-Odd"], seen.body == LARGE) == (200, b"\xff", True)
    assert (await caller.get(get("/file/5/7"))).body == LARGE[5:12]
    assert (await caller.get(get("/file/1000000/5000000"))).body == LARGE[1_000_000:6_000_000]
    assert (await caller.get(get(f"/file/{len(LARGE)}/0"))).body == b""
    assert (await caller.get(get("/small"))).body == b"/small"


async def test_head_asks_for_no_byte_of_the_file(served) -> None:
    gate, _ = await served(LARGE)
    caller = await gate.caller()
    await caller.send(get("/file", "HEAD"))
    seen = await caller.answer(bodiless=True)
    assert seen[b"Content-Length"] == b"%d" % len(LARGE)
    assert (await caller.get(get("/small"))).body == b"/small"


async def test_answers_to_pipelined_requests_come_in_order_and_never_within_a_file(served) -> None:
    gate, _ = await served(LARGE)
    caller = await gate.caller()
    targets = ["/a", "/file", "/b", "/file/100/3000000", "/file/7/9", "/c", "/file"]
    stream = b"".join(get(target) for target in targets)
    await caller.send(stream)
    for target in targets:
        seen = await caller.answer()
        start, length = part_of(target) if target.startswith("/file") else (0, 0)
        wanted = LARGE[start : None if length is None else start + length]
        assert seen.body == (wanted if target.startswith("/file") else target.encode())


async def test_requests_split_at_every_byte_while_a_file_is_sent_are_answered_after_it(served) -> None:
    gate, _ = await served(LARGE[:3_000_000])
    caller = await gate.caller()
    await caller.send(get("/file"))
    for byte in get("/small") + get("/file/3/4"):
        await caller.send(bytes((byte,)))
        await asyncio.sleep(0)
    assert (await caller.answer()).body == LARGE[:3_000_000]
    assert (await caller.answer()).body == b"/small"
    assert (await caller.answer()).body == LARGE[3:7]


async def test_a_slow_reader_gets_every_byte(served) -> None:
    gate, _ = await served(LARGE, write_seconds=1.0)
    sock = await gate.deaf()
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, get("/file", more="Connection: close\r\n"))
    got = bytearray()
    for _ in range(12):
        got += await loop.sock_recv(sock, 60_000)
        await asyncio.sleep(0.1)
    async with asyncio.timeout(20):
        while data := await loop.sock_recv(sock, 1 << 20):
            got += data
    assert got.endswith(LARGE)
    assert gate.server.counters.stuck == 0
    sock.close()


async def test_a_reader_that_never_reads_is_let_go_and_leaves_nothing_open(served, eventually) -> None:
    gate, both = await served(LARGE, write_seconds=0.3)
    before = descriptors()
    sock = await gate.deaf()
    await asyncio.get_running_loop().sock_sendall(sock, get("/file"))
    await eventually(lambda: gate.server.counters.stuck == 1)
    await eventually(lambda: gate.server.connections == 0)
    sock.close()
    await eventually(lambda: descriptors() == before)
    assert all(sent < len(LARGE) for sent in both.ended)


async def test_a_reader_that_goes_away_ends_the_sending(served, eventually) -> None:
    gate, both = await served(LARGE)
    before = descriptors()
    for leave in (lambda sock: sock.close(), lambda sock: sock.shutdown(2)):
        sock = await gate.deaf()
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, get("/file"))
        await loop.sock_recv(sock, 1000)
        leave(sock)
        sock.close()
        await eventually(lambda: gate.server.connections == 0)
    await eventually(lambda: descriptors() == before)
    assert both.way == "door" or all(0 < sent < len(LARGE) for sent in both.ended)


async def test_a_file_that_became_shorter_cuts_the_connection(served, eventually) -> None:
    gate, both = await served(LARGE)
    os.truncate(both.file, len(LARGE) - 10)
    caller = await gate.caller()
    await caller.send(get("/file") + get("/small"))
    got = bytearray()

    async def read() -> None:
        while data := await caller.reader.read(1 << 20):
            got.extend(data)

    with pytest.raises(ConnectionResetError):
        await read()
    assert b"/small" not in got
    await eventually(lambda: gate.server.connections == 0)


async def test_where_the_kernel_cannot_send_the_pieces_are_written_one_by_one(tmp_path, recorded) -> None:
    (tmp_path / "file").write_bytes(LARGE)
    connection, transport = recorded(Server(lambda request: None))
    with FileIO(str(tmp_path / "file")) as file:
        extent = Extent(file, 10, len(LARGE) - 10)
        await send_extent(connection.out, extent, 5, 1_000_000)
        assert transport.written == LARGE[15:1_000_015]
        with pytest.raises(ValueError, match="a part"):
            await send_extent(connection.out, extent, 5, len(LARGE))
        os.truncate(tmp_path / "file", 100)
        with pytest.raises(ShortFileError):
            await send_extent(connection.out, extent)
        transport.close()
        with pytest.raises(ConnectionResetError):
            await send_extent(connection.out, extent)
    connection.connection_lost(None)


async def test_over_tls_every_byte_of_a_file_is_sent_encrypted_and_in_order(tmp_path, certificate) -> None:
    (tmp_path / "file").write_bytes(LARGE)
    with FileIO(str(tmp_path / "file")) as file:

        async def answer(request: BaseRequest):
            if request.raw_path == "/file":
                return FileAnswer(200, b"OK", (), Extent(file, 0, len(LARGE)))
            return Answer(200, b"OK", (), b"small")

        server = Server(answer)
        here, there = certificate
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(server.connection, "127.0.0.1", 0, ssl=here)
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=there, server_hostname="localhost"
        )
        writer.write(get("/file") + get("/small") + get("/file"))
        for wanted in (LARGE, b"small", LARGE):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"Content-Length: %d\r\n" % len(wanted) in head
            assert await reader.readexactly(len(wanted)) == wanted
        writer.transport.abort()
        listener.close()
        await server.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The TLS contexts of a server called localhost, and of callers that trust it."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "both.pem").write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    here.load_cert_chain(folder / "both.pem")
    return here, ssl.create_default_context(cadata=made.public_bytes(serialization.Encoding.PEM).decode())


async def test_what_was_written_before_leaves_before_the_file(served) -> None:
    """The transport holds much of an answer when the file's turn comes."""
    gate, _ = await served(LARGE)
    sock = await gate.deaf()
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(
        sock, b"".join(get(f"/{number}" + "x" * 4000) for number in range(15)) + get("/file")
    )
    await asyncio.sleep(0.05)
    got = bytearray()
    async with asyncio.timeout(20):
        while not got.endswith(LARGE[-64:]) or len(got) < len(LARGE):
            got += await loop.sock_recv(sock, 1 << 20)
    assert got.count(b"HTTP/1.1 200 OK\r\n") == 16
    assert got.endswith(b"\r\n\r\n" + LARGE)
    sock.close()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
