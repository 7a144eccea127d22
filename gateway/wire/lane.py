"""What did these header lines mean when they came before? The head lane, in front of the parser.

A client sends nearly the same header lines with every request. What they say is found out once, and looked up by their
exact bytes from then on: the parsed fields, and what a guest has made of them.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.core.reply import Fields
from gateway.wire.head import Head

LONGEST: Final = 4 << 10
"""Bytes of header lines that are remembered at most; among them are raw credentials, which stay nowhere else."""

MOST: Final = 16 << 20
"""Bytes of all that is remembered."""

_EACH: Final = 16 << 10
"""Bytes that an entry takes beside its key, with what a guest may note about it, at most about."""


class Seen:
    """What some header lines say, of a request whose verb is not HEAD and of one whose is."""

    __slots__ = ("bodiless", "fields", "head", "notes")

    def __init__(self, head: Head, bodiless: Head, fields: Fields) -> None:
        self.head = head
        self.bodiless = bodiless
        self.fields = fields
        self.notes: Any = None
        """What a guest has found out, and will not have to again."""


class Lane:
    """A bounded memo. It holds credentials, so nothing of it is ever shown."""

    __slots__ = ("_seen", "_size", "on")

    def __init__(self) -> None:
        self.on = True
        self._seen: dict[bytes, Seen] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._seen)

    def get(self, lines: bytes) -> Seen | None:
        """What these lines mean, if they came before: from the version of the request line to the empty line."""
        return self._seen.get(lines)

    def put(self, lines: bytes, seen: Seen) -> None:
        """Remember, if there is room; when there is none, everything is forgotten first."""
        if not self.on or len(lines) > LONGEST:
            return
        size = 0 if lines in self._seen else len(lines) + _EACH
        if self._size + size > MOST:
            self.clear()
        self._seen[lines] = seen
        self._size += size

    def clear(self) -> None:
        """Forget everything."""
        self._seen.clear()
        self._size = 0
