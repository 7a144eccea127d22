"""Into which memory do reads come that are cut into blocks at once? The same again: fresh memory costs more than receiving does."""

from __future__ import annotations

import asyncio
import mmap
from typing import Final

from gateway.dialects.dvid.geometry import READ_BYTES

MOST: Final = 16
"""Rooms that are kept for the next reads."""
_IDLE_SECONDS: Final = 10.0


class Rooms:
    """Rooms of `READ_BYTES` that serve one read after the other; those that nobody needs for a while are let go."""

    def __init__(self) -> None:
        self._free: list[mmap.mmap] = []
        self._timer: asyncio.TimerHandle | None = None
        self._used = False

    def __len__(self) -> int:
        return len(self._free)

    def take(self, size: int) -> memoryview:
        """Memory for so many bytes, whatever is in it."""
        if size > READ_BYTES:
            return memoryview(bytearray(size))
        self._used = True
        room = self._free.pop() if self._free else _fresh()
        return memoryview(room)[:size]

    def give(self, room: memoryview) -> None:
        """Nobody looks at it any more."""
        whole = room.obj
        if isinstance(whole, mmap.mmap) and len(self._free) < MOST:
            self._free.append(whole)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._leave)

    def _leave(self) -> None:
        self._timer = None
        if self._used:
            self._used = False
            self._timer = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._leave)
        else:
            self._free.clear()


def _fresh() -> mmap.mmap:
    """Pages of the system's own: in large ones where it has them, and given back as soon as nobody looks at them."""
    room = mmap.mmap(-1, READ_BYTES)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            room.madvise(mmap.MADV_HUGEPAGE)
        except OSError:
            pass  # a kernel without them
    return room
