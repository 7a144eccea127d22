"""What is a reply to a raw request in the user's hands, and how is its body read?"""

from __future__ import annotations

import os
import re

from labgate._codec import decode_json
from labgate._delivery import malformed, unanswered
from labgate._names import printable
from labgate._pieces import Pieces
from labgate._wire import MalformedReply, ReplyCut
from labgate.errors import BadReply, DeadlineExceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any, Self

    from labgate._delivery import Request
    from labgate._flow import Flow
    from labgate._transport import Pool

_PIECE = 256 * 1024
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([A-Za-z0-9._:-]+)', re.IGNORECASE)


class Headers:
    """The fields of a reply as sent, in their order; names in capitals or not."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = tuple(pairs)

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of the first field of this name."""
        return next(iter(self.getall(name)), default)

    def getall(self, name: str) -> list[str]:
        """The values of all fields of this name; none is no error."""
        lower = name.lower()
        return [value for known, value in self._pairs if known.lower() == lower]

    def items(self) -> tuple[tuple[str, str], ...]:
        """Every field: name and value."""
        return self._pairs

    def keys(self) -> list[str]:
        """The names, each of them once."""
        return list({name.lower(): name for name, _ in reversed(self._pairs)}.values())[::-1]

    def __getitem__(self, name: str) -> str:
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.getall(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self._pairs)

    def __repr__(self) -> str:
        return f"Headers({list(self._pairs)!r})"


class RawResponse:
    """A reply whose body is read from the network as it is asked for.

    Use it in a `with` block: a body that was not read to its end closes the connection, which also tells the service
    that nobody wants the rest. Each wait for more of the body may take the request's `timeout`.

    Attributes:
        status: the HTTP status.
        reason: the phrase beside it, as sent.
        headers: the fields, by names in capitals or not: `get`, `getall`, `items`, `headers["ETag"]`.
        length: how long the body is, None where that was not announced.
    """

    __slots__ = (
        "_flow",
        "_gate",
        "_pid",
        "_pieces",
        "_pool",
        "_request",
        "headers",
        "length",
        "reason",
        "status",
    )

    def __init__(self, flow: Flow, pool: Pool, request: Request, *, verb: str, gate: str) -> None:
        head = flow.head
        self.status: int = head.status
        self.reason: str = head.reason.decode("latin-1")
        self.headers = Headers(
            [(name.decode("ascii"), value.decode("latin-1")) for name, value in head.pairs]
        )
        self.length: int | None = head.length if head.length >= 0 else None
        self._flow: Flow | None = flow
        self._pool = pool
        self._gate = gate
        self._pid = os.getpid()
        self._request = request
        flow.reader.patience = request.timeout
        if request.timeout is None:
            flow.reader.deadline = None
            flow.sock.settimeout(None)
        self._pieces = Pieces(flow.reader, head, verb=verb)
        if self._pieces.ended:
            self._finish(flow)

    def read(self, n: int | None = -1) -> bytes:
        """The next `n` bytes, fewer only at the end of the body; all that are left without a number.

        Raises:
            Error: the body did not come to its end.
        """
        if n is None or n < 0:
            return b"".join(self)
        whole = bytearray(min(n, _PIECE))
        at = self.readinto(whole)
        while at == len(whole) < n:
            # Grown as bytes come: a large number alone takes no memory.
            whole.extend(bytes(min(n - at, at)))
            with memoryview(whole) as view:
                at += self.readinto(view[at:])
        return bytes(memoryview(whole)[:at])

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` (a bytearray, a numpy array, ...) from the body; returns how many bytes came.

        Raises:
            Error: the body did not come to its end.
        """
        at = 0
        with memoryview(buffer) as given, given.cast("B") if given.nbytes else given as view:
            while at < len(view) and (got := self._some(view[at:])):
                at += got
        return at

    def readinto1(self, buffer: Any) -> int:
        """As `readinto`, but for what comes at once, which may be less; 0 only at the end of the body."""
        with memoryview(buffer) as given, given.cast("B") if given.nbytes else given as view:
            return self._some(view)

    def __iter__(self) -> Iterator[bytes]:
        """The body in pieces, as they come."""
        piece = bytearray(_PIECE)
        with memoryview(piece) as view:
            while got := self._some(view):
                yield bytes(view[:got])

    def json(self) -> Any:
        """The whole body, read as JSON; the gate's forms of bytes and arrays become bytes and arrays.

        Raises:
            BadReply: it is none.
        """
        return decode_json(self.read())

    def text(self) -> str:
        """The whole body as text, in the character set that the reply names, else UTF-8."""
        return _text_of(self.read(), self.headers)

    def close(self) -> None:
        """End the reply; what was not read is not waited for."""
        if self._flow is not None:
            self._flow.sock.close()
            self._flow = None

    @property
    def closed(self) -> bool:
        """True when nothing more can be read: the body's end was reached, or `close` was called."""
        return self._flow is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<labgate response: {self.status} {printable(self.reason, 100)}>"

    def _some(self, view: memoryview) -> int:
        flow = self._flow
        if flow is None:
            if self._pieces.ended:
                return 0
            raise ValueError("this response was closed before its body had been read")
        try:
            got = self._pieces.into(view)
        except BaseException as error:
            self.close()
            told = self._told(error)
            if told is None:
                raise
            raise told from error
        if self._pieces.ended:
            self._finish(flow)
        return got

    def _finish(self, flow: Flow) -> None:
        """Give the connection back, where it serves on and is this process's own."""
        self._flow = None
        sound = flow.complete and flow.head.reusable() and not flow.reader.buffer
        if sound and self._pid == os.getpid():
            self._pool.keep(flow.sock)
        else:
            flow.sock.close()

    def _told(self, error: BaseException) -> Exception | None:
        request, gate = self._request, self._gate
        if isinstance(error, TimeoutError):
            return DeadlineExceeded(
                f"the gate at {gate} sent no more of the body for {request.timeout:g} s",
                method=request.method,
                http_status=self.status,
                maybe_executed=not request.repeatable,
                hint="Give it longer: timeout=SECONDS.",
            )
        if isinstance(error, MalformedReply):
            return malformed(request, gate, str(error))
        if isinstance(error, (ReplyCut, OSError)):
            return unanswered(request, gate, getattr(error, "strerror", None) or str(error))
        return None


class Uploaded:
    """What was answered to an upload, its body read.

    Attributes:
        status, reason, headers: as in `RawResponse`.
        body: all of it.
    """

    __slots__ = ("body", "headers", "reason", "status")

    def __init__(self, response: RawResponse) -> None:
        self.status = response.status
        self.reason = response.reason
        self.headers = response.headers
        self.body = response.read()

    def json(self) -> Any:
        """The body, read as JSON; see `RawResponse.json`."""
        return decode_json(self.body)

    def text(self) -> str:
        """The body as text; see `RawResponse.text`."""
        return _text_of(self.body, self.headers)

    def __repr__(self) -> str:
        return f"<labgate upload answered: {self.status} {printable(self.reason, 100)}>"


def _text_of(body: bytes, headers: Headers) -> str:
    found = _CHARSET.search(headers.get("Content-Type") or "")
    try:
        return body.decode(found[1] if found else "utf-8", "replace")
    except LookupError:
        raise BadReply(
            f"the text is in a character set that is not known here: {printable(found[1] if found else '', 40)}"
        ) from None
