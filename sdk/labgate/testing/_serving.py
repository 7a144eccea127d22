"""How does a server on a thread of this process read requests from a socket, and write replies to it?

It is for loopback and for pairs of sockets: one request after the other on each connection, bodies in memory.
"""

from __future__ import annotations

import re
import socket
import threading

from labgate._at_once import at_once
from labgate._wire import MalformedReply, Reader, ReplyCut, chunk_size, end_chunk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Respond = Callable[["Asked"], "Reply | None"]

_REQUEST_LINE = re.compile(rb"([A-Z]{1,20}) ([!-~]+) HTTP/1\.[01]")
_MOST_HEAD = 64 * 1024
_WITHOUT_BODY = (204, 304)


class Asked:
    """One request.

    Attributes:
        verb, target: of its first line.
        head: its first line and fields as sent, with the empty line.
        fields: the fields by lower-case name; of several with one name the last one.
        body: all of it.
    """

    __slots__ = ("body", "fields", "head", "target", "verb")

    def __init__(self, verb: str, target: str, head: bytes, fields: dict[str, str], body: bytes) -> None:
        self.verb = verb
        self.target = target
        self.head = head
        self.fields = fields
        self.body = body


class Reply:
    """What is answered: status, fields, body."""

    __slots__ = ("body", "fields", "status")

    def __init__(self, status: int, body: bytes = b"", fields: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.body = body
        self.fields = dict(fields or {})

    def to_bytes(self, verb: str) -> bytes:
        """The reply to a request with this verb, as it is sent."""
        lines = [f"HTTP/1.1 {self.status} ", *(f"{name}: {value}" for name, value in self.fields.items())]
        if self.status not in _WITHOUT_BODY:
            lines.append(f"Content-Length: {len(self.body)}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
        return head if verb == "HEAD" or self.status in _WITHOUT_BODY else head + self.body


def read_asked(reader: Reader) -> Asked:
    """The next request of a connection.

    Raises:
        ReplyCut, OSError: the connection ended.
        MalformedReply: that is none.
    """
    return at_once(_asked(reader))


async def _asked(reader: Reader) -> Asked:
    head = await reader.until(b"\r\n\r\n", _MOST_HEAD, "head") + b"\r\n\r\n"
    line, *lines = head[:-4].split(b"\r\n")
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise MalformedReply("the first line is no request's")
    pairs = (one.partition(b":") for one in lines)
    fields = {name.decode("latin-1").lower(): value.strip().decode("latin-1") for name, _, value in pairs}
    if fields.get("transfer-encoding", "").lower() == "chunked":
        body = await _chunks(reader)
    else:
        length = fields.get("content-length", "0")
        if not length.isdigit():
            raise MalformedReply("the length is no number")
        body = bytes(await reader.exactly(int(length)))
    return Asked(found[1].decode("ascii"), found[2].decode("ascii"), head, fields, body)


def speak(sock: socket.socket, respond: Respond) -> None:
    """Answer a connection's requests until it ends; a request that gets no reply ends it."""
    try:
        with sock:
            reader = Reader(sock, None)
            while True:
                asked = read_asked(reader)
                reply = respond(asked)
                if reply is None:
                    return
                sock.sendall(reply.to_bytes(asked.verb))
                if asked.fields.get("connection", "").lower() == "close":
                    return
    except (ReplyCut, MalformedReply, OSError):
        return


class Listener:
    """A port on loopback whose connections are answered by threads of this process.

    Attributes:
        url: where it is.
    """

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """End the port and every connection; when this returns, no thread answers any longer."""
        with self._lock:
            self._closed = True
            _end(self._socket)
            for sock in self._open:
                _end(sock)
            threads = [self._accepting, *self._threads]
        # A shut listener does not wake its thread on every system; a last caller does.
        try:
            socket.create_connection(self._socket.getsockname(), 1.0).close()
        except OSError:
            pass
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            with self._lock:
                if self._closed:
                    sock.close()
                    return
                self._open.add(sock)
                thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
                self._threads = [one for one in self._threads if one.is_alive() or one.ident is None]
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            speak(sock, self._respond)
        finally:
            with self._lock:
                self._open.discard(sock)


def _end(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


async def _chunks(reader: Reader) -> bytes:
    parts = []
    while size := await chunk_size(reader):
        parts.append(bytes(await reader.exactly(size)))
        await end_chunk(reader)
    return b"".join(parts)
