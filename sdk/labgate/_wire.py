"""Which reply do these bytes hold? HTTP/1.1 from a socket, as RFC 9112 frames it."""

from __future__ import annotations

import re
import time

from labgate._at_once import at_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

_MOST_HEAD = 64 * 1024
_MOST_FIELDS = 256
_MOST_INTERIM = 32
_AT_ONCE = 64 * 1024
STATUS_AT = slice(9, 12)  # in `HTTP/1.1 413 `
# A CR or LF alone ends no line here and one elsewhere (RFC 9112 section 2.2): what has one could be read as two replies.
_LOOSE = re.compile(rb"[\r\n\0]")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([^\r\n\0]*))?")
_FIELD_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHUNK_LINE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,16})[ \t]*(?:;[^\r\n\0]*)?")
CHUNKED, UNTIL_THE_END = -1, -2  # where a body's end is told otherwise than by its length


class MalformedReply(Exception):
    """The bytes are no HTTP/1.1 reply, or one over a limit."""


class ReplyCut(Exception):
    """The connection ended before the reply did; `started` tells whether any byte of it had come."""

    def __init__(self, *, started: bool) -> None:
        super().__init__("the connection ended before the reply did")
        self.started = started


class Response:
    """One final reply: status, fields by lower-case name (as bytes), whole body; `reusable` is the connection's state.

    `doubtful` = the same request was sent before, and it is not known whether that was carried out.
    """

    __slots__ = ("body", "doubtful", "fields", "reusable", "status")

    def __init__(
        self, status: int, fields: dict[bytes, bytes], body: bytes | bytearray, *, reusable: bool
    ) -> None:
        self.status = status
        self.fields = fields
        self.body = body
        self.reusable = reusable
        self.doubtful = False

    def text(self, name: bytes) -> str | None:
        """The field's value as text, None without it."""
        value = self.fields.get(name)
        return None if value is None else value.decode("latin-1")


def read_response(sock: socket.socket, deadline: float | None) -> Response:
    """Read one final reply; interim ones (1xx) are skipped.

    `deadline` is on the monotonic clock; None waits for ever.

    Raises:
        MalformedReply, ReplyCut: see there.
        TimeoutError: the deadline has passed.
        OSError: the connection broke.
    """
    return at_once(whole_reply(Reader(sock, deadline)))


async def whole_reply(feed: Feed) -> Response:
    """The next final reply, its body read.

    Raises: as `read_response` does, as far as the feed does.
    """
    head = await next_head(feed)
    body = await whole_body(feed, head)
    return Response(head.status, head.fields, body, reusable=head.reusable() and not feed.buffer)


class Head:
    """A final reply's head.

    Attributes:
        version: the minor version of HTTP/1.
        status, reason: of the first line.
        pairs: the fields as sent, in their order.
        fields: the same by lower-case name, those of one name joined.
        length: of the body; CHUNKED or UNTIL_THE_END where its end is told otherwise (RFC 9112 section 6.3).
    """

    __slots__ = ("fields", "length", "pairs", "reason", "status", "version")

    def __init__(self, version: bytes, status: int, reason: bytes, pairs: list[tuple[bytes, bytes]]) -> None:
        self.version = version
        self.status = status
        self.reason = reason
        self.pairs = pairs
        self.fields = _joined(pairs)
        self.length = _length(status, self.fields)

    def reusable(self) -> bool:
        """Whether the connection serves on, once the body has been read."""
        keep = self.fields.get(b"connection", b"" if self.version == b"1" else b"close").lower()
        # Both framing fields at once may be an attempt to smuggle: do not trust such a connection again.
        doubtful = self.length == CHUNKED and b"content-length" in self.fields
        return b"close" not in keep and self.length != UNTIL_THE_END and not doubtful


def final_head(reader: Reader) -> Head:
    """The next head that is not an interim one (1xx).

    Raises: as `read_response` does.
    """
    return at_once(next_head(reader))


async def next_head(feed: Feed, *, switches: bool = False) -> Head:
    """The same of any feed; where the protocol `switches`, the head that says so is the last of this one."""
    for _ in range(_MOST_INTERIM):
        head = _parse_head(await feed.until(b"\r\n\r\n", _MOST_HEAD, "head"))
        if head.status >= 200:
            return head
        if head.status == 101:
            if switches:
                return head
            raise MalformedReply("it switched to a protocol that nobody asked for")
    raise MalformedReply("it has too many interim replies")


class Feed:
    """The bytes of a connection in their order: those that came too early, and how more of them come.

    Everything that reads is a coroutine, so that there is one reader of HTTP for sockets that block and for those of an
    event loop. The coroutines of a blocking socket never wait, and are run by `at_once`.
    """

    __slots__ = ("buffer", "started")

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.started = False

    async def more(self) -> bytes | bytearray:
        """At least one further byte.

        Raises:
            ReplyCut: the connection has ended.
        """
        raise NotImplementedError

    async def receive(self, view: memoryview) -> int:
        """Some further bytes, straight into their place; 0 when the connection has ended."""
        raise NotImplementedError

    async def until(self, mark: bytes, most: int, what: str) -> bytes:
        """The bytes before `mark`, which is consumed."""
        while True:
            end = self.buffer.find(mark)
            if end >= 0:
                found = bytes(self.buffer[:end])
                del self.buffer[: end + len(mark)]
                return found
            if len(self.buffer) > most:
                raise MalformedReply(f"its {what} is over {most} bytes")
            self.buffer += await self.more()

    async def exactly(self, length: int) -> bytes | bytearray:
        """`length` bytes; large ones go straight into their place."""
        if len(self.buffer) >= length:
            found = bytes(self.buffer[:length])
            del self.buffer[:length]
            return found
        try:
            whole = bytearray(length)
        except (MemoryError, OverflowError) as error:
            raise MalformedReply(f"its body of {length} bytes does not fit into memory") from error
        at = len(self.buffer)
        whole[:at] = self.buffer
        self.buffer.clear()
        with memoryview(whole) as view:
            while at < length:
                got = await self.receive(view[at:])
                if not got:
                    raise ReplyCut(started=True)
                at += got
        return whole

    async def into(self, view: memoryview) -> int:
        """Some bytes, straight into their place; 0 when the connection has ended."""
        if not self.buffer:
            return await self.receive(view)
        got = min(len(view), len(self.buffer))
        with memoryview(self.buffer) as early:
            view[:got] = early[:got]
        del self.buffer[:got]
        return got

    async def rest(self) -> bytes:
        """Everything until the connection ends."""
        parts: list[bytes | bytearray] = [bytes(self.buffer)]
        self.buffer.clear()
        try:
            while True:
                parts.append(await self.more())
        except ReplyCut:
            return b"".join(parts)


