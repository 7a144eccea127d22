"""What is a reply to a raw request in the user's hands?"""

from __future__ import annotations

import os
import re

from labgate._at_once import at_once
from labgate._codec import decode_json
from labgate._names import printable
from labgate._pieces import Pieces
from labgate._reading import PIECE, Reading
from labgate.errors import BadReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any, Self

    from labgate._beginning import Beginning, Headers
    from labgate._delivery import Request
    from labgate._flow import Flow
    from labgate._transport import Pool

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([A-Za-z0-9._:-]+)', re.IGNORECASE)


class RawResponse(Reading):
    """A reply whose body is read from the network as it is asked for.

    Use it in a `with` block: a body that was not read to its end closes the connection, which also tells the service
    that nobody wants the rest. Each wait for more of the body may take the request's `timeout`.

    Attributes:
        status: the HTTP status.
        reason: the phrase beside it, as sent.
        headers: the fields, by names in capitals or not: `get`, `getall`, `items`, `headers["ETag"]`.
        length: how long the body is, None where that was not announced.
    """

    __slots__ = ("_pid", "_pool")

    _flow: Flow | None

    def __init__(self, flow: Flow, pool: Pool, request: Request, *, verb: str, gate: str) -> None:
        self._pool = pool
        self._pid = os.getpid()
        flow.reader.patience = request.timeout
        if request.timeout is None:
            flow.reader.deadline = None
            flow.sock.settimeout(None)
        super().__init__(flow.head, flow, Pieces(flow.reader, flow.head, verb=verb), request, gate)

    def read(self, n: int | None = -1) -> bytes:
        """The next `n` bytes, fewer only at the end of the body; all that are left without a number.

        Raises:
            Error: the body did not come to its end.
        """
        return at_once(self._read(n))

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` (a bytearray, a numpy array, ...) from the body; returns how many bytes came.

        Raises:
            Error: the body did not come to its end.
        """
        return at_once(self._fill(buffer))

    def readinto1(self, buffer: Any) -> int:
        """As `readinto`, but for what comes at once, which may be less; 0 only at the end of the body."""
        return at_once(self._fill(buffer, once=True))

    def __iter__(self) -> Iterator[bytes]:
        """The body in pieces, as they come."""
        with memoryview(bytearray(PIECE)) as view:
            while got := at_once(self._some(view)):
                yield bytes(view[:got])

    def json(self) -> Any:
        """The whole body, read as JSON; the gate's forms of bytes and arrays become bytes and arrays.

        Raises:
            BadReply: it is none.
        """
        return decode_json(self.read())

    def text(self) -> str:
        """The whole body as text, in the character set that the reply names, else UTF-8."""
        return text_of(self.read(), self.headers)

    def close(self) -> None:
        """End the reply; what was not read is not waited for."""
        if self._flow is not None:
            self._flow.sock.close()
            self._flow = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _give_back(self, flow: Flow) -> None:
        """The connection serves on where it can, and is this process's own."""
        sound = flow.complete and flow.head.reusable() and not flow.reader.buffer
        if sound and self._pid == os.getpid():
            self._pool.keep(flow.sock)
        else:
            flow.sock.close()


class Uploaded:
    """What was answered to an upload, its body read.

    Attributes:
        status, reason, headers: as in `RawResponse`.
        body: all of it.
    """

    __slots__ = ("body", "headers", "reason", "status")

    def __init__(self, response: Beginning, body: bytes) -> None:
        self.status = response.status
        self.reason = response.reason
        self.headers = response.headers
        self.body = body

    def json(self) -> Any:
        """The body, read as JSON; see `RawResponse.json`."""
        return decode_json(self.body)

    def text(self) -> str:
        """The body as text; see `RawResponse.text`."""
        return text_of(self.body, self.headers)

    def __repr__(self) -> str:
        return f"<labgate upload answered: {self.status} {printable(self.reason, 100)}>"


def text_of(body: bytes, headers: Headers) -> str:
    """A body in the character set that its reply names, else in UTF-8."""
    found = _CHARSET.search(headers.get("Content-Type") or "")
    try:
        return body.decode(found[1] if found else "utf-8", "replace")
    except LookupError:
        raise BadReply(
            f"the text is in a character set that is not known here: {printable(found[1] if found else '', 40)}"
        ) from None
