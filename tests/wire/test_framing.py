"""Laws of where messages end: for any bytes, our ends are aiohttp's."""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from aiohttp.web import BaseRequest, RequestPayloadError, Response
from aiohttp.web import Server as AiohttpServer
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.core.faults import BadRequest
from gateway.wire.answer import Answer
from gateway.wire.body import read_body
from gateway.wire.framing import Chunks, Length
from gateway.wire.head import CHUNKED, Head, examine, find_end
from gateway.wire.limits import Limits
from gateway.wire.refusal import Refusal
from gateway.wire.server import Server

LIMITS = Limits()


@dataclass
class Read:
    """What a reader made of some bytes: the whole messages, each as (index after it, body), and how it ended."""

    messages: list[tuple[int, bytes]] = field(default_factory=list)
    refused: bool = False


def ours(data: bytes) -> Read:
    """Read messages as the connection does: one head, one body, one after the other."""
    read, at = Read(), 0
    while True:
        rest = data[at:]
        stripped = rest.lstrip(b"\r\n")
        at += len(rest) - len(stripped)
        if not stripped:
            return read
        end = find_end(stripped, 0, LIMITS)
        if end == 0:
            return read
        head = end if isinstance(end, Refusal) else examine(stripped[:end], LIMITS)
        if isinstance(head, Refusal):
            read.refused = True
            return read
        assert isinstance(end, int)
        framing = Chunks() if head.length == CHUNKED else Length(head.length)
        try:
            passed, after = framing.take(stripped[end:])
        except BadRequest:
            read.refused = True
            return read
        if not framing.done:
            return read
        body = plain(passed) if head.length == CHUNKED else passed
        at = len(data) - len(after)
        read.messages.append((at, body))
        if head.upgrade:
            read.refused = True
            return read


def plain(chunks: bytes) -> bytes:
    """The bytes of a body in the plainest chunks."""
    body = b""
    while chunks:
        size, _, rest = chunks.partition(b"\r\n")
        body += rest[: int(size, 16)]
        assert rest[int(size, 16) :][:2] == b"\r\n"
        chunks = rest[int(size, 16) + 2 :]
    return body


@contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    try:
        yield loop
    finally:
        loop.close()


def aiohttps(data: bytes) -> Read:
    """Read messages with aiohttp's own parser, a byte at a time: so the index after each is known."""
    read = Read()
    with running_loop() as loop:
        protocol = BaseProtocol(loop)
        parser = HttpRequestParser(
            protocol, loop, 1 << 20, auto_decompress=False, payload_exception=RequestPayloadError
        )
        payload = None
        for at in range(len(data)):
            try:
                messages, upgraded, _ = parser.feed_data(data[at : at + 1])
            except HttpProcessingError:
                read.refused = True
                return read
            if messages:
                ((_, payload),) = messages
            if payload is not None and payload.is_eof():
                read.messages.append((at + 1, payload.read_nowait()))
                payload = None
            if upgraded:
                read.refused = True
                return read
    return read


HEADS = [
    b"GET / HTTP/1.1\r\nHost: h\r\n",
    b"POST /p?q HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n",
    b"POST /p HTTP/1.1\r\nhost:h\r\nTransfer-Encoding: chunked\r\n",
    b"POST / HTTP/1.0\r\nContent-Length: 0003\r\n",
    b"HEAD http://h/ HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n",
    b"OPTIONS * HTTP/1.1\r\nHOST: h\r\ncontent-length:3 \t\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n",
]
FIELDS = [
    b"",
    b"A: b\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 1, 2\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: ,chunked\r\n",
    b"Content-Length : 3\r\n",
    b"X: y\r\n Content-Length: 3\r\n",
    b"X: y\rContent-Length: 3\r\n",
    b"X: y\nContent-Length: 3\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive, upgrade\r\n",
    b"Upgrade: websocket\r\n",
    b"Host: h\r\n",
    b"X-Content-Length: 9\r\n",
    b"\x85: x\r\n",
]
BODIES = [
    b"",
    b"abc",
    b"3\r\nabc\r\n0\r\n\r\n",
    b'003;a=b;c="d;e"\r\nabc\r\n00\r\nT: u\r\n\r\n',
    b"1;x\r\na\r\nA\r\n0123456789\r\n0;y\r\nT: u\r\nV:\r\n\r\n",
    b"00a\r\n0123456789\r\n0\r\n\r\n",
    b"1 ;x\r\na\r\n0\r\n\r\n",
    b"1;a b\r\na\r\n0\r\n\r\n",
    b"1;\r\na\r\n0\r\n\r\n",
    b"1;a=\r\na\r\n0\r\n\r\n",
    b"0\r\nContent-Length: 5\r\n\r\n",
    b"0\r\nServer: a\r\nServer: b\r\n\r\n",
    b"0\r\nT : u\r\n\r\n",
    b"0\r\nT: u\r\n v\r\n\r\n",
    b"1\r\na\n0\r\n\r\n",
    b"\r\n\r\n",
]


