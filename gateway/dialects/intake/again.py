"""What was answered a moment ago, to the same request, out of what memory still has? It is not made anew, but judged anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cachetools import LRUCache
from msgspec import Struct

from gateway.core.call import Params
from gateway.core.method import Method
from gateway.core.service import Service
from gateway.core.verdict import Entry

Key = tuple[str, str, str, bytes | None, bytes]
"""The service's qualified name, issuer and subject of who asks, and the field and the body that say what is asked for."""

_MOST: Final = 4 << 20
_LONGEST: Final = 64 << 10
"""Bytes of one request, its answer, and what that is made of."""


class Ground(Struct, frozen=True):
    """A hidden call that memory answered, and what it had."""

    method: Method
    ask: Params
    entry: Entry


class Made(Struct, frozen=True):
    """An answer, which is right as long as memory has what it was made of.

    `method` is what its caller must be allowed. `body` None = it is what memory has for `part`, whatever that is by then.
    """

    service: Service
    method: str
    grounds: tuple[Ground, ...]
    body: bytes | None
    part: tuple[Method, Params] | None
    size: int


class Again:
    """Answers that were made lately, the least recently used of which go first."""

    def __init__(self) -> None:
        self._made: LRUCache[Key, Made] = LRUCache(_MOST, getsizeof=lambda made: made.size)

    def find(self, key: Key, service: Service) -> Made | None:
        """What was made for such a request under the same settings."""
        made = self._made.get(key)
        return made if made is not None and made.service is service else None

    def note(self, key: Key, service: Service, method: str, grounds: Sequence[Ground], body: bytes) -> None:
        """Keep an answer of which memory had all; of what is the last part itself, only which part that is."""
        *before, last = grounds
        is_part = last.entry.body is body
        known = tuple(before if is_part else grounds)
        size = len(key[-1]) + sum(ground.entry.size for ground in known) + (0 if is_part else len(body))
        if size <= _LONGEST:
            part = (last.method, last.ask) if is_part else None
            self._made[key] = Made(service, method, known, None if is_part else body, part, size)
