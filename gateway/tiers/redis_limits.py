"""How do gates hear what the others have let everybody have? What was spent goes into Redis, and what all owe comes back.

Nobody waits for it: each gate decides by what it knows, and tells afterwards. So between two exchanges a gate may let somebody
have what another one has let them have too; that is owed by all of them from then on, and has to be paid off. In any time,
somebody gets what one gate alone would give, and at most one burst more for each further gate.

While Redis is away each gate goes by its own numbers. One that forgets what it knew costs a burst.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from gateway.core.tally import Book, Share, Tally

GATHER_SECONDS: Final = 0.1
"""From one exchange to the next, at least."""
_AWAY_SECONDS: Final = 0.5
"""After how long it is tried again where Redis was away."""
_AT_ONCE: Final = 256
"""Tallies of one question."""

SPEND: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local told = {}
for i, key in ipairs(KEYS) do
  local age, spent, most = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local due = tonumber(redis.call('GET', key) or '0') or 0
  due = math.min(math.max(due, now - age) + spent, now + most)
  redis.call('SET', key, string.format('%.0f', due), 'PX', string.format('%.0f', math.max(0, due - now) / 1000 + 1000))
  told[i] = math.max(0, due - now)
end
return told
"""
"""By key the moment at which all will be there again, as in `core.rates`, but in microseconds by the clock of Redis.

What was spent counts from when it was, so that what came back meanwhile is not lost. A key lives a second longer than it says
something: others may still have to tell of that second.
"""

Ask = Callable[..., Awaitable[list[Any] | None]]


class Counts(Struct):
    """Exchanges that came about, and those that did not."""

    told: int = 0
    failed: int = 0


class RedisLimits:
    """Tells Redis what is in a book; to be run as one task. Nothing is raised."""

    def __init__(self, book: Book, ask: Ask, key: Callable[[str], str], wall: Callable[[], float]) -> None:
        """`ask` sends commands and gives their replies, None where that fails; `key` is what Redis calls a name."""
        self.book = book
        self._ask = ask
        self._key = key
        self._wall = wall
        self._stir = asyncio.Event()
        self.counts = Counts()
        book.wake = self._stir.set

    async def run(self) -> None:
        """Tell what there is to tell, again and again."""
        while True:
            await self._stir.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._stir.clear()
            if not await self.exchange():
                await asyncio.sleep(_AWAY_SECONDS)
                self._stir.set()

    async def exchange(self) -> bool:
        """Tell all that there is to tell, and hear what everybody owes; whether Redis was there."""
        taken = self.book.take()
        for at in range(0, len(taken), _AT_ONCE):
            if not await self._tell(taken[at : at + _AT_ONCE]):
                for tally in taken[at + _AT_ONCE :]:
                    self.book.add(tally)
                return False
        return True

    async def _tell(self, tallies: Sequence[Tally]) -> bool:
        now = self._now()
        shares = [tally.take(now) for tally in tallies]
        keys = [self._key(f"limit:{share.key}") for share in shares]
        numbers = [number for share in shares for number in _microseconds(share)]
        replies = await self._ask(("EVAL", SPEND, len(keys), *keys, *numbers))
        if replies is None:
            self.counts.failed += 1
            for tally, share in zip(tallies, shares, strict=True):
                tally.give_back(share, now)
            return False
        self.counts.told += 1
        for tally, owed in zip(tallies, replies[0], strict=True):
            # As of when it was asked: an answer that took long owes nobody more than is so.
            tally.hear(1000 * owed, now)
        return True

    def _now(self) -> int:
        return int(self._wall() * 1_000_000_000)


def _microseconds(share: Share) -> tuple[int, int, int]:
    """Rounded up: calls of which there are thousands in a microsecond are not free for it."""
    return share.age // 1000, -(-share.spent // 1000), -(-share.most // 1000)
