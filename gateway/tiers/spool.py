"""Where is the body of a reply while it passes through the gate and may be stored?

In memory while it is short, beyond that in a file of the disk tier's folder, which the tier takes over as it is when the
body is whole. Pieces are written and digested by a thread, one after the other; the event loop never waits for a disk.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from io import FileIO
from pathlib import Path
from secrets import token_hex
from typing import Final

from gateway.core.verdict import Extent
from gateway.tiers.stored_form import digest

IN_MEMORY: Final = 1 << 20
"""Bytes of a body up to which it stays in memory."""
BEHIND: Final = 16 << 20
"""Bytes that wait for the disk beyond which whoever sends is asked to wait, if somebody can ask them."""
LOST: Final = 32 << 20
"""Bytes that wait for the disk beyond which a body is not kept: the disk is slower than the stream."""


class MemorySpool:
    """A body that is kept in memory, up to a size."""

    def __init__(self, most: int) -> None:
        """`most` is in bytes."""
        self._most = most
        self._size = 0
        self._pieces: list[bytes] | None = []

    def write(self, data: bytes) -> bool:
        """Some of the body; False if it is too long by now, and not kept any more."""
        self._size += len(data)
        if self._pieces is None or self._size > self._most:
            self._pieces = None
            return False
        self._pieces.append(data)
        return True

    async def seal(self) -> bytes | None:
        """The body, None if it was too long."""
        return None if self._pieces is None else b"".join(self._pieces)

    def discard(self) -> None:
        """It is not wanted."""
        self._pieces = None


class OpenBody(FileIO):
    """A file that closes when nobody has it any more, without a word."""

    def __del__(self) -> None:
        """Close it."""
        self.close()


class SpoolFile(OpenBody):
    """A file that holds a body, and is gone with whoever has it unless the tier takes it over.

    While it lives under its first name it is locked: one that is not belongs to nobody, and is swept away.
    """

    def __init__(self, folder: Path) -> None:
        """Make it. Raises OSError."""
        self.path: Path | None = folder / f"{os.getpid()}-{token_hex(8)}"
        super().__init__(str(self.path), "x+b", opener=_private)
        self.hash = digest()
        self.size = 0
        fcntl.flock(self, fcntl.LOCK_EX)

    def add(self, data: bytes) -> None:
        """Write at the end. Raises OSError."""
        self.hash.update(data)
        self.size += len(data)
        left = memoryview(data)
        while left:
            left = left[self.write(left) :]

    def taken_over(self) -> None:
        """It has another name now, and stays."""
        self.path = None
        fcntl.flock(self, fcntl.LOCK_UN)

    def __del__(self) -> None:
        """Remove and close it."""
        if self.path is not None:
            with suppress(OSError):
                self.path.unlink()
        super().__del__()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


class SpoolFolder:
    """Where spools have their files, and who writes them."""

    def __init__(self, path: Path, executor: Executor, failed: Callable[[OSError], None]) -> None:
        """`failed` is told, in the executor's thread, what went wrong."""
        self.path = path
        self.executor = executor
        self._failed = failed

    def make(self) -> SpoolFile | None:
        """A new file, None if there cannot be one; it may take time."""
        try:
            return SpoolFile(self.path)
        except FileNotFoundError:
            pass
        except OSError as error:
            self._failed(error)
            return None
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            return SpoolFile(self.path)
        except OSError as error:
            self._failed(error)
            return None

    def add(self, file: SpoolFile, pieces: list[bytes]) -> bool:
        """Write these at the end; whether they could be."""
        try:
            for piece in pieces:
                file.add(piece)
        except OSError as error:
            self._failed(error)
            return False
        return True


class TieredSpool:
    """A body that is kept in memory first and in a file then; see `gateway.core.ports.Spool`."""

    def __init__(self, folder: SpoolFolder, most: int, pace: Callable[[bool], None] | None = None) -> None:
        """`most` is in bytes. `pace` is told True when whoever sends should wait, and False when they may go on."""
        self._folder = folder
        self._most = most
        self._pace = pace
        self._held_up = False
        self._size = 0
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._file: SpoolFile | None = None
        self._writing: asyncio.Future[bool] | None = None
        self.lost = False
        """Whether it is not kept any more."""

    def write(self, data: bytes) -> bool:
        """Some of the body; False if it is not kept any more: it is too long, or comes faster than a disk takes it."""
        if self.lost:
            return False
        self._size += len(data)
        self._waiting += len(data)
        self._pieces.append(data)
        if self._size > self._most or self._waiting > LOST:
            self.discard()
            return False
        if self._size > IN_MEMORY and self._writing is None and self._waiting >= IN_MEMORY // 4:
            self._set_off()
        if self._pace is not None and self._waiting > BEHIND and not self._held_up:
            self._held_up = True
            self._pace(True)
        return True

    def _set_off(self) -> None:
        """Let the thread write what waits."""
        pieces, self._pieces = self._pieces, []
        loop = asyncio.get_running_loop()
        try:
            self._writing = loop.run_in_executor(self._folder.executor, self._write, pieces)
        except RuntimeError:  # the tier is closed
            self.discard()
            return
        size = sum(map(len, pieces))
        self._writing.add_done_callback(lambda done: self._written(done, size))

    def _write(self, pieces: list[bytes]) -> bool:
        """In the thread."""
        if self._file is None:
            self._file = self._folder.make()
        return self._file is not None and self._folder.add(self._file, pieces)

    def _written(self, done: asyncio.Future[bool], size: int) -> None:
        self._writing = None
        self._waiting -= size
        if done.cancelled() or done.exception() is not None or not done.result():
            self.discard()
        if self.lost:
            self._file = None
            self._go_on()
        elif self._waiting >= IN_MEMORY // 4:
            self._set_off()
        if self._waiting <= BEHIND // 2:
            self._go_on()

    def _go_on(self) -> None:
        if self._held_up and self._pace is not None:
            self._held_up = False
            self._pace(False)

    async def seal(self) -> bytes | Extent | None:
        """The body is whole: its bytes, or the file that holds it; None if it is not kept."""
        if not self.lost and self._size <= IN_MEMORY:
            return b"".join(self._pieces)
        while not self.lost and (self._writing is not None or self._pieces):
            if self._writing is None:
                self._set_off()
            if self._writing is not None:
                await asyncio.wait((self._writing,))
                await asyncio.sleep(0)  # its callback takes note
        file, self._file = self._file, None
        if self.lost or file is None:
            return None
        return Extent(file, 0, self._size)

    def discard(self) -> None:
        """It is not wanted; nothing of it stays."""
        self.lost = True
        self._pieces = []
        self._waiting = 0
        if self._writing is None:
            self._file = None
        self._go_on()
