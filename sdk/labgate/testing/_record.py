"""How is everything that a client says to its gate, and hears of it, written down?

The client's connections are pairs of sockets; a thread at the other end of each passes on what it reads to a real
connection, and the answer back, and keeps a copy. So nothing of the client knows that it is recorded.
"""

from __future__ import annotations

import os
import re
import selectors
import socket
import threading
from functools import partial

from labgate._at_once import at_once
from labgate._pieces import Pieces
from labgate._transport import Pool
from labgate._wire import CHUNKED, UNTIL_THE_END, MalformedReply, Reader, ReplyCut, final_head
from labgate.errors import SetupError
from labgate.testing._masking import Masks
from labgate.testing._questions import question_of
from labgate.testing._serving import read_asked
from labgate.testing._tape import Blobs, Exchange, inline, write_tape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

    from labgate._address import Address
    from labgate._client import Client
    from labgate._wire import Head
    from labgate.testing._questions import Question
    from labgate.testing._serving import Asked

_PIECE = 256 * 1024
_CHUNKED_REQUEST = re.compile(rb"\r\ntransfer-encoding:[^\r]*", re.IGNORECASE)
# What changes with every run, frames the body, or may hold a secret.
_LEFT_OUT = frozenset(
    (
        *("date", "server", "server-timing", "connection", "keep-alive", "transfer-encoding"),
        *("content-length", "set-cookie", "set-cookie2", "www-authenticate", "proxy-authenticate"),
        *("authorization", "labgate-token", "traceparent", "trailer", "upgrade", "via"),
    )
)


