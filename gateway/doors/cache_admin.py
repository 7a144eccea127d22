"""What does the cache hold, what did it do, and what shall it forget?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from gateway.core import cache_counts
from gateway.core.catalog import Catalog
from gateway.core.entry_rows import Rows
from gateway.core.faults import BadRequest
from gateway.core.naming import shown
from gateway.core.ports import FarTier, Generations
from gateway.core.purging import Purge, address_of, key_of, matching, purge_of
from gateway.core.told_key import told
from gateway.core.verdict import Entry
from gateway.doors.asked import Asked
from gateway.doors.operators_json import json_answer, json_said
from gateway.wire.answer import Answer

SHOWN: Final = 50
"""How many entries are shown where nobody says."""
MOST: Final = 500
"""How many may be asked for."""
LOOK: Final = 10_000
"""How many entries are looked at for those of a method: the ones used last."""
_AT_ONCE: Final = 500
"""How many of them before others have their turn at the event loop."""
_LARGEST: Final = 1 << 20
"""Bytes of a request to purge, whose key may be long."""
_TOLD: Final = 100

log = logging.getLogger("labgate.operator")


class Shelf(Protocol):
    """The tier in memory, as operators look at it."""

    def peek(self, key: bytes) -> Entry | None:
        """The entry under the key, without using it."""

    def recent(self, most: int | None = None) -> list[Entry]:
        """The entries used last, at most so many."""

    def forget(self, key: bytes) -> bool:
        """Forget the key; whether there was something under it."""

    def shed(self, count: int) -> None:
        """Forget so many entries."""

    def __len__(self) -> int: ...


class CacheDoor:
    """`GET /-/cache`: what the tiers hold, and how much they helped, in all and for each method."""

    def __init__(self, status: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
        """`status` is that of the whole gate, however many processes it is."""
        self._status = status

    async def answer(self, asked: Asked) -> Answer:
        """The state, now."""
        status = await self._status()
        cache = status["cache"]
        return json_answer(
            {
                "switch": status["switches"]["cache"],
                "epoch": cache["epoch"],
                "tiers": cache["tiers"],
                **cache_counts.told(cache["by_method"]),
            }
        )


class EntriesDoor:
    """`GET /-/cache/entries?method=GLOB&limit=N&key=HEX`: what is in memory, without its bodies."""

    def __init__(
        self,
        shelf: Shelf,
        generations: Generations,
        catalog: Callable[[], Catalog],
        wall: Callable[[], float],
    ) -> None:
        """`catalog` gives the present one; `wall` tells seconds since 1970."""
        self._shelf = shelf
        self._generations = generations
        self._catalog = catalog
        self._wall = wall
        self._rows: Rows | None = None

    async def answer(self, asked: Asked) -> Answer:
        """The entries as rows; those used last come first, pinned ones before others."""
        query = asked.request.rel_url.query
        stray = next((name for name in query if name not in ("method", "limit", "key")), None)
        if stray is not None:
            raise BadRequest(f"{shown(stray)} is nothing to ask entries by: there are method, limit and key.")
        rows = self._rows_now()
        limit = _limit(query.get("limit"))
        if "key" in query:
            entry = self._shelf.peek(key_of(query["key"]))
            found, looked = ([] if entry is None else [entry]), 1
        else:
            glob = query.get("method")
            names = None if glob is None else frozenset(matching(glob, rows.catalog))
            found, looked = await self._found(rows, names, limit)
        now, epoch, read = self._wall(), self._generations.epoch, self._generations.read
        return json_answer(
            {
                "stored": len(self._shelf),
                "looked_at": looked,
                "entries": [rows.row(entry, "memory", read, epoch, now) for entry in found],
            }
        )

    def _rows_now(self) -> Rows:
        catalog = self._catalog()
        if self._rows is None or self._rows.catalog is not catalog:
            self._rows = Rows(catalog)
        return self._rows

    async def _found(self, rows: Rows, names: frozenset[str] | None, limit: int) -> tuple[list[Entry], int]:
        """The entries of these methods, None = of all, and how many were looked at."""
        if names is None:
            found = self._shelf.recent(limit)
            return found, len(found)
        found = []
        # A copy: others store and forget while this goes on.
        candidates = self._shelf.recent(LOOK)
        for at, entry in enumerate(candidates, 1):
            key = told(entry.key)
            method = rows.method(key) if key is not None else None
            if method is not None and method.qualified in names:
                found.append(entry)
                if len(found) == limit:
                    return found, at
            if at % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return found, len(candidates)


class PurgeDoor:
    """`POST /-/cache/purge`: forgets what its body names.

    By generations, so that it holds in every process and tier at once: what is stored stays where it is, and serves no
    more. A key has no generation of its own.
    """

    def __init__(
        self,
        shelf: Shelf,
        generations: Generations,
        catalog: Callable[[], Catalog],
        flies: Callable[[bytes], bool],
        *,
        far: Sequence[FarTier] = (),
        alone: bool = True,
    ) -> None:
        """`flies` tells whether an entry for a key may be on its way. `alone` = no other process holds entries in memory:
        else the entries of a purged key's method end with it, since only generations reach other memories.
        """
        self._shelf = shelf
        self._generations = generations
        self._catalog = catalog
        self._flies = flies
        self._far = far
        self._alone = alone

    async def answer(self, asked: Asked) -> Answer:
        """What was purged, and the generations that ended by it."""
        purge = purge_of(await json_said(asked, _LARGEST, "What to purge is said"), self._catalog())
        names = purge.names
        dropped = None
        if purge.key is not None:
            names = self._also(purge.key)
            dropped = await self._drop(purge.key)
        self._generations.bump(names)
        if purge.everything:
            self._generations.advance()
            await self._shed()
        await self._put_down()
        self._log(purge, asked)
        told_of = {"ended": list(names[:_TOLD]), "count": len(names)}
        kind, value = purge.asked
        return json_answer(
            {"purged": {kind: value or True}, **told_of} | ({} if dropped is None else {"dropped": dropped})
        )

    async def _put_down(self) -> None:
        """What people have ended stays ended when the machine loses its power: it is on the disk before they hear of it."""
        try:
            await asyncio.to_thread(self._generations.sync)
        except OSError as error:
            log.warning(
                "what was purged is not on the disk, and a loss of power may undo it: %s", error.strerror
            )

    def _also(self, key: bytes) -> tuple[str, ...]:
        """What else has to end, where dropping the entry here is not enough: its address, or all entries of its method."""
        parts = told(key)
        address = address_of(parts) if parts is not None else ()
        if address:
            return address
        if self._alone and not self._flies(key):
            return ()
        method = Rows(self._catalog()).method(parts) if parts is not None else None
        return () if method is None else (f"method:{method.qualified}",)

    async def _shed(self) -> None:
        """Free what memory holds and nobody can use any more; by and by, since others are to have their turn."""
        for _ in range(0, len(self._shelf), _AT_ONCE):
            self._shelf.shed(_AT_ONCE)
            await asyncio.sleep(0)

    async def _drop(self, key: bytes) -> bool:
        dropped = self._shelf.forget(key)
        for tier in self._far:
            await tier.drop(key)
        return dropped

    def _log(self, purge: Purge, asked: Asked) -> None:
        kind, value = purge.asked
        who = (asked.principal.subject, asked.principal.issuer)
        log.warning(
            "purged %s, by %r of %r", f"{kind} {shown(value)}".strip(), *who, extra={"request_id": asked.id}
        )


def _limit(written: str | None) -> int:
    if written is None:
        return SHOWN
    if not (written.isascii() and written.isdigit() and 0 < int(written[:9]) <= MOST and len(written) < 9):
        raise BadRequest(
            f"limit={shown(written)} is no number from 1 to {MOST}: that many are shown at once."
        )
    return int(written)
