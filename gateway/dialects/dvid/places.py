"""In which memory are the blocks that were read? In places that the next ones come into when nobody looks at those any more.

Fresh memory costs more than to receive into it, and less when the system makes all of a place ready at once, and not page by
page when it is touched. Large pages would be less work still, but where machines share their memory they may be far more.
"""

from __future__ import annotations

import asyncio
import mmap
import weakref
from collections import deque
from typing import Final

import numpy as np
import numpy.typing as npt

MOST: Final = 64 << 20
"""Bytes of places without blocks that are kept for the next ones."""
_IDLE_SECONDS: Final = 10.0
# Not shared, as Python's are by themselves: those cost more.
_FLAGS: Final = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_POPULATE", 0)

Place = npt.NDArray[np.uint8]


class Places:
    """Places for blocks; those that nobody needs for a while are given back to the system.

    Blocks may go in any thread; everything else is done in one.
    """

    def __init__(self) -> None:
        self._gone: deque[mmap.mmap] = deque()
        self._free: dict[int, list[mmap.mmap]] = {}
        self._kept = 0
        self._lent = 0
        self._used = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def kept(self) -> int:
        """Bytes of places without blocks."""
        self._sort()
        return self._kept

    def take(self, size: int) -> Place:
        """Memory for a block of so many bytes, whatever is in it; its own until nobody has it, or a view of it, any more."""
        self._sort()
        free = self._free.get(size)
        if free:
            memory = free.pop()
            self._kept -= size
        else:
            try:
                memory = mmap.mmap(-1, size, _FLAGS)
            except OSError:  # there may be only so many of them
                return np.empty(size, np.uint8)
        self._lent += 1
        self._used = True
        self._watch()
        place = np.frombuffer(memory, np.uint8)
        weakref.finalize(place, self._gone.append, memory).atexit = False
        return place

    def _sort(self) -> None:
        """Keep some of the places whose blocks have gone."""
        while self._gone:
            memory = self._gone.popleft()
            self._lent -= 1
            if self._kept + len(memory) <= MOST:
                self._kept += len(memory)
                self._free.setdefault(len(memory), []).append(memory)

    def _watch(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._leave)

    def _leave(self) -> None:
        self._timer = None
        self._sort()
        if not self._used:
            self._free.clear()
            self._kept = 0
        self._used = False
        if self._lent or self._kept:
            self._watch()
