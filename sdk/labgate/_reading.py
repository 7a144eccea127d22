"""How is the body of a raw reply read, both by those who wait for it and by those who await it?"""

from __future__ import annotations

from labgate._beginning import Beginning
from labgate._delivery import malformed, unanswered
from labgate._wire import MalformedReply, ReplyCut
from labgate.errors import DeadlineExceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._delivery import Request
    from labgate._pieces import Pieces
    from labgate._wire import Head

PIECE = 256 * 1024


class Reading(Beginning):
    """A reply whose body is read from the network as it is asked for; see `labgate.RawResponse`.

    What is read stands in coroutines, which over a socket that blocks find all at hand: see `labgate._at_once`.
    """

    __slots__ = ("_flow", "_gate", "_pieces", "_request")

    def __init__(self, head: Head, flow: Any, pieces: Pieces, request: Request, gate: str) -> None:
        """`flow` is the connection, None once nothing more is read from it."""
        self._flow = flow
        super().__init__(head)
        self._gate = gate
        self._pieces = pieces
        self._request = request
        if pieces.ended:
            self._finish()

    def close(self) -> None:
        """End the reply; what was not read is not waited for."""
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        """True when nothing more can be read: the body's end was reached, or `close` was called."""
        return self._flow is None

    async def _read(self, n: int | None) -> bytes:
        if n is None or n < 0:
            found = []
            with memoryview(bytearray(PIECE)) as view:
                while got := await self._some(view):
                    found.append(bytes(view[:got]))
            return b"".join(found)
        whole = bytearray(min(n, PIECE))
        at = await self._fill(whole)
        while at == len(whole) < n:
            # Grown as bytes come: a large number alone takes no memory.
            whole.extend(bytes(min(n - at, at)))
            with memoryview(whole) as view:
                at += await self._fill(view[at:])
        return bytes(memoryview(whole)[:at])

    async def _fill(self, buffer: Any, *, once: bool = False) -> int:
        """How many bytes came into the buffer; `once` takes what comes at once."""
        at = 0
        with memoryview(buffer) as given, given.cast("B") if given.nbytes else given as view:
            if once:
                return await self._some(view)
            while at < len(view) and (got := await self._some(view[at:])):
                at += got
        return at

    async def _some(self, view: memoryview) -> int:
        if self._flow is None:
            if self._pieces.ended:
                return 0
            raise ValueError("this response was closed before its body had been read")
        try:
            got = await self._more(view)
        except BaseException as error:
            self.close()
            told = broken_body(error, self._request, self._gate, self.status)
            if told is None:
                raise
            raise told from error
        if self._pieces.ended:
            self._finish()
        return got

    async def _more(self, view: memoryview) -> int:
        """The next bytes, within the request's time for each wait."""
        return await self._pieces.into(view)

    def _finish(self) -> None:
        """Let go of the connection, which may serve on."""
        flow, self._flow = self._flow, None
        self._give_back(flow)

    def _give_back(self, flow: Any) -> None:
        raise NotImplementedError


def broken_body(error: BaseException, request: Request, gate: str, status: int) -> Exception | None:
    """What it means that a body did not come to its end; None where that is none of the connection's."""
    if isinstance(error, TimeoutError):
        return DeadlineExceeded(
            f"the gate at {gate} sent no more of the body for {request.timeout:g} s",
            method=request.method,
            http_status=status,
            maybe_executed=not request.repeatable,
            hint="Give it longer: timeout=SECONDS.",
        )
    if isinstance(error, MalformedReply):
        return malformed(request, gate, str(error))
    if isinstance(error, (ReplyCut, OSError)):
        return unanswered(request, gate, getattr(error, "strerror", None) or str(error))
    return None
