"""Which reply do these bytes hold? HTTP/1.1 from a socket, as RFC 9112 frames it."""

from __future__ import annotations

import re
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

_MOST_HEAD = 64 * 1024
_MOST_FIELDS = 256
_MOST_INTERIM = 32
_AT_ONCE = 64 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: (.*))?", re.DOTALL)
_FIELD_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHUNK_LINE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,16})[ \t]*(?:;.*)?", re.DOTALL)
CHUNKED, UNTIL_THE_END = -1, -2  # where a body's end is told otherwise than by its length


class MalformedReply(Exception):
    """The bytes are no HTTP/1.1 reply, or one over a limit."""


class ReplyCut(Exception):
    """The connection ended before the reply did; `started` tells whether any byte of it had come."""

    def __init__(self, *, started: bool) -> None:
        super().__init__("the connection ended before the reply did")
        self.started = started


class Response:
    """One final reply: status, fields by lower-case name (as bytes), whole body; `reusable` is the connection's state."""

    __slots__ = ("body", "fields", "reusable", "status")

    def __init__(
        self, status: int, fields: dict[bytes, bytes], body: bytes | bytearray, *, reusable: bool
    ) -> None:
        self.status = status
        self.fields = fields
        self.body = body
        self.reusable = reusable

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
    reader = Reader(sock, deadline)
    head = final_head(reader)
    body = body_of(reader, head)
    return Response(head.status, head.fields, body, reusable=head.reusable() and not reader.buffer)


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
    for _ in range(_MOST_INTERIM):
        head = _parse_head(reader.head())
        if head.status >= 200:
            return head
        if head.status == 101:
            raise MalformedReply("it switched to a protocol that nobody asked for")
    raise MalformedReply("it has too many interim replies")


class Reader:
    """A socket and what was read from it too early; under one deadline, or with `patience` seconds for each wait."""

    __slots__ = ("buffer", "deadline", "patience", "sock", "started")

    def __init__(self, sock: socket.socket, deadline: float | None) -> None:
        self.sock = sock
        self.deadline = deadline
        self.patience: float | None = None
        self.buffer = bytearray()
        self.started = False

    def wait(self) -> None:
        """Give the next read what is left of the time."""
        if self.patience is not None:
            self.sock.settimeout(self.patience)
        elif self.deadline is not None:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.sock.settimeout(left)

    def more(self) -> bytes:
        """At least one further byte."""
        self.wait()
        data = self.sock.recv(_AT_ONCE)
        if not data:
            raise ReplyCut(started=self.started)
        self.started = True
        return data

    def until(self, mark: bytes, most: int, what: str) -> bytes:
        """The bytes before `mark`, which is consumed."""
        while True:
            end = self.buffer.find(mark)
            if end >= 0:
                found = bytes(self.buffer[:end])
                del self.buffer[: end + len(mark)]
                return found
            if len(self.buffer) > most:
                raise MalformedReply(f"its {what} is over {most} bytes")
            self.buffer += self.more()

    def head(self) -> bytes:
        return self.until(b"\r\n\r\n", _MOST_HEAD, "head")

    def exactly(self, length: int) -> bytes | bytearray:
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
                self.wait()
                got = self.sock.recv_into(view[at:])
                if not got:
                    raise ReplyCut(started=True)
                at += got
        return whole

    def into(self, view: memoryview) -> int:
        """Some bytes, straight into their place; 0 when the connection has ended."""
        if not self.buffer:
            self.wait()
            return self.sock.recv_into(view)
        got = min(len(view), len(self.buffer))
        with memoryview(self.buffer) as early:
            view[:got] = early[:got]
        del self.buffer[:got]
        return got

    def rest(self) -> bytes:
        """Everything until the connection ends."""
        parts = [bytes(self.buffer)]
        self.buffer.clear()
        try:
            while True:
                parts.append(self.more())
        except ReplyCut:
            return b"".join(parts)


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
        if not colon or not _FIELD_NAME.fullmatch(name):
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
    if head.length == CHUNKED:
        return _chunked(reader)
    return reader.rest() if head.length == UNTIL_THE_END else reader.exactly(head.length)


def _chunked(reader: Reader) -> bytes:
    parts: list[bytes | bytearray] = []
    while size := chunk_size(reader):
        parts.append(reader.exactly(size))
        end_chunk(reader)
    return b"".join(parts)


def chunk_size(reader: Reader) -> int:
    """The length of the chunk that begins here; behind the last one, 0, the trailers are read as well."""
    found = _CHUNK_LINE.fullmatch(reader.until(b"\r\n", _MOST_HEAD, "chunk line"))
    if found is None:
        raise MalformedReply("it has a broken chunk")
    size = int(found[1], 16)
    trailers = 0
    while not size and reader.until(b"\r\n", _MOST_HEAD, "trailer"):
        trailers += 1
        if trailers > _MOST_FIELDS:
            raise MalformedReply("it has too many trailers")
    return size


def end_chunk(reader: Reader) -> None:
    """Read the line end behind a chunk."""
    if reader.exactly(2) != b"\r\n":
        raise MalformedReply("it has a broken chunk")
