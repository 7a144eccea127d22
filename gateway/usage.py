"""When is it written down who uses what? Every half minute, by a thread, and once more when the gate ends."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from gateway.core.usage import By, Use, Uses, told

log = logging.getLogger("labgate.usage")

EVERY: Final = 30.0
"""Seconds from one time to the next."""


class Store(Protocol):
    """Where it is written."""

    def write(self, uses: Sequence[Use], now: float) -> None:
        """Add to what is there. Raises `sqlite3.Error` and OSError."""

    def read(self, since: float) -> list[Use]:
        """What was used since then (seconds since 1970). It raises the same."""


class UsageBook:
    """What this process has counted, and how it comes to the store that all workers share."""

    def __init__(
        self, uses: Uses, gather: Callable[[], None], store: Store, wall: Callable[[], float]
    ) -> None:
        """`gather` has counted what lanes have answered; `wall` tells seconds since 1970."""
        self.failed = 0
        """How often it could not be written."""
        self._uses = uses
        self._gather = gather
        self._store = store
        self._wall = wall
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        """Write again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await self.write()

    async def write(self) -> None:
        """Write what was counted since the last time; what cannot be written waits for the next."""
        async with self._writing:
            self._gather()
            now = self._wall()
            uses = self._uses.take(now)
            if not uses:
                return
            try:
                await asyncio.to_thread(self._store.write, uses, now)
            except (sqlite3.Error, OSError) as error:
                self._uses.give_back(uses)
                if not self.failed:
                    log.warning("who uses what cannot be written down: %s", error)
                self.failed += 1
            except asyncio.CancelledError:
                raise  # the thread goes on, and ends what it began

    async def told(self, by: By, since: float) -> list[dict[str, Any]]:
        """What was used since then, by whatever is asked for. Raises `sqlite3.Error` and OSError."""
        await self.write()
        uses = await asyncio.to_thread(self._store.read, since)
        return await asyncio.to_thread(told, uses, by)
