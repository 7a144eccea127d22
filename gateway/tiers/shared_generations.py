"""What has ended since a stored reply's trip began, for every process of the host and across restarts?

One file holds the epoch and the counters; every process has it mapped. A reader takes no lock: a counter is eight aligned
bytes, which the machines that this runs on (x86-64, arm64) read and write as one. Writers take turns by a lock on the
file, held for the few additions alone.

The file outlives its processes, and what they wrote outlives them too, `kill -9` or not: the kernel keeps the pages. What
it does not outlive is the machine's power: then counters may be lost that had ended entries which lie on a disk. So the
file has an `id`, new with every file made anew, and a `run`, new when the machine has started again and the last process
before had no time to say that all is on the disk. Entries that lie elsewhere carry both.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Final

from gateway.core.verdict import Entry
from gateway.tiers.generations import SLOTS, slots

log = logging.getLogger("labgate.tiers")

_MAGIC: Final = b"labgate\x00gen\x00\x00\x00\x00\x01"
"""The last byte is the layout's version."""
_ID, _RUN, _MACHINE, _CHECK = slice(16, 32), slice(32, 48), slice(48, 64), slice(64, 80)
_CHECKED = slice(0, 64)
_CLEAN, _EPOCH, _CHANGES = 10, 11, 12
"""Numbers of eight bytes, counted from the file's beginning."""
_FIRST: Final = 512
_SIZE: Final = 8 * (_FIRST + SLOTS)
_MACHINE_FILE: Final = Path("/proc/sys/kernel/random/boot_id")
_MOST_READ: Final = 8192
_TAGGED: Final = 2
"""So many generations has the entry of a method without tags: its service's and its own."""


class SharedGenerations:
    """The epoch and the generation counters of all the processes that share one file."""

    def __init__(self, path: Path, *, machine: bytes | None = None) -> None:
        """Map the file, and make it (anew) where there is none or none that can be used. Raises OSError.

        `machine` tells one run of the machine from the next, None = as the kernel says; empty where nobody says.
        """
        self._path = path
        self._read: dict[tuple[str, ...], tuple[int, ...]] = {}
        self._read_at = -1
        self._machine = blake2b(machine_run() if machine is None else machine, digest_size=16).digest()
        self._lock = self._opened()
        # Everybody holds this one as long as they live: who can have it alone is the last.
        self._users = os.open(f"{path}.users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._open = True
        with self._alone():
            found = os.fstat(self._lock).st_size
            if found < _SIZE:
                os.ftruncate(self._lock, _SIZE)
            self._map = mmap.mmap(self._lock, _SIZE)
            self._numbers = memoryview(self._map).cast("Q")
            self._counters = self._numbers[_FIRST:]
            if found < _SIZE or not self._usable():
                self._make(known=found > 0)
            self._begin()
            fcntl.flock(self._users, fcntl.LOCK_SH)

    # --- what is asked on every call

    @property
    def epoch(self) -> int:
        """The number that policies, revocations and reloads raise."""
        return self._numbers[_EPOCH]

    @property
    def changes(self) -> int:
        """Rises with everything that ends: as long as it stays, what was read before still agrees."""
        return self._numbers[_CHANGES]

    def read(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """The counters of these names, now; the same tuple for as long as nothing has ended."""
        changes = self._numbers[_CHANGES]
        if changes != self._read_at:
            self._read.clear()
            self._read_at = changes
        known = self._read.get(names)
        if known is None:
            if len(self._read) >= _MOST_READ:
                self._read.clear()
            counters = self._counters
            known = self._read[names] = tuple([counters[slot] for slot in slots(names)])
        return known

    # --- what ends them

    def bump(self, *groups: tuple[str, ...]) -> None:
        """End the present generation of each name, in every process, before this returns."""
        if not any(groups):
            return
        with self._alone():
            for names in groups:
                for slot in set(slots(names)):
                    self._counters[slot] += 1
                # After them, and before others: who has seen it rise sees them too.
                self._numbers[_CHANGES] += 1

    def advance(self) -> None:
        """Raise the epoch: every entry and flight from before is void."""
        with self._alone():
            self._numbers[_EPOCH] += 1
            self._numbers[_CHANGES] += 1
        self.sync()

    def sync(self) -> None:
        """Put what was ended on the disk: from here on it outlives the machine's power too. It takes milliseconds.

        Raises OSError.
        """
        self._map.flush()

    # --- for entries that lie elsewhere

    @property
    def id(self) -> bytes:
        """The file's: entries that carry another one are void, for nobody knows what ended since."""
        return self._map[_ID]

    @property
    def run(self) -> bytes:
        """Since when no counter can have been lost; see `holds`."""
        return self._map[_RUN]

    def holds(self, entry: Entry, file: bytes, run: bytes) -> bool:
        """Whether an entry that was stored under this `id` and `run` can be judged by the counters of now.

        After the machine lost its power a tag's end may be forgotten; services and methods are ended by people, who
        have it put on the disk (`sync`).
        """
        return file == self.id and (run == self.run or len(entry.generations) <= _TAGGED)

    # --- the file's life

    def close(self) -> None:
        """Say, if this process is the last, that all is on the disk. What is asked or ended later still counts."""
        if not self._open:
            return
        self._open = False
        with self._alone():
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                self._map.flush()
                self._numbers[_CLEAN] = 1
                self._map.flush()
        os.close(self._users)
        os.close(self._lock)

    def _opened(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else writes meanwhile."""
        if self._open:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._lock, fcntl.LOCK_UN)
            return
        # After the end a last write may still come to its own.
        lock = self._opened()
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._numbers[_CLEAN] = 0
            yield
        finally:
            os.close(lock)

    def _usable(self) -> bool:
        return self._map[:16] == _MAGIC and self._map[_CHECK] == _digest(self._map[_CHECKED])

    def _make(self, *, known: bool) -> None:
        """Begin anew; `known` = there was something, that another process may have mapped at this moment."""
        self._map[:] = bytes(_SIZE)
        self._map[:16] = _MAGIC
        self._map[_ID] = secrets.token_bytes(16)
        self._map[_RUN] = secrets.token_bytes(16)
        self._map[_MACHINE] = self._machine
        self._numbers[_CLEAN] = 1
        if known:
            log.warning("the file of generations %s could not be used and was made anew", self._path.name)
            # No entry of whoever had the old one mapped may ever agree with the new one.
            self._numbers[_EPOCH] = secrets.randbits(48)
            self._numbers[_CHANGES] = secrets.randbits(48)

    def _begin(self) -> None:
        """This process is here: find out whether counters may have been lost before it came."""
        if self._map[_MACHINE] != self._machine or self._machine == _NOBODY_SAYS:
            if not self._numbers[_CLEAN] and self._alone_here():
                log.warning(
                    "the machine stopped before its counters were on the disk: tagged entries are void"
                )
                self._map[_RUN] = secrets.token_bytes(16)
            self._map[_MACHINE] = self._machine
        self._map[_CHECK] = _digest(self._map[_CHECKED])
        if self._numbers[_CLEAN]:
            self._numbers[_CLEAN] = 0
            # It must not be found set after a loss of power, so it is taken back before anything is ended.
            self._map.flush()

    def _alone_here(self) -> bool:
        """Whether no other process has the file mapped; where one has, the counters live."""
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def machine_run() -> bytes:
    """What the kernel calls this run of the machine; empty where it does not say."""
    try:
        return _MACHINE_FILE.read_bytes().strip()
    except OSError:
        return b""


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


_NOBODY_SAYS: Final = _digest(b"")
