"""How do the processes of one host, and those that come after them, know of each other's calls that are made once?

A file for each call, named by its key. Whoever makes the file makes the call. Its first line says which process that is, and
what the call says; what came of it stands behind. A process holds a lock on a file of its own for as long as it lives: the
kernel takes it back from one that is killed, and so nobody waits for the dead, nor makes their calls again.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.core.outcome_record import Record, Told, line, read, written

log = logging.getLogger("labgate.outcomes")

_WRITER: Final = "process-"
_DIGITS: Final = 64  # of a key


class OutcomeFiles:
    """The calls of this process and of others, in a folder. What cannot be written is known to one process only."""

    def __init__(self, folder: Path, wall: Callable[[], float], seconds: float) -> None:
        """`seconds` is how long an outcome counts. Raises OSError."""
        self._folder = folder
        self._wall = wall
        self.seconds = seconds
        self._name = os.urandom(8).hex()
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        early = folder / f"new-{self._name}"
        self._alive = os.open(early, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        early.rename(self._lock_of(self._name))  # nobody finds it without its lock
        self._sweep()

    def close(self) -> None:
        """This process has ended all its calls, or will never know what came of them."""
        if self._alive >= 0:
            self._lock_of(self._name).unlink(missing_ok=True)
            os.close(self._alive)
            self._alive = -1

    def claim(self, key: bytes, said: bytes) -> bool | None:
        """Whether the call is ours to make; None where that cannot be written down."""
        for _ in range(2):
            try:
                file = os.open(self._file(key), os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                if not self._is_over(key):
                    return False
                self.forget(key)
                continue
            except OSError as error:
                log.warning("a repeated call would be known to one worker only: %s", error.strerror)
                return None
            try:
                os.write(file, line(self._name, said))
            except OSError as error:
                log.warning("a repeated call would be known to one worker only: %s", error.strerror)
                self.forget(key)
                return None
            finally:
                os.close(file)
            return True
        return False

    def tell(self, key: bytes, said: bytes, answer: Told | None) -> None:
        """The call has ended so; None where the answer is not kept."""
        # Not by a second file in its place: file systems write that to the disk at once. Half of it is not believed.
        try:
            with self._file(key).open("r+b", buffering=0) as file:
                text = line(self._name, said) + written(answer)
                wrote = file.write(text)
                if wrote != len(text):  # the disk is full
                    file.seek(0)
                    wrote = file.write(line(self._name, said) + written(None))
                file.truncate(wrote)
        except OSError as error:
            log.warning("another worker will not know what came of a call: %s", error.strerror)

    def forget(self, key: bytes) -> None:
        """The call may be made anew."""
        try:
            self._file(key).unlink(missing_ok=True)
        except OSError as error:
            log.warning("a call cannot be forgotten: %s", error.strerror)

    def read(self, key: bytes) -> Record | None:
        """What is known of the call, None if it is not known (any more).

        A call of a process that is no more has ended, and nobody knows how.
        """
        try:
            text = self._file(key).read_bytes()
        except OSError:
            return None
        record = read(text)
        if record is None:  # it is being written
            return Record("", b"")
        return Record(
            record.writer, record.said, record.ended or not self._lives(record.writer), record.answer
        )

    def _file(self, key: bytes) -> Path:
        return self._folder / key.hex()

    def _lock_of(self, name: str) -> Path:
        return self._folder / f"{_WRITER}{name}"

    def _lives(self, name: str) -> bool:
        """Whether the process of this name is still there."""
        if name == self._name:
            return self._alive >= 0
        try:
            file = os.open(self._lock_of(name), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(file)
        return False

    def _is_over(self, key: bytes) -> bool:
        """Whether a file is left of a call that ended too long ago to count."""
        try:
            passed = self._wall() - self._file(key).stat().st_mtime
        except OSError:
            return True
        found = self.read(key) if passed >= self.seconds else None
        return found is not None and found.ended

    def _sweep(self) -> None:
        """Forget what processes that have ended left behind."""
        for file in list(self._folder.iterdir()):
            try:
                if self._is_left(file):
                    file.unlink()
            except FileNotFoundError:
                continue  # its own process was quicker

    def _is_left(self, file: Path) -> bool:
        if file.name.startswith(_WRITER):
            return not self._lives(file.name.removeprefix(_WRITER))
        if len(file.stem) != _DIGITS or self._wall() - file.stat().st_mtime < self.seconds:
            return False
        return self._is_over(bytes.fromhex(file.stem))
