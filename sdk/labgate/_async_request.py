"""How does a program with an event loop speak plain HTTP with a service behind the gate?"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

from labgate._async_pool import meant, persist_async
from labgate._async_response import AsyncRawResponse
from labgate._delivery import headed, may_show_another
from labgate._flow import framed
from labgate._outgoing import Outgoing, bytes_of
from labgate._request import Asking
from labgate._transport import NotSent
from labgate._wire import next_head
from labgate.errors import NotFound, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Mapping
    from types import TracebackType
    from typing import Any

    from labgate._async_pool import AsyncPool, Lease
    from labgate._async_session import AsyncSession
    from labgate._delivery import Course, Request
    from labgate._wire import Head

_ONE_PIECE = 64 * 1024


class Opening:
    """What `labgate.request` gives of an async client: a response when it is awaited, closed behind an `async with`."""

    __slots__ = ("_response", "_work")

    def __init__(self, work: Coroutine[Any, Any, AsyncRawResponse]) -> None:
        self._work = work
        self._response: AsyncRawResponse | None = None

    def __await__(self) -> Generator[Any, None, AsyncRawResponse]:
        return self._work.__await__()

    async def __aenter__(self) -> AsyncRawResponse:
        self._response = await self._work
        return self._response

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._response is not None:
            self._response.close()

    def close(self) -> None:
        """It is not wanted any more, and was not awaited."""
        self._work.close()


class AsyncAsking(Asking):
    """A raw request of an async client that is being put together."""

    session: AsyncSession

    def open(  # type: ignore[override]
        self,
        *,
        raise_for_status: bool,
        also: Mapping[str, str] | None = None,
        sent: Callable[[int], object] | None = None,
        level: int | None = None,
    ) -> Opening:
        """The reply, its body unread, to be awaited; see `Asking.open`."""
        return Opening(self._open(raise_for_status, also, sent, level))

    async def _open(
        self,
        raise_for_status: bool,
        also: Mapping[str, str] | None,
        sent: Callable[[int], object] | None,
        level: int | None,
    ) -> AsyncRawResponse:
        pool, gate = self.session.link.lines, str(self.session.link.address)
        await self.session.link.credential_ready()
        asked = self.asked(also)
        started = time.perf_counter()
        flow = await begin_async(pool, asked, self._body, gate, sent)
        told = self.noted(flow.head, started)
        response = AsyncRawResponse(flow, asked, verb=self.verb, gate=gate)
        await self.judged(response, told, raise_for_status=raise_for_status, level=level)
        return response

    def _outgoing(self, data: Any, length: int | None) -> Outgoing:
        return AsyncOutgoing(data, length)


async def opened(
    place: tuple[Any, str, str], given: dict[str, Any], body: tuple[Any, Any], *, raise_for_status: bool
) -> AsyncRawResponse:
    """What `labgate.request` does for an async client.

    Args:
        place: the client or namespace, the verb, and the path.
        given: what else the request's head is made of; see `Asking`.
        body: its data, and its JSON; see `Asking.carry`.
        raise_for_status: a status of 400 or more is an error.

    Raises: as `request` does.
    """
    try:
        asking = AsyncAsking(*place, **given)
    except NotFound:
        # Its mount may be newer than the catalog; the client has just begun to look.
        session: AsyncSession = place[0]._session  # noqa: SLF001
        if not await session.link.look_again_async():
            raise
        asking = AsyncAsking(*place, **given)
    asking.carry(*body)
    return await asking.open(raise_for_status=raise_for_status)


class AsyncOutgoing(Outgoing):
    """A request's body, which may also be an async iterable of bytes."""

    __slots__ = ("_stream",)

    def __init__(self, data: Any, length: int | None = None) -> None:
        self._stream = data if hasattr(data, "__aiter__") else None
        super().__init__(() if self._stream is not None else data, length)

    async def pieces_async(self) -> AsyncIterator[memoryview]:
        """As `pieces`; a file is read beside the event loop."""
        pieces = self.pieces() if self._stream is None else iter(())
        if self.file:
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                yield piece
        for piece in pieces:
            yield piece
        if self._stream is None:
            return
        self.begun = True
        left = self.length
        async for some in self._stream:
            view = bytes_of(some)
            if left is not None:
                left -= len(view)
                if left < 0:
                    raise SetupError("the body is longer than its Content-Length says")
            if view:
                yield view
        if left:
            raise SetupError(f"the body ended {left} bytes before the length that was announced for it")


