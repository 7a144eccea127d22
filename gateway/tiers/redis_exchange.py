"""Who keeps this host and Redis in agreement: what was ended here goes out, what was ended elsewhere comes in?

One session after another, each with a server that is surely one and the same: subscribe, take over all counters, send what
is unsent; only then may values be read and stored. A session ends with whatever goes wrong, and the next one begins soon:
the first at once, later ones after at most a second.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from secrets import token_hex
from typing import Any, Final, Protocol

from redis.asyncio import Connection
from redis.exceptions import RedisError, ResponseError

from gateway.tiers.bumps import EPOCH
from gateway.tiers.redis_link import FAILURES, Link, Place, drop, reply, send, why
from gateway.tiers.redis_scripts import BUMP, MEET, TICK
from gateway.tiers.redis_words import Names, message_of, revocations_of, texts_of
from gateway.tiers.replication import Replicated

log = logging.getLogger("labgate.redis")

TICK_SECONDS: Final = 0.5
"""From one look at Redis to the next; a lost message is noticed after two of them."""
ANSWER_SECONDS: Final = 0.75
"""How long Redis may take for what keeps us in agreement, before it counts as away."""
GATHER_SECONDS: Final = 0.01
"""From one message to the next, at least: what ends meanwhile is told together."""
GONE_SECONDS: Final = 4.0
"""A replica that has not been heard of for so long is none."""
LONGEST_PAUSE: Final = 1.0
_SERVICES_EVERY: Final = 4
"""Ticks from one look at the list of services to the next."""


class Withdrawals(Protocol):
    """What operators said of services, as this host knows it: texts by the services' names, of which the newer one holds."""

    def told(self) -> Mapping[str, str]:
        """What was said last of each."""

    def heard(self, records: Mapping[str, str]) -> list[str]:
        """This was said on other hosts; of which of these services something newer is known here."""


class DisagreementError(RedisError):
    """Redis is not what it was: its table is another one, or its messages do not come."""


class Ledger(Protocol):
    """The tokens that were taken back, and the keys, as this host knows them. It is asked beside the event loop."""

    def all(self) -> Mapping[str, float]:
        """When each was taken back, by its id."""

    def add(self, revoked: Mapping[str, float]) -> None:
        """These were taken back on other hosts."""

    def keys(self) -> Mapping[str, str]:
        """What is to be said of the keys that hold, by their ids."""

    def add_keys(self, records: Mapping[str, str]) -> list[str]:
        """This is said of keys by other hosts; of which nothing is to be said any longer."""


