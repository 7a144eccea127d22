"""Through which memory do voxels pass on their way into blocks? The same again, so that it stays in the processor's cache."""

from __future__ import annotations

import asyncio
import mmap
from typing import Final

SIZE: Final = 512 << 10
"""Bytes of a window: what several reads have of them together fits into a processor's second cache."""
MOST: Final = 16
"""Windows that are kept for the next reads."""
_IDLE_SECONDS: Final = 10.0
_FLAGS: Final = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


class Windows:
    """Windows that serve one read after the other; those that nobody needs for a while are let go."""

    def __init__(self) -> None:
        self._free: list[mmap.mmap] = []
        self._timer: asyncio.TimerHandle | None = None
        self._used = False

    def __len__(self) -> int:
        return len(self._free)

    def take(self, size: int) -> memoryview:
        """Memory for so many bytes, whatever is in it."""
        if size > SIZE:
            return memoryview(bytearray(size))
        self._used = True
        return memoryview(self._free.pop() if self._free else mmap.mmap(-1, SIZE, _FLAGS))[:size]

    def give(self, window: memoryview) -> None:
        """Nobody looks at it any more."""
        whole = window.obj
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
