"""Whose token is this? A service that vouches for tokens is asked, and its verdicts are remembered for as long as they hold."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from hashlib import sha256

from aiohttp import ClientSession
from cachetools import LRUCache
from msgspec import Struct
from msgspec.structs import replace

from gateway.core.faults import Unauthenticated, Unavailable
from gateway.core.principal import Principal
from gateway.core.vouching import Vouched
from gateway.identity.asking import FAILURES
from gateway.identity.authorities import Authority
from gateway.identity.questions import Questions, joined

log = logging.getLogger("labgate.identity")

VERDICTS = 16384
"""Tokens that are remembered, of each service that vouches."""
REFUSED = 65536
"""Tokens that are remembered as refused."""
RETRY = 5.0
"""Seconds after which a service that did not answer is asked again for a token that it has vouched for."""
AT_ONCE = 32
"""Questions under way at once."""
WAITING = 1024
"""Questions that may wait for their turn: more come from nobody who has tokens."""
SOON = 0.8
"""Of a verdict's life: after so much of it, it is renewed in the background when it is used."""


class Terms(Struct, frozen=True):
    """Who vouches, and for how many seconds it is believed: that a token holds, that it does not, and while nothing is heard."""

    authority: Authority
    fresh: float = 60.0
    negative: float = 5.0
    stale: float = 300.0
    stand_in: bool = False


class _Verdict(Struct, frozen=True):
    vouched: Vouched
    heard: float
    until: float
    again: float
    """From when on it is renewed as soon as it is used."""


def _as_it_is(principal: Principal) -> Principal:
    return principal


class Introspection:
    """What one authority says of tokens that say nothing of themselves. Times are seconds since 1970 and come in."""

    def __init__(
        self, terms: Terms, session: ClientSession, finished: Callable[[Principal], Principal] = _as_it_is
    ) -> None:
        """`finished` is a principal with what services are shown of them."""
        self.terms = terms
        self._finished = finished
        self.asked = 0
        self._session = session
        self._verdicts: LRUCache[bytes, _Verdict] = LRUCache(VERDICTS)
        self._refused: LRUCache[bytes, tuple[float, str]] = LRUCache(REFUSED)
        self._questions: Questions[bytes, Vouched] = Questions("a token is vouched for")
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._failing = False

    @property
    def name(self) -> str:
        """Who vouches."""
        return self.terms.authority.name

    def known(self, token: str, now: float) -> Principal | None:
        """Whom the token speaks for, if that was asked a while ago; a verdict that soon ends is renewed beside."""
        vouched = self.vouched(token, now)
        return None if vouched is None else vouched.principal

    def vouched(self, token: str, now: float) -> Vouched | None:
        """The same, with what was said of its owner."""
        key = _key(token)
        verdict = self._verdicts.get(key)
        if verdict is None or not now < verdict.until:
            return None
        if now >= verdict.again and key not in self._questions:
            self._questions.beside(key, self._fly(key, token, now))
        return verdict.vouched

    async def ask(self, token: str, now: float) -> Principal:
        """Whom the token speaks for. Raises `Unauthenticated`, or `Unavailable` while nobody can say."""
        key = _key(token)
        found = self.vouched(token, now)
        if found is not None:
            return found.principal
        refused = self._refused.get(key)
        if refused is not None and now < refused[0]:
            raise Unauthenticated(refused[1])
        flight = self._questions.get(key)
        if flight is None:
            if len(self._questions) >= WAITING:
                raise Unavailable(
                    f"Too many unknown tokens are asked about at {self.name}: call again in a moment.",
                    retry_after=2,
                )
            flight = self._questions.set_off(key, self._fly(key, token, now))
        vouched = await joined(flight)
        if now >= vouched.ends:  # it set off before
            raise Unauthenticated("The token has expired.")
        return vouched.principal

    def forget(self) -> None:
        """Ask about every token anew."""
        self._verdicts.clear()
        self._refused.clear()

    async def close(self) -> None:
        """End the questions under way."""
        await self._questions.close()

    # --- asking

    async def _fly(self, key: bytes, token: str, now: float) -> Vouched:
        before, terms = self._verdicts.get(key), self.terms
        self.asked += 1
        try:
            async with self._turns:
                told = await terms.authority.ask(self._session, token)
        except FAILURES as error:
            return self._away(key, before, now, type(error).__name__)
        try:
            vouched = terms.authority.judge(told, token, now, terms.fresh)
        except Unauthenticated as refusal:
            self._back()
            self._verdicts.pop(key, None)
            self._refused[key] = now + terms.negative, refusal.message
            raise
        if vouched is None:
            why = f"status {told.status}" if told.status != 200 else "it told of nobody"
            return self._away(key, before, now, why)
        self._back()
        vouched = replace(vouched, principal=self._finished(vouched.principal))
        until = vouched.principal.expires
        self._verdicts[key] = _Verdict(vouched, now, until, now + SOON * (until - now))
        self._refused.pop(key, None)
        return vouched

    def _away(self, key: bytes, before: _Verdict | None, now: float, why: str) -> Vouched:
        """It cannot be asked: its last word holds for a while."""
        if not self._failing:
            log.warning("%s does not vouch for tokens at present: %s", self.name, why)
            self._failing = True
        last = 0.0
        if before is not None:
            last = min(before.heard + self.terms.fresh + self.terms.stale, before.vouched.ends)
        if before is None or now >= last:
            raise Unavailable(
                f"Whether your token holds cannot be found out: {self.name} does not answer as it should. Call again in "
                "a moment.",
                retry_after=5,
            )
        until = min(now + RETRY, last)
        principal = replace(before.vouched.principal, expires=until)
        vouched = replace(before.vouched, principal=principal)
        self._verdicts[key] = _Verdict(vouched, before.heard, until, now + SOON * RETRY)
        return vouched

    def _back(self) -> None:
        if self._failing:
            log.info("%s vouches for tokens again", self.name)
            self._failing = False


def _key(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
