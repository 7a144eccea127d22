"""How does one request get to the gate and its reply back, over sockets that are kept and shared?"""

from __future__ import annotations

import os
import socket
import time
from collections import deque

from labgate._wire import MalformedReply, ReplyCut, Response, read_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

    from labgate._address import Address

_ONE_PIECE = (
    64 * 1024
)  # up to here head and body leave in one send; beyond it a copy would cost more than it saves
_CONNECT_SECONDS = 20.0
SURE_SECONDS = (
    2.0  # a socket idle for longer may be closing at the other end: not for calls that cannot be repeated
)
_MOST_IDLE = 32


class NotSent(Exception):
    """The request did not leave as a whole, so nothing was executed; `final` means that trying again cannot help."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class NoAnswer(Exception):
    """The request left as a whole, its reply did not come; `untouched` = on a kept socket, without one byte back."""

    def __init__(self, reason: str, *, untouched: bool) -> None:
        super().__init__(reason)
        self.untouched = untouched


class OutOfTime(Exception):
    """The deadline passed; `sent` tells whether the request had left as a whole."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__("the deadline passed")
        self.sent = sent


class Pool:
    """The open connections to one gate, used by any thread; a forked child starts with none."""

    __slots__ = ("_address", "_idle", "_pid", "_tls")

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: deque[tuple[socket.socket, float]] = deque(maxlen=_MOST_IDLE)
        self._pid = os.getpid()
        self._tls: ssl.SSLContext | None = None

    @property
    def idle(self) -> deque[tuple[socket.socket, float]]:
        """The idle connections, for whoever closes them in the end."""
        return self._idle

    def exchange(
        self, head: bytes, body: bytes | memoryview, deadline: float | None, *, repeatable: bool, fresh: bool
    ) -> Response:
        """Send one request and read its reply; on any failure, Ctrl-C too, the connection is closed.

        Closing is what tells the gate that nobody waits any longer.

        Args:
            head: request line and fields, with the empty line.
            body: what follows it.
            deadline: on the monotonic clock; None waits for ever.
            repeatable: the call may be carried out twice.
            fresh: use a new connection.

        Raises:
            NotSent, NoAnswer, OutOfTime, MalformedReply: see there.
        """
        kept = None if fresh else self.take(SURE_SECONDS if not repeatable else None)
        sock = kept or self.connect(deadline)
        sent = False
        try:
            give_time(sock, deadline)
            if len(body) <= _ONE_PIECE:
                sock.sendall(head + body)
            else:
                sock.sendall(head)
                give_time(sock, deadline)
                sock.sendall(body)
            sent = True
            response = read_response(sock, deadline)
        except BaseException as error:
            early = None if sent else _early_reply(sock, error)
            sock.close()
            if early is not None:
                return early
            told = translated(error, sent=sent, kept=kept is not None)
            if told is None:
                raise
            raise told from error
        if response.reusable:
            self.keep(sock)
        else:
            sock.close()
        return response

    def take(self, sure: float | None) -> socket.socket | None:
        """An idle connection that is still alive; one used within `sure` seconds where that is given."""
        if self._pid != os.getpid():
            # A forked child shares its parent's sockets: answers would mix. Closing here leaves the parent's open.
            close_all(self._idle)
            self._pid = os.getpid()
        while True:
            try:
                sock, since = self._idle.pop()
            except IndexError:
                return None
            if (sure is None or time.monotonic() - since < sure) and _is_quiet(sock):
                return sock
            sock.close()

    def keep(self, sock: socket.socket) -> None:
        """Take a connection whose reply has been read to its end."""
        if len(self._idle) >= _MOST_IDLE:
            sock.close()
        else:
            self._idle.append((sock, time.monotonic()))

    def connect(self, deadline: float | None) -> socket.socket:
        """A new connection.

        Raises:
            NotSent, OutOfTime: see there.
        """
        address = self._address
        failure: OSError | None = None
        try:
            found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise NotSent(
                f"the host name {address.host} cannot be found ({error.strerror or error})"
            ) from error
        for family, kind, protocol, _, place in found:
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(_CONNECT_SECONDS)
                give_time(sock, deadline, most=_CONNECT_SECONDS)
                sock.connect(place)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return self._secured(sock) if address.scheme == "https" else sock
            except OSError as error:
                sock.close()
                if deadline is not None and time.monotonic() >= deadline:
                    raise OutOfTime(sent=False) from error
                failure = error
            except BaseException:
                sock.close()
                raise
        raise _unconnected(failure) from failure

    def _secured(self, sock: socket.socket) -> socket.socket:
        import ssl  # 15 ms that plain http need not pay

        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls.wrap_socket(sock, server_hostname=self._address.host)


def close_all(idle: deque[tuple[socket.socket, float]]) -> None:
    """Close every idle connection."""
    while idle:
        try:
            idle.pop()[0].close()
        except IndexError:  # another thread took the last one
            return


def give_time(sock: socket.socket, deadline: float | None, most: float | None = None) -> None:
    """Let the socket's next step take what is left of the time, and at most `most` seconds."""
    if deadline is None:
        sock.settimeout(most)
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    sock.settimeout(left if most is None else min(left, most))


def _is_quiet(sock: socket.socket) -> bool:
    """True when the idle socket is open and has nothing to read: anything there is an end, or bytes nobody asked for."""
    try:
        sock.setblocking(False)
        # The base class's method: TLS sockets refuse flags, and their raw bytes tell the same.
        socket.socket.recv(sock, 1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _early_reply(sock: socket.socket, error: BaseException) -> Response | None:
    """The reply that came instead of reading on, such as 413: then sending breaks, but the reply is there."""
    if not isinstance(error, (BrokenPipeError, ConnectionResetError)):
        return None
    try:
        response = read_response(sock, time.monotonic() + 1.0)
    except (MalformedReply, ReplyCut, OSError):
        return None
    return response if response.status >= 400 else None


def translated(error: BaseException, *, sent: bool, kept: bool) -> Exception | None:
    """What a failure means for the request; None when it is none of the connection's."""
    if isinstance(error, TimeoutError):
        return OutOfTime(sent=sent)
    if isinstance(error, ReplyCut):
        return NoAnswer(str(error), untouched=kept and not error.started)
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return NoAnswer(reason, untouched=kept) if sent else NotSent(reason)
    return None


def _unconnected(failure: OSError | None) -> NotSent:
    if failure is None:
        return NotSent("the host name has no address")
    # By name: importing ssl only to compare classes would cost what plain http is spared.
    if type(failure).__name__ == "SSLCertVerificationError":
        return NotSent("the gate's certificate is not trusted by this machine", final=True)
    reason = "no connection within the time" if isinstance(failure, TimeoutError) else failure.strerror
    return NotSent(reason or type(failure).__name__)
