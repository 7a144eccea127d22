"""How many bytes do all processes together keep in the disk tier's folder, about?"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path
from typing import Final

_NUMBERS: Final = struct.Struct("<qq")
_ABSURD: Final = 1 << 60
BLOCK: Final = 4096
"""Bytes of which a file takes a whole number."""


class Usage:
    """Two numbers in a file that every process writes to under a lock: bytes and entries.

    A process that is killed between a file and its count leaves them a little wrong; whoever looks through the folder
    sets them right. The file is read and not mapped: whoever empties it must not end the processes that look at it.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, and make it where there is none. Raises OSError."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @property
    def bytes(self) -> int:
        """Bytes of the disk that entries take."""
        return self.read()[0]

    @property
    def entries(self) -> int:
        """How many entries there are."""
        return self.read()[1]

    def read(self) -> tuple[int, int]:
        """Both numbers; nothing, where somebody has written over them who should not."""
        try:
            content = os.pread(self._file, _NUMBERS.size, 0)
        except OSError:
            return 0, 0
        if len(content) < _NUMBERS.size:
            return 0, 0
        size, entries = _NUMBERS.unpack(content)
        return (size, entries) if 0 <= size < _ABSURD and 0 <= entries < _ABSURD else (0, 0)

    def add(self, size: int, entries: int) -> None:
        """So many bytes and entries came; less than none = they went. Raises OSError."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            before = self.read()
            now = max(0, before[0] + size), max(0, before[1] + entries)
            os.pwrite(self._file, _NUMBERS.pack(*now), 0)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the file back; nothing is counted from here on."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


def taken(size: int) -> int:
    """Bytes of the disk that a file of this size takes."""
    return -(-size // BLOCK) * BLOCK
