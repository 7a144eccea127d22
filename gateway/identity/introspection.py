"""Whose token is this? A service that vouches for tokens is asked, and its verdicts are remembered for as long as they hold."""

from __future__ import annotations

import asyncio
import json
import logging
from hashlib import sha256

from aiohttp import ClientError, ClientSession, ClientTimeout
from cachetools import LRUCache
from msgspec import Struct
from msgspec.structs import replace

from gateway.core.faults import Unauthenticated, Unavailable
from gateway.core.principal import Principal
from gateway.core.vouching import Vouched, judge_user

log = logging.getLogger("labgate.identity")

VERDICTS = 16384
"""Tokens that are remembered, of each service that vouches."""
REFUSED = 65536
"""Tokens that are remembered as refused."""
LARGEST = 1 << 20
"""Bytes of an answer."""
RETRY = 5.0
"""Seconds after which a service that did not answer is asked again for a token that it has vouched for."""
AT_ONCE = 32
"""Questions under way at once."""
SOON = 0.8
"""Of a verdict's life: after so much of it, it is renewed in the background when it is used."""

_ASKING = ClientTimeout(total=10)


class Terms(Struct, frozen=True):
    """Who vouches, and for how many seconds it is believed: that a token holds, that it does not, and while nothing is heard."""

    url: str
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


class MiddleAuth:
    """middle_auth, asked about tokens that say nothing of themselves. Times are seconds since 1970 and come in."""

    def __init__(self, terms: Terms, session: ClientSession) -> None:
        self.terms = terms
        self.asked = 0
        self._session = session
        self._verdicts: LRUCache[bytes, _Verdict] = LRUCache(VERDICTS)
        self._refused: LRUCache[bytes, float] = LRUCache(REFUSED)
        self._flights: dict[bytes, asyncio.Task[Vouched]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._failing = False

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
        if now >= verdict.again and key not in self._flights:
            self._set_off(key, token, now).add_done_callback(_heard)
        return verdict.vouched

    async def ask(self, token: str, now: float) -> Principal:
        """Whom the token speaks for. Raises `Unauthenticated`, or `Unavailable` while nobody can say."""
        key = _key(token)
        found = self.vouched(token, now)
        if found is not None:
            return found.principal
        refused = self._refused.get(key)
        if refused is not None and now < refused:
            raise self._refusal()
        flight = self._flights.get(key) or self._set_off(key, token, now)
        try:
            return (await asyncio.shield(flight)).principal
        except asyncio.CancelledError:
            if flight.cancelled():
                raise Unavailable("The gate is going down: call again in a moment.", retry_after=1) from None
            raise

    def forget(self) -> None:
        """Ask about every token anew."""
        self._verdicts.clear()
        self._refused.clear()

    async def close(self) -> None:
        """End the questions under way."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    # --- asking

    def _set_off(self, key: bytes, token: str, now: float) -> asyncio.Task[Vouched]:
        flight = asyncio.get_running_loop().create_task(
            self._fly(key, token, now), name="a token is vouched for"
        )
        self._flights[key] = flight
        flight.add_done_callback(lambda _: self._ended(key))
        return flight

    def _ended(self, key: bytes) -> None:
        self._flights.pop(key, None)

    async def _fly(self, key: bytes, token: str, now: float) -> Vouched:
        before = self._verdicts.get(key)
        try:
            async with self._turns:
                status, body = await self._fetch(token)
        except (ClientError, TimeoutError, OSError) as error:
            return self._away(key, before, now, type(error).__name__)
        if status in (401, 403):
            self._verdicts.pop(key, None)
            self._refused[key] = now + self.terms.negative
            raise self._refusal()
        vouched = (
            judge_user(_read(body), self.terms.url, token, now + self.terms.fresh) if status == 200 else None
        )
        if vouched is None:
            # A redirect leads to a page for people; whatever else is no verdict.
            return self._away(key, before, now, f"status {status}" if status != 200 else "it told of nobody")
        self._back()
        self._verdicts[key] = _Verdict(vouched, now, vouched.principal.expires, now + SOON * self.terms.fresh)
        self._refused.pop(key, None)
        return vouched

    async def _fetch(self, token: str) -> tuple[int, bytes]:
        self.asked += 1
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        async with self._session.get(
            f"{self.terms.url}/api/v1/user/cache", headers=headers, timeout=_ASKING, allow_redirects=False
        ) as answer:
            body = await answer.content.read(LARGEST + 1)
            while len(body) <= LARGEST and (more := await answer.content.read(LARGEST)):
                body += more
            return answer.status, body

    def _away(self, key: bytes, before: _Verdict | None, now: float, why: str) -> Vouched:
        """It cannot be asked: its last word holds for a while."""
        if not self._failing:
            log.warning("%s does not vouch for tokens at present: %s", self.terms.url, why)
            self._failing = True
        last = 0.0 if before is None else before.heard + self.terms.fresh + self.terms.stale
        if before is None or now >= last:
            raise Unavailable(
                f"Whether your token holds cannot be found out: {self.terms.url} does not answer as it should. Call again in "
                "a moment.",
                retry_after=5,
            )
        until = min(now + RETRY, last)
        principal = replace(before.vouched.principal, expires=until)
        vouched = Vouched(principal, before.vouched.said)
        self._verdicts[key] = _Verdict(vouched, before.heard, until, now + SOON * RETRY)
        return vouched

    def _back(self) -> None:
        if self._failing:
            log.info("%s vouches for tokens again", self.terms.url)
            self._failing = False

    def _refusal(self) -> Unauthenticated:
        return Unauthenticated(
            f"The token is none that {self.terms.url} knows: was it made there, and not taken back since?"
        )


def _key(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def _read(body: bytes) -> object:
    if len(body) > LARGEST:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _heard(flight: asyncio.Task[Vouched]) -> None:
    if not flight.cancelled():
        flight.exception()  # it was told to whoever waited, and the log knows