def fits(head: bytes, body: bytes) -> bool:
    """Whether a body is what its head announces."""
    if b"chunked" in head:
        return b"0\r\n" in body
    return len(body) == (3 if b"3" in head else 0)


FITTING = st.sampled_from([(head, body) for head in HEADS for body in BODIES if fits(head, body)])
ANY = st.tuples(st.sampled_from(HEADS), st.sampled_from(BODIES))
EXTRAS = st.lists(st.sampled_from(FIELDS), max_size=2)


@st.composite
def traffic(draw: st.DrawFn) -> bytes:
    """Some requests in a row, right or nearly so."""
    data = bytearray()
    for _ in range(draw(st.integers(1, 4))):
        head, body = draw(st.one_of(FITTING, FITTING, FITTING, ANY))
        extras = draw(st.one_of(st.just([]), st.just([]), EXTRAS))
        data += head + b"".join(extras) + b"\r\n" + body
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        piece = draw(
            st.sampled_from([*(bytes([b]) for b in b'\r\n\t :;,0123afAF\0\x80"\\=xX'), b"\r\n", b"\n\n"])
        )
        match draw(st.sampled_from(["insert", "replace", "delete"])):
            case "insert":
                data[at:at] = piece
            case "replace":
                data[at : at + len(piece)] = piece
            case _:
                del data[at : at + 1]
    return bytes(data)


@settings(max_examples=1500)
@given(traffic())
@example(b"GET / HTTP/1.1\r\nHost: a\n\nGET /evil HTTP/1.1\r\nHost: h\r\n\r\n")
@example(b"\r\n\n\rGET / HTTP/1.1\r\nHost: a\r\n\r\n")
def test_for_any_bytes_our_message_ends_are_aiohttps(data: bytes) -> None:
    mine, theirs = ours(data), aiohttps(data)
    both = min(len(mine.messages), len(theirs.messages))
    assert mine.messages[:both] == theirs.messages[:both]
    # What only one of the two read was refused by the other, which then ends the connection: it never waits there
    # for bytes that the other takes for the next request.
    if len(mine.messages) < len(theirs.messages):
        assert mine.refused
    if len(theirs.messages) < len(mine.messages):
        assert theirs.refused


@settings(max_examples=300)
@given(traffic(), st.integers(0, 1000), st.integers(0, 1000))
def test_for_any_bytes_a_handler_sees_a_part_of_what_it_would_see_without_us(
    data: bytes, one: int, two: int
) -> None:
    cuts = sorted((one % (len(data) + 1), two % (len(data) + 1)))
    mine, theirs = asyncio.run(both_handlers(data, cuts))
    assert mine == theirs[: len(mine)]


async def both_handlers(data: bytes, cuts: list[int]) -> tuple[list[object], list[object]]:
    """What handlers see of the same bytes, behind our connection and behind aiohttp's alone."""
    mine: list[object] = []
    theirs: list[object] = []

    async def behind_us(request: BaseRequest) -> Answer:
        try:
            mine.append((request.method, request.raw_path, await read_body(request, 1 << 20)))
        except BadRequest:
            return Answer(400, None, ())
        return Answer(200, None, ())

    async def alone(request: BaseRequest) -> Response:
        theirs.append((request.method, request.raw_path, await request.content.read()))
        return Response()

    server = Server(behind_us)
    connection = server.connection()
    connection.connection_made(Nowhere())
    bare = AiohttpServer(alone, access_log=None, auto_decompress=False, logger=quiet())()
    bare.connection_made(Nowhere())
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        if end > start:
            connection.data_received(data[start:end])
        await turns(20)
    for at in range(len(data)):
        bare.data_received(data[at : at + 1])
    await turns(100)
    connection.connection_lost(None)
    bare.connection_lost(None)
    await turns(20)
    await server.close()
    return mine, theirs


