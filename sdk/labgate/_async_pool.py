"""How does one request get to the gate and its reply back, while an event loop does other things?"""

from __future__ import annotations

import asyncio
import os
import socket
import time
import warnings
from collections import deque
from functools import partial

from labgate._async_line import Line
from labgate._delivery import FAILURES, Course, headed, may_follow, may_go_without_key, may_show_another
from labgate._proxy import route_to
from labgate._transport import (
    ONE_PIECE,
    SURE_SECONDS,
    NotSent,
    gate_context,
    translated,
    tunnelled,
    unconnected,
    unix_family,
    unknown_host,
)
from labgate._wire import ReplyCut, whole_reply
from labgate.errors import Error, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    from labgate._address import Address
    from labgate._delivery import Request
    from labgate._link import Tape
    from labgate._transport import Pool
    from labgate._wire import Response

    Reply = TypeVar("Reply")

_CONNECT_SECONDS = 20.0
_MOST_OPEN = 64  # connections at once; further requests wait for one of them
_ROOM = 256 * 1024


class AsyncPool:
    """The connections to one gate of one event loop.

    Attributes:
        route: whether its connections lead through a proxy, and what requests look like there.
        turns: held by every request that has a connection.
        idle: connections that nobody uses, and since when.
    """

    def __init__(self, address: Address, ca_file: str | None = None, tape: Tape | None = None) -> None:
        """`ca_file` has certificates that are trusted beside the system's; a `tape` stands between here and the gate."""
        self._open: set[Line] = set()
        self._closed = False
        self._tape = None if tape is None else tape.pool(address, ca_file)
        self.route = route_to(address, os.environ) if self._tape is None else self._tape.route
        self._address = address
        self._ca_file = ca_file
        self._loop = asyncio.get_running_loop()
        self._pid = os.getpid()
        # A view: asyncio's TLS goes on behind what it has read by slicing, and a slice of a bytearray is another one.
        self._room = memoryview(bytearray(_ROOM))
        self._tls: ssl.SSLContext | None = None
        self.idle: deque[tuple[Line, float]] = deque()
        self.turns = asyncio.Semaphore(_MOST_OPEN)

    def check(self) -> None:
        """Raise SetupError where this pool cannot be used."""
        if self._closed:
            raise SetupError(
                "this client was closed", hint="Make a new one: async with labgate.aconnect(...) as lab."
            )
        if self._pid != os.getpid() or asyncio.get_running_loop() is not self._loop:
            raise SetupError(
                "this client belongs to another event loop: its connections live there",
                hint="Make one in each loop: async with labgate.aconnect(...) as lab.",
            )

    async def exchange(self, request: Request, course: Course) -> Response:
        """Send one request and read its reply; on any failure, a cancelled task too, the connection is closed.

        Closing is what tells the gate that nobody waits any longer.

        Raises:
            NotSent, NoAnswer, OutOfTime, MalformedReply: see there.
        """
        lease: Lease | None = None
        sent = False
        head = headed(request, course.left)
        try:
            async with asyncio.timeout(course.left):
                lease = await self.lease(request, fresh=course.fresh)
                whole = len(request.body) <= ONE_PIECE
                sent = await lease.line.send((head + request.body,) if whole else (head, request.body))
                response = _final(await whole_reply(lease.line), sent=sent)
        except BaseException as error:
            told = meant(error, lease, sent=sent)
            if told is None:
                raise
            raise told from error
        lease.end(reusable=response.reusable and sent)
        return response

    async def lease(self, request: Request, *, fresh: bool) -> Lease:
        """A connection for a request, when it is its turn; a new one where that is wanted.

        Raises:
            NotSent: there is none.
        """
        await self.turns.acquire()
        try:
            line = None if fresh else self.take(None if request.again else SURE_SECONDS)
            return Lease(self, line or await self.connect(), kept=line is not None)
        except BaseException:
            self.turns.release()
            raise

    def take(self, sure: float | None) -> Line | None:
        """An idle connection that is still alive; one used within `sure` seconds where that is given."""
        while self.idle:
            line, since = self.idle.pop()
            if (sure is None or time.monotonic() - since < sure) and line.quiet():
                return line
            self.drop(line)
        return None

    def keep(self, line: Line) -> None:
        """Take a connection whose reply has been read to its end."""
        if line.ended or self._closed:
            self.drop(line)
        else:
            self.idle.append((line, time.monotonic()))

    def drop(self, line: Line) -> None:
        """Close a connection."""
        self._open.discard(line)
        line.close()

    async def connect(self) -> Line:
        """A new connection.

        Raises:
            NotSent: see there.
        """
        address = self._address
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                if self._tape is not None:
                    return await self._taped(self._tape)
                line = await self._reached(address)
        except socket.gaierror as error:
            raise unknown_host(self.route.first[0], self.route.proxy, error) from error
        except OSError as error:
            raise unconnected(error, self.route.proxy) from error
        if self._closed:
            line.close()
            raise NotSent("the client was closed", final=True)
        self._open.add(line)
        return line

    async def _reached(self, address: Address) -> Line:
        def made() -> Line:
            return Line(self._loop, self._room)

        if address.socket is not None:
            unix_family()
            return (await self._loop.create_unix_connection(made, address.socket))[1]
        tls = await self._secured() if address.scheme == "https" else None
        host, port = self.route.first
        proxy = self.route.proxy
        if proxy is None or not self.route.tunnels:
            name = address.host if tls else None
            return (await self._loop.create_connection(made, host, port, ssl=tls, server_hostname=name))[1]
        _, line = await self._loop.create_connection(made, host, port)
        try:
            await line.send((proxy.tunnel_to(address),))
            await tunnelled(line, proxy)
            if tls is not None:
                await line.secure(tls, address.host)
        except BaseException:
            line.close()
            raise
        return line

    async def _taped(self, tape: Pool) -> Line:
        """A connection to what stands between here and the gate."""
        end = await asyncio.to_thread(tape.connect, time.monotonic() + _CONNECT_SECONDS)
        _, line = await self._loop.create_connection(lambda: Line(self._loop, self._room), sock=end)
        self._open.add(line)
        return line

    async def aclose(self) -> None:
        """Close every connection, and wait until they are closed."""
        self._closed = True
        lines = [*self._open]
        self.idle.clear()
        for line in lines:
            self.drop(line)
        await asyncio.gather(*(line.closed() for line in lines))

    def forget(self, lease: Lease) -> None:
        """End a request whose owner is gone; in whichever thread that is noticed."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(partial(lease.end, reusable=False))

    async def _secured(self) -> ssl.SSLContext:
        if self._tls is None:
            # It reads this machine's certificates.
            self._tls = await asyncio.to_thread(gate_context, os.environ, self._ca_file)
        return self._tls

    def __del__(self) -> None:
        """Say that somebody forgot to close it, and close what can still be closed."""
        lines = [line for line in self._open if not line.ended]
        if self._closed or not lines or self._pid != os.getpid():
            return
        warnings.warn(
            f"the async client of {self._address} was not closed: use `async with labgate.aconnect(...) as lab`, "
            "or `await labgate.aclose(lab)`",
            ResourceWarning,
            source=self,
            stacklevel=2,
        )
        if not self._loop.is_closed():
            for line in lines:
                self._loop.call_soon_threadsafe(line.close)


class Lease:
    """A connection while it is a request's own.

    Attributes:
        line: it.
        kept: it has served before.
    """

    __slots__ = ("_ended", "_pool", "kept", "line")

    def __init__(self, pool: AsyncPool, line: Line, *, kept: bool) -> None:
        self._pool = pool
        self._ended = False
        self.line = line
        self.kept = kept
        line.begin()

    def forget(self) -> None:
        """End it, though nobody is there who could."""
        self._pool.forget(self)

    def end(self, *, reusable: bool) -> None:
        """Give it back, or close it; a second time does nothing."""
        if self._ended:
            return
        self._ended = True
        self._pool.turns.release()
        if reusable and not self.line.buffer:
            self._pool.keep(self.line)
        else:
            self._pool.drop(self.line)


def meant(error: BaseException, lease: Lease | None, *, sent: bool) -> Exception | None:
    """End the connection of a request that failed; what that means for it, None where it is none of the connection's."""
    kept = lease is not None and lease.kept
    if lease is not None:
        lease.end(reusable=False)
    if isinstance(error, ReplyCut) and not sent:
        return NotSent(str(error))
    return translated(error, sent=sent, kept=kept)


