"""Who listens for callers, and how does it end?"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from math import ceil
from secrets import token_hex
from typing import Final, TypeAlias, cast

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import BaseRequest, HTTPException, StreamResponse
from aiohttp.web import Server as AiohttpServer

from gateway.core.faults import Fault, InternalFault
from gateway.wire.accepting import Accepting, Handshakes
from gateway.wire.answer import Answer, FileAnswer, SocketAnswer, StreamAnswer
from gateway.wire.connection import Connection
from gateway.wire.crowd import Crowd
from gateway.wire.delivery import Delivery, Foreign, Switched, close_chunks, deliver
from gateway.wire.guest import Host
from gateway.wire.incoming import Incoming
from gateway.wire.lane import Lane
from gateway.wire.lanes import Lanes
from gateway.wire.limits import Limits
from gateway.wire.refusal import fault_parts
from gateway.wire.shared import Counters, DateLine, Shared
from gateway.wire.tls import Live
from gateway.wire.transport import connection_of

__all__ = ["Handler", "Limits", "Server"]

Handler: TypeAlias = Callable[
    [BaseRequest], Awaitable[Answer | StreamAnswer | FileAnswer | SocketAnswer | StreamResponse]
]
"""What answers one request. Faults and anything else that it raises are answered too, but doors know better how."""

_LOG = logging.getLogger(__name__)
_NEVER: Final = 10 * 365 * 86400.0
"""aiohttp's own keep-alive timer, in seconds: the connection's is the one that counts."""
_BACKLOG: Final = 1024
_CANCELLING_SECONDS: Final = 5.0
_CHECKED_AT_ONCE: Final = 64
"""Connections that look at the time in one turn of the event loop: some tens of microseconds, however many there are."""


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
        crowd: Crowd | None = None,
        tls: Live | None = None,
        by_certificate: bool = False,
    ) -> None:
        """`clock` gives seconds since 1970, for `Date`. `host` takes the requests that need no aiohttp handler.

        `crowd` counts the connections of several servers together. With `tls`, that is what callers must speak;
        `by_certificate` = those who show a certificate may be known by it.
        """
        self.limits = limits or Limits()
        self._crowd = crowd or Crowd(self.limits)
        self.counters = Counters()
        self.lane = Lane()
        self.lanes = Lanes(self.lane)
        self._tls = tls
        self._by_certificate = by_certificate
        self._handler = handler
        self._host = host
        self._date = DateLine(clock)
        self._listeners: list[Accepting] = []
        self._behind: AiohttpServer | None = None
        self._shared: Shared | None = None
        self._pulse: asyncio.TimerHandle | None = None
        self._unchecked: list[Connection] = []  # of the present round
        self._turns = 1

    @property
    def connections(self) -> int:
        """How many connections are open, or just beginning."""
        beginning = sum(one.beginning for one in self._listeners)
        return beginning + (len(self._shared.connections) if self._shared else 0)

    def listen(self, listener: socket.socket, patience: Callable[[], float] | None = None) -> tuple[str, int]:
        """Take connections from a listening socket, as `Accepting` does; returns where it is bound.

        `patience` is needed where other processes have the socket too. Can be called again for another one.
        """
        named = listener.getsockname()
        self._listeners.append(Accepting(listener, self.connection, patience, self._handshakes()))
        # A Unix-domain socket is named by the path of its file.
        return (f"unix:{named}", 0) if isinstance(named, str) else (named[0], named[1])

    def start(self, host: str, port: int = 0) -> tuple[str, int]:
        """Listen at an address and port (0 = any free one); returns what was bound. OSError if it cannot be had."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return self.listen(socket.create_server((host, port), family=family, backlog=_BACKLOG))

    def _handshakes(self) -> Handshakes | None:
        tls, limits = self._tls, self.limits
        if tls is None:
            return None
        return Handshakes(
            lambda: tls.context,
            limits.header_seconds,
            limits.linger_seconds,
            self._expect,
            _handshake_ended,
            self._handshake_failed,
        )

    def _expect(self, address: str) -> Connection | None:
        connection = self.connection()
        return connection if connection.expect(address) else None

    def _handshake_failed(self) -> None:
        self.counters.failed_handshakes += 1

    def connection(self) -> Connection:
        """The protocol for one new connection; to be called in the running loop."""
        if self._shared is None:
            self._shared = self._share(asyncio.get_running_loop())
        return Incoming(self._shared)

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
        shared = Shared(
            loop, limits, self._date, self._crowd, self._behind, self._host, self.lane, counters=self.counters
        )
        if self._by_certificate:
            shared.lanes = self.lanes
        if self._tls is not None:
            shared.scheme = b"https"
        shared.emptied.set()
        self._pulse = loop.call_later(limits.pulse, self._check, shared)
        return shared

    def _check(self, shared: Shared) -> None:
        """Let every connection look at the time once in a pulse: some of them now, for whoever calls waits meanwhile."""
        if not self._unchecked:
            self._unchecked = list(shared.connections)
            self._turns = max(1, ceil(len(self._unchecked) / _CHECKED_AT_ONCE))
        now = shared.loop.time()
        for _ in range(min(_CHECKED_AT_ONCE, len(self._unchecked))):
            self._unchecked.pop().check(now)
        self._pulse = shared.loop.call_later(self.limits.pulse / self._turns, self._check, shared)

    async def _handle(self, request: BaseRequest) -> StreamResponse:
        """Answer one request of aiohttp's, whatever the handler does."""
        connection = connection_of(request)
        connection.begin(request)
        try:
            answer = await self._handler(request)
            if isinstance(answer, StreamResponse):
                return _as_response(Foreign(connection, answer))
            if isinstance(answer, SocketAnswer):
                return _as_response(Switched(connection, request, answer))
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

    def succeed(self, before: Server, patience: Callable[[], float] | None = None) -> None:
        """Take the place of another server: its listening sockets, and its connections.

        A connection comes over at once if it is between two requests, else as soon as its present answer is written:
        its caller notices nothing. What the other has begun it brings to its end; see `retire`. Where TLS is spoken otherwise
        than before, or not any more, connections end instead, as `drain` ends them: their callers are to show anew who
        they are.
        """
        for accepting in before._listeners:
            self.listen(accepting.hand_over(), patience)
        before._listeners = []
        if before._shared is None:
            return
        if (self._tls and self._tls.tls) != (before._tls and before._tls.tls):
            before._end_idle(before._shared)
            return
        if self._shared is None:
            self._shared = self._share(asyncio.get_running_loop())
        before._shared.successor = self._shared
        for connection in tuple(before._shared.connections):
            connection.move_on()

    async def retire(self, timeout: float) -> None:  # noqa: ASYNC109 - as in `drain`
        """Wait, after another server has taken this one's place, until the last answer begun here is written.

        What is left after `timeout` seconds is reset: streams and tunnels that go on for longer.
        """
        if self._shared is not None:
            await self._emptied(self._shared, timeout)

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - past it the rest is reset: no caller can do that
        """Stop gracefully: no new connections, idle ones close now, busy ones with their present answer.

        What is left after `timeout` seconds is reset.
        """
        for listener in self._listeners:
            listener.close()
        if self._shared is None:
            return
        self._end_idle(self._shared)
        await self._emptied(self._shared, timeout)

    @staticmethod
    def _end_idle(shared: Shared) -> None:
        shared.draining = True
        for connection in tuple(shared.connections):
            connection.release()

    @staticmethod
    async def _emptied(shared: Shared, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await shared.emptied.wait()
        except TimeoutError:
            for connection in tuple(shared.connections):
                connection.abort()
            await shared.emptied.wait()

    async def close(self) -> None:
        """Stop at once: reset what is left, and wait until every handler has ended."""
        await self.drain(0)
        if self._pulse is not None:
            self._pulse.cancel()
        for listener in self._listeners:
            await listener.wait_closed()
        if self._behind is not None:
            await self._behind.shutdown(_CANCELLING_SECONDS)


def _handshake_ended(protocol: asyncio.Protocol) -> None:
    cast(Connection, protocol).expect_no_more()


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
