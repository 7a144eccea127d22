"""How does a box of a volume come into an array: in several parts at once, whole or not at all?"""

from __future__ import annotations

import json
import threading
import time
from urllib.parse import quote

from labgate._crew import all_of
from labgate._delivery import Request, malformed, pause_before, unanswered
from labgate._flow import begin
from labgate._notices import warn_of_notices
from labgate._npy import receive
from labgate._outcome import plain_rejection_of, warn_of_stale
from labgate._outgoing import Outgoing
from labgate._pieces import Pieces
from labgate._progress import Progress
from labgate._target import with_query
from labgate._volume_boxes import slices
from labgate._watched import Watched
from labgate._wire import MalformedReply, ReplyCut, Response
from labgate.errors import BadReply, DeadlineExceeded, Error, GateUnreachable, RateLimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    import numpy as np

    from labgate._flow import Flow
    from labgate._session import Session
    from labgate._volume_boxes import Box

_NPY = "application/x-npy"
_MOST_OF_A_REFUSAL = 64 * 1024


class Reading:
    """One reading of a box.

    Every part is a request of its own, by the method's plain URL. All of them have one deadline; those that break are
    asked for again, as often as the session's `retries`, and those that the gate puts off by `Retry-After` as often as
    the deadline lets.
    """

    def __init__(
        self,
        session: Session,
        method: str,
        params: Mapping[str, Any],
        *,
        placed: int,
        timeout: float | None,
    ) -> None:
        """
        Args:
            session: whose it is.
            method: the wire name of the method that reads.
            params: its arguments, but the box.
            placed: how many coordinates of a corner are sent; the axes behind them come whole.
            timeout: seconds for all of it; None waits for ever.
        """
        self._session = session
        self._method = method
        self._params = params
        self._placed = placed
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._sockets = Watched(session.link.pool)
        self._gate = str(session.link.address)
        self._told: Response | None = None

    def run(
        self,
        box: Box,
        parts: Sequence[Box],
        array: np.ndarray[Any, Any],
        *,
        workers: int,
        progress: bool = False,
    ) -> None:
        """Fill the array.

        Args:
            box: what the array is of.
            parts: the same in parts, each of which is asked for alone.
            array: of the box's shape.
            workers: how many parts are on their way at once.
            progress: show how far it is.

        Raises:
            Error: the box did not come whole. What is in the array then, is not said.
        """
        lock = threading.Lock()
        with Progress(self._method, array.nbytes, shown=progress) as shown:

            def advance(count: int) -> None:
                with lock:
                    shown.advance(count)

            def work(part: Box) -> None:
                self._persist(part, array[slices(part, box[0])], advance if progress else _quietly)

            started = time.perf_counter()
            try:
                all_of(work, parts, workers, self._sockets.end)
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

    def _persist(self, part: Box, view: np.ndarray[Any, Any], advance: Any) -> None:
        """Fill the view, in as many attempts as it takes."""
        attempt = 0
        while True:
            came = _Count(advance)
            try:
                return self._attempt(part, view, came)
            except Error as error:
                came.undo()
                pause = self._pause(error, attempt)
                if pause is None or self._sockets.ended.wait(pause):
                    raise self._final(error, part) from error.__cause__
            attempt += 1

    def _pause(self, error: Error, attempt: int) -> float | None:
        """Seconds until the part is asked for again, None when it is not."""
        put_off = error.http_status == 503 and error.retry_after is not None
        passing = error.http_status == 503 or isinstance(error, (GateUnreachable, RateLimited))
        if not put_off and not (passing and attempt < self._session.options.retries):
            return None
        pause = max(error.retry_after or 0.0, pause_before(attempt))
        late = self._deadline is not None and time.monotonic() + pause >= self._deadline
        return None if late else pause

    def _final(self, error: Error, part: Box) -> Error:
        """The error, or one of the whole reading's time where that has run out; it names the part."""
        late = isinstance(error, DeadlineExceeded) and error.http_status is None
        if late and self._timeout is not None:
            error = DeadlineExceeded(
                f"the box did not come within {self._timeout:g} s",
                method=self._method,
                hint="Give it longer: timeout=SECONDS.",
            )
        error.add_note(f"It was the part from {list(part[0])} to {list(part[1])} that failed.")
        return error

    def _attempt(self, part: Box, view: np.ndarray[Any, Any], advance: Any) -> None:
        left = None if self._deadline is None else max(self._deadline - time.monotonic(), 0.001)
        request = Request(
            self._head(part), b"", method=self._method, repeatable=True, timeout=left, retries=0
        )
        flow = begin(self._sockets, request, Outgoing(None), self._gate)
        try:
            self._take(flow, view, advance)
        except BaseException as error:
            self._sockets.drop(flow.sock)
            self._raise_translated(error, request)
            raise
        self._sockets.give_back(flow)

    def _take(self, flow: Flow, view: np.ndarray[Any, Any], advance: Any) -> None:
        """Read the reply: the array, or why there is none."""
        head = flow.head
        pieces = Pieces(flow.reader, head, verb="GET")
        told = Response(head.status, head.fields, b"", reusable=False)
        if self._told is None or b"cache-status" in head.fields:
            self._told = told
        kind = head.fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if head.status == 200 and kind == _NPY.encode():
            receive(pieces, view, head.length if head.length >= 0 else None, advance)
            return
        told.body = _beginning(pieces)
        if head.status < 400:
            raise BadReply(
                f"{self._gate} answered {head.status} with a body that is no array", http_status=head.status
            )
        raise plain_rejection_of(told, self._method, f"GET {self._gate}/rpc/{self._method}")

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

    def _head(self, part: Box) -> bytes:
        link, options = self._session.link, self._session.options
        query = {
            **{name: json.dumps(one) if isinstance(one, list) else one for name, one in self._params.items()},
            "start": _listed(part[0][: self._placed]),
            "stop": _listed(part[1][: self._placed]),
            "datastack": link.datastack,
            "format": "npy",
        }
        return b"%b%bUser-Agent: labgate-python\r\nAccept: %b, application/json;q=0.9\r\n%b" % (
            link.opening("GET", with_query(f"/rpc/{quote(self._method, safe='')}", query)),
            link.credential(),
            _NPY.encode(),
            options.fields(),
        )


class _Count:
    """How many bytes of a part have come in one attempt; those of one that failed are taken back."""

    def __init__(self, advance: Any) -> None:
        self._advance = advance
        self._count = 0

    def __call__(self, count: int) -> None:
        self._count += count
        self._advance(count)

    def undo(self) -> None:
        self._advance(-self._count)


def _beginning(pieces: Pieces) -> bytes:
    """The body of a refusal, as far as it says why."""
    whole = bytearray(_MOST_OF_A_REFUSAL)
    at = 0
    with memoryview(whole) as view:
        try:
            while got := pieces.into(view[at:]):
                at += got
        except (MalformedReply, ReplyCut, OSError):
            pass  # the status says enough
    return bytes(whole[:at])


def _listed(corner: Sequence[int]) -> str:
    return f"[{','.join(map(str, corner))}]"


def _quietly(_: int) -> None:
    """For readings whose progress nobody watches."""
