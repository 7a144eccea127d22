"""How does a part of a reply get into the cache while it passes?"""

from __future__ import annotations

from gateway.core.parts import LARGEST
from gateway.core.verdict import Entry, Extent
from gateway.doors.keeping import Keeping
from gateway.http_parts import store_part


class PartKeeping(Keeping):
    """The part that a 206 is, on its way into memory; there it is put together with others of the same."""

    def write(self, data: bytes) -> bool:
        """Take some of the part; False if it is too much by now, and nothing will be stored."""
        if self._lost:
            return False
        self._size += len(data)
        if self._size > min(LARGEST, self._kept.wanted.rule.max_size):
            self.abandon()
            return False
        self._parts.append(data)
        return True

    def _store(self, body: bytes | Extent) -> Entry | None:
        kept = self._kept
        if not isinstance(body, bytes):
            return None
        return store_part(self._relay.book, kept.wanted, kept.miss, kept.how, body, kept.received)
