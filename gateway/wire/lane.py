"""What did these bytes mean when they came before? The front lane and the head lane, before the parser.

A client sends nearly the same header lines with every request. What they say is found out once, and looked up by their
exact bytes from then on: the parsed fields, and what a guest has made of them. Whole requests that come again and
again, and whose answer is in memory, are looked up likewise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.core.certificates import PeerCertificate
from gateway.core.reply import Fields
from gateway.wire.head import Head

if TYPE_CHECKING:
    from gateway.wire.guest import Repeat

LONGEST: Final = 4 << 10
"""Bytes of header lines that are remembered at most; among them are raw credentials, which stay nowhere else."""

MOST: Final = 16 << 20
"""Bytes of all that is remembered."""

SMALL_BODY: Final = 4 << 10
"""Bytes of an answer's body up to which the whole answer is worth being kept ready for a request that comes again."""

_EACH: Final = 16 << 10
"""Bytes that an entry takes beside its key, with what a guest may note about it, at most about."""

_EACH_REQUEST: Final = 640
_A_SIGHTING: Final = 512
"""Bytes of room for each request that is told apart of those that came once; by a number, which tells nothing of it."""


class Seen:
    """What some header lines say, of a request whose verb is not HEAD and of one whose is."""

    __slots__ = ("bodiless", "certificate", "fields", "head", "notes", "terms")

    def __init__(
        self, head: Head, bodiless: Head, fields: Fields, certificate: PeerCertificate | None = None
    ) -> None:
        self.head = head
        self.bodiless = bodiless
        self.fields = fields
        self.certificate = certificate
        """What the connections have shown on which these lines are known."""
        self.notes: Any = None
        """What a guest has found out, and will not have to again."""
        self.terms: dict[bytes, Any] = {}
        """What holds for requests of these lines (verb and target) to the gate's own `/rpc`."""


class Lane:
    """Two bounded memos: of header lines, and of whole requests. They hold credentials, so nothing of them is shown."""

    __slots__ = ("__weakref__", "_most", "_seen", "_sighted", "_size", "on", "requests")

    def __init__(self, most: int = MOST) -> None:
        """`most` is how many bytes are remembered."""
        self.on = True
        self._most = most
        self._seen: dict[bytes, Seen] = {}
        self.requests: dict[bytes, Repeat] = {}
        """What is known of requests by their very bytes, head and body; always the same dict."""
        self._sighted: set[int] = set()
        self._size = 0

    def __len__(self) -> int:
        return len(self._seen) + len(self.requests)

    def get(self, lines: bytes) -> Seen | None:
        """What these lines mean, if they came before: from the version of the request line to the empty line."""
        return self._seen.get(lines)

    def put(self, lines: bytes, seen: Seen) -> None:
        """Remember, if there is room; when there is none, everything is forgotten first."""
        if not self.on or len(lines) > LONGEST:
            return
        size = 0 if lines in self._seen else len(lines) + _EACH
        if self._size + size > self._most:
            self.clear()
        self._size += size
        self._seen[lines] = seen

    def comes_again(self, data: bytes) -> bool:
        """Whether this request came before, and is worth remembering: most never come again."""
        mark = hash(data)
        if mark in self._sighted:
            return self.on and len(data) <= LONGEST
        if len(self._sighted) >= self._most // _A_SIGHTING:
            self._sighted.clear()
        self._sighted.add(mark)
        return False

    def put_request(self, data: bytes, size: int, known: Repeat) -> None:
        """Remember what is known of a whole request, if there is room; `size` is what that takes beside its usual parts.

        Where there is none, what is remembered stays: requests that come in turn would push each other out.
        """
        taken = 0 if data in self.requests else len(data) + size + _EACH_REQUEST
        if self.on and len(data) <= LONGEST and self._size + taken <= self._most:
            self._size += taken
            self.requests[data] = known

    def clear(self) -> None:
        """Forget everything."""
        self._seen.clear()
        self.requests.clear()
        self._size = 0
