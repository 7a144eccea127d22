"""Where is what was stored, and where does a new entry go? Memory at once, the farther tiers without anybody waiting."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from gateway.core.ports import FarTiers, Lead, Sought, Spool, Tier
from gateway.core.switches import Switches
from gateway.core.verdict import Entry

PROMOTED: Final = 1 << 20
"""Bytes of a body up to which one that a farther tier has in a file is taken into memory."""


class Store:
    """The tiers as the rule books see them; nothing is judged here."""

    def __init__(self, memory: Tier, far: FarTiers | None, switches: Switches) -> None:
        """`far` are the farther tiers, None where there are none."""
        self.get = memory.get
        """The entry that memory has under a key."""
        self._memory = memory
        self._far = far
        self._switches = switches

    @property
    def largest(self) -> int:
        """How many bytes of a body are worth being gathered: more than some tier takes are stored nowhere."""
        return self._memory.largest if self._far is None else sys.maxsize

    def has(self, entry: Entry) -> bool:
        """Whether memory still has this very entry."""
        return self.get(entry.key) is entry

    def put(self, entry: Entry) -> bool:
        """Memory takes what is in no file; the farther tiers get everything, without anybody waiting for them."""
        kept = entry.extent is None and self.put_near(entry)
        return (self._far is not None and self._far.put(entry)) or kept

    def put_near(self, entry: Entry) -> bool:
        """Store in memory alone."""
        return self._memory.put(entry.key, entry)

    def forget(self, key: bytes) -> None:
        """Neither memory nor the farther tiers have this key any more; nobody waits for them."""
        self._memory.drop(key)
        if self._far is not None:
            self._far.forget(key)

    def spool(self, most: int, pace: Callable[[bool], None] | None = None) -> Spool | None:
        """Where the body of a reply goes while it passes, at most so many bytes; None without farther tiers.

        `pace` is told True when whoever sends should wait for the disk, and False when they may go on.
        """
        return None if self._far is None else self._far.spool(most, pace)

    # --- farther away

    def reaches(self, service: str) -> bool:
        """Whether farther tiers may have replies of the service: it is worth waiting for `from_afar`."""
        return self._far is not None and self._switches.cache and self._far.may_have(service)

    async def from_afar(self, key: bytes, sought: Sought | None = None) -> tuple[Entry, str] | None:
        """What the farther tiers have under a key, and the tier's name; nobody has judged it.

        Memory has it from here on, unless its body is long: that stays in its file.
        """
        found = None if self._far is None else await self._far.get(key, sought)
        if found is None:
            return None
        entry, tier = found
        if entry.extent is not None and entry.length <= PROMOTED:
            read = await self.in_memory(entry)
            if read is None:
                return None
            entry = read
        if entry.extent is None:
            known = self.get(key)
            if known is None or known.stored <= entry.stored:  # else a trip has ended meanwhile
                self.put_near(entry)
        return entry, tier

    @property
    def agrees(self) -> bool:
        """Whether other processes may have to be asked for the lead before a trip."""
        return self._far is not None and self._far.agrees

    async def lead(self, sought: Sought, patience: float) -> Lead | None:
        """The lead among all processes that share the farther tiers; see `FarTiers.lead`."""
        return None if self._far is None else await self._far.lead(sought, patience)

    async def in_memory(self, entry: Entry) -> Entry | None:
        """The same entry with its body at hand; None if it cannot be read."""
        body = None if self._far is None else await self._far.body(entry)
        return None if body is None else replace(entry, body=body, extent=None)
