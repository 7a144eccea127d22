"""How does a raw request get out and its reply begin, while either body may be larger than memory?"""

from __future__ import annotations

import selectors
import time

from labgate._delivery import headed, may_show_another, persist
from labgate._transport import SURE_SECONDS, NotSent, give_time, translated
from labgate._wire import STATUS_AT, Head, MalformedReply, Reader, ReplyCut, final_head, refuses

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Protocol

    from labgate._delivery import Request
    from labgate._outgoing import Outgoing

    class Sockets(Protocol):
        """Where connections come from: a pool, or what watches over those that it gives."""

        def take(self, sure: float | None) -> socket.socket | None: ...

        def connect(self, deadline: float | None) -> socket.socket: ...

        def drop(self, sock: socket.socket) -> None: ...


_ONE_PIECE = 64 * 1024
_AT_ONCE = 64 * 1024
_EARLY_SECONDS = 1.0


class Flow:
    """A reply whose head has come: what its body is read from, and whether the request's whole body had left."""

    __slots__ = ("complete", "head", "reader", "sock")

    def __init__(self, sock: socket.socket, reader: Reader, head: Head, *, complete: bool) -> None:
        self.sock = sock
        self.reader = reader
        self.head = head
        self.complete = complete


def begin(
    pool: Sockets, request: Request, body: Outgoing, gate: str, sent: Callable[[int], object] | None = None
) -> Flow:
    """Send a request until the head of its reply is there.

    The request's timeout is one deadline until then. A body of several pieces begins it anew with each piece, so that
    an upload may take as long as it needs while it moves.

    Args:
        pool: the connections.
        request: its head, and what holds for it; its own `body` is not looked at.
        body: what to send behind the head.
        gate: the gate's address, for error texts.
        sent: is told how many bytes of the body have left.

    Raises:
        GateUnreachable, DeadlineExceeded, BadReply: with `maybe_executed` where that cannot be ruled out.
    """
    request.repeatable = request.repeatable and body.again
    told = 0

    def tell(count: int) -> None:
        nonlocal told
        told += count
        if sent is not None:
            sent(count)

    def once(deadline: float | None, left: float | None, fresh: bool) -> Flow:
        if body.begun and not body.again:
            raise NotSent("the connection broke, and the body can be had only once", final=True)
        tell(-told)
        # The gate need not know of a deadline that moves.
        short = body.length is not None and body.length <= _ONE_PIECE
        sends = left if short else None
        flow = _Trip(pool, request, deadline, body).go(
            headed(request, sends), fresh=fresh or not body.again, sent=tell
        )
        refused = flow.head.status == 401 and (body.again or not body.begun)
        if refused and may_show_another(request, flow.head.fields):
            pool.drop(flow.sock)
            tell(-told)
            flow = _Trip(pool, request, deadline, body).go(headed(request, sends), fresh=True, sent=tell)
        return flow

    return persist(request, gate, once, lambda *_: (False, 0.0))


