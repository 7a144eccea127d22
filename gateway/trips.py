"""How do equal requests wait for the trip of one of them, and how do they learn what became of it?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from enum import Enum, auto
from typing import Final

from cachetools import LRUCache

from gateway.core.ports import Lead, Shared
from gateway.core.waiting import Coming, patience

LOOK_SECONDS: Final = 1.0
"""From one look at how far a trip is that is waited for to the next."""
_VAIN_SECONDS: Final = 60.0
"""For how long nobody waits for replies to a request of which one was not stored."""
_MOST_VAIN: Final = 10_000


class Waited(Enum):
    """How waiting for a trip ended."""

    STORED = auto()
    """Its reply is stored: look again."""
    NOT_STORED = auto()
    IN_VAIN = auto()
    """Its reply is for others, or takes too long."""
    JOINED = auto()
    """Whoever waited reads its reply while it comes."""


class Trip:
    """A trip to a service whose reply others wait for, if it turns out to be theirs too."""

    def __init__(self, forget: Callable[[], None]) -> None:
        self._landed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._begun: asyncio.Future[None] | None = None
        self._forget = forget
        self.lead: Lead | None = None
        """The lead among all processes, where others may be on the way for the same."""
        self.coming: Callable[[], Coming] | None = None
        """How far its answer is, where that has begun and will be stored."""
        self.share: Callable[[], Shared | None] | None = None
        """Have its answer, which has begun, read by others while it comes; None where it cannot be."""
        self.deserted = False
        """Whether it ended because its caller went away, so that somebody else may begin it anew."""

    def begins(self, coming: Callable[[], Coming], share: Callable[[], Shared | None]) -> None:
        """Its answer begins, and will be stored."""
        self.coming, self.share = coming, share
        if self._begun is not None and not self._begun.done():
            self._begun.set_result(None)

    def land(self, *, shared: bool) -> None:
        """It is over; `shared` = its reply is stored, so that whoever waited looks again."""
        if not self._landed.done():
            self._forget()
            self._landed.set_result(shared)
            if self.lead is not None:
                self.lead.release()

    async def over(self, seconds: float, unseen: float, join: Callable[[Shared], bool]) -> Waited:
        """Wait until it has landed, or its answer can be read while it comes: `join` does so, unless it is another's.

        At most for so many seconds; `unseen`: see `patience`.
        """
        clock = asyncio.get_running_loop().time
        began = now = clock()
        while not self._landed.done():
            shared = None if self.share is None else self.share()
            if shared is not None:
                return Waited.JOINED if join(shared) else Waited.IN_VAIN
            coming = None if self.coming is None else self.coming()
            more = min(patience(coming, now - began, now, unseen), began + seconds - now)
            if more <= 0:
                return Waited.IN_VAIN
            await self._news(min(more, LOOK_SECONDS))
            now = clock()
        return Waited.STORED if self._landed.result() else Waited.NOT_STORED

    async def _news(self, seconds: float) -> None:
        awaited: list[asyncio.Future[bool] | asyncio.Future[None]] = [self._landed]
        if self.share is None:
            self._begun = self._begun or asyncio.get_running_loop().create_future()
            awaited.append(self._begun)
        await asyncio.wait(awaited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)


class Trips:
    """The trips of this process that others may wait for, by what they are for."""

    def __init__(self) -> None:
        self._trips: dict[Hashable, Trip] = {}
        self.find = self._trips.get
        # By hash: a key may be long, and two that are taken for one make a trip more.
        self._vain: LRUCache[int, float] = LRUCache(_MOST_VAIN)

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._trips)

    def begin(self, key: Hashable) -> Trip:
        """Begin a trip for which others may wait; it must land."""
        self._trips[key] = made = Trip(lambda: self._forget(key))
        return made

    def _forget(self, key: Hashable) -> None:
        self._trips.pop(key, None)

    def in_vain(self, root: bytes, now: float) -> None:
        """A reply to such a request was not stored, though a rule speaks of it: nobody need wait for the next ones, for a while."""
        self._vain[hash(root)] = now + _VAIN_SECONDS

    def is_in_vain(self, root: bytes, now: float) -> bool:
        """Whether that was the case a moment ago."""
        return bool(self._vain) and now < self._vain.get(hash(root), 0.0)

    def was_stored(self, root: bytes) -> None:
        """A reply to such a request was stored: it is worth waiting for the next ones."""
        self._vain.pop(hash(root), None)
