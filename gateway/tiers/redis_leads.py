"""Which replica goes for what all of them would store? The one whose claim Redis has.

A claim lives for seconds and is renewed as long as the trip goes on: of a replica that is gone, nothing is left soon. Its
key is made of the entry's key and of the counters of Redis that a reply must agree with, so that nobody waits for a trip
that left before a write ended of which both have heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from secrets import token_hex
from typing import Any, Final

from gateway.core.ports import Sought
from gateway.tiers.redis_scripts import LEAVE, RENEW
from gateway.tiers.replication import Replicated

LIFE: Final = 10.0
"""Seconds that a claim lives without being renewed."""

Ask = Callable[..., Awaitable[list[Any] | None]]


class RedisLeads:
    """Claims in Redis. While it is away there is nobody to agree with."""

    def __init__(self, ask: Ask, key: Callable[[bytes], str], generations: Replicated) -> None:
        """`ask` sends commands and gives their replies, None where that fails; `key` is what Redis calls a claim to an entry."""
        self.life = LIFE
        self._ask = ask
        self._key = key
        self._generations = generations
        self._name = token_hex(12)
        self._held: dict[Sought, str] = {}
        self._renewing: asyncio.Task[None] | None = None

    async def take(self, sought: Sought) -> bool | None:
        """Make the claim, unless there is one."""
        counters = self._generations.before(sought)
        if counters is None:
            return None
        digest = blake2b(repr(counters).encode(), digest_size=8).hexdigest()
        claim = f"{self._key(sought.key)}:{digest}"
        replies = await self._ask(("SET", claim, self._name, "NX", "PX", round(1000 * self.life)))
        if replies is None:
            return None
        if replies[0] is None:
            return False
        self._held[sought] = claim
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.get_running_loop().create_task(self._renew(), name="renew leads")
        return True

    async def leave(self, sought: Sought) -> None:
        """Take the claim back, if it is still ours."""
        claim = self._held.pop(sought, None)
        if claim is not None:
            await self._ask(("EVAL", LEAVE, 1, claim, self._name))

    async def close(self) -> None:
        """Renew nothing any more."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait((self._renewing,))

    async def _renew(self) -> None:
        while self._held:
            await asyncio.sleep(self.life / 3)
            more = round(1000 * self.life)
            if claims := tuple(self._held.values()):
                await self._ask(*(("EVAL", RENEW, 1, claim, self._name, more) for claim in claims))
