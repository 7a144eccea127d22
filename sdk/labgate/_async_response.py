"""What is a reply to a raw request in the hands of a user with an event loop?"""

from __future__ import annotations

import warnings

from labgate._codec import decode_json
from labgate._pieces import Pieces
from labgate._reading import PIECE, Reading
from labgate._response import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType
    from typing import Any, Self

    from labgate._async_request import AsyncFlow
    from labgate._delivery import Request


class AsyncRawResponse(Reading):
    """A reply whose body is read from the network as it is asked for, each read awaited.

    Use it in an `async with` block: a body that was not read to its end closes the connection, which also tells the
    service that nobody wants the rest. Each wait for more of the body may take the request's `timeout`.

    Attributes:
        status, reason, headers, length: as in `RawResponse`.
    """

    __slots__ = ()

    _flow: AsyncFlow | None

    def __init__(self, flow: AsyncFlow, request: Request, *, verb: str, gate: str) -> None:
        super().__init__(flow.head, flow, Pieces(flow.lease.line, flow.head, verb=verb), request, gate)

    async def read(self, n: int | None = -1) -> bytes:
        """The next `n` bytes, fewer only at the end of the body; all that are left without a number.

        Raises:
            Error: the body did not come to its end.
        """
        return await self._read(n)

    async def readinto(self, buffer: Any) -> int:
        """Fill `buffer` (a bytearray, a numpy array, ...) from the body; returns how many bytes came.

        Raises:
            Error: the body did not come to its end.
        """
        return await self._fill(buffer)

    async def readinto1(self, buffer: Any) -> int:
        """As `readinto`, but for what comes at once, which may be less; 0 only at the end of the body."""
        return await self._fill(buffer, once=True)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in pieces, as they come."""
        with memoryview(bytearray(PIECE)) as view:
            while got := await self._some(view):
                yield bytes(view[:got])

    async def json(self) -> Any:
        """The whole body, read as JSON; the gate's forms of bytes and arrays become bytes and arrays.

        Raises:
            BadReply: it is none.
        """
        return decode_json(await self.read())

    async def text(self) -> str:
        """The whole body as text, in the character set that the reply names, else UTF-8."""
        return text_of(await self.read(), self.headers)

    def close(self) -> None:
        """End the reply; what was not read is not waited for."""
        if self._flow is not None:
            self._flow.lease.end(reusable=False)
            self._flow = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        """Say that somebody forgot to close it; its connection is closed."""
        if self._flow is not None:
            warnings.warn(
                "the response of a raw request was not closed: use `async with labgate.request(...)`, or `response.close()`",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )
            self._flow.lease.forget()

    async def _more(self, view: memoryview) -> int:
        from asyncio import timeout  # not with the name of this class

        async with timeout(self._request.timeout):
            return await self._pieces.into(view)

    def _give_back(self, flow: AsyncFlow) -> None:
        flow.end()
