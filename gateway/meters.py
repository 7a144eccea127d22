"""How much has everybody had? A table of fixed size, in memory or in a file that the workers of a host share.

A reader or writer takes no lock: a number is eight aligned bytes, which the machines that this runs on read and write as
one. Two workers who charge the same row in the same instant may count one call for two; that is as exact as it has to be.

A row is found by the hash of whose it is, among `_WAYS` rows. One that owes nothing says nothing (see `core.rates`), and is
anybody's. Where all of them owe something, the one that owes least is taken over *with what it owes*: so whoever comes back
after their row went to somebody else never finds less owed than they left, and nobody gets rid of a debt by a flood of names.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Final

ROWS: Final = 1 << 15
_WAYS: Final = 8
_SETS: Final = ROWS // _WAYS
_COLUMNS: Final = 64
"""Workers at most: each counts what is under way through it in a column of its own."""
_MAGIC: Final = b"labgate\x00limits\x00\x01"
_SECRET: Final = slice(16, 32)
_FIRST: Final = 4096
_NUMBERS: Final = 8 * ROWS
_COUNTS: Final = _FIRST + 3 * _NUMBERS
_SIZE: Final = _COUNTS + _COLUMNS * 2 * ROWS
_MOST_AT_ONCE: Final = 65_535


class Meters:
    """What the rows say: when all calls, and all bytes, will be there again; and how many calls are under way."""

    def __init__(self, path: Path | None = None, place: tuple[int, int] = (1, 1)) -> None:
        """`place` is this process's among the workers, (1, 1) where it is alone. Without a path the table is its own.

        Raises OSError.
        """
        number, workers = place
        self._map = mmap.mmap(-1, _SIZE) if path is None else _mapped(path)
        if self._map[:16] != _MAGIC:
            self._map[_SECRET] = secrets.token_bytes(16)
            self._map[:16] = _MAGIC
        self._secret = self._map[_SECRET]
        numbers = memoryview(self._map)[_FIRST:_COUNTS].cast("Q")
        self.keys = numbers[:ROWS]
        """What stands for whoever has the row."""
        self.calls = numbers[ROWS : 2 * ROWS]
        """The moment at which all calls of a row will be there again."""
        self.sizes = numbers[2 * ROWS :]
        """The same of its bytes."""
        columns = memoryview(self._map)[_COUNTS:].cast("H")
        self._columns = [columns[at * ROWS : (at + 1) * ROWS] for at in range(workers)]
        self._own = self._columns[number - 1]
        # Whoever had this place before has ended, and what was under way through them.
        at = _COUNTS + (number - 1) * 2 * ROWS
        self._map[at : at + 2 * ROWS] = bytes(2 * ROWS)

    def key(self, *whose: str) -> int:
        """What stands for somebody; never 0. Nobody outside can tell whose rows are neighbours."""
        text = "\0".join(whose).encode("utf-8", "surrogatepass")
        return int.from_bytes(blake2b(text, digest_size=8, key=self._secret).digest()) or 1

    def row(self, key: int) -> int:
        """The row of whoever this stands for."""
        keys, first = self.keys, key % _SETS * _WAYS
        rows = range(first, first + _WAYS)
        for row in rows:
            if keys[row] == key:
                return row
        idle = [row for row in rows if not self.under_way(row)]
        if not idle:
            # It has to be shared for a while: nobody's calls may be counted for nobody.
            return min(rows, key=self._owed)
        least = min(idle, key=self._owed)
        keys[least] = key
        return least

    def _owed(self, row: int) -> int:
        return max(self.calls[row], self.sizes[row])

    def under_way(self, row: int) -> int:
        """How many calls are under way, through all workers."""
        return sum([column[row] for column in self._columns])

    def enter(self, row: int) -> None:
        """One more is under way."""
        if self._own[row] < _MOST_AT_ONCE:
            self._own[row] += 1

    def leave(self, row: int) -> None:
        """One less."""
        if self._own[row]:
            self._own[row] -= 1


def _mapped(path: Path) -> mmap.mmap:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with _alone(handle):
            if os.fstat(handle).st_size != _SIZE:
                os.ftruncate(handle, _SIZE)
            found = mmap.mmap(handle, _SIZE)
            if found[:16] != _MAGIC:
                found[_SECRET] = secrets.token_bytes(16)
                found[:16] = _MAGIC
            return found
    finally:
        os.close(handle)


@contextmanager
def _alone(handle: int) -> Iterator[None]:
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)
