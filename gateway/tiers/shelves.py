"""Which farther tier has an entry, and how does an entry get there without anybody waiting?"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from gateway.core.ports import FarTier, Spool
from gateway.core.verdict import Entry
from gateway.tiers.spool import MemorySpool, SpoolFolder, TieredSpool

log = logging.getLogger("labgate.tiers")

PATIENCE: Final = 2.0
"""Seconds after which a tier that does not answer is as good as one that has nothing."""
UNDER_WAY: Final = 512
"""Entries that are being stored at once; what comes beyond is not stored."""


class Shelves:
    """The farther tiers, nearest first. It never raises: what fails is as good as absent."""

    def __init__(
        self, tiers: Sequence[FarTier], folder: SpoolFolder | None = None, patience: float = PATIENCE
    ) -> None:
        """`folder` is where long bodies lie that are not whole yet; without one they stay in memory.

        `patience` is how many seconds one tier may take to answer.
        """
        self._patience = patience
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
        return any(tier.may_have(service) for tier in self.tiers)

    async def get(self, key: bytes) -> tuple[Entry, str] | None:
        """The entry under the key and the name of the tier that has it."""
        for tier in self.tiers:
            try:
                async with asyncio.timeout(self._patience):
                    entry = await tier.get(key)
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
        self._begin(self._put(entry))
        return True

    def forget(self, key: bytes) -> None:
        """Have the key forgotten in every tier, in the background."""
        self._begin(self.drop(key))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _put(self, entry: Entry) -> None:
        for tier in self.tiers:
            await tier.put(entry)

    async def drop(self, key: bytes) -> None:
        """Forget the key in every tier."""
        for tier in self.tiers:
            await tier.drop(key)

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