def _final(response: Response, *, sent: bool) -> Response:
    """The reply, unless it is none to a request that did not leave as a whole."""
    if not sent and response.status < 300:
        raise ConnectionResetError("the connection was closed")
    return response


async def deliver_async(pool: AsyncPool, request: Request, gate: str) -> Response:
    """As `labgate._delivery.deliver`, awaited; a task that is cancelled closes the connection.

    Raises: as `deliver` does.
    """

    async def once(course: Course) -> Response:
        response = await pool.exchange(request, course)
        if response.status == 401 and await asyncio.to_thread(may_show_another, request, response.fields):
            # It was refused unread, so that even what is not repeatable may be sent again.
            course.resume(time.monotonic())
            response = await pool.exchange(request, course)
        if response.status == 503 and may_go_without_key(request, response):
            course.resume(time.monotonic())
            response = await pool.exchange(request, course)
        return response

    response = await persist_async(pool, request, gate, once, may_follow)
    response.doubtful = request.doubt
    return response


async def persist_async(
    pool: AsyncPool,
    request: Request,
    gate: str,
    once: Callable[[Course], Awaitable[Reply]],
    refused: Callable[[Reply, Request], tuple[bool, float]],
) -> Reply:
    """As `labgate._delivery.persist`: the same course, whose pauses are awaited.

    Raises: as `deliver` does.
    """
    pool.check()
    course = Course(request, gate, time.monotonic())
    pause: float | Error | None
    while True:
        try:
            reply = await once(course)
        except FAILURES as broken:
            pause = course.failed(broken, time.monotonic())
        else:
            again, asked = refused(reply, request)
            if not again or (pause := course.put_off(asked, time.monotonic())) is None:
                return reply
        if isinstance(pause, Error):
            raise pause
        if pause:
            await asyncio.sleep(pause)
        course.resume(time.monotonic())
