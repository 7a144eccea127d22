"""How do several requests together bring one thing: at once, within one deadline, whole or not at all?"""

from __future__ import annotations

import threading
import time

from labgate._crew import everything
from labgate._delivery import malformed, pause_before, unanswered
from labgate._flow import begin
from labgate._notices import warn_of_notices
from labgate._outcome import plain_rejection_of, warn_of_stale
from labgate._outgoing import Outgoing
from labgate._progress import Progress
from labgate._watched import Watched
from labgate._wire import MalformedReply, ReplyCut, Response
from labgate.errors import BadReply, DeadlineExceeded, Error, GateUnreachable, RateLimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from labgate._async_link import AsyncLink
    from labgate._delivery import Request
    from labgate._pieces import Pieces
    from labgate._progress import Shown
    from labgate._session import Terms
    from labgate._wire import Feed, Head

    Came = Callable[[int], object]

_MOST_OF_A_REFUSAL = 64 * 1024


class Fetching:
    """One reading of a thing in parts.

    Every part is a request of its own. All of them have one deadline; those that break are asked for again, as often as
    the session's `retries`, and those that the gate puts off by `Retry-After` as often as the deadline lets.

    What a part is, how it is asked for, and what becomes of its reply is said by the classes below this one.
    """

    thing = "it"

    def __init__(self, session: Terms, method: str, *, timeout: float | None) -> None:
        """
        Args:
            session: whose it is.
            method: the wire name of the method that reads.
            timeout: seconds for all of it; None waits for ever.
        """
        self._session = session
        self._method = method
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._sockets = Watched(session.link.pool)
        self._gate = str(session.link.address)
        self._told: Response | None = None

    # What the classes below say.

    def _request(self, part: Any, left: float | None) -> Request:
        """The request of a part, with the seconds that are left for it; it is tried once."""
        raise NotImplementedError

    async def _take(self, feed: Feed, head: Head, part: Any, came: Came) -> None:
        """Read a part's reply to its end, and put it where it belongs; `came` is told of bytes."""
        raise NotImplementedError

    def _named(self, part: Any) -> str:
        """The part in a few words, for errors."""
        raise NotImplementedError

    # How it is done.

    async def _fetch(self, parts: Sequence[Any], workers: int, total: int | None, *, progress: Shown) -> None:
        """Fetch every part: on threads, or in tasks where the session's calls are awaited.

        Args:
            parts: them.
            workers: how many are on their way at once.
            total: the bytes of all of them, None where that is not known.
            progress: show how far it is; or a function that is told: how much is done, and of how much.

        Raises:
            Error: not all of them came.
        """
        lock = threading.Lock()
        with Progress(self._method, total, shown=progress) as shown:

            def advance(count: int) -> None:
                with lock:
                    shown.advance(count)

            async def work(part: Any) -> None:
                await self._persist(part, advance if progress else _quietly)

            started = time.perf_counter()
            try:
                await everything(self._session)(work, parts, workers, self._sockets.end)
            finally:
                if self._told is not None:
                    self._session.link.note(self._told, started)
        self._warn()

    def _warn(self) -> None:
        """Say once what the replies said beside the array."""
        fields = self._told.fields if self._told is not None else {}
        if self._told is not None and b"cache-status" in fields:
            warn_of_stale(self._told, self._method, self._session.link.warned)
        if self._told is not None and b"warning" in fields:
            warn_of_notices(self._told, self._method)

    async def _persist(self, part: Any, advance: Came) -> None:
        """Fetch a part, in as many attempts as it takes."""
        attempt = 0
        while True:
            came = _Count(advance)
            try:
                return await (self._await_attempt if self._session.awaited else self._attempt)(part, came)
            except Error as error:
                came.undo()
                pause = self._pause(error, attempt)
                if pause is None or await self._rest(pause):
                    raise self._final(error, part) from error.__cause__
            attempt += 1

    async def _rest(self, seconds: float) -> bool:
        """Wait before the next attempt; True when meanwhile the reading has ended."""
        if not self._session.awaited:
            return self._sockets.ended.wait(seconds)
        from asyncio import sleep

        await sleep(seconds)
        return False

    def _pause(self, error: Error, attempt: int) -> float | None:
        """Seconds until the part is asked for again, None when it is not."""
        put_off = error.http_status == 503 and error.retry_after is not None
        passing = error.http_status == 503 or isinstance(error, (GateUnreachable, RateLimited))
        if not put_off and not (passing and attempt < self._session.options.retries):
            return None
        pause = max(error.retry_after or 0.0, pause_before(attempt))
        late = self._deadline is not None and time.monotonic() + pause >= self._deadline
        return None if late else pause

    def _final(self, error: Error, part: Any) -> Error:
        """The error, or one of the whole reading's time where that has run out; it names the part."""
        late = isinstance(error, DeadlineExceeded) and error.http_status is None
        if late and self._timeout is not None:
            error = DeadlineExceeded(
                f"{self.thing} did not come within {self._timeout:g} s",
                method=self._method,
                hint="Give it longer: timeout=SECONDS.",
            )
        error.add_note(f"It was {self._named(part)} that failed.")
        return error

    async def _attempt(self, part: Any, came: Came) -> None:
        request = self._request(part, self._left())
        flow = begin(self._sockets, request, Outgoing(request.body or None), self._gate)
        try:
            self._note(flow.head)
            await self._take(flow.reader, flow.head, part, came)
        except BaseException as error:
            self._sockets.drop(flow.sock)
            self._raise_translated(error, request)
            raise
        self._sockets.give_back(flow)

    async def _await_attempt(self, part: Any, came: Came) -> None:
        from asyncio import timeout

        from labgate._async_request import begin_async

        link: AsyncLink = self._session.link  # type: ignore[assignment]
        await link.credential_ready()
        request, lines = self._request(part, self._left()), link.lines
        flow = await begin_async(lines, request, Outgoing(request.body or None), self._gate)
        try:
            self._note(flow.head)
            async with timeout(self._left()):
                await self._take(flow.lease.line, flow.head, part, came)
        except BaseException as error:
            flow.lease.end(reusable=False)
            self._raise_translated(error, request)
            raise
        flow.end()

    def _left(self) -> float | None:
        """The seconds that are left, None without a deadline."""
        return None if self._deadline is None else max(self._deadline - time.monotonic(), 0.001)

    def _note(self, head: Head) -> None:
        """Remember what a reply says beside its body."""
        if self._told is None or b"cache-status" in head.fields:
            self._told = Response(head.status, head.fields, b"", reusable=False)

    def _raise_translated(self, error: BaseException, request: Request) -> None:
        """Raise what a failure of the connection means; return where it is none."""
        if isinstance(error, BadReply):
            error.method, error.service = self._method, self._method.partition(".")[0]
        if isinstance(error, TimeoutError):
            raise DeadlineExceeded("", method=self._method) from error
        if isinstance(error, MalformedReply):
            raise malformed(request, self._gate, str(error)) from error
        if isinstance(error, (ReplyCut, OSError)):
            raise unanswered(request, self._gate, getattr(error, "strerror", None) or str(error)) from error

    async def _refused(self, head: Head, pieces: Pieces) -> Error:
        """The error of a reply to a plain URL that brings no result."""
        told = Response(head.status, head.fields, await _beginning(pieces), reusable=False)
        if head.status < 400:
            return BadReply(
                f"{self._gate} answered {head.status} with a body that is no array", http_status=head.status
            )
        return plain_rejection_of(told, self._method, f"GET {self._gate}/rpc/{self._method}")


class _Count:
    """How many bytes of a part have come in one attempt; those of one that failed are taken back."""

    def __init__(self, advance: Came) -> None:
        self._advance = advance
        self._count = 0

    def __call__(self, count: int) -> None:
        self._count += count
        self._advance(count)

    def undo(self) -> None:
        self._advance(-self._count)


async def _beginning(pieces: Pieces) -> bytes:
    """The body of a refusal, as far as it says why."""
    whole = bytearray(_MOST_OF_A_REFUSAL)
    at = 0
    with memoryview(whole) as view:
        try:
            while got := await pieces.into(view[at:]):
                at += got
        except (MalformedReply, ReplyCut, OSError):
            pass  # the status says enough
    return bytes(whole[:at])


def _quietly(_: int) -> None:
    """For fetchings whose progress nobody watches."""
