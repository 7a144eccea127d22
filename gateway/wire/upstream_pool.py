"""Which connection to an origin carries the next request?"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from gateway.core.outbound import NeverConnectedError, allowed, is_address
from gateway.wire.tls import Live, UpstreamTls
from gateway.wire.upstream import Connection, ExpiredError, NotConnectedError
from gateway.wire.upstream_begun import BegunConnection
from gateway.wire.upstream_socket import SocketTransport

IDLE_SECONDS: Final = 15.0
"""Shorter than the keep-alive of common servers, so that it is mostly the gate that closes."""

CONNECT_SECONDS: Final = 10.0
BEGUN_SECONDS: Final = 1.0
"""What was lost on the way there is sent again about then; so is a request, and to another replica if there is one."""

RESOLVED_SECONDS: Final = 30.0
"""For how long the addresses of a host are taken to be the same."""

LookUp = Callable[[str], Awaitable[list[str]]]
"""Finds the addresses of a host, as numbers. OSError if there are none."""

_PORTS: Final = {"http": 80, "https": 443}
_HOST_MISMATCH: Final = frozenset((62, 64))  # X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an upstream is: scheme, host, port, and the `path` that stands before every request's own."""

    scheme: str
    host: str
    port: int
    path: str = ""
    userinfo: str | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """The origin of an http or https URL; its `user:password@` is decoded. Raises ValueError, without the URL."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("an upstream's URL has no valid host or port") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("an upstream's URL must begin with http:// or https:// and name a host")
        user = None
        if parts.username is not None:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return cls(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], parts.path.rstrip("/"), user)

    @property
    def host_field(self) -> bytes:
        """What the Host field says (RFC 9110 section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}").encode("ascii")


