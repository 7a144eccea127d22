"""How does a reply get into the cache while it passes?"""

from __future__ import annotations

from gateway.core.heads import AnswerHead
from gateway.core.http_storing import Storing, head_of
from gateway.core.verdict import Entry, Miss
from gateway.http_book import HttpBook, Wanted


class Keeping:
    """One reply on its way into the cache: what passes is written here too, and stored when it is whole."""

    def __init__(
        self,
        book: HttpBook,
        wanted: Wanted,
        miss: Miss,
        how: Storing,
        head: AnswerHead,
        requested: float,
        received: float,
    ) -> None:
        """`how` is what was decided of its head, which came at `received` to a request of then (seconds since 1970)."""
        self._requested = requested
        self._book = book
        self._wanted = wanted
        self._miss = miss
        self._how = how
        self._head = head
        self._received = received
        self._parts: list[bytes] = []
        self._left = wanted.rule.max_size

    def write(self, data: bytes) -> bool:
        """Take some of the body; False if it is too much by now, and nothing will be stored."""
        self._left -= len(data)
        if self._left < 0:
            return False
        self._parts.append(data)
        return True

    def seal(self) -> Entry | None:
        """The body is whole: store it. The entry, or None if it was not."""
        body, how = b"".join(self._parts), self._how
        wanted = self._wanted.for_result(body)
        if wanted is not self._wanted:
            head = self._head
            again = self._book.how(wanted, head.status, head.fields, self._requested, self._received)
            if isinstance(again, str):
                return None
            how = again
        made = head_of(self._head.status, self._head.reason, how.fields)
        return self._book.store(wanted, self._miss, how, made, body, self._received)
