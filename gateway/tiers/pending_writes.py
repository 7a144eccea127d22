"""Which writes were under way in a process that was killed, so that what they may have changed is ended all the same?

A write ends generations when it ends. A gate that is killed after the service has done the write and before that has
ended nothing, and entries on a disk outlive it. So each process has a file of its own, mapped and locked for as long as
it lives, with a count for each slot that names hash to: how many of its writes under way will end it. Marking costs two
additions and no lock. Whoever starts next finds the files that nobody holds any more, and ends what is marked in them;
the supervisor starts a worker in the place of a killed one at once. The kernel keeps the pages of a killed process; a
loss of power is seen by the file of generations itself, which voids tagged entries then.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import mmap
import os
import secrets
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.tiers.generations import SLOTS, slot_names, slots

log = logging.getLogger("labgate.tiers")

_SIZE: Final = 4 * SLOTS
_SUFFIX: Final = ".writes"


class PendingWrites:
    """The marks of this process, and the end of those that others have left."""

    def __init__(self, folder: Path) -> None:
        """Make the process's file. Raises OSError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._path = folder / f"{os.getpid()}-{secrets.token_hex(8)}{_SUFFIX}"
        with self._alone():  # else it might be taken for one that nobody holds, before it is locked
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                # Not a hole: a full disk is to be an error here, and not a signal when a mark is written.
                _fill(self._file)
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._counts = memoryview(mmap.mmap(self._file, _SIZE)).cast("I")
            except OSError:
                os.close(self._file)
                self._path.unlink(missing_ok=True)
                raise
        self._open = True

    def mark(self, names: tuple[str, ...]) -> None:
        """A write sets out that will end the generations of these names."""
        for slot in slots(names):
            self._counts[slot] += 1

    def clear(self, names: tuple[str, ...]) -> None:
        """The same write is over, and they have ended."""
        for slot in slots(names):
            self._counts[slot] -= 1

    def end_left_over(self, end: Callable[[tuple[str, ...]], None]) -> int:
        """Have ended what killed processes left marked: `end` is told the names. How many processes had left something.

        Raises OSError.
        """
        found = 0
        with self._alone():
            for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
                marked = None if path == self._path else _left_in(path)
                if marked is None:
                    continue
                if marked:
                    found += 1
                    end(tuple(slot_names()[slot] for slot in marked))
                path.unlink(missing_ok=True)  # after it: who is killed here leaves it to the next
        if found:
            log.warning(
                "writes were under way in %d processes that were killed: what they may have changed has ended",
                found,
            )
        return found

    def close(self) -> None:
        """Nothing of this process will set out any more. A write that is under way yet stays marked, for the next start."""
        if not self._open:
            return
        self._open = False
        if not any(self._counts):
            self._path.unlink(missing_ok=True)
        fcntl.flock(self._file, fcntl.LOCK_UN)  # the map has the file open, too
        os.close(self._file)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process looks for what is left meanwhile."""
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _fill(file: int) -> None:
    """Write the whole of a new file. Raises OSError."""
    if os.write(file, bytes(_SIZE)) < _SIZE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _left_in(path: Path) -> list[int] | None:
    """The slots that are marked in a file that nobody holds; None if its process lives. Raises OSError."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        content = file.read(_SIZE)
    if len(content) < _SIZE:  # its process was killed while it made the file, and has marked nothing
        return []
    return [slot for slot, count in enumerate(array("I", content)) if count]