async def turns(count: int) -> None:
    """Let everything run that can: no handler here waits for more than the bytes that are there."""
    for _ in range(count):
        await asyncio.sleep(0)


def quiet() -> logging.Logger:
    logger = logging.getLogger("tests.quiet")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return logger


class Nowhere(asyncio.Transport):
    """A transport whose bytes nobody gets; closing it ends what can be written, as closing does."""

    def __init__(self) -> None:
        super().__init__()
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self._closing

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        assert not self._closing

    def write_eof(self) -> None:
        self._closing = True

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    def abort(self) -> None:
        self._closing = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default


@given(st.lists(st.binary(max_size=20), max_size=5), st.lists(st.integers(0, 10_000)), st.booleans())
def test_chunks_are_the_same_wherever_they_are_cut(
    pieces: list[bytes], cuts: list[int], adorned: bool
) -> None:
    extension, trailer = (b';a="b\\"c"', b"T: u\r\n") if adorned else (b"", b"")
    wire = b"".join(b"%X%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces if piece)
    wire += b"00" + extension + b"\r\n" + trailer + b"\r\n"
    data = wire + b"GET / next"
    marks = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    framing, passed, rest = Chunks(), b"", b""
    for start, end in pairwise(marks):
        if framing.done:
            rest += data[start:end]
            continue
        body, rest = framing.take(data[start:end])
        passed += body
    assert framing.done
    assert plain(passed) == b"".join(pieces)
    assert rest == b"GET / next"
    assert extension not in passed or not adorned
    assert b"T: u" not in passed or not adorned


@given(st.binary(max_size=50), st.integers(0, 50))
def test_a_length_takes_exactly_its_bytes(data: bytes, length: int) -> None:
    framing = Length(length)
    body, rest = framing.take(data)
    assert (body, rest) == (data[:length], data[length:])
    assert framing.done == (len(data) >= length)


def head(*fields: bytes, line: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join((line, b"Host: h", *fields, b"", b""))


HEADS_READ = {
    "nothing": (head(), Head(0, 1)),
    "length": (head(b"Content-Length: 12"), Head(12, 1)),
    "chunks": (head(b"transfer-encoding:Chunked"), Head(CHUNKED, 1)),
    "1.0": (b"GET / HTTP/1.0\r\n\r\n", Head(0, 0, keep_alive=False)),
    "1.0 that stays": (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", Head(0, 0)),
    "close": (head(b"Connection: close"), Head(0, 1, keep_alive=False)),
    "HEAD": (head(line=b"HEAD / HTTP/1.1"), Head(0, 1, bodiless=True)),
    "expects": (head(b"Expect: 100-Continue", b"Content-Length: 1"), Head(1, 1, expects=True)),
    "expects nothing": (head(b"Expect: 100-continue"), Head(0, 1)),
    "upgrade": (head(b"Connection: keep-alive, Upgrade", b"Upgrade: WebSocket"), Head(0, 1, upgrade=True)),
    "upgrade to something else": (head(b"Connection: upgrade", b"Upgrade: h2c"), Head(0, 1)),
    "upgrade without its option": (head(b"Upgrade: websocket"), Head(0, 1)),
    "a name within a value": (head(b"A: Content-Length: 3"), Head(0, 1)),
    "a name that ends alike": (head(b"X-Content-Length: 3"), Head(0, 1)),
    "two lengths": (head(b"Content-Length: 1", b"Content-Length: 1"), Refusal.LENGTH),
    "version": (head(line=b"GET / HTTP/3.0"), Refusal.VERSION),
    "no request line": (b"hello\r\n\r\n", Refusal.MALFORMED),
}


@pytest.mark.parametrize(("data", "found"), HEADS_READ.values(), ids=HEADS_READ)
def test_a_head_says_where_its_message_ends(data: bytes, found: Head | Refusal) -> None:
    assert find_end(data + b"GET", 0, LIMITS) == len(data)
    assert examine(data, LIMITS) == found


@given(st.binary(max_size=60), st.integers(0, 60))
def test_a_head_ends_at_the_same_byte_however_often_it_was_looked_for(rest: bytes, cut: int) -> None:
    data = b"GET / HTTP/1.1\r\nA: " + rest
    whole = find_end(data, 0, LIMITS)
    cut = min(cut, len(data))
    part = find_end(data[:cut], 0, LIMITS) if cut else 0
    assert whole == part or (part == 0 and find_end(data, cut, LIMITS) == whole)
