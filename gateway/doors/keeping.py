"""How does a reply get into the cache while it passes?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from gateway.core.heads import AnswerHead
from gateway.core.http_storing import Storing, head_of
from gateway.core.method import CacheRule
from gateway.core.pieces import Part, after, without_first
from gateway.core.ports import Spool
from gateway.core.reply import Reply, Whole
from gateway.core.verdict import Entry, Extent, Miss
from gateway.core.wanted import Wanted
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
    """One reply on its way into the cache: what passes is written here too, and stored when it is whole.

    Others may read it meanwhile (`share`). They get all of it, whether it will be stored or not.
    """

    def __init__(self, relay: Relay, kept: Kept, pace: Callable[[bool], None] | None = None) -> None:
        """`pace` is told True when whoever sends should wait for a disk, and False when they may go on."""
        self._relay = relay
        self._kept = kept
        self._pace = pace
        self._parts: list[bytes] = []
        self._begin = 0  # where the first part begins
        self._size = 0
        self._spool: Spool | None = None
        self._shared = False
        self._lost = False

    def write(self, data: bytes) -> bool:
        """Take some of the body; False if it is too much by now, and nothing will be stored."""
        self._size += len(data)
        if not self._lost:
            self._find_room()
        if self._shared or not self._lost:
            self._put(data)
        return not self._lost

    def _find_room(self) -> None:
        """See to it that what comes next can be kept, or give up."""
        if self._size > self._kept.wanted.rule.max_size:
            self.abandon()
            return
        if self._spool is None and self._size > SHORT:
            self._spool = self._relay.store.spool(self._kept.miss.rule.max_size, self._pace)
            if self._spool is not None:
                if self._shared:
                    self._spool.share()
                whole, self._parts = b"".join(self._parts), []
                self._put(whole)
        if self._spool is None and self._size > self._relay.store.largest:
            self.abandon()

    def _put(self, data: bytes) -> None:
        if self._spool is None:
            self._parts.append(data)
        elif not self._spool.write(data):
            self._lost = True

    def abandon(self) -> None:
        """The body does not come to its end, or is not wanted: nothing of it stays but what is to be read yet."""
        self._lost = True
        if not self._shared:
            self._parts = []
        if self._spool is not None:
            self._spool.discard()

    # --- read meanwhile

    def share(self) -> bool:
        """Have others read it from here on; False where the whole of it decides what it is worth, or it is lost."""
        if self._lost or self._kept.wanted.rule.needs_result:
            return False
        self._shared = True
        if self._spool is not None:
            self._spool.share()
        return True

    def since(self, at: int, most: int) -> list[Part]:
        """What was written from the place `at` on; see `gateway.core.ports.Spool`."""
        if self._spool is not None:
            return self._spool.since(at, most)
        return after(self._parts, self._begin, at, most)

    def forget(self, upto: int) -> None:
        """Nobody reads what comes before this place any more."""
        if self._spool is not None:
            self._spool.forget(upto)
        elif self._lost:
            self._begin = without_first(self._parts, self._begin, upto)

    def entry_for(self, wanted: Wanted, now: float) -> Entry | None:
        """The entry that it will be, where that is the one that answers this request at `now` (seconds since 1970)."""
        kept, book = self._kept, self._relay.book
        decided = self._decided(b"")
        if decided is None:
            return None
        ours, how = decided
        head = head_of(kept.head.status, kept.head.reason, how.fields)
        entry, theirs = (book.foreseen(one, kept.miss, how, head, kept.received) for one in (ours, wanted))
        return entry if theirs.key == entry.key and book.answers(wanted, entry, now) else None

    # --- the end

    def seal(self, done: Callable[[Entry | None], None]) -> None:
        """The body is whole: store it, and tell the entry, or None if it was not stored; at once, or beside."""
        spool = self._spool
        if self._lost:
            done(None)
        elif spool is None:
            whole = b"".join(self._parts)
            self._parts = [whole]  # whoever still reads it does so from what is stored
            done(self._store(whole))
        else:
            self._relay.beside(("keeping", id(self)), lambda: self._sealed(spool, done))

    async def _sealed(self, spool: Spool, done: Callable[[Entry | None], None]) -> Reply:
        body = await spool.seal()
        entry = None if body is None else self._store(body)
        done(entry)
        return Reply("http", Whole(b""), self._kept.miss, stored=entry is not None)

    def _store(self, body: bytes | Extent) -> Entry | None:
        kept = self._kept
        # What lies in a file is too large for conditions on its members.
        decided = self._decided(body if isinstance(body, bytes) else b"")
        if decided is None:
            return None
        wanted, how = decided
        made = head_of(kept.head.status, kept.head.reason, how.fields)
        return self._relay.book.store(wanted, kept.miss, how, made, body, kept.received)

    def _decided(self, body: bytes) -> tuple[Wanted, Storing] | None:
        """The request and how its reply is stored by the rule as it holds for this body; None if it is not."""
        kept, book = self._kept, self._relay.book
        wanted = kept.wanted.for_result(body, kept.received)
        if (wanted.rule.fresh, wanted.rule.stale) == (kept.rule.fresh, kept.rule.stale):
            return wanted, kept.how
        head = kept.head
        again = book.how(wanted, head.status, head.fields, kept.requested, kept.received)
        return None if isinstance(again, str) else (wanted, again)
