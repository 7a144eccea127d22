"""Which of the ends that happened here do the other replicas know, and which of theirs do we?

For each counter there are four numbers: how often it was bumped on this host (`made`), how many of these bumps Redis has
(`sent`), the counter in Redis as this host last heard of it (`heard`), and when any of the three last changed (`changed`,
on a clock that every change advances). They may lie in a file that all workers of a host share and that outlives them:
then a bump that was not sent when its worker was killed is sent by another one, or after the next start.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_bytes
from typing import Final

from gateway.tiers.generations import SLOTS

EPOCH: Final = SLOTS
"""The row of the epoch, after those of the counters that names hash to."""
ROWS: Final = SLOTS + 1

_MAGIC: Final = b"labgate bumps\x00\x00\x01"
_HOST, _INCARNATION = slice(16, 32), slice(32, 64)
_CLOCK: Final = 8
_FIRST: Final = 16
"""Numbers of eight bytes, counted from the beginning."""
_SIZE: Final = 8 * (_FIRST + 4 * ROWS)


class Bumps:
    """The numbers of one host. Whoever reads or writes more than one of them does it `alone`."""

    def __init__(self, path: Path | None = None) -> None:
        """Map the file, made where there is none; None = in this process alone. Raises OSError."""
        self._file = None if path is None else os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with self.alone():
            if self._file is None:
                self._map = mmap.mmap(-1, _SIZE)
            else:
                os.ftruncate(self._file, _SIZE)
                self._map = mmap.mmap(self._file, _SIZE)
            if self._map[: len(_MAGIC)] != _MAGIC:
                self._map[:] = bytes(_SIZE)
                self._map[: len(_MAGIC)] = _MAGIC
                self._map[_HOST] = token_bytes(16)
        self._numbers = memoryview(self._map).cast("Q")
        columns = [self._numbers[_FIRST + i * ROWS : _FIRST + (i + 1) * ROWS] for i in range(4)]
        self.made, self.sent, self.heard, self._changed = columns
        self._made, self._sent = (
            slice(8 * (_FIRST + i * ROWS), 8 * (_FIRST + (i + 1) * ROWS)) for i in (0, 1)
        )

    @property
    def host(self) -> str:
        """What the workers of this host have in common."""
        return self._map[_HOST].hex()

    @property
    def incarnation(self) -> bytes:
        """The Redis whose counters were heard; it is called otherwise when it has begun anew."""
        return self._map[_INCARNATION].rstrip(b"\x00")

    @incarnation.setter
    def incarnation(self, name: bytes) -> None:
        self._map[_INCARNATION] = name.ljust(32, b"\x00")

    @property
    def moment(self) -> int:
        """The clock of changes, now."""
        return self._numbers[_CLOCK]

    def touch(self, rows: Iterable[int]) -> None:
        """Note that these rows change now."""
        self._numbers[_CLOCK] += 1
        moment = self._numbers[_CLOCK]
        for row in rows:
            self._changed[row] = moment

    def settled(self, rows: Iterable[int], since: int) -> bool:
        """Whether nothing changed in these rows after `since`, and Redis has every bump of theirs."""
        return all(self._changed[row] <= since and self.made[row] == self.sent[row] for row in rows)

    def unsent(self) -> Mapping[int, int]:
        """The rows of which Redis does not have every bump, with how many were made."""
        if self._map[self._made] == self._map[self._sent]:
            return {}
        return {row: made for row, made in enumerate(self.made) if made != self.sent[row]}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else of this host reads or writes meanwhile; to be held for microseconds, and not twice at once."""
        if self._file is None:
            yield
            return
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def sync(self) -> None:
        """Put the numbers on the disk, where they lie in a file. Raises OSError."""
        if self._file is not None:
            self._map.flush()

    def close(self) -> None:
        """Let go of the file; what is noted from now on is noted in the map alone."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