class AsyncFlow:
    """A reply whose head has come: whose connection it is, and whether the request's whole body had left."""

    __slots__ = ("complete", "head", "lease")

    def __init__(self, lease: Lease, head: Head, *, complete: bool) -> None:
        self.lease = lease
        self.head = head
        self.complete = complete

    def end(self) -> None:
        """The body was read: the connection may serve on."""
        self.lease.end(reusable=self.complete and self.head.reusable())


async def begin_async(
    pool: AsyncPool,
    request: Request,
    body: Outgoing,
    gate: str,
    sent: Callable[[int], object] | None = None,
) -> AsyncFlow:
    """As `labgate._flow.begin`, awaited.

    Raises: as `begin` does.
    """
    request.repeatable = request.repeatable and body.again
    told = 0

    def tell(count: int) -> None:
        nonlocal told
        told += count
        if sent is not None:
            sent(count)

    async def once(course: Course) -> AsyncFlow:
        if body.begun and not body.again:
            raise NotSent("the connection broke, and the body can be had only once", final=True)
        tell(-told)
        flow = await _Trip(pool, request, body, tell).go(course)
        refused = flow.head.status == 401 and (body.again or not body.begun)
        if refused and await asyncio.to_thread(may_show_another, request, flow.head.fields):
            flow.lease.end(reusable=False)
            tell(-told)
            course.resume(time.monotonic())
            flow = await _Trip(pool, request, body, tell).go(course)
        return flow

    return await persist_async(pool, request, gate, once, lambda *_: (False, 0.0))


class _Trip:
    """One attempt."""

    def __init__(
        self, pool: AsyncPool, request: Request, body: Outgoing, sent: Callable[[int], object]
    ) -> None:
        self._pool = pool
        self._request = request
        self._body = body
        self._sent = sent
        self._left = False  # more than the beginning of the request has left

    async def go(self, course: Course) -> AsyncFlow:
        """The reply; on any failure, a cancelled task too, the connection is closed."""
        lease: Lease | None = None
        body = self._body
        # The gate need not know of a deadline that moves.
        short = body.length is not None and body.length <= _ONE_PIECE
        head = headed(self._request, course.left if short else None)
        try:
            async with asyncio.timeout(course.left) as limit:
                lease = await self._pool.lease(self._request, fresh=course.fresh or not body.again)
                complete = await self._send(lease, head, limit)
                found = await next_head(lease.line)
                if not complete and found.status < 300:
                    raise ConnectionResetError("the connection was closed")  # noqa: TRY301 - as one that breaks
        except BaseException as error:
            told = meant(error, lease, sent=self._left)
            if told is None:
                raise
            raise told from error
        return AsyncFlow(lease, found, complete=complete)

    async def _send(self, lease: Lease, head: bytes, limit: asyncio.Timeout) -> bool:
        """Send head and body; False when the reply came before the body's end, and wants no more of it."""
        line, body = lease.line, self._body
        if body.again and body.length is not None and body.length <= _ONE_PIECE and not body.file:
            self._left = await line.send((b"".join((head, *body.pieces())),))
            self._sent(body.length)
            return self._left
        if not await line.send((head,)):
            return False
        chunked = body.length is None
        async with aclosing(_pieces(body)) as pieces:
            async for piece in pieces:
                if not await line.send((framed(piece) if chunked else piece,)):
                    return False
                self._left = True
                self._sent(len(piece))
                await asyncio.sleep(0)  # a refusal can only be heard while the loop runs
                if self._request.timeout is not None:
                    limit.reschedule(asyncio.get_running_loop().time() + self._request.timeout)
        self._left = not chunked or await line.send((b"0\r\n\r\n",))
        return self._left


async def _pieces(body: Outgoing) -> AsyncGenerator[memoryview, None]:
    if isinstance(body, AsyncOutgoing):
        async for piece in body.pieces_async():
            yield piece
    else:
        for piece in body.pieces():
            yield piece
