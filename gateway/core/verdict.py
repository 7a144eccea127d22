"""May a stored reply answer this call, and why (not)?"""

from __future__ import annotations

from functools import lru_cache
from io import FileIO
from typing import Literal

from msgspec import Struct

from gateway.core.method import CacheRule


class HttpHead(Struct, frozen=True, gc=False):
    """The head of a stored HTTP reply, as the upstream sent it.

    `ready` is its status line and lines as callers get them, where nothing of it has to be changed for them; made when
    it is stored, empty where it has to be made for each caller.
    """

    status: int
    reason: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    ready: bytes = b""


class Extent(Struct, frozen=True, eq=False):
    """A body that is part of an open file; the file is closed when nobody has it any more."""

    file: FileIO
    offset: int
    length: int


class Entry(Struct, frozen=True, gc=False):
    """A stored reply.

    Times are seconds since 1970. `generations` and `epoch` were read before the trip that brought the reply,
    and must still hold when it is used.
    """

    key: bytes
    kind: Literal["result", "error", "http"]
    body: bytes
    """Of a part of replies it may be a `memoryview`: see `Parts.keep`."""
    stored: float
    fresh_until: float
    stale_until: float
    epoch: int
    generations: tuple[int, ...]
    head: HttpHead | None = None
    aged: int = 0
    """How old the reply was when it came, in whole seconds (the corrected initial age of RFC 9111 section 4.2.3)."""
    extent: Extent | None = None
    """Where the body is, if it is in no memory: `body` is empty then."""
    refresh_until: float = 0.0
    """Until when it answers at once although it is stale, while one refresh runs; `stale_until` is for a service that fails."""
    validate: bool = False
    """Whether the service has to be asked each time whether it still holds (`no-cache`)."""
    strict: bool = False
    """Whether it never answers when it is stale, whatever a caller puts up with (`must-revalidate` and its like)."""
    vary: tuple[bytes, ...] = ()
    """The names that tell replies under this key apart, in lower case. Such an entry is a signpost: it has no head and no
    body, and the replies lie under the key and the values of these fields."""
    lineage: tuple[str, ...] = ()
    """The names whose counters `generations` are, for tiers that other hosts share; () where none is to store it."""
    pin: bool = False
    """Whether its rule wants tiers to let others go before it."""

    @property
    def length(self) -> int:
        """How long the body is, in bytes."""
        return len(self.body) if self.extent is None else self.extent.length

    @property
    def size(self) -> int:
        """What the entry takes in memory, in bytes, about."""
        head = self.head
        fields = () if head is None else head.fields
        return (
            len(self.key)
            + len(self.body)
            + (0 if head is None else len(head.ready))
            + OVERHEAD
            + sum(len(name) + len(value) + 150 for name, value in fields)
        )


OVERHEAD = 410
"""Bytes that an entry takes beside its body and key: the struct, its numbers and its place in the tier."""


class Hit(Struct, frozen=True, gc=False):
    """The entry answers the call; `tier` is the farther tier that it was found in, empty for memory."""

    entry: Entry
    tier: str = ""


class Stale(Struct, frozen=True, gc=False):
    """The entry is past its freshness, but the rule lets it answer while a refresh runs; `why` it is stale, `tier` as above."""

    entry: Entry
    key: bytes
    generations: tuple[int, ...]
    epoch: int
    rule: CacheRule
    why: str
    tier: str = ""
    lineage: tuple[str, ...] = ()


class Miss(Struct, frozen=True, gc=False):
    """Nothing stored will do; the reply to come may be shared under `key` and stored by `rule`."""

    key: bytes
    generations: tuple[int, ...]
    epoch: int
    rule: CacheRule
    why: str
    lineage: tuple[str, ...] = ()


class Pass(Struct, frozen=True, gc=False):
    """The cache has no part in this call."""

    why: str


Verdict = Hit | Stale | Miss | Pass


@lru_cache(256)
def pass_for(why: str) -> Pass:
    """The verdict for this reason, made once: there are a handful of them."""
    return Pass(why)
