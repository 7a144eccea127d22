"""Who goes next, when a service gets as many requests at once as it may?"""

from __future__ import annotations

import asyncio
from collections import deque

from gateway.core.faults import Unavailable


class Turns:
    """At most `limit` at once; the others wait in the order in which they came, at most `room` of them."""

    def __init__(self, limit: int, room: int) -> None:
        self.taken = 0
        """How many are at it now."""
        self.waiting = 0
        """How many wait."""
        self._limit = limit
        self._room = room
        self._queue: deque[asyncio.Future[bool]] = deque()

    def take_now(self) -> bool:
        """A turn without waiting, if there is one; whether there was. It must be given back."""
        if self.taken >= self._limit:
            return False
        self.taken += 1
        return True

    async def take(self, deadline: float) -> bool:
        """Wait for a turn, at most until `deadline` (the loop's time); whether there was one. It must be given back.

        Raises Unavailable at once when too many wait already.
        """
        if self.taken < self._limit:
            self.taken += 1
            return True
        if self.waiting >= self._room:
            raise Unavailable(
                "Too many calls wait for the service already; call again in a moment.", retry_after=1
            )
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_at(deadline, _give_up, turn)
        self._queue.append(turn)
        self.waiting += 1
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self.give()
            raise
        finally:
            self.waiting -= 1
            timer.cancel()

    def give(self) -> None:
        """End a turn; it passes to the one who has waited longest."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        self.taken -= 1


def _give_up(turn: asyncio.Future[bool]) -> None:
    if not turn.done():
        turn.set_result(False)
