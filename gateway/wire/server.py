"""Who listens for callers, and how does it end?"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import Final, TypeAlias, cast

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import BaseRequest, HTTPException, StreamResponse
from aiohttp.web import Server as AiohttpServer

from gateway.core.faults import Fault, InternalFault
from gateway.wire.accepting import Accepting, Handshakes
from gateway.wire.answer import Answer, FileAnswer, StreamAnswer
from gateway.wire.connection import Connection
from gateway.wire.delivery import Delivery, Foreign, close_chunks, deliver
from gateway.wire.guest import Host
from gateway.wire.lane import Lane
from gateway.wire.lanes import Lanes
from gateway.wire.limits import Limits
from gateway.wire.refusal import fault_parts
from gateway.wire.shared import Counters, DateLine, Shared
from gateway.wire.tls import Live
from gateway.wire.transport import connection_of

__all__ = ["Handler", "Limits", "Server"]

Handler: TypeAlias = Callable[[BaseRequest], Awaitable[Answer | StreamAnswer | FileAnswer | StreamResponse]]
"""What answers one request. Faults and anything else that it raises are answered too, but doors know better how."""

_LOG = logging.getLogger(__name__)
_NEVER: Final = 10 * 365 * 86400.0
"""aiohttp's own keep-alive timer, in seconds: the connection's is the one that counts."""
_BACKLOG: Final = 1024
_CANCELLING_SECONDS: Final = 5.0


def _not_a_refused_head(record: logging.LogRecord) -> bool:
    """aiohttp logs heads that it refuses, with their text: it may hold a credential, and callers can send many."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_BEHIND_LOG = logging.getLogger("gateway.wire.behind")
_BEHIND_LOG.addFilter(_not_a_refused_head)


