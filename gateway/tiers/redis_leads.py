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
from gateway.core.verdict import Entry
from gateway.tiers.redis_link import Command
from gateway.tiers.redis_scripts import CLAIM, LEAVE, RENEW
from gateway.tiers.replication import Replicated

LIFE: Final = 10.0
"""Seconds that a claim lives without being renewed."""

_MOST_TOLD: Final = 1024

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
        self._told: dict[Sought, str | None] = {}
        self._by_key: dict[bytes, Sought] = {}
        self._renewing: asyncio.Task[None] | None = None

    def claim(self, sought: Sought) -> str | None:
        """What Redis calls the claim; None where what is sought is void."""
        counters = self._generations.before(sought)
        if counters is None:
            return None
        digest = blake2b(repr(counters).encode(), digest_size=8).hexdigest()
        return f"{self._key(sought.key)}:{digest}"

    def has(self, sought: Sought) -> bool:
        """Whether this process has claimed it."""
        return sought in self._held or self._told.get(sought) is not None

    def terms(self) -> tuple[str, int]:
        """Whose claims they are, and how many milliseconds one lives."""
        return self._name, round(1000 * self.life)

    def tell(self, sought: Sought, claim: str, *, made: bool) -> None:
        """Redis has said, with another answer, whether the claim was made. Nothing renews it until `told` is asked."""
        if len(self._told) >= _MOST_TOLD:  # somebody never asked
            self._told.clear()
        self._told[sought] = claim if made else None

    def told(self, sought: Sought) -> bool | None:
        """What was said of it, once."""
        if sought not in self._told:
            return None
        claim = self._told.pop(sought)
        if claim is not None:
            self._hold(sought, claim)
        return claim is not None

    async def take(self, sought: Sought) -> bool | None:
        """Make the claim, unless there is one."""
        claim = self.claim(sought)
        if claim is None:
            return None
        if self.has(sought):
            return False
        replies = await self._ask(("EVAL", CLAIM, 1, claim, *self.terms()))
        if replies is None:
            return None
        if not replies[0]:
            return False
        self._hold(sought, claim)
        return True

    def _hold(self, sought: Sought, claim: str) -> None:
        self._held[sought] = claim
        self._by_key[sought.key] = sought
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.get_running_loop().create_task(self._renew(), name="renew leads")

    async def leave(self, sought: Sought) -> None:
        """Take the claim back, if it is still ours."""
        claim = self._held.get(sought)
        if claim is not None:
            self.left(sought)
            await self._ask(("EVAL", LEAVE, 1, claim, self._name))

    def brought(self, entry: Entry) -> tuple[Sought, Command] | None:
        """What a stored entry ends a claim to, and the command behind it that takes the claim back: then it is `left`."""
        sought = self._by_key.get(entry.key)
        if sought is None or sought.epoch != entry.epoch:
            return None
        if sought.generations[: len(entry.generations)] != entry.generations:
            return None
        return sought, ("EVAL", LEAVE, 1, self._held[sought], self._name)

    def left(self, sought: Sought) -> None:
        """Nothing is claimed here any more."""
        self._held.pop(sought, None)
        if self._by_key.get(sought.key) == sought:
            del self._by_key[sought.key]

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