class _Trip:
    """One attempt."""

    def __init__(self, pool: Sockets, request: Request, deadline: float | None, body: Outgoing) -> None:
        self._pool = pool
        self._request = request
        self._deadline = deadline
        self._body = body
        self._left = False  # more than the beginning of the request has left

    def go(self, head: bytes, *, fresh: bool, sent: Callable[[int], object]) -> Flow:
        """The reply; on any failure, Ctrl-C too, the connection is closed."""
        sure = None if self._request.repeatable else SURE_SECONDS
        kept = None if fresh else self._pool.take(sure)
        sock = kept or self._pool.connect(self._deadline)
        reader = Reader(sock, self._deadline)
        try:
            complete = self._send(sock, reader, head, sent)
            self._left = True
            reader.deadline = self._deadline
            _patient(sock)
            return Flow(sock, reader, final_head(reader), complete=complete)
        except BaseException as error:
            early = _early(reader, error)
            if early is not None:
                return Flow(sock, reader, early, complete=False)
            sock.close()
            told = translated(error, sent=self._left, kept=kept is not None)
            if told is None:
                raise
            raise told from error

    def _send(self, sock: socket.socket, reader: Reader, head: bytes, sent: Callable[[int], object]) -> bool:
        """Send head and body; False when the reply came before the body's end, and wants no more of it."""
        give_time(sock, self._deadline)
        body = self._body
        if body.again and body.length is not None and body.length <= _ONE_PIECE:
            # All of it is at hand, and small: nothing is to be heard before it has left.
            sock.sendall(b"".join((head, *body.pieces())))
            sent(body.length)
            return True
        chunked = body.length is None
        with _Outlet(sock, reader) as outlet:
            if not outlet.send(head, self._deadline):
                return False
            for piece in body.pieces():
                if not outlet.send(framed(piece) if chunked else piece, self._deadline):
                    return False
                self._left = True
                sent(len(piece))
                if self._request.timeout is not None:
                    self._deadline = time.monotonic() + self._request.timeout
            return not chunked or outlet.send(b"0\r\n\r\n", self._deadline)


class _Outlet:
    """Sends a body and listens meanwhile: a refusal such as 413 ends the sending, whoever stops first."""

    def __init__(self, sock: socket.socket, reader: Reader) -> None:
        self._sock = sock
        self._reader = reader
        self._selector = selectors.DefaultSelector()
        self._answered = False
        sock.setblocking(False)
        self._selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def __enter__(self) -> _Outlet:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()

    def send(self, data: bytes | memoryview, deadline: float | None) -> bool:
        """Send all of it; False when a reply has begun that wants no more.

        Raises:
            TimeoutError: the deadline passed.
            OSError, ReplyCut: the connection broke, or ended.
        """
        with memoryview(data) as view:
            at = 0
            while at < len(view):
                left = None if deadline is None else deadline - time.monotonic()
                ready = self._selector.select(left) if left is None or left > 0 else []
                if not ready:
                    raise TimeoutError
                if ready[0][1] & selectors.EVENT_READ and self._refused():
                    return False
                if ready[0][1] & selectors.EVENT_WRITE:
                    try:
                        at += self._sock.send(view[at:])
                    except OSError as error:
                        if not _would_block(error):
                            raise
        return True

    def _refused(self) -> bool:
        """Read what is there; True when it begins a final reply that is no success."""
        buffer = self._reader.buffer
        while True:
            try:
                data = self._sock.recv(_AT_ONCE)
            except OSError as error:
                if not _would_block(error):
                    raise
                return False
            if not data:
                raise ReplyCut(started=bool(buffer))
            self._reader.started = True
            buffer += data
            if refuses(buffer):
                return True
            if buffer[STATUS_AT][:1] == b"2":
                # It answers while it reads, as an echo does: its body is read when the request's has left.
                self._selector.modify(self._sock, selectors.EVENT_WRITE)
                return False


def framed(piece: memoryview) -> bytes:
    """A piece of a body as a chunk of its own."""
    return b"".join((b"%x\r\n" % len(piece), piece, b"\r\n"))


def _patient(sock: socket.socket) -> None:
    """Let the socket wait again; how long, each read says."""
    if sock.gettimeout() == 0:
        sock.settimeout(None)


def _early(reader: Reader, error: BaseException) -> Head | None:
    """The refusal that came instead of reading on: then sending breaks, but the reply is there."""
    if not isinstance(error, (BrokenPipeError, ConnectionResetError)):
        return None
    try:
        reader.deadline = time.monotonic() + _EARLY_SECONDS
        head = final_head(reader)
    except (MalformedReply, ReplyCut, OSError):
        return None
    return head if head.status >= 300 else None


def _would_block(error: OSError) -> bool:
    # By name: importing ssl only to compare classes would cost what plain http is spared.
    return isinstance(error, BlockingIOError) or type(error).__name__ in (
        "SSLWantReadError",
        "SSLWantWriteError",
    )