class Pool:
    """The connections to one origin: the most recently used one is used again first, the others age and end.

    `opened` and `reused` count connections made and requests that found one.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        size: int,
        tls: ssl.SSLContext | Live | None = None,
        idle_seconds: float = IDLE_SECONDS,
        connect_seconds: float = CONNECT_SECONDS,
        look_up: LookUp | None = None,
        resolved_seconds: float = RESOLVED_SECONDS,
    ) -> None:
        """`size` bounds the connections, `tls` holds the trusted authorities (default: the system's).

        `look_up` finds the addresses of the host (default: the system's way), again after `resolved_seconds`.
        """
        self.origin = origin
        self.opened = 0
        self.reused = 0
        self._size = size
        self._tls = (tls or ssl.create_default_context()) if origin.scheme == "https" else None
        named = tls.tls if isinstance(tls, Live) else None
        self._server_name = (isinstance(named, UpstreamTls) and named.server_name) or origin.host
        self._idle_seconds = idle_seconds
        self._connect_seconds = connect_seconds
        self._addresses = _Addresses(origin.host, look_up or _look_up, resolved_seconds)
        self._idle: deque[Connection] = deque()  # the one that has waited longest comes first
        self._all: set[Connection] = set()
        self._reaper: asyncio.TimerHandle | None = None
        self._emptied = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        """How many connections there are, idle or not."""
        return len(self._all)

    @property
    def busy(self) -> int:
        """How many of them carry a request."""
        return len(self._all) - len(self._idle)

    def idle(self) -> Connection | None:
        """A connection that has carried a request before. The upstream may be closing it at this very moment."""
        if not self._idle:
            return None
        oldest_use = self._idle[-1].loop.time() - self._idle_seconds
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and connection.idle_since > oldest_use:
                self.reused += 1
                return connection
            connection.drop()
        return None

    async def fresh(self, deadline: float, *, share: int = 1) -> Connection:
        """A new connection. Raises NotConnectedError, or ExpiredError when the deadline came first.

        `share` = into how many parts the time left is divided: who has other origins to try leaves time for them.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        if deadline <= now:
            raise ExpiredError(sent=False)
        if self._closed:
            raise NotConnectedError("the gate no longer uses it")
        self._trim(1)
        # Decided before the wait: a timer may fire a little before the clock shows its time.
        is_deadline = share == 1 and now + self._connect_seconds >= deadline
        until = deadline if is_deadline else now + min(self._connect_seconds, (deadline - now) / share)
        try:
            async with asyncio.timeout_at(until):
                connection = await self._connect(until)
        except TimeoutError as error:
            if is_deadline:
                raise ExpiredError(sent=False) from error
            raise NotConnectedError("no connection in time") from error
        except OSError as error:
            raise NotConnectedError(_reason(error)) from error
        self.opened += 1
        if self._closed:
            connection.drop()
        return connection

    def begun(self, seconds: float) -> Connection | None:
        """A connection for one request that begins to be made now, and is given up after so many seconds, or sooner.

        None where that would take more than this moment, or has failed already.
        """
        loop = asyncio.get_running_loop()
        address = self._addresses.at_hand(loop.time())
        if address is None or self._tls is not None or self._closed or seconds <= 0:
            return None
        self._trim(1)
        connection = BegunConnection(self._lost)
        # Before the request's own time is over: else nobody could say that it was not sent.
        most = min(self._connect_seconds, 0.9 * seconds, BEGUN_SECONDS)
        if not SocketTransport.begin(loop, address, self.origin.port, connection, most):
            return None
        self._all.add(connection)
        self.opened += 1
        return connection

    def give_back(self, connection: Connection) -> None:
        """The exchange is over: keep the connection if it can carry another."""
        if not connection.reusable or self._closed:
            connection.drop()
            self._all.discard(connection)  # so that no other one has to make room for what is ending
            return
        loop = connection.loop
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if len(self._all) > self._size:
            self._trim(0)
        if self._reaper is None:
            self._reaper = loop.call_at(connection.idle_since + self._idle_seconds, self._reap)

    async def close(self) -> None:
        """End every connection."""
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
        await self._addresses.close()
        for connection in tuple(self._all):
            connection.drop()
        while self._all:
            self._emptied.clear()
            await self._emptied.wait()

    async def _connect(self, until: float) -> Connection:
        loop = asyncio.get_running_loop()
        addresses = await self._addresses.find()
        last: OSError | None = None
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            try:
                now = loop.time()
                async with asyncio.timeout_at(now + (until - now) / left):
                    _, connection = await loop.create_connection(
                        lambda: Connection(self._lost),
                        address,
                        self.origin.port,
                        ssl=self._tls.context if isinstance(self._tls, Live) else self._tls,
                        server_hostname=self._server_name if self._tls else None,
                    )
            except OSError as error:
                last = error
            else:
                self._addresses.prefer(address)
                if not connection.ended:
                    self._all.add(connection)
                return connection
        raise last or OSError("no address")

    def _trim(self, more: int) -> None:
        """End the oldest idle connections where there are, with so many `more`, too many."""
        surplus = len(self._all) + more - self._size
        for _ in range(min(surplus, len(self._idle))):
            self._forget(self._idle[0])

    def _forget(self, connection: Connection) -> None:
        self._idle.remove(connection)
        connection.drop()

    def _lost(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if not self._all:
            self._emptied.set()

    def _reap(self) -> None:
        self._reaper = None
        loop = asyncio.get_running_loop()
        oldest_use = loop.time() - self._idle_seconds
        while self._idle and self._idle[0].idle_since <= oldest_use:
            self._forget(self._idle[0])
        if self._idle:
            self._reaper = loop.call_at(self._idle[0].idle_since + self._idle_seconds, self._reap)


class _Addresses:
    """The addresses of a host: one look-up at a time, because each takes a thread that others may need.

    What is found is what is connected to: nobody asks for the name a second time in between.
    """

    def __init__(self, host: str, look_up: LookUp, seconds: float) -> None:
        self._host = host
        self._ask = look_up
        self._seconds = seconds
        self._known: list[str] = [host] if is_address(host) else []
        self._until = float("inf") if self._known else 0.0
        self._lookup: asyncio.Task[OSError | None] | None = None

    async def find(self) -> list[str]:
        """The addresses, the one that worked last first; when the look-up fails, those known before."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._until:
            if self._lookup is None or self._lookup.done():
                self._lookup = loop.create_task(self._look_up())
            failure = await asyncio.shield(self._lookup)
            if failure is not None and not self._known:
                raise failure
        return list(self._known)

    def at_hand(self, now: float) -> str | None:
        """The address that is tried first, if nobody has to be asked for it."""
        return self._known[0] if self._known and now < self._until else None

    def prefer(self, address: str) -> None:
        """This one works: try it first from now on."""
        if address in self._known[1:]:
            self._known.remove(address)
            self._known.insert(0, address)

    async def close(self) -> None:
        """End the look-up that is under way."""
        if self._lookup is not None:
            self._lookup.cancel()
            await asyncio.wait((self._lookup,))

    async def _look_up(self) -> OSError | None:
        try:
            addresses = allowed(await self._ask(self._host))
        except NeverConnectedError as error:
            # It leads elsewhere now: what was known before is its no more.
            self._known = []
            return error
        except OSError as error:
            return error
        # The order that was found to work is kept.
        self._known = [known for known in self._known if known in addresses]
        self._known += [address for address in addresses if address not in self._known]
        self._until = asyncio.get_running_loop().time() + self._seconds
        return None


async def _look_up(host: str) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        # OpenSSL's text for a mismatch has the host's name in it.
        if error.verify_code in _HOST_MISMATCH:
            return "its TLS certificate is for another host"
        return f"its TLS certificate cannot be trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return "it does not speak TLS as it should"
    if isinstance(error, NeverConnectedError):
        return str(error)
    if isinstance(error, socket.gaierror):
        return "its host name cannot be resolved"
    return os.strerror(error.errno).lower() if error.errno else "no connection"
