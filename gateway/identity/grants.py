"""Which tokens has the gate been granted, and who waits for one? Each is asked for once, ahead of its end, and by nobody twice."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Final

from cachetools import LRUCache
from msgspec import Struct

from gateway.core.faults import Fault, Unavailable
from gateway.core.principal import Bearer
from gateway.identity.granting import Grant
from gateway.identity.questions import Questions, joined

log = logging.getLogger("labgate.identity")

SOON: Final = 0.8
"""Of a token's life: after so much of it, another is asked for in the background when it is used."""
REFUSED: Final = 5.0
"""Seconds that a refusal holds."""

Ask = Callable[[float], Awaitable[Grant]]


class _Held(Struct, frozen=True):
    bearer: Bearer
    until: float
    again: float


class Grants:
    """Tokens by what they are for. Times are seconds since 1970 and come in."""

    def __init__(self, most: int) -> None:
        self._held: LRUCache[Hashable, _Held] = LRUCache(most)
        self._refused: LRUCache[Hashable, tuple[float, Fault]] = LRUCache(most)
        self._questions: Questions[Hashable, str] = Questions("a token is granted")
        self._failing = False

    def at_hand(self, key: Hashable, now: float, ask: Ask) -> str | None:
        """The token, if there is one that holds; one that soon ends is renewed beside."""
        held = self._held.get(key)
        if held is None or now >= held.until:
            return None
        if now >= held.again and key not in self._questions and not self._is_refused(key, now):
            self._questions.beside(key, self._fly(key, now, ask))
        return held.bearer.token

    async def obtain(self, key: Hashable, now: float, ask: Ask) -> str:
        """The token. Raises the fault of whoever grants none."""
        found = self.at_hand(key, now, ask)
        if found is not None:
            return found
        refused = self._refused.get(key)
        if refused is not None and now < refused[0]:
            raise refused[1]
        flight = self._questions.get(key) or self._questions.set_off(key, self._fly(key, now, ask))
        return await joined(flight)

    async def close(self) -> None:
        """End the questions under way."""
        await self._questions.close()

    def _is_refused(self, key: Hashable, now: float) -> bool:
        refused = self._refused.get(key)
        return refused is not None and now < refused[0]

    async def _fly(self, key: Hashable, now: float, ask: Ask) -> str:
        try:
            grant = await ask(now)
        except Fault as fault:
            self._refused[key] = now + REFUSED, fault
            if isinstance(fault, Unavailable) and not self._failing:
                self._failing = True
                log.warning("%s", fault.__cause__ or fault.message)
            raise
        if self._failing:
            self._failing = False
            log.info("tokens are granted again")
        self._refused.pop(key, None)
        self._held[key] = _Held(Bearer(grant.token), now + grant.life, now + SOON * grant.life)
        return grant.token
