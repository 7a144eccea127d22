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
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: .*)?", re.DOTALL)
_FIELD_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHUNK_LINE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,16})[ \t]*(?:;.*)?", re.DOTALL)


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
    reader = _Reader(sock, deadline)
    for _ in range(_MOST_INTERIM):
        version, status, fields = _parse_head(reader.head())
        if status >= 200:
            break
        if status == 101:
            raise MalformedReply("it switched to a protocol that nobody asked for")
    else:
        raise MalformedReply("it has too many interim replies")
    body, framed = _body(reader, status, fields)
    keep = fields.get(b"connection", b"" if version == b"1" else b"close").lower()
    reusable = framed and b"close" not in keep and not reader.buffer
    return Response(status, fields, body, reusable=reusable)


class _Reader:
    """A socket and what was read from it too early, under one deadline."""

    __slots__ = ("buffer", "deadline", "sock", "started")

    def __init__(self, sock: socket.socket, deadline: float | None) -> None:
        self.sock = sock
        self.deadline = deadline
        self.buffer = bytearray()
        self.started = False

    def wait(self) -> None:
        """Give the next read what is left of the time."""
        if self.deadline is not None:
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

    def rest(self) -> bytes:
        """Everything until the connection ends."""
        parts = [bytes(self.buffer)]
        self.buffer.clear()
        try:
            while True:
                parts.append(self.more())
        except ReplyCut:
            return b"".join(parts)


def _parse_head(head: bytes) -> tuple[bytes, int, dict[bytes, bytes]]:
    line, *lines = head.split(b"\r\n")
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        raise MalformedReply("its first line is no HTTP/1.1 status line")
    if len(lines) > _MOST_FIELDS:
        raise MalformedReply(f"its head has over {_MOST_FIELDS} fields")
    fields: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _FIELD_NAME.fullmatch(name):
            raise MalformedReply("its head has a line that is no field")
        name, value = name.lower(), value.strip(b" \t")
        if name in fields:
            if name == b"content-length":
                # RFC 9112 section 6.3: equal values count once, different ones cannot be recovered from.
                if fields[name] != value:
                    raise MalformedReply("it has two lengths")
                continue
            value = fields[name] + b", " + value
        fields[name] = value
    return found[1], int(found[2]), fields


def _body(reader: _Reader, status: int, fields: dict[bytes, bytes]) -> tuple[bytes | bytearray, bool]:
    """The body, and whether its end was told by framing rather than by the connection's end (RFC 9112 section 6.3)."""
    if status in (204, 304):
        return b"", True
    coding = fields.get(b"transfer-encoding")
    length = fields.get(b"content-length")
    if coding is not None:
        if coding.lower() != b"chunked":
            raise MalformedReply("it has a transfer coding other than chunked")
        # Both fields at once may be an attempt to smuggle: read it as chunked, and do not trust the connection again.
        return _chunked(reader), length is None
    if length is None:
        return reader.rest(), False
    if not length.isdigit() or len(length) > 18:
        raise MalformedReply("its length is no number")
    return reader.exactly(int(length)), True


def _chunked(reader: _Reader) -> bytes:
    parts: list[bytes | bytearray] = []
    while True:
        found = _CHUNK_LINE.fullmatch(reader.until(b"\r\n", _MOST_HEAD, "chunk line"))
        if found is None:
            raise MalformedReply("it has a broken chunk")
        size = int(found[1], 16)
        if size == 0:
            break
        parts.append(reader.exactly(size))
        if reader.exactly(2) != b"\r\n":
            raise MalformedReply("it has a broken chunk")
    trailers = 0
    while reader.until(b"\r\n", _MOST_HEAD, "trailer"):
        trailers += 1
        if trailers > _MOST_FIELDS:
            raise MalformedReply("it has too many trailers")
    return b"".join(parts)
