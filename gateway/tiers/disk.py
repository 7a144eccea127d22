"""Which entries does this host have on its disk, for all its workers and across restarts?"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from gateway.core.keys import service_of
from gateway.core.ports import Sought
from gateway.core.verdict import Entry
from gateway.tiers.disk_files import ENTRIES, UNFINISHED, DiskFiles, Lives
from gateway.tiers.memory import SHARE
from gateway.tiers.pool import Pool
from gateway.tiers.spool_file import SpoolFolder
from gateway.tiers.stored_form import SMALL, BrokenFormError
from gateway.tiers.sweeper import sweep
from gateway.tiers.usage import Usage

log = logging.getLogger("labgate.tiers")

READING: Final = 256
"""Readings that may wait for the disk; beyond, an entry is as good as absent."""
WRITING: Final = 256
WAITING: Final = 64 << 20
"""Entries, and bytes of them, that may wait to be stored; beyond, they are not."""
WORTH: Final = 5.0
"""Seconds for which a small entry must serve to be worth a file: making one takes as long as a small call."""
OVERSHOOT: Final = 16
"""The tier takes more than its size by at most this part of it, and what is being written at that moment."""
LOOK: Final = 1.0
"""Seconds for which it is believed that a service has no entries; others may store some."""
REST: Final = 5.0
"""Seconds for which nothing is tried to be stored after it could not be."""
SWEEP: Final = 3600.0
"""Seconds from one look through the folder to the next, at most."""

_TROUBLES: Final = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "files may not be so large",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "the folder may not be written",
    errno.EPERM: "the folder may not be written",
}


class DiskTier:
    """Entries in files; see `gateway.core.ports.FarTier`. What fails is as good as absent, and is logged once."""

    name: Final = "disk"

    def __init__(
        self,
        root: Path,
        size: int,
        lives: Lives,
        under: Mapping[str, bytes],
        *,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """Below the folder `root`, of about `size` bytes.

        `under` stands, by service, for its settings; `wall` is in seconds since 1970, `monotonic` in those of the loop.
        Raises OSError if the folder cannot be had at all.
        """
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.size = size
        self.counts: Counter[str] = Counter()
        """`hits`, `misses`, `stored`, `short-lived`, `refused`, `corrupt`, `unreadable`, `removed`."""
        self.trouble: str | None = None
        """Why nothing is stored at present."""
        self._root = root
        self._wall = wall
        self._monotonic = monotonic
        self._usage = Usage(root / "usage")
        self._files = DiskFiles(root, lives, under, self._usage, wall)
        self._readers = Pool("disk-read", 4)
        self._writers = Pool("disk-write", 1)
        self._sweepers = Pool("disk-sweep", 1)
        self._waiting = 0
        self._looked: dict[str, float] = {}
        self._rest_until = 0.0
        self._full = asyncio.Event()
        self._sweeping: asyncio.Task[None] | None = None
        self.spools = SpoolFolder(root / UNFINISHED, self._writers.executor, self._failed)

    def start(self) -> None:
        """Keep the folder within its size from now on."""
        self._sweeping = asyncio.get_running_loop().create_task(self._keep_room(), name="sweep the disk tier")

    async def close(self) -> None:
        """Wait for what is being written, and end."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
        for pool in (self._readers, self._writers, self._sweepers):
            await pool.close()
        self._usage.close()

    def rebind(self, under: Mapping[str, bytes]) -> None:
        """Take other settings: entries of services whose settings are others now are void."""
        self._files.under = under

    # --- the port

    def may_have(self, service: str) -> bool:
        """Whether there may be entries of this service."""
        until = self._looked.get(service)
        if until is not None and self._monotonic() < until:
            return until == _ALWAYS
        found = self._files.folder(service).is_dir()
        self._looked[service] = _ALWAYS if found else self._monotonic() + LOOK
        return found

    async def get(self, key: bytes, sought: Sought | None = None) -> Entry | None:  # noqa: ARG002 - nobody shares it
        """The entry under the key; a large body comes as an extent."""
        if self._readers.waiting >= READING:
            self.counts["misses"] += 1
            return None
        entry = await self._readers.run(self._load, key)
        self.counts["misses" if entry is None else "hits"] += 1
        return entry

    async def put(self, entry: Entry) -> bool:
        """Store under the entry's key; whether it was."""
        waiting = len(entry.body)
        if entry.length <= SMALL and entry.stale_until - entry.stored < WORTH:
            self.counts["short-lived"] += 1
            return False
        if (
            entry.length > self.size // SHARE
            or self._writers.waiting >= WRITING
            or self._waiting + waiting > WAITING
            or self._monotonic() < self._rest_until
            or self._is_full()
        ):
            self.counts["refused"] += 1
            return False
        self._waiting += waiting
        try:
            stored = bool(await self._writers.run(self._save, entry))
        finally:
            self._waiting -= waiting
        self.counts["stored" if stored else "refused"] += 1
        if stored:
            self._looked[service_of(entry.key)] = _ALWAYS
            self._is_full()  # the last of many has nobody behind it who would find that out
        return stored

    async def drop(self, key: bytes) -> None:
        """Forget the key."""
        await self._writers.run(self._files.remove, self._files.path(key))

    async def clear(self, service: str | None = None) -> None:
        """Forget every entry, or those of one service (by its qualified name)."""
        await self._sweepers.run(self._clear, service)
        self._looked.clear()

    def status(self) -> dict[str, Any]:
        """What an operator sees."""
        told = {name: self.counts[name] for name in ("hits", "misses", "stored", "refused", "corrupt")}
        return {
            "bytes": self._usage.bytes,
            "entries": self._usage.entries,
            "limit": self.size,
            "shared": ["bytes", "entries", "limit"],
            **told,
            "trouble": self.trouble,
        }

    def events(self) -> list[tuple[tuple[str], float]]:
        """How often each thing has happened, for metrics."""
        return [((name,), float(count)) for name, count in sorted(self.counts.items())]

    @property
    def used(self) -> int:
        """Bytes of the disk that entries take, those of all workers."""
        return self._usage.bytes

    def __len__(self) -> int:
        return self._usage.entries

    # --- in threads

    def _load(self, key: bytes) -> Entry | None:
        try:
            return self._files.load(key)
        except BrokenFormError as error:
            self.counts["corrupt"] += 1
            log.warning("removed an entry from the disk tier: %s (%s)", error, self._files.path(key).name)
        except OSError as error:
            self.counts["unreadable"] += 1
            if self.counts["unreadable"] == 1:
                log.warning("the disk tier cannot be read: %s", error.strerror)
        return None

    def _save(self, entry: Entry) -> bool:
        try:
            stored = self._files.save(entry)
        except OSError as error:
            self._failed(error)
            return False
        if stored and self.trouble is not None:
            self.trouble = None
            log.info("the disk tier stores again")
        return stored

    def _failed(self, error: OSError) -> None:
        """Something could not be written: said once, until something can be."""
        trouble = _TROUBLES.get(error.errno or 0, error.strerror or type(error).__name__)
        self._rest_until = self._monotonic() + REST
        if trouble != self.trouble:
            self.trouble = trouble
            log.warning("the disk tier stores nothing: %s (%s)", trouble, self._root)

    def _clear(self, service: str | None) -> None:
        folder = self._root / ENTRIES if service is None else self._files.folder(service)
        (self._root / UNFINISHED).mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            # Under another name nobody finds them, however long it takes to remove them.
            folder.rename(self._root / UNFINISHED / f"cleared-{token_hex(8)}")
        except FileNotFoundError:
            return
        except OSError as error:
            self._failed(error)
            return
        self._sweep(None)

    # --- room

    def _is_full(self) -> bool:
        used = self._usage.bytes
        if used > self.size:
            self._full.set()
        return used > self.size + self.size // OVERSHOOT

    async def _keep_room(self) -> None:
        while True:
            self._full.clear()
            await self._sweepers.run(self._sweep, None)
            try:
                async with asyncio.timeout(SWEEP):
                    await self._full.wait()
            except TimeoutError:
                pass

    def _sweep(self, _: None) -> None:
        try:
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.counts["removed"] += sweep(self._root, self._usage, self.size, self._wall()) or 0
        except OSError as error:
            self._failed(error)


_ALWAYS: Final = float("inf")
