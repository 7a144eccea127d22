"""Which entries do the replicas of a gate share?"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from hashlib import blake2b
from typing import Any, Final, Protocol, TypeAlias

from msgspec import Struct, to_builtins
from msgspec.structs import replace
from redis.exceptions import ResponseError

from gateway.core.keys import service_of
from gateway.core.ports import Sought
from gateway.core.tally import Book
from gateway.core.verdict import Entry
from gateway.tiers.redis_exchange import Exchange
from gateway.tiers.redis_leads import RedisLeads
from gateway.tiers.redis_limits import Counts as ToldCounts
from gateway.tiers.redis_limits import RedisLimits
from gateway.tiers.redis_link import FAILURES, Command, Link, Place, why
from gateway.tiers.redis_offers import RedisOffers
from gateway.tiers.redis_outcomes import RedisOutcomes
from gateway.tiers.redis_scripts import COUNTERS, SEEK
from gateway.tiers.redis_values import MOST_ROWS, VERSION, Stored, UnreadableError, later, packed, unpacked
from gateway.tiers.replication import Replicated, rows_of

log = logging.getLogger("labgate.redis")

LARGE: Final = 256 << 10
"""Bytes from which on a value is made and checked beside the event loop."""
_ALIKE: Final = 0.05
"""Seconds: clocks that differ by less are the same, as far as anybody can tell."""
_LONGEST_LIFE: Final = 30 * 86400.0
_STORING: Final = 4
"""Storing may take so many times as long as reading: nobody waits for it."""

Read: TypeAlias = Callable[[], Iterable[tuple[tuple[str, ...], float]]]


class Numbers(Protocol):
    """Who publishes numbers, and reads them when somebody asks."""

    def gauge(
        self, name: str, text: str, labels: tuple[str, ...], read: Read, *, alike: bool = False
    ) -> None:
        """Publish numbers that go up and down; `alike` = every worker says the same."""

    def counter(self, name: str, text: str, labels: tuple[str, ...], read: Read) -> None:
        """Publish numbers that only grow."""


class Options(Struct, frozen=True):
    """How Redis is used; `patience` is in seconds for a read, `largest` the bytes of the largest value."""

    place: Place
    prefix: str = "labgate"
    patience: float = 0.25
    largest: int = 16 << 20


class Counts(Struct):
    """What happened to values: found and used, not found or void, stored, not stored, cut or altered."""

    hits: int = 0
    misses: int = 0
    stored: int = 0
    refused: int = 0
    corrupt: int = 0


class RedisTier:
    """Entries in Redis, as values that live as long as the entries serve. Nothing is raised, and nothing takes long."""

    name = "redis"

    def __init__(
        self,
        options: Options,
        generations: Replicated,
        exchange: Exchange,
        under: Mapping[str, bytes],
        wall: Callable[[], float],
    ) -> None:
        """`under` stands, by service, for its settings: gates share what they have the same of; `wall` is in seconds since 1970."""
        self.under = under
        self._options = options
        self._generations = generations
        self._exchange = exchange
        self._wall = wall
        self._warned = False
        self.counts = Counts()
        self._limits: RedisLimits | None = None
        self.leads = RedisLeads(self._ask_if_there, partial(self._key, kind="lead"), generations)

    def may_have(self, service: str) -> bool:
        """Whether any replica stored something of this service, as far as is known; False while Redis is away."""
        return self._exchange.link is not None and service.encode() in self._exchange.services

    async def get(self, key: bytes, sought: Sought | None = None) -> Entry | None:
        """The entry under the key, with this host's own generations of now, if it still holds on every replica."""
        link = self._exchange.link
        entry = None if link is None else await self._read(link, key, sought)
        if entry is None:
            self.counts.misses += 1
        else:
            self.counts.hits += 1
        return entry

    async def put(self, entry: Entry) -> bool:
        """Store the entry, unless something ended since its trip began; whether it was stored."""
        link = self._exchange.link
        stored = link is not None and await self._store(link, entry)
        if stored:
            self.counts.stored += 1
        else:
            self.counts.refused += 1
        return stored

    async def drop(self, key: bytes) -> None:
        """Forget the key, if Redis is there."""
        await self._ask_if_there(("DEL", self._key(key)))

    # --- reading

    async def _read(self, link: Link, key: bytes, sought: Sought | None) -> Entry | None:
        name, since = self._key(key), self._generations.moment
        found = await self._seek(link, name, sought)
        if found is None:
            return None
        told, value = found
        try:
            stored = unpacked(value) if len(value) < LARGE else await asyncio.to_thread(unpacked, value)
        except UnreadableError as unreadable:
            await self._corrupt(link, name, unreadable)
            return None
        return self._valid(stored, told, key, since)

    async def _seek(
        self, link: Link, name: str, sought: Sought | None
    ) -> tuple[list[bytes | None], bytes] | None:
        """The counters that the value must agree with, and the value; where there is none, who goes for it is agreed on."""
        patience, keys = self._options.patience, (name, self._exchange.names.key("generations"))
        claim = None if sought is None or self.leads.has(sought) else self.leads.claim(sought)
        claims, terms = ((), ()) if claim is None else ((claim,), self.leads.terms())
        seek = ("EVAL", SEEK, 2 + len(claims), *keys, *claims, LARGE, *terms)
        replies = await self._ask(link, patience, seek)
        if replies is None or replies[0] is None:
            return None
        found = replies[0]
        if isinstance(found, int):
            if sought is not None and claim is not None:
                self.leads.tell(sought, claim, made=bool(found))
            return None
        if len(found) == 2:
            return found[0], found[1]
        # Of a long value a script would make two more copies while nobody else is served.
        commands = (("MULTI",), ("EVAL", COUNTERS, 2, *keys), ("GET", name), ("EXEC",))
        replies = await self._ask(link, patience, *commands)
        if replies is None or replies[-1] is None:
            return None
        told, value = replies[-1]
        if value is None or isinstance(told, ResponseError) or isinstance(value, ResponseError):
            return None
        return told, value

    def _valid(self, stored: Stored, told: list[bytes | None], key: bytes, since: int) -> Entry | None:
        entry = stored.entry
        try:
            counters = tuple([int(count or 0) for count in told[1:]])
        except ValueError:  # no number of ours
            return None
        agrees = (told[0], counters, entry.key) == (stored.incarnation, stored.counters, key)
        if not agrees or stored.rows != rows_of(entry.lineage):
            return None
        now = self._generations.now(entry.lineage, stored.incarnation, since)
        if now is None:
            return None
        return replace(later(entry, -self._ahead()), epoch=now[0], generations=now[1])

    async def _corrupt(self, link: Link, name: str, unreadable: UnreadableError) -> None:
        self.counts.corrupt += 1
        if not self._warned:
            self._warned = True
            log.warning("a value in redis is not used (%s); more of them are only counted", unreadable)
        await self._ask(link, self._options.patience, ("DEL", name))

    # --- storing

    async def _store(self, link: Link, entry: Entry) -> bool:
        life = min(entry.stale_until - self._wall(), _LONGEST_LIFE)
        service = owner_of(entry)
        if life <= 0 or entry.length > self._options.largest or service is None:
            return False
        # Before anything is waited for: what ended until now has ended here too.
        mark = self._generations.before(entry)
        if mark is None:
            return False
        body = await _body(entry)
        if body is None:
            return False
        written = replace(later(entry, self._ahead()), body=body, extent=None)
        stored = Stored(written, mark[0], rows_of(entry.lineage), mark[1])
        value = packed(stored) if len(body) < LARGE else await asyncio.to_thread(packed, stored)
        commands: list[Command] = [("SET", self._key(entry.key), value, "PX", max(1, int(1000 * life)))]
        if service not in self._exchange.services:
            commands.append(("SADD", self._exchange.names.key("services"), service))
        brought = self.leads.brought(entry)
        if brought is not None:
            commands.append(brought[1])
        if await self._ask(link, _STORING * self._options.patience, *commands) is None:
            return False
        if brought is not None:
            self.leads.left(brought[0])
        self._exchange.services.add(service)
        return True

    # --- both

    def _ahead(self) -> float:
        """By how many seconds the clock that values go by, which is that of Redis, is ahead of this host's."""
        ahead = self._exchange.ahead
        return ahead if abs(ahead) > _ALIKE else 0.0

    def _key(self, key: bytes, kind: str = VERSION) -> str:
        digest = blake2b(key, digest_size=20, key=self.under.get(service_of(key), b""))
        return self._exchange.names.key(f"{kind}:{digest.hexdigest()}")

    async def _ask_if_there(self, *commands: Command) -> list[Any] | None:
        link = self._exchange.link
        return None if link is None else await self._ask(link, self._options.patience, *commands)

    async def _ask(self, link: Link, patience: float, *commands: Command) -> list[Any] | None:
        try:
            async with asyncio.timeout(patience):
                return await link.ask(*commands)
        except FAILURES as failure:
            log.debug("redis was asked in vain: %s", why(failure))
            self._exchange.doubt()
            return None

    def limits(self, secret: bytes) -> RedisLimits:
        """Who tells the replicas what everybody had; to be asked for once, and run."""
        found = self._limits = RedisLimits(
            Book(secret), self._ask_if_there, self._exchange.names.key, self._wall
        )
        return found

    def tell(self) -> None:
        """Something was said of a service: other gates hear of it soon."""
        self._exchange.tell()

    def outcomes(self, secret: bytes) -> RedisOutcomes:
        """What the replicas know of calls that are made once, told apart and sealed by this."""
        return RedisOutcomes(self._ask_if_there, self._exchange.names.key, secret)

    def offers(self, secret: bytes) -> RedisOffers:
        """What the replicas have agreed on of what services offer, signed with this."""
        return RedisOffers(self._ask_if_there, self._exchange.names.key, secret)

    # --- numbers

    def status(self) -> dict[str, Any]:
        """What operators see; `since` is for how many seconds Redis is there, or away."""
        exchange = self._exchange
        return {
            "connected": exchange.link is not None,
            "since": exchange.seconds,
            **({"why": exchange.why} if exchange.why else {}),
            "unsent": len(self._generations.unsent()),
            **to_builtins(self.counts),
            "name": exchange.name,
            "replicas": exchange.behind,
            "shared": ["unsent", "replicas"],
        }

    def publish(self, numbers: Numbers) -> None:
        """Have every number read whenever metrics are asked for."""
        exchange, unsent = self._exchange, self._generations.unsent
        numbers.gauge(
            "redis_connected",
            "Whether Redis is there and in agreement.",
            (),
            lambda: [((), float(exchange.link is not None))],
            alike=True,
        )
        numbers.gauge(
            "redis_unsent",
            "Ended generations that Redis knows not of.",
            (),
            lambda: [((), float(len(unsent())))],
            alike=True,
        )
        numbers.gauge(
            "redis_replicas",
            "Replicas that live.",
            (),
            lambda: [((), float(len(exchange.replicas)))],
            alike=True,
        )
        numbers.counter(
            "redis_values",
            "Values in Redis that were used, not there, stored, not stored, or cut or altered.",
            ("outcome",),
            lambda: _counted(self.counts),
        )
        numbers.counter(
            "redis_limits",
            "Exchanges with Redis of what callers under a limit had.",
            ("outcome",),
            lambda: [] if self._limits is None else _counted(self._limits.counts),
        )


def _counted(counts: Counts | ToldCounts) -> list[tuple[tuple[str, ...], float]]:
    return [((name,), float(count)) for name, count in to_builtins(counts).items()]


def owner_of(entry: Entry) -> bytes | None:
    """The service whose entry it is; None if its lineage does not tell, or is not the one of its generations."""
    lineage = entry.lineage
    if len(lineage) != len(entry.generations) or len(lineage) >= MOST_ROWS:
        return None
    return next((name[8:].encode() for name in lineage if name.startswith("service:")), None)


async def _body(entry: Entry) -> bytes | None:
    """The whole body in memory; None if the file does not have it any more."""
    extent = entry.extent
    if extent is None:
        return entry.body
    try:
        data = await asyncio.to_thread(os.pread, extent.file.fileno(), extent.length, extent.offset)
    except (OSError, ValueError):
        return None
    return data if len(data) == extent.length else None
