"""How many connections does each worker have? A few bytes of memory that all workers share."""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Final

_ABSENT: Final = 0xFFFFFFFF
_EACH: Final = 4
_TURN: Final = 0.001
"""Seconds for which a worker leaves a connection to one that has fewer: longer than that takes to wake up."""


class Loads:
    """One number for each worker, which only that worker writes; and the supervisor, when it has ended."""

    def __init__(self, descriptor: int, workers: int) -> None:
        """`descriptor`: a file made by `make`, for so many workers."""
        self._numbers = memoryview(mmap.mmap(descriptor, workers * _EACH)).cast("I")

    def note(self, number: int, connections: int) -> None:
        """The worker `number` (from 1) has so many."""
        self._numbers[number - 1] = min(connections, _ABSENT - 1)

    def absent(self, number: int) -> None:
        """The worker takes none: nobody waits for it."""
        self._numbers[number - 1] = _ABSENT

    def patience(self, number: int, connections: int) -> float:
        """For how many seconds this worker, which has so many, leaves the next one to the others."""
        self.note(number, connections)
        return _TURN if connections > min(self._numbers) else 0.0


def make(workers: int) -> int:
    """The descriptor of memory for so many workers, all of them absent."""
    with tempfile.TemporaryFile() as file:
        file.write(_ABSENT.to_bytes(_EACH, "little") * workers)
        file.flush()
        return os.dup(file.fileno())