class Exchange:
    """Keeps generations in agreement with Redis; to be run as one task, until it is cancelled."""

    def __init__(
        self,
        place: Place,
        names: Names,
        generations: Replicated,
        name: str,
        monotonic: Callable[[], float],
        ledger: Ledger | None = None,
        withdrawals: Withdrawals | None = None,
        *,
        wall: Callable[[], float],
    ) -> None:
        """`name` is what other replicas call this one; `monotonic` tells seconds, `wall` those since 1970; `ledger` and `withdrawals` are shared, if they are there."""
        self._ledger = ledger
        self._withdrawals = withdrawals
        self._said = False
        self._wall = wall
        self.ahead = 0.0
        """By how many seconds the clock of Redis is ahead of this host's, as of the last look."""
        self._revoked_elsewhere = False
        self._place = place
        self.names = names
        self._generations = generations
        self.name = name
        self._monotonic = monotonic
        self._link: Link | None = None
        self._incarnation = b""
        self._heard = 0
        self._told = 0
        self._doubted = False
        self._stir = asyncio.Event()
        self.tried = asyncio.Event()
        """Set when the first session stands, or has failed."""
        self.since = monotonic()
        self.sessions = 0
        self.why = "not asked yet"
        self.services: set[bytes] = set()
        self.replicas: dict[str, int] = {}
        """Who lives, and the number of the message that each heard last."""
        generations.wake = self._stir.set

    @property
    def link(self) -> Link | None:
        """What values are asked for by; None while Redis is away, in doubt, or not in agreement."""
        return None if self._doubted else self._link

    @property
    def seconds(self) -> float:
        """For how long Redis has been there, or away."""
        return round(self._monotonic() - self.since, 1)

    @property
    def behind(self) -> dict[str, int]:
        """How many of the messages each replica has not heard yet, as of the last look."""
        return {name: max(0, self._told - heard) for name, heard in sorted(self.replicas.items())}

    def tell(self) -> None:
        """Something was said of a service: other gates hear of it soon."""
        self._said = True
        self._stir.set()

    def doubt(self) -> None:
        """Something went wrong with a value: nobody asks until a look has shown that Redis is there."""
        self._doubted = True
        self._stir.set()

    async def run(self) -> None:
        """Hold session after session."""
        pause = 0.0
        while True:
            begun, sessions = self._monotonic(), self.sessions
            try:
                await self._session()
            except FAILURES as failure:
                self._away(why(failure))
            except Exception as mistake:
                # It must go on: while it does not, nothing that ends here reaches the other replicas.
                if not self.why:
                    log.exception("the exchange with redis failed by a mistake")
                self._away(f"it says what cannot be understood: {type(mistake).__name__}: {mistake}")
            self.tried.set()
            stood = self.sessions > sessions and self._monotonic() - begun > LONGEST_PAUSE
            pause = 0.0 if stood else min(LONGEST_PAUSE, 2 * pause or 0.05)
            await asyncio.sleep(pause * random.uniform(0.7, 1.0))  # noqa: S311 # so that replicas do not come all at once

    async def farewell(self) -> None:
        """Before the end: send what is unsent and say goodbye, if Redis is there. Nothing is raised."""
        link = self._link
        if link is None:
            return
        with suppress(*FAILURES):
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._send(link)
                await link.ask(("HDEL", self.names.key("replicas"), self.name))

    # --- one session

    async def _session(self) -> None:
        link, ear = Link(self._place), None
        try:
            async with asyncio.timeout(2 * ANSWER_SECONDS):
                ear = await link.connect()
                await send(ear, ("SUBSCRIBE", self.names.channel))
                if isinstance(confirmed := await reply(ear), ResponseError):
                    raise confirmed
                await self._meet(link)
                await self._share_ledger(link)
                await self._share_withdrawals(link)
                await self._send(link)
                await self._look(link)
                await self._list_services(link)
            self._here(link)
            await _until_one_fails(self._listen(ear, link), self._keep_up(link))
        finally:
            self._link = None
            await link.close()
            if ear is not None:
                await drop(ear)

    async def _meet(self, link: Link) -> None:
        """Take over all counters of Redis."""
        key = self.names.key("generations")
        (told,) = await link.ask(("EVAL", MEET, 1, key, link.run, token_hex(12)))
        table = dict(zip(told[::2], told[1::2], strict=True))
        self._incarnation = table[b"id"]
        self._heard = self._told = int(table[b"n"])
        counters = {int(field): int(count) for field, count in table.items() if field.isdigit()}
        if max(counters, default=0) > EPOCH:
            raise DisagreementError("its table of counters holds what no gate of this release wrote")
        if not self._generations.meet(self._incarnation, counters):
            log.info("redis begins anew: what was stored before is void")

    async def _send(self, link: Link) -> None:
        """Send every bump that Redis does not have now; what ends meanwhile is for the next time."""
        made = self._generations.unsent()
        if not made:
            return
        key, channel = self.names.key("generations"), self.names.channel
        head = ("EVAL", BUMP, 1, key, self._incarnation, channel, self._generations.host)
        (told,) = await link.ask((*head, *made))
        if told is None:
            raise DisagreementError("its table of counters was lost")
        self._generations.sent(made, dict(zip(made, told[1:], strict=True)))

    async def _look(self, link: Link) -> None:
        """See whether Redis is there and every message came, and who else lives."""
        keys = (self.names.key("generations"), self.names.key("replicas"))
        told, heard, before = self._told, self._heard, self._wall()
        (found,) = await link.ask(("EVAL", TICK, 2, *keys, self.name, heard, round(1000 * GONE_SECONDS)))
        if found[0] != self._incarnation:
            raise DisagreementError("its table of counters was lost")
        self._told = int(found[1])
        self.ahead = int(found[2]) + int(found[3]) / 1e6 - (before + self._wall()) / 2
        if self._heard < told:  # what was told before the last look has not come yet
            await self._meet(link)
            raise DisagreementError("its messages do not come")
        alive = iter(found[4:])
        self.replicas = {
            name.decode("utf-8", "replace"): int(n) for name, n in zip(alive, alive, strict=True)
        }

    async def _share_ledger(self, link: Link) -> None:
        """Give Redis the revocations that it has not, and take over those that this host has not."""
        if self._ledger is None:
            return
        self._revoked_elsewhere = False
        key = self.names.key("revoked")
        here = await asyncio.to_thread(self._ledger.all)
        (told,) = await link.ask(("HGETALL", key))
        there = revocations_of(told)
        if missing := {token: at for token, at in here.items() if token not in there}:
            pairs = [text for token, at in missing.items() for text in (token, repr(at))]
            await link.ask(("HSET", key, *pairs))
        if new := {token: at for token, at in there.items() if token not in here}:
            await asyncio.to_thread(self._ledger.add, new)
        await self._share_keys(link)

    async def _share_keys(self, link: Link) -> None:
        """Give Redis the keys that it has not, and take over those that this host has not."""
        if self._ledger is None:
            return
        key = self.names.key("keys")
        here = await asyncio.to_thread(self._ledger.keys)
        (told,) = await link.ask(("HGETALL", key))
        there = texts_of(told)
        if missing := [(name, text) for name, text in here.items() if name not in there]:
            await link.ask(("HSET", key, *(word for pair in missing for word in pair)))
        if new := {name: text for name, text in there.items() if name not in here}:
            over = await asyncio.to_thread(self._ledger.add_keys, new)
            if over:
                await link.ask(("HDEL", key, *over))

    async def _share_withdrawals(self, link: Link) -> None:
        """Take over what operators said of services on other hosts, and give Redis what is newer here."""
        if self._withdrawals is None:
            return
        self._said = False
        key = self.names.key("withdrawn")
        (told,) = await link.ask(("HGETALL", key))
        there = dict(zip(told[::2], told[1::2], strict=True))
        known = {
            name.decode("utf-8", "replace"): text.decode("utf-8", "replace") for name, text in there.items()
        }
        newer = await asyncio.to_thread(self._withdrawals.heard, known)
        here = await asyncio.to_thread(self._withdrawals.told)
        if missing := [(name, text) for name, text in here.items() if name not in known or name in newer]:
            await link.ask(("HSET", key, *(word for pair in missing for word in pair)))

    async def _list_services(self, link: Link) -> None:
        (members,) = await link.ask(("SMEMBERS", self.names.key("services")))
        self.services.update(members)

    async def _keep_up(self, link: Link) -> None:
        """Send what is to be sent when it is there, and look at Redis again and again."""
        looks, due, gathered = 0, self._monotonic() + TICK_SECONDS, 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due - self._monotonic())):
                    await self._stir.wait()
            if (rest := gathered - self._monotonic()) > 0:
                await asyncio.sleep(rest)  # many writes a second are few messages
            self._stir.clear()
            gathered = self._monotonic() + GATHER_SECONDS
            async with asyncio.timeout(ANSWER_SECONDS):
                # Who hears that the epoch is another one, finds the revocation that was the reason.
                if self._revoked_elsewhere or EPOCH in self._generations.unsent():
                    await self._share_ledger(link)
                if self._said:
                    await self._share_withdrawals(link)
                await self._send(link)
                if self._doubted or self._monotonic() >= due:
                    await self._look(link)
                    self._doubted = False
                    looks, due = looks + 1, self._monotonic() + TICK_SECONDS
                    if looks % _SERVICES_EVERY == 0:
                        await self._list_services(link)
                        await self._share_ledger(link)
                        await self._share_withdrawals(link)

    async def _listen(self, ear: Connection, link: Link) -> None:
        """Take what is told: an end on another host is one here."""
        while True:
            told = await reply(ear)
            if isinstance(told, ResponseError):
                raise told
            if told[0] != b"message":
                continue
            message = message_of(told[2])
            if message is None:  # nobody's; had it been a gate's, its number would be missed
                continue
            if message.incarnation != self._incarnation:
                raise DisagreementError("its table of counters is another one")
            self._generations.hear(message.counters, own=message.host == self._generations.host)
            if EPOCH in message.counters:
                self._revoked_elsewhere = True
                self._stir.set()
            if message.number > self._heard + 1:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._meet(link)
            self._heard = max(self._heard, message.number)

    # --- what is said about it

    def _here(self, link: Link) -> None:
        if self.why:
            log.info("redis at %s is there, and all replicas are in agreement", self._place)
            self.since = self._monotonic()
        self.sessions += 1
        self.why = ""
        self._link, self._doubted = link, False
        self.tried.set()

    def _away(self, reason: str) -> None:
        if not self.why or not self.tried.is_set():
            log.warning(
                "redis at %s is away (%s): the local tiers go on, and what ends here is sent later",
                self._place,
                reason,
            )
            self.since = self._monotonic()
        self.why = reason
        self.replicas = {}


async def _until_one_fails(*works: Coroutine[Any, Any, None]) -> None:
    """Do all of this until the first of them fails, and raise its failure."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
