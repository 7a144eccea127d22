"""How does a reply get into the cache while it passes?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from gateway.core.heads import AnswerHead
from gateway.core.http_storing import Storing, head_of
from gateway.core.method import CacheRule
from gateway.core.ports import Spool
from gateway.core.reply import Reply, Whole
from gateway.core.verdict import Entry, Extent, Miss
from gateway.http_book import Wanted
from gateway.relay import Relay

SHORT: Final = 256 << 10
"""Bytes of a body up to which it waits in memory and is stored at once; longer ones go where the tiers want them."""


class Kept(Struct, frozen=True):
    """A reply that is to be stored: the request as the cache sees it, the verdict, what was decided of the head, and when.

    That was decided for `rule`; it may turn out to be another one. `requested` and `received` are seconds since 1970.
    """

    wanted: Wanted
    miss: Miss
    how: Storing
    head: AnswerHead
    requested: float
    received: float
    rule: CacheRule


class Keeping:
    """One reply on its way into the cache: what passes is written here too, and stored when it is whole."""

    def __init__(self, relay: Relay, kept: Kept, pace: Callable[[bool], None] | None = None) -> None:
        """`pace` is told True when whoever sends should wait for a disk, and False when they may go on."""
        self._relay = relay
        self._kept = kept
        self._pace = pace
        self._parts: list[bytes] = []
        self._size = 0
        self._spool: Spool | None = None
        self._lost = False

    def write(self, data: bytes) -> bool:
        """Take some of the body; False if it is too much by now, and nothing will be stored."""
        if self._lost:
            return False
        self._size += len(data)
        if self._size > self._kept.wanted.rule.max_size:
            self.abandon()
            return False
        if self._spool is None and self._size > SHORT:
            self._spool = self._relay.store.spool(self._kept.miss.rule.max_size, self._pace)
            if self._spool is not None:
                whole, self._parts = b"".join(self._parts), []
                return self._spool.write(whole + data)
        if self._spool is not None:
            return self._spool.write(data)
        if self._size > self._relay.store.largest:
            self.abandon()
            return False
        self._parts.append(data)
        return True

    def abandon(self) -> None:
        """The body does not come to its end, or is not wanted: nothing of it stays."""
        self._lost = True
        self._parts = []
        if self._spool is not None:
            self._spool.discard()

    def seal(self, done: Callable[[Entry | None], None]) -> None:
        """The body is whole: store it, and tell the entry, or None if it was not stored; at once, or beside."""
        spool = self._spool
        if self._lost:
            done(None)
        elif spool is None:
            done(self._store(b"".join(self._parts)))
        else:
            self._relay.beside(("keeping", id(self)), lambda: self._sealed(spool, done))

    async def _sealed(self, spool: Spool, done: Callable[[Entry | None], None]) -> Reply:
        body = await spool.seal()
        entry = None if body is None else self._store(body)
        done(entry)
        return Reply("http", Whole(b""), self._kept.miss, stored=entry is not None)

    def _store(self, body: bytes | Extent) -> Entry | None:
        kept, book = self._kept, self._relay.book
        # What lies in a file is too large for conditions on its members.
        wanted, how = (
            kept.wanted.for_result(body if isinstance(body, bytes) else b"", kept.received),
            kept.how,
        )
        if (wanted.rule.fresh, wanted.rule.stale) != (kept.rule.fresh, kept.rule.stale):
            head = kept.head
            again = book.how(wanted, head.status, head.fields, kept.requested, kept.received)
            if isinstance(again, str):
                return None
            how = again
        made = head_of(kept.head.status, kept.head.reason, how.fields)
        return book.store(wanted, kept.miss, how, made, body, kept.received)
