"""Which farther tier has an entry, and how does an entry get there without anybody waiting?"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from gateway.core.keys import service_of
from gateway.core.ports import FarTier, Sought, Spool
from gateway.core.verdict import Entry
from gateway.tiers.leads import Leads
from gateway.tiers.spool import MemorySpool, TieredSpool
from gateway.tiers.spool_file import SpoolFolder

log = logging.getLogger("labgate.tiers")

PATIENCE: Final = 2.0
"""Seconds after which a tier that does not answer is as good as one that has nothing."""
_SHORTEST: Final = 0.002
_LONGEST: Final = 0.05
"""Seconds from one look whether somebody else is still on the way to the next."""
UNDER_WAY: Final = 512
"""Entries that are being stored at once; what comes beyond is not stored."""


class Shelves:
    """The farther tiers, nearest first. It never raises: what fails is as good as absent."""

    def __init__(
        self,
        tiers: Sequence[FarTier],
        folder: SpoolFolder | None = None,
        patience: float = PATIENCE,
        leads: Sequence[Leads] = (),
    ) -> None:
        """`folder` is where long bodies lie that are not whole yet; without one they stay in memory.

        `patience` is how many seconds one tier may take to answer. `leads`, nearest first, are for the processes that
        share the tiers.
        """
        self._patience = patience
        self._leads = tuple(leads)
        self._storing: dict[bytes, tuple[Entry, asyncio.Task[None]]] = {}
        self.tiers = tuple(tiers)
        self._folder = folder
        self._under_way: set[asyncio.Task[None]] = set()
        self.refused = 0
        """Entries that were not stored because too many were on their way."""

    @property
    def storing(self) -> int:
        """How many entries are on their way into the tiers."""
        return len(self._under_way)

    def may_have(self, service: str) -> bool:
        """Whether it is worth asking for entries of this service (by its qualified name)."""
        return any(tier.may_have(service) for tier in self.tiers) or any(
            service_of(key) == service for key in self._storing
        )

    async def get(self, key: bytes, sought: Sought | None = None) -> tuple[Entry, str] | None:
        """The entry under the key and the name of the tier that has it, or will have it in a moment; `sought` as in `FarTier.get`."""
        storing = self._storing.get(key)
        if storing is not None:
            return storing[0], self.tiers[0].name
        for tier in self.tiers:
            try:
                async with asyncio.timeout(self._patience):
                    entry = await tier.get(key, sought)
            except TimeoutError:
                continue
            if entry is not None:
                return entry, tier.name
        return None

    async def body(self, entry: Entry) -> bytes | None:
        """The entry's whole body in memory; None if it cannot be read, or not in time."""
        extent = entry.extent
        if extent is None:
            return entry.body
        try:
            read = await asyncio.to_thread(_read, extent.file.fileno(), extent.offset, extent.length)
        except (OSError, ValueError):
            return None
        return read if len(read) == extent.length else None

    def put(self, entry: Entry) -> bool:
        """Have it stored in every tier, in the background; False if too much is on its way already."""
        if not self.tiers or len(self._under_way) >= UNDER_WAY:
            self.refused += 1
            return False
        task = self._begin(self._put(entry))
        self._storing[entry.key] = entry, task
        task.add_done_callback(lambda _: self._stored(entry))
        return True

    def _stored(self, entry: Entry) -> None:
        storing = self._storing.get(entry.key)
        if storing is not None and storing[0] is entry:
            del self._storing[entry.key]

    def forget(self, key: bytes) -> None:
        """Have the key forgotten in every tier, in the background."""
        self._storing.pop(key, None)
        self._begin(self._drop(key))

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _put(self, entry: Entry) -> None:
        for tier in self.tiers:
            await tier.put(entry)

    async def drop(self, key: bytes) -> None:
        """Forget the key in every tier."""
        self._storing.pop(key, None)
        await self._drop(key)

    async def _drop(self, key: bytes) -> None:
        for tier in self.tiers:
            await tier.drop(key)

    # --- who goes

    @property
    def agrees(self) -> bool:
        """Whether there may be other processes that have to be asked for the lead."""
        return bool(self._leads)

    async def lead(self, sought: Sought, patience: float) -> Turn | None:
        """The lead, or what was had of waiting for who has it; None after so many seconds, or with nobody to agree with."""
        until = asyncio.get_running_loop().time() + patience
        held: list[Leads] = []
        # Those who share a tier are more than those nearer, who need not be asked then.
        told = {leads: answer for leads in self._leads if (answer := leads.told(sought)) is not None}
        try:
            for leads in told or self._leads:
                taken = told[leads] if told else await leads.take(sought)
                if taken is False:
                    waited = await _wait(leads, sought, until)
                    self._leave(held, sought)
                    return Turn(None) if waited else None
                if taken:
                    held.append(leads)
        except BaseException:
            self._leave(held, sought)
            raise
        return Turn(lambda: self._leave(held, sought)) if held else None

    def _leave(self, held: Sequence[Leads], sought: Sought) -> None:
        if held:
            self._begin(self._let_go(held, sought))

    async def _let_go(self, held: Sequence[Leads], sought: Sought) -> None:
        storing = self._storing.get(sought.key)
        if storing is not None:
            await asyncio.wait((storing[1],))
        for leads in reversed(held):
            await leads.leave(sought)

    # --- bodies

    def spool(self, most: int, pace: Callable[[bool], None] | None = None) -> Spool:
        """For a body that may be stored, of at most so many bytes; `pace` as in `TieredSpool`."""
        return MemorySpool(most) if self._folder is None else TieredSpool(self._folder, most, pace)

    async def settle(self, patience: float = PATIENCE) -> None:
        """Wait for what is being stored, at most `patience` seconds; the rest is not stored."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=patience)
        rest = set(self._under_way)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


class Turn:
    """The lead, until it is released; or what is left of having waited for somebody else's."""

    def __init__(self, leave: Callable[[], None] | None) -> None:
        """`leave` gives the lead back; None = there was only somebody to be waited for."""
        self._leave = leave
        self.waited = leave is None

    def release(self) -> None:
        """Give it back, once."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()


async def _wait(leads: Leads, sought: Sought, until: float) -> bool:
    """Wait until nobody is on the way any more; whether that was before `until` (the loop's time).

    The lead is given back at once: if nothing was brought, everybody who has waited goes alone, and nobody in a row.
    """
    pause = _SHORTEST
    while asyncio.get_running_loop().time() + pause < until:
        await asyncio.sleep(pause)
        taken = await leads.take(sought)
        if taken:
            await leads.leave(sought)
        if taken is not False:
            return True
        pause = min(_LONGEST, 1.5 * pause)
    return False


def _read(file: int, offset: int, length: int) -> bytes:
    """So many bytes of an open file from there, or as many as there are. Raises OSError."""
    pieces = []
    while length:
        piece = os.pread(file, min(length, 16 << 20), offset)
        if not piece:
            break
        pieces.append(piece)
        offset, length = offset + len(piece), length - len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