class Server:
    """Listeners, their connections and the one handler that all of them share."""

    def __init__(
        self,
        handler: Handler,
        limits: Limits | None = None,
        *,
        clock: Callable[[], float] = time.time,
        host: Host | None = None,
        tls: Live | None = None,
        by_certificate: bool = False,
    ) -> None:
        """`clock` gives seconds since 1970, for `Date`. `host` takes the requests that need no aiohttp handler.

        With `tls`, that is what callers must speak; `by_certificate` = those who show a certificate may be known by it.
        """
        self.limits = limits or Limits()
        self.counters = Counters()
        self.lane = Lane()
        self.lanes = Lanes(self.lane)
        self._tls = tls
        self._by_certificate = by_certificate
        self._handler = handler
        self._host = host
        self._date = DateLine(clock)
        self._listeners: list[asyncio.AbstractServer | Accepting] = []
        self._behind: AiohttpServer | None = None
        self._shared: Shared | None = None
        self._pulse: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> int:
        """How many connections are open, or just beginning."""
        beginning = sum(one.beginning for one in self._listeners if isinstance(one, Accepting))
        return beginning + (len(self._shared.connections) if self._shared else 0)

    def share(self, listener: socket.socket, patience: Callable[[], float]) -> tuple[str, int]:
        """Listen on a socket that other processes have too, as `Accepting` does; returns where it is bound."""
        host, bound = listener.getsockname()[:2]
        self._listeners.append(Accepting(listener, self.connection, patience, self._handshakes()))
        return host, bound

    def _handshakes(self) -> Handshakes | None:
        tls, limits = self._tls, self.limits
        if tls is None:
            return None
        return Handshakes(
            lambda: tls.context,
            limits.header_seconds,
            limits.linger_seconds,
            self._has_room,
            self._handshake_failed,
        )

    def _has_room(self) -> bool:
        room = self.connections < self.limits.connections + self.limits.connections // 10
        self.counters.turned_away += not room
        return room

    def _handshake_failed(self) -> None:
        self.counters.failed_handshakes += 1

    async def start(self, where: str | socket.socket, port: int = 0) -> tuple[str, int]:
        """Listen at a host and port (0 = any free one), or on a bound socket; returns what was bound.

        Can be called again for another listener. OSError if the address cannot be had.
        """
        loop = asyncio.get_running_loop()
        if self._tls is not None:
            sockets = [where] if isinstance(where, socket.socket) else await _bound(where, port)
            bound = [self.share(one, _at_once) for one in sockets]
            return bound[0]
        if isinstance(where, socket.socket):
            listener = await loop.create_server(self.connection, sock=where, backlog=_BACKLOG)
        else:
            listener = await loop.create_server(self.connection, where, port, backlog=_BACKLOG)
        self._listeners.append(listener)
        host, bound = listener.sockets[0].getsockname()[:2]
        return host, bound

    def connection(self) -> Connection:
        """The protocol for one new connection; to be called in the running loop."""
        if self._shared is None:
            self._shared = self._share(asyncio.get_running_loop())
        return Connection(self._shared)

    def _share(self, loop: asyncio.AbstractEventLoop) -> Shared:
        limits = self.limits
        self._behind = AiohttpServer(
            self._handle,
            handler_cancellation=True,
            loop=loop,
            access_log=None,
            logger=_BEHIND_LOG,
            keepalive_timeout=_NEVER,
            lingering_time=limits.linger_seconds,
            auto_decompress=False,
            max_line_size=limits.line_bytes,
            max_field_size=limits.line_bytes,
            max_headers=limits.fields,
        )
        shared = Shared(loop, limits, self._date, self._behind, self._host, self.lane, counters=self.counters)
        if self._by_certificate:
            shared.lanes = self.lanes
        if self._tls is not None:
            shared.scheme = b"https"
        shared.emptied.set()
        self._pulse = loop.call_later(limits.pulse, self._check, shared)
        return shared

    def _check(self, shared: Shared) -> None:
        """Let every connection look at the time."""
        now = shared.loop.time()
        for connection in tuple(shared.connections):
            connection.check(now)
        self._pulse = shared.loop.call_later(self.limits.pulse, self._check, shared)

    async def _handle(self, request: BaseRequest) -> StreamResponse:
        """Answer one request of aiohttp's, whatever the handler does."""
        connection = connection_of(request)
        connection.begin(request)
        try:
            answer = await self._handler(request)
            if isinstance(answer, StreamResponse):
                return _as_response(Foreign(connection, answer))
        except HTTPException as exc:
            return _as_response(Foreign(connection, exc))
        except Exception as exc:
            if connection.over:
                raise asyncio.CancelledError("The caller has gone.") from exc
            answer = _fault_answer(exc)
        try:
            return _as_response(deliver(connection, request.keep_alive, answer))
        except ValueError as exc:
            await close_chunks(answer)
            return _as_response(deliver(connection, request.keep_alive, _fault_answer(exc)))

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - past it the rest is reset: no caller can do that
        """Stop gracefully: no new connections, idle ones close now, busy ones with their present answer.

        What is left after `timeout` seconds is reset.
        """
        for listener in self._listeners:
            listener.close()
        if self._shared is None:
            return
        self._shared.draining = True
        for connection in tuple(self._shared.connections):
            connection.release()
        try:
            async with asyncio.timeout(timeout):
                await self._shared.emptied.wait()
        except TimeoutError:
            for connection in tuple(self._shared.connections):
                connection.abort()
            await self._shared.emptied.wait()

    async def close(self) -> None:
        """Stop at once: reset what is left, and wait until every handler has ended."""
        await self.drain(0)
        if self._pulse is not None:
            self._pulse.cancel()
        for listener in self._listeners:
            if isinstance(listener, Accepting):
                await listener.wait_closed()
        if self._behind is not None:
            await self._behind.shutdown(_CANCELLING_SECONDS)


def _at_once() -> float:
    return 0.0


async def _bound(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen at every address that the host's name stands for. OSError if one cannot be had."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((family, address) for family, *_, address in found):
            bound.append(socket.create_server(address, family=family, backlog=_BACKLOG))
    except OSError:
        for one in bound:
            one.close()
        raise
    return bound


def _fault_answer(exc: Exception) -> Answer:
    """The answer to a request whose handler raised."""
    request_id = token_hex(8)
    if isinstance(exc, Fault):
        fault = exc
    else:
        fault = InternalFault("The gate made a mistake; its log tells more, under the request id.")
        _LOG.error("The handler of request %s failed.", request_id, exc_info=exc)
    status, fields, body = fault_parts(fault, fault.status, request_id)
    return Answer(status, None, fields, body)


def _as_response(delivery: Delivery) -> StreamResponse:
    # aiohttp asks a response for prepare, write_eof and keep_alive only; its own class brings maps we do not use.
    return cast(StreamResponse, delivery)
