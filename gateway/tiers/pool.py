"""How does work that waits for a disk keep out of the event loop's way, without piling up?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_A = TypeVar("_A")
_T = TypeVar("_T")


class Pool:
    """A few threads, and a count of what waits for them."""

    def __init__(self, name: str, threads: int) -> None:
        self.executor = ThreadPoolExecutor(threads, name)
        self.waiting = 0
        """What was given to them and is not done."""

    async def run(self, work: Callable[[_A], _T], what: _A) -> _T | None:
        """Do it in a thread; None if they have ended."""
        try:
            done = asyncio.get_running_loop().run_in_executor(self.executor, work, what)
        except RuntimeError:
            return None
        self.waiting += 1
        done.add_done_callback(self._ended)
        return await done

    def _ended(self, _: object) -> None:
        self.waiting -= 1

    async def close(self) -> None:
        """Let them end what they are at, and nothing that still waits."""
        await asyncio.to_thread(self.executor.shutdown, cancel_futures=True)
