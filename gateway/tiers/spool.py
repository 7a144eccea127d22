"""Where is the body of a reply while it passes through the gate and may be stored?

In memory while it is short, beyond that in a file of the disk tier's folder, which the tier takes over as it is when the
body is whole. Pieces are written and digested by a thread, one after the other; the event loop never waits for a disk.
Whoever is to read it meanwhile says so first (`share`): what cannot be kept stays readable then, from memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import chain
from typing import Final

from gateway.core.pieces import Part, after, without_first
from gateway.core.verdict import Extent
from gateway.tiers.spool_file import SpoolFile, SpoolFolder

IN_MEMORY: Final = 1 << 20
"""Bytes of a body up to which it stays in memory."""
BEHIND: Final = 16 << 20
"""Bytes that wait for the disk beyond which whoever sends is asked to wait, if somebody can ask them."""
LOST: Final = 32 << 20
"""Bytes that wait for the disk beyond which a body is not kept: the disk is slower than the stream."""

_OF_A_FILE: Final = 8 << 20
"""Bytes of a file that are read at once."""


class MemorySpool:
    """A body that is kept in memory, up to a size."""

    def __init__(self, most: int) -> None:
        """`most` is in bytes."""
        self._most = most
        self._size = 0
        self._pieces: list[bytes] = []
        self._begin = 0  # where the first of the pieces begins
        self._shared = False
        self.lost = False
        """Whether it is not kept any more."""

    def write(self, data: bytes) -> bool:
        """Some of the body; False if it is too long by now, and not kept any more."""
        self._size += len(data)
        if not self.lost and self._size > self._most:
            self.discard()
        if self._shared or not self.lost:
            self._pieces.append(data)
        return not self.lost

    async def seal(self) -> bytes | Extent | None:
        """The body, None if it was too long."""
        if self.lost:
            return None
        whole = b"".join(self._pieces)
        self._pieces = [whole]  # whoever still reads it does so from what is stored
        return whole

    def discard(self) -> None:
        """It is not wanted; nothing of it stays but what is to be read yet."""
        self.lost = True
        if not self._shared:
            self._pieces = []

    def share(self) -> None:
        """Others read it from here on."""
        self._shared = True

    def since(self, at: int, most: int) -> list[Part]:
        """What was written from the place `at` on; see `gateway.core.ports.Spool`."""
        return after(self._pieces, self._begin, at, most)

    def forget(self, upto: int) -> None:
        """Nobody reads what comes before this place any more."""
        if self.lost:
            self._begin = without_first(self._pieces, self._begin, upto)


class TieredSpool(MemorySpool):
    """A body that is kept in memory first and in a file then; see `gateway.core.ports.Spool`."""

    def __init__(self, folder: SpoolFolder, most: int, pace: Callable[[bool], None] | None = None) -> None:
        """`most` is in bytes. `pace` is told True when whoever sends should wait, and False when they may go on."""
        super().__init__(most)
        self._folder = folder
        self._pace = pace
        self._held_up = False
        self._waiting = 0
        self._file: SpoolFile | None = None
        self._filed = 0  # bytes that are in the file
        self._flying: list[bytes] = []  # what the thread writes; it comes before the pieces
        self._writing: asyncio.Future[bool] | None = None

    def write(self, data: bytes) -> bool:
        """Some of the body; False if it is not kept any more: it is too long, or comes faster than a disk takes it."""
        if not super().write(data):
            return False
        self._waiting += len(data)
        if self._waiting > LOST:
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
        pieces = self._pieces
        loop = asyncio.get_running_loop()
        try:
            self._writing = loop.run_in_executor(self._folder.executor, self._write, pieces)
        except RuntimeError:  # the tier is closed
            self.discard()
            return
        self._flying, self._pieces = pieces, []
        size = sum(map(len, pieces))
        self._begin += size
        self._writing.add_done_callback(lambda done: self._written(done, size))

    def _write(self, pieces: list[bytes]) -> bool:
        """In the thread."""
        if self._file is None:
            self._file = self._folder.make()
        return self._file is not None and self._folder.add(self._file, pieces)

    def _written(self, done: asyncio.Future[bool], size: int) -> None:
        self._writing = None
        self._waiting -= size
        flying, self._flying = self._flying, []
        if not (done.cancelled() or done.exception() is not None) and done.result():
            self._filed += size
        else:
            self._pieces = flying + self._pieces
            self._begin -= size
            self.discard()
        if self.lost:
            self._let_go_of_file()
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
            return await super().seal()
        while not self.lost and (self._writing is not None or self._pieces):
            if self._writing is None:
                self._set_off()
            if self._writing is not None:
                await asyncio.wait((self._writing,))
                await asyncio.sleep(0)  # its callback takes note
        file = self._file
        self._let_go_of_file()
        if self.lost or file is None:
            return None
        return Extent(file, 0, self._size)

    def discard(self) -> None:
        """It is not wanted; nothing of it stays but what is to be read yet."""
        super().discard()
        self._waiting = 0
        if self._writing is None:
            self._let_go_of_file()
        self._go_on()

    def _let_go_of_file(self) -> None:
        if not self._shared:
            self._file = None

    # --- read meanwhile

    def since(self, at: int, most: int) -> list[Part]:
        """What was written from the place `at` on; see `gateway.core.ports.Spool`."""
        if self._file is not None and at < self._filed:
            return [Extent(self._file, at, min(_OF_A_FILE, self._filed - at))]
        begin = self._begin - sum(map(len, self._flying))
        return after(chain(self._flying, self._pieces), begin, at, most)

    def forget(self, upto: int) -> None:
        """Nobody reads what comes before this place any more."""
        if not self._flying:  # what is being written may have to come back
            super().forget(upto)
