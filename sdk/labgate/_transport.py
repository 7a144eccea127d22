"""How does one request get to the gate and its reply back, over sockets that are kept and shared?"""

from __future__ import annotations

import os
import socket
import time
from collections import deque

from labgate._at_once import at_once
from labgate._proxy import route_to
from labgate._wire import MalformedReply, Reader, ReplyCut, Response, next_head, read_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from typing import Any

    from labgate._address import Address
    from labgate._proxy import Proxy
    from labgate._wire import Feed

ONE_PIECE = (
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
    """The request left as a whole, its reply did not come; `silent` = nor is a byte of it known to have.

    `untouched` = that was on a kept socket.
    """

    def __init__(self, reason: str, *, silent: bool, untouched: bool) -> None:
        super().__init__(reason)
        self.silent = silent
        self.untouched = untouched


class OutOfTime(Exception):
    """The deadline passed; `sent` tells whether the request had left as a whole."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__("the deadline passed")
        self.sent = sent


class Pool:
    """The open connections to one gate, used by any thread; a forked child starts with none.

    Attributes:
        route: whether they lead through a proxy, and what requests look like there.
    """

    __slots__ = ("_address", "_ca_file", "_idle", "_pid", "_tls", "route")

    def __init__(self, address: Address, ca_file: str | None = None, *, tunnel: bool = False) -> None:
        """As follows.

        Args:
            address: the gate's.
            ca_file: certificates that are trusted beside the system's.
            tunnel: what is sent is to look the same through every proxy.

        Raises:
            SetupError: the environment names a proxy that cannot be used.
        """
        self.route = route_to(address, os.environ, tunnel=tunnel)
        self._address = address
        self._ca_file = ca_file
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
            if len(body) <= ONE_PIECE:
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

    def drop(self, sock: socket.socket) -> None:
        """Close one that is of no use any more."""
        sock.close()

    def connect(self, deadline: float | None) -> socket.socket:
        """A new connection.

        Raises:
            NotSent, OutOfTime: see there.
        """
        return self._step(self._reached, deadline)

    def dial(self, deadline: float | None) -> socket.socket:
        """The same before anything is encrypted.

        Raises: as `connect` does.
        """
        return self._step(self._plainly, deadline)

    def _step(self, step: Callable[[float | None], socket.socket], deadline: float | None) -> socket.socket:
        try:
            return step(deadline)
        except OSError as error:
            if deadline is not None and time.monotonic() >= deadline:
                raise OutOfTime(sent=False) from error
            raise unconnected(error, self.route.proxy) from error

    def _reached(self, deadline: float | None) -> socket.socket:
        sock = self._plainly(deadline)
        if self._address.scheme != "https":
            return sock
        try:
            give_time(sock, deadline, most=_CONNECT_SECONDS)
            return self._secured(sock)
        except BaseException:
            sock.close()
            raise

    def _plainly(self, deadline: float | None) -> socket.socket:
        failure: OSError = OSError("the host name has no address")
        for family, kind, protocol, place in self._places():
            sock = socket.socket(family, kind, protocol)
            try:
                give_time(sock, deadline, most=_CONNECT_SECONDS)
                sock.connect(place)
                if family != getattr(socket, "AF_UNIX", None):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self.route.proxy is not None and self.route.tunnels:
                    _tunnel(sock, self.route.proxy, self._address, deadline)
            except OSError as error:
                sock.close()
                if deadline is not None and time.monotonic() >= deadline:
                    raise
                failure = error
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise failure

    def _places(self) -> list[tuple[int, int, int, Any]]:
        """What can be connected to, in the order in which that is tried.

        Raises:
            NotSent: nothing.
        """
        where = self._address.socket
        if where is not None:
            return [(unix_family(), socket.SOCK_STREAM, 0, where)]
        host, port = self.route.first
        # As text it would be encoded by IDNA, whose tables take longer to load than the answer to come.
        name = host.encode("ascii") if host.isascii() else host
        try:
            found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise unknown_host(host, self.route.proxy, error) from error
        return [(family, kind, protocol, place) for family, kind, protocol, _, place in found]

    def _secured(self, sock: socket.socket) -> socket.socket:
        if self._tls is None:
            self._tls = gate_context(os.environ, self._ca_file)
        return self._tls.wrap_socket(sock, server_hostname=self._address.host)


def gate_context(environ: Mapping[str, str], ca_file: str | None) -> ssl.SSLContext:
    """Whom the machine trusts, or SSL_CERT_FILE says, and the file; with the caller's own certificate, if there is one.

    A gate may ask for that. LABGATE_CERTIFICATE is its PEM file, which holds the private key too unless
    LABGATE_CERTIFICATE_KEY does.

    Raises:
        NotSent: the certificate cannot be used.
        SetupError: the file cannot.
    """
    from labgate._trust import tls_context

    made = tls_context(ca_file)
    if file := environ.get("LABGATE_CERTIFICATE"):
        try:
            made.load_cert_chain(file, environ.get("LABGATE_CERTIFICATE_KEY") or None)
        except OSError as error:
            why = error.strerror or error
            raise NotSent(
                f"the certificate that LABGATE_CERTIFICATE names cannot be used ({why})", final=True
            ) from error
    return made


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
        return NoAnswer(str(error), silent=not error.started, untouched=kept and not error.started)
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return NoAnswer(reason, silent=True, untouched=kept) if sent else NotSent(reason)
    return None


# X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH, for which no further authority helps.
_OTHER_NAME = (62, 64)


def unconnected(failure: OSError, proxy: Proxy | None = None) -> NotSent:
    """Why there is no connection."""
    # By name: importing ssl only to compare classes would cost what plain http is spared.
    if type(failure).__name__ == "SSLCertVerificationError":
        why = getattr(failure, "verify_message", "").rstrip(".")
        if getattr(failure, "verify_code", 0) in _OTHER_NAME:
            return NotSent(
                f"its certificate is for another name ({why}); use the one that it is for", final=True
            )
        how = "name its authority's file in the environment's SSL_CERT_FILE"
        return NotSent(f"its certificate is not trusted by this machine ({why}); {how}", final=True)
    not_tls = getattr(failure, "reason", "") == "WRONG_VERSION_NUMBER"
    if isinstance(failure, TimeoutError):
        reason = "no connection within the time"
    elif not_tls:
        reason = "what answers there speaks no TLS; if it is plain http, write its address with http://"
    else:
        reason = _in_a_word(failure)
    return NotSent(reason if proxy is None else f"{proxy}: {reason}", final=not_tls)


def _in_a_word(failure: OSError) -> str:
    """What the system says. An event loop has its own sentence around that, and one for all the addresses of a name."""
    if type(failure) is OSError or isinstance(failure, ConnectionError):
        told = str(failure)
        numbers = {int(one.partition("]")[0]) for one in told.split("[Errno ")[1:]}
        if len(numbers) == 1:
            return os.strerror(*numbers)
    return failure.strerror or (str(failure) if failure.args else type(failure).__name__)


def unknown_host(host: str, proxy: Proxy | None, error: OSError) -> NotSent:
    """The failure of a name that has no address."""
    what = f"the host name {host}" if proxy is None else f"the host name of {proxy}"
    return NotSent(f"{what} cannot be found ({error.strerror or error})")


def unix_family() -> int:
    """The kind of sockets that have a path.

    Raises:
        NotSent: this system has none.
    """
    family: int | None = getattr(socket, "AF_UNIX", None)
    if family is None:
        raise NotSent("Python has no Unix-domain sockets on this system", final=True)
    return family


def _tunnel(sock: socket.socket, proxy: Proxy, address: Address, deadline: float | None) -> None:
    """Have a proxy lead a connection on to an address.

    Raises:
        NotSent: it does not.
        OSError: the connection broke.
    """
    latest = time.monotonic() + _CONNECT_SECONDS
    sock.sendall(proxy.tunnel_to(address))
    reader = Reader(sock, latest if deadline is None else min(deadline, latest))
    at_once(tunnelled(reader, proxy))


async def tunnelled(feed: Feed, proxy: Proxy) -> None:
    """Read what a proxy answers to a request for a tunnel.

    Raises:
        NotSent: it does not make one.
        OSError: the connection broke.
    """
    try:
        head = await next_head(feed)
    except (MalformedReply, ReplyCut) as error:
        raise NotSent(f"{proxy} does not answer as one: {error}") from error
    refusal = proxy.refusal(head.status)
    if refusal is not None:
        raise NotSent(refusal[0], final=refusal[1])
    if feed.buffer:
        # A server speaks first in no protocol that is spoken here: it would be the proxy's own words.
        raise NotSent(f"{proxy} does not answer as one: it goes on where the gate should speak", final=True)