class Recording:
    """A recording that is being made; see `record`.

    Attributes:
        path: the file.
        address: None: the gate is asked.
    """

    address: Address | None = None

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(os.fspath(path))
        self._masks = Masks()
        self._blobs = Blobs()
        self._exchanges: list[Exchange] = []
        self._about: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._open: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._ended = False
        self._given: tuple[Client | None, dict[str, Any]] = None, {}
        folder = os.path.dirname(self.path)
        if not os.path.isdir(folder):
            raise SetupError(f"there is no folder {folder} to record into")

    # For `with`.

    def __enter__(self) -> Client:
        from labgate._connect import client_of, connect
        from labgate._prepared import Way

        client, options = self._given
        if client is None:
            client = connect(**options)
        session: Any = client._session  # noqa: SLF001
        link = session.link
        if link.tape is not None:
            raise SetupError("this client is recorded or replayed already")
        address, token, folder, insecure = link.way()
        way = Way(address, token, folder, link.trust(), insecure=insecure, tape=self, pins=link.pins)
        self._about = {"defaults": _plain(session.options.defaults)}
        return client_of(way, link.datastack, session.options)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<labgate recording {self.path}: {len(self._exchanges)} exchanges>"

    # For clients.

    def pool(self, address: Address, ca_file: str | None) -> Pool:
        """The connections to the gate by way of this recording."""
        self._about.setdefault("gate", str(address))
        return _Recorded(address, ca_file, self)

    def close(self) -> None:
        """End the recording, and write its file.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock:
            if self._ended or os.getpid() != self._pid:
                return
            self._ended = True
            for sock in self._open:
                _shut(sock)
            threads = [*self._threads]
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(10.0)
        from labgate import __version__

        about = {"gate": None, **self._about, "labgate": __version__}
        with self._lock:
            write_tape(self.path, about, self._exchanges, self._blobs)
            self._blobs.close()

    def taps(self) -> bool:
        """Whether connections are to be recorded; those of a forked child are not, nor those after the end."""
        return not self._ended and os.getpid() == self._pid

    def tap(self, real: socket.socket) -> socket.socket:
        """A connection that is recorded, in the place of a real one."""
        ours, theirs = socket.socketpair()
        thread = threading.Thread(target=self._pass_on, args=(theirs, real), daemon=True)
        with self._lock:
            self._open |= {theirs, real}
            self._threads.add(thread)
        thread.start()
        return ours

    # How it goes.

    def _pass_on(self, theirs: socket.socket, real: socket.socket) -> None:
        passing = _Passing(theirs, real)
        try:
            while True:
                asked = passing.asked()
                self._masks.learn(asked.fields.items())
                with self._lock:
                    since = len(self._exchanges)
                question = question_of(asked, self._masks)
                note = partial(self._note, question, since, passing)
                try:
                    goes_on = passing.answer(asked, note)
                except BaseException:
                    if not passing.whole:
                        note()
                    raise
                if not goes_on:
                    return
        except (ReplyCut, MalformedReply, OSError):
            return
        finally:
            with self._lock:
                self._open -= {theirs, real}
                self._threads.discard(threading.current_thread())
            theirs.close()
            real.close()

    def _note(self, question: Question, since: int, passing: _Passing) -> None:
        """Write an exchange down."""
        head = passing.head
        said: dict[str, Any] = {
            "call": question.label,
            "params": question.said,
            "key": question.key,
            "calls": [(one.key, number) for one, number in question.calls] if len(question.calls) > 1 else [],
            "since": since,
            "status": None,
        }
        if head is not None:
            kind = head.fields.get(b"content-type", b"").decode("latin-1").lower()
            body = self._masks.body(bytes(passing.body), kind)
            text = inline(body)
            kept = (
                (name.decode("latin-1"), self._masks.text(value.decode("latin-1")))
                for name, value in head.pairs
                if name.decode("latin-1").lower() not in _LEFT_OUT
            )
            said |= {"status": head.status, "fields": dict(kept)}
            said |= {"body": text} if text is not None else {"blob_of_body": self._blobs.keep(body)}
            if not passing.whole:
                said["cut"] = max(head.length, -1)
        with self._lock:
            if not self._ended:
                self._exchanges.append(Exchange(said))


class _Recorded(Pool):
    """Connections whose other end is recorded."""

    __slots__ = ("_recording",)

    def __init__(self, address: Address, ca_file: str | None, recording: Recording) -> None:
        super().__init__(address, ca_file, tunnel=True)  # a recording tells nothing of this network's proxy
        self._recording = recording

    def connect(self, deadline: float | None) -> socket.socket:
        """As `Pool.connect`: the gate is there, or this says why not."""
        real = super().connect(deadline)
        return self._recording.tap(real) if self._recording.taps() else real


class _Passing:
    """One connection: what the client says goes to the gate, what the gate says to the client.

    Attributes:
        head, body: of the last reply; no head where none came.
        whole: the reply came to its end.
    """

    def __init__(self, theirs: socket.socket, real: socket.socket) -> None:
        self._theirs = theirs
        self._real = real
        self._asking = Reader(theirs, None)
        self._answering = Reader(real, None)
        self._tls = hasattr(real, "pending")
        real.settimeout(None)
        self.head: Head | None = None
        self.body = bytearray()
        self.whole = False

    def asked(self) -> Asked:
        """The client's next request; while there is none, the gate's end of the connection ends the client's.

        Raises: as `read_asked` does.
        """
        self.head, self.body, self.whole = None, bytearray(), False
        # What comes over TLS while nothing is asked may be its own talk.
        if not self._tls and not self._asking.buffer and self._real in self._ready():
            raise ReplyCut(started=False)
        return read_asked(self._asking)

    def answer(self, asked: Asked, note: Callable[[], None]) -> bool:
        """Pass a request on, and its reply back; False where the connection has ended.

        A reply that comes whole is noted before its last byte is passed on: when the client goes on, it is written down.

        Raises: as reading and writing do; what came until then is in the attributes.
        """
        head = asked.head
        if b"chunked" in head.lower() and asked.fields.get("transfer-encoding"):
            length = b"\r\nContent-Length: %d" % len(asked.body)
            head = _CHUNKED_REQUEST.sub(length, head, count=1)
        try:
            self._real.sendall(head + asked.body)
        except OSError:
            pass  # a refusal may have come before all of it was read
        if not self._tls and self._real not in self._ready():
            return False  # the client has left: nobody knows what became of its request
        self.head = head_found = final_head(self._answering)
        chunked, left = head_found.length == CHUNKED, head_found.length
        pieces = Pieces(self._answering, head_found, verb=asked.verb)
        if pieces.ended:
            self._whole(note)
        self._tell(head_found)
        piece = bytearray(_PIECE)
        with memoryview(piece) as view:
            while got := at_once(pieces.into(view)):
                self.body += view[:got]
                left -= got
                if left == 0:
                    self._whole(note)
                self._theirs.sendall(b"%x\r\n%b\r\n" % (got, bytes(view[:got])) if chunked else view[:got])
        if not self.whole:
            self._whole(note)
            if chunked:
                self._theirs.sendall(b"0\r\n\r\n")
        return head_found.reusable() and head_found.length != UNTIL_THE_END

    def _whole(self, note: Callable[[], None]) -> None:
        self.whole = True
        note()

    def _tell(self, head: Head) -> None:
        lines = [b"HTTP/1.%b %d %b" % (head.version, head.status, head.reason)]
        lines += [b"%b: %b" % pair for pair in head.pairs]
        self._theirs.sendall(b"\r\n".join([*lines, b"", b""]))

    def _ready(self) -> list[socket.socket]:
        """Which of the two ends has something to say, or has ended."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._theirs, selectors.EVENT_READ)
            selector.register(self._real, selectors.EVENT_READ)
            found = [key.fileobj for key, _ in selector.select()]
        return [one for one in found if isinstance(one, socket.socket)]


def record(path: str | os.PathLike[str], client: Client | None = None, /, **options: Any) -> Recording:
    """Write down every answer of a run, in one file::

        with labgate.testing.record("run.labgate", lab) as lab:
            analysis(lab)

    Calls, batches, pages, volumes, sources, plain HTTP and errors are recorded, in this process; the file is there when
    the block has ended, also by an error. Tokens and other secrets are not in it, but what the lab has answered is:
    it can be read by its owner only. Bodies of replies are held in memory on their way.

    Args:
        path: the file; what was there is replaced.
        client: whose calls are recorded, which goes on unrecorded itself; default: a new one.
        options: of `labgate.connect`, where there is no client.

    Raises:
        SetupError: that cannot be recorded.
    """
    if client is not None and options:
        raise TypeError("a client has its options: give either a client, or options for a new one")
    found = Recording(path)
    found._given = client, options  # noqa: SLF001
    return found


def _plain(defaults: Any) -> dict[str, Any]:
    """Bound parameters that a file can hold."""
    return {name: one for name, one in defaults.items() if isinstance(one, (str, int, float, bool))}


def _shut(sock: socket.socket) -> None:
    try:
        # The base class's method: TLS would say its good-bye first, beside the thread that reads.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        pass
