"""How is somebody else asked whether a call may be? By one POST for each question, whose answer is remembered for a while."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Literal

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout
from cachetools import LRUCache
from msgspec import Struct

from gateway.core.decisions import Plea, Verdict, verdict_of
from gateway.identity.questions import Questions, joined

log = logging.getLogger("labgate.identity")

VERDICTS = 65536
"""Verdicts that are remembered."""
LARGEST = 64 << 10
"""Bytes of an answer."""
AT_ONCE = 32
"""Questions under way at once."""
RETRY = 1.0
"""Seconds after which one who did not answer is asked again about the same."""


class DecisionTerms(Struct, frozen=True):
    """Who decides, for how many seconds they are waited for and believed, and what counts while they do not answer."""

    url: str
    timeout: float = 1.0
    cache: float = 5.0
    fail: Literal["closed", "open"] = "closed"


class Decisions:
    """A service that decides, asked as Open Policy Agent is. Times are seconds since 1970 and come in."""

    def __init__(self, terms: DecisionTerms, session: ClientSession, wall: Callable[[], float]) -> None:
        """`wall` tells seconds since 1970: when an answer has come, and from when on it is believed."""
        self.terms = terms
        self.asked = self.failed = 0
        self._session = session
        self._wall = wall
        self._timeout = ClientTimeout(total=terms.timeout)
        self._verdicts: LRUCache[tuple[Any, ...], Verdict] = LRUCache(VERDICTS)
        self._questions: Questions[tuple[Any, ...], Verdict] = Questions("a decision")
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._failing = False

    def known(self, plea: Plea, now: float) -> Verdict | None:
        """What was said a moment ago, None if it has to be asked."""
        verdict = self._verdicts.get(plea.key)
        return verdict if verdict is not None and now < verdict.until else None

    async def ask(self, plea: Plea, now: float) -> Verdict:
        """The verdict, however it is had. Raises `Unavailable` when the gate goes down."""
        known = self.known(plea, now)
        if known is not None:
            return known
        key = plea.key
        flight = self._questions.get(key) or self._questions.set_off(key, self._fly(plea))
        return await joined(flight)

    async def close(self) -> None:
        """End the questions under way."""
        await self._questions.close()

    async def _fly(self, plea: Plea) -> Verdict:
        try:
            async with self._turns:
                status, body = await self._fetch(plea)
            # A redirect leads elsewhere than the settings say.
            verdict = verdict_of(_read(body), self._wall() + self.terms.cache) if status == 200 else None
            why = f"status {status}" if status != 200 else "no verdict"
        except (ClientError, TimeoutError, OSError) as error:
            verdict, why = None, type(error).__name__
        if verdict is None:
            self.failed += 1
            if not self._failing:
                log.warning(
                    "%s does not decide at present: %s; fail: %s", self.terms.url, why, self.terms.fail
                )
                self._failing = True
            verdict = Verdict(self.terms.fail == "open", self._wall() + RETRY, unknown=True)
        elif self._failing:
            log.info("%s decides again", self.terms.url)
            self._failing = False
        self._verdicts[plea.key] = verdict
        return verdict

    async def _fetch(self, plea: Plea) -> tuple[int, bytes]:
        self.asked += 1
        said = orjson.dumps({"input": plea.said()})
        fields = {"Content-Type": "application/json", "Accept": "application/json"}
        async with self._session.post(
            self.terms.url, data=said, headers=fields, timeout=self._timeout, allow_redirects=False
        ) as answer:
            body = await answer.content.read(LARGEST + 1)
            while len(body) <= LARGEST and (more := await answer.content.read(LARGEST)):
                body += more
            return answer.status, body


def _read(body: bytes) -> object:
    try:
        return None if len(body) > LARGEST else orjson.loads(body)
    except ValueError:
        return None