class Reader(Feed):
    """A socket that blocks; under one deadline, or with `patience` seconds for each wait."""

    __slots__ = ("deadline", "patience", "sock")

    def __init__(self, sock: socket.socket, deadline: float | None) -> None:
        super().__init__()
        self.sock = sock
        self.deadline = deadline
        self.patience: float | None = None

    def wait(self) -> None:
        """Give the next read what is left of the time."""
        if self.patience is not None:
            self.sock.settimeout(self.patience)
        elif self.deadline is not None:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.sock.settimeout(left)

    async def more(self) -> bytes:
        """At least one further byte."""
        self.wait()
        data = self.sock.recv(_AT_ONCE)
        if not data:
            raise ReplyCut(started=self.started)
        self.started = True
        return data

    async def receive(self, view: memoryview) -> int:
        """Some further bytes, straight into their place; 0 when the connection has ended."""
        self.wait()
        return self.sock.recv_into(view)


def refuses(buffer: bytearray) -> bool:
    """Whether a reply that comes while its request is still leaving begins as one that wants no more of it.

    Interim replies are taken away. One that begins as a success is that of a service which answers while it reads.
    """
    while buffer[STATUS_AT][:1] == b"1" and b"\r\n\r\n" in buffer:
        del buffer[: buffer.index(b"\r\n\r\n") + 4]
    return len(buffer) >= STATUS_AT.stop and bytes(buffer[STATUS_AT][:1]) not in (b"1", b"2")


def _parse_head(head: bytes) -> Head:
    line, *lines = head.split(b"\r\n")
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        raise MalformedReply("its first line is no HTTP/1.1 status line")
    if len(lines) > _MOST_FIELDS:
        raise MalformedReply(f"its head has over {_MOST_FIELDS} fields")
    pairs = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _FIELD_NAME.fullmatch(name) or _LOOSE.search(value):
            raise MalformedReply("its head has a line that is no field")
        pairs.append((name, value.strip(b" \t")))
    return Head(found[1], int(found[2]), (found[3] or b"").strip(), pairs)


def _joined(pairs: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for name, value in pairs:
        name = name.lower()
        if name in fields:
            if name == b"content-length":
                # RFC 9112 section 6.3: equal values count once, different ones cannot be recovered from.
                if fields[name] != value:
                    raise MalformedReply("it has two lengths")
                continue
            value = fields[name] + b", " + value
        fields[name] = value
    return fields


def _length(status: int, fields: dict[bytes, bytes]) -> int:
    if status < 200 or status in (204, 304):
        return 0
    coding = fields.get(b"transfer-encoding")
    length = fields.get(b"content-length")
    if coding is not None:
        if coding.lower() != b"chunked":
            raise MalformedReply("it has a transfer coding other than chunked")
        return CHUNKED
    if length is None:
        return UNTIL_THE_END
    if not length.isdigit() or len(length) > 18:
        raise MalformedReply("its length is no number")
    return int(length)


def body_of(reader: Reader, head: Head) -> bytes | bytearray:
    """The whole body behind a head.

    Raises: as `read_response` does.
    """
    return at_once(whole_body(reader, head))


async def whole_body(feed: Feed, head: Head) -> bytes | bytearray:
    """The same of any feed."""
    if head.length == CHUNKED:
        return await _chunked(feed)
    return await (feed.rest() if head.length == UNTIL_THE_END else feed.exactly(head.length))


async def _chunked(feed: Feed) -> bytes:
    parts: list[bytes | bytearray] = []
    while size := await chunk_size(feed):
        parts.append(await feed.exactly(size))
        await end_chunk(feed)
    return b"".join(parts)


async def chunk_size(feed: Feed) -> int:
    """The length of the chunk that begins here; behind the last one, 0, the trailers are read as well."""
    found = _CHUNK_LINE.fullmatch(await feed.until(b"\r\n", _MOST_HEAD, "chunk line"))
    if found is None:
        raise MalformedReply("it has a broken chunk")
    size = int(found[1], 16)
    trailers = 0
    while not size and (line := await feed.until(b"\r\n", _MOST_HEAD, "trailer")):
        if _LOOSE.search(line):
            raise MalformedReply("it has a broken trailer")
        trailers += 1
        if trailers > _MOST_FIELDS:
            raise MalformedReply("it has too many trailers")
    return size


async def end_chunk(feed: Feed) -> None:
    """Read the line end behind a chunk."""
    if await feed.exactly(2) != b"\r\n":
        raise MalformedReply("it has a broken chunk")
