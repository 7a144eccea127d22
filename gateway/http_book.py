"""Which stored HTTP reply answers a request through a mount, and what is stored of the replies that come?

RFC 9111's rule book, joined to the tiers: what it decides is in `core.http_judging` and `core.http_storing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Final

from cachetools import LRUCache
from msgspec import Struct
from msgspec.structs import replace

from gateway.core.call import Demand
from gateway.core.conditions import Named, in_force, named_in_result
from gateway.core.credentials_shown import without_cookies
from gateway.core.http_freshness import HttpCache
from gateway.core.http_judging import Found, judge_http
from gateway.core.http_storing import (
    BY_THE_REPLY,
    Exchange,
    Place,
    Storing,
    dated,
    entries,
    head_of,
    storing,
)
from gateway.core.keys import constant, person, scope
from gateway.core.keys import target as target_part
from gateway.core.method import CacheRule, Method
from gateway.core.ports import Generations, Lead, Sought
from gateway.core.principal import Principal
from gateway.core.reply import Fields
from gateway.core.switches import SWITCHED_OFF, Switches
from gateway.core.validators import freshened
from gateway.core.vary import variant
from gateway.core.verdict import Entry, Extent, Hit, HttpHead, Miss, Stale
from gateway.core.waiting import Coming, patience
from gateway.store import Store

NOT_STORED: Final = "not stored"
NO_VARIANT: Final = "no reply for these fields"
_VAIN_SECONDS: Final = 60.0
"""For how long nobody waits for replies to a request of which one was not stored."""
_MOST_VAIN: Final = 10_000
LOOK_SECONDS: Final = 1.0
"""From one look at how far a trip is that is waited for to the next."""


class Wanted(Struct, frozen=True):
    """A request through a mount, as the cache sees it.

    `root` is its key without what replies vary by, `chosen` are the fields that are in it. `lineage` are the names of the
    generations that a reply must agree with. `credential` = it carries the caller's own for the service; `special` = it
    asks for a part or makes a condition.
    """

    rule: CacheRule
    root: bytes
    person: bytes
    asked: Fields
    demand: Demand
    lineage: tuple[str, ...]
    chosen: frozenset[bytes]
    settings: HttpCache
    credential: bool = False
    special: bool = False
    named: Named = {}
    """The request's parameters by name, where the rule asks for them."""

    @property
    def lasting(self) -> Wanted:
        """The same with the longest time that its rule gives: what a reply may turn out to have."""
        rule = self.rule
        longest = max(rule.when, key=lambda one: one.fresh, default=None)
        if longest is None or longest.fresh <= rule.fresh:
            return self
        return replace(self, rule=replace(rule, fresh=longest.fresh, stale=longest.stale))

    def for_result(self, body: bytes, now: float) -> Wanted:
        """The same with its rule as it holds for the request and this result, at `now` (seconds since 1970)."""
        if not self.rule.when:
            return self
        needed = any(one.result for one in self.rule.when)
        return replace(
            self, rule=in_force(self.rule, self.named, named_in_result(body) if needed else {}, now)
        )


def rule_for(method: Method) -> CacheRule:
    """The operator's rule for the method, or the one that lets each reply speak for itself."""
    return method.cache or BY_THE_REPLY


def root_prefix(
    method: Method, principal: Principal, verb: str, chooses: tuple[bytes, ...], *, credential: bytes
) -> bytes | None:
    """A root without its target, for requests without a body; None where a right decides, which targets may name."""
    if rule_for(method).share == "authorized":
        return None
    return root_of(method, principal, verb, chooses, None, b"", {}, credential=credential)


def root_of(
    method: Method,
    principal: Principal,
    verb: str,
    chooses: tuple[bytes, ...],
    body: bytes | None,
    target: bytes,
    named: Named,
    *,
    credential: bytes,
) -> bytes:
    """The key under which replies to a request lie, or the signpost to them.

    HEAD has GET's: the same is stored for both. What came for somebody's own credential is for them alone. `named` are
    the request's parameters, where the rule asks for a right.
    """
    alone = person(principal.issuer, principal.subject, principal.rights)
    who = alone if credential else scope(rule_for(method), principal, named)
    return (
        target_part(method.service, "http")
        + who
        + constant("GET" if verb == "HEAD" else verb, chooses, body, credential)
        + target
    )


def watched_for(method: Method) -> tuple[str, ...]:
    """The generations of which at least one ends when anything does that may concern replies of this method."""
    return (*method.writes, *method.lineage)


class Trip:
    """A trip to a service whose reply others wait for, if it turns out to be theirs too."""

    def __init__(self, forget: Callable[[], None]) -> None:
        self._landed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._forget = forget
        self.lead: Lead | None = None
        """The lead among all processes, where others may be on the way for the same."""
        self.coming: Callable[[], Coming] | None = None
        """How far its answer is, where that has begun and will be stored."""
        self.deserted = False
        """Whether it ended because its caller went away, so that somebody else may begin it anew."""

    def land(self, *, shared: bool) -> None:
        """It is over; `shared` = its reply is stored, so that whoever waited looks again."""
        if not self._landed.done():
            self._forget()
            self._landed.set_result(shared)
            if self.lead is not None:
                self.lead.release()

    async def landed(self, seconds: float, unseen: float) -> bool | None:
        """Whether its reply was stored; None if that takes too long, or longer than so many seconds.

        `unseen`: see `patience`.
        """
        clock = asyncio.get_running_loop().time
        began = now = clock()
        while not self._landed.done():
            coming = None if self.coming is None else self.coming()
            more = min(patience(coming, now - began, now, unseen), began + seconds - now)
            if more <= 0:
                return None
            await asyncio.wait((self._landed,), timeout=min(more, LOOK_SECONDS))
            now = clock()
        return self._landed.result()


class HttpBook:
    """Finds and stores HTTP replies; whoever carries requests through a mount asks it."""

    def __init__(self, store: Store, generations: Generations, switches: Switches) -> None:
        self.get = store.get
        self._store = store
        self._generations = generations
        self._switches = switches
        self._trips: dict[Hashable, Trip] = {}
        # By hash: a root may be long, and two that are taken for one make a trip more.
        self._vain: LRUCache[int, float] = LRUCache(_MOST_VAIN)

    # --- find

    def find(self, wanted: Wanted, now: float) -> Found:
        """What memory has for the request at `now` (seconds since 1970)."""
        if not self._switches.cache:
            return Found(SWITCHED_OFF)
        return self._judged(wanted, *self._under(wanted), now)

    def may_recall(self, wanted: Wanted, found: Found, service: str) -> bool:
        """Whether farther tiers may have what memory has not: it is worth waiting for `recall`."""
        absent = isinstance(found.verdict, Miss) and found.verdict.why in (NOT_STORED, NO_VARIANT)
        newest = wanted.demand.max_age is not None and wanted.demand.max_age < 0
        return absent and not newest and self._store.reaches(service)

    async def recall(self, wanted: Wanted, wall: Callable[[], float]) -> Found:
        """What the farther tiers have for the request, judged when it is here."""
        key, entry = self._under(wanted)
        tier = ""
        if entry is None and key == wanted.root:
            entry, tier = await self._fetched(key)
            if entry is not None and entry.vary:
                key = variant(wanted.root, entry.vary, wanted.asked, wanted.person)
                entry, tier = self.get(key), ""
        if entry is None and key != wanted.root:
            entry, tier = await self._fetched(key)
        found = self._judged(wanted, key, entry, wall())
        if tier and isinstance(found.verdict, Hit | Stale):
            return replace(found, verdict=replace(found.verdict, tier=tier))
        return found

    async def _fetched(self, key: bytes) -> tuple[Entry | None, str]:
        """What the farther tiers have under a key, and the name of the tier that has it."""
        found = await self._store.from_afar(key)
        return (None, "") if found is None else found

    def _judged(self, wanted: Wanted, key: bytes, entry: Entry | None, now: float) -> Found:
        if not self._switches.cache:
            return Found(SWITCHED_OFF)
        found = judge_http(
            wanted.rule,
            key,
            entry,
            wanted.demand,
            epoch=self._generations.epoch,
            generations=self._generations.read(wanted.lineage),
            now=now,
        )
        if entry is None and key != wanted.root and isinstance(found.verdict, Miss):
            return replace(found, verdict=replace(found.verdict, why=NO_VARIANT))
        return found

    def is_fresh(self, entry: Entry, lineage: tuple[str, ...], now: float) -> bool:
        """Whether the entry answers at once, as it is, whoever may have it: what `find` says of it in one step."""
        return (
            entry.stored - 1 <= now < entry.fresh_until
            and not entry.validate
            and entry.epoch == self._generations.epoch
            and entry.generations == self._generations.read(lineage)
        )

    def under(self, wanted: Wanted) -> Entry | None:
        """What memory has for the request, whatever it is worth by now."""
        return self._under(wanted)[1]

    def _under(self, wanted: Wanted) -> tuple[bytes, Entry | None]:
        """The key that the request has after what is known of its kind, and what lies there."""
        entry = self.get(wanted.root)
        if entry is None or not entry.vary:
            return wanted.root, entry
        key = variant(wanted.root, entry.vary, wanted.asked, wanted.person)
        return key, self.get(key)

    # --- what was decided before it was known that there is anything to store

    def mark(self, watched: tuple[str, ...]) -> tuple[int, ...]:
        """What must not have changed when a reply comes, for a request that nobody looked up (see `since`)."""
        return self._generations.read(watched)

    def since(
        self, wanted: Wanted, watched: tuple[str, ...], mark: tuple[int, ...], epoch: int
    ) -> Miss | None:
        """The verdict that a look-up would have given when `mark` was read; None if something has ended since.

        The generations of the request's own address are read first: whatever ends one of them ends the service's
        before, so that an equal mark after it proves them as old as the mark.
        """
        generations = self._generations.read(wanted.lineage)
        if self.mark(watched) != mark or self._generations.epoch != epoch or not self._switches.cache:
            return None
        return Miss(self._under(wanted)[0], generations, epoch, wanted.rule, NOT_STORED)

    # --- store

    def how(
        self, wanted: Wanted, status: int, fields: Fields, requested: float, received: float
    ) -> Storing | str:
        """How the reply to a request is stored, or why it is not."""
        if not self._switches.cache:  # switched off while the trip went on
            return "switched off"
        exchange = Exchange(wanted.demand, wanted.credential, wanted.special, requested, received)
        fields = without_cookies(fields, wanted.settings.idle_cookies)
        found = storing(wanted.rule, exchange, status, fields, wanted.settings.heuristic)
        if wanted.settings.by_person and wanted.rule is BY_THE_REPLY and not isinstance(found, str):
            return replace(found, private=True)
        return found

    def store(
        self,
        wanted: Wanted,
        miss: Miss,
        how: Storing,
        head: HttpHead,
        body: bytes | Extent,
        received: float,
        *,
        near: bool = False,
    ) -> Entry | None:
        """Store a whole reply, whose body may lie in a file; the entry, or None if no tier takes it.

        `near` = in memory alone.
        """
        length = len(body) if isinstance(body, bytes) else body.length
        if not self._switches.cache or length > wanted.rule.max_size:
            return None
        if isinstance(body, bytes):
            made = entries(how, self._place(wanted), miss, head, body, received)
        else:
            *others, reply = entries(how, self._place(wanted), miss, head, b"", received)
            made = (*others, replace(reply, extent=body))
        made = tuple(replace(entry, lineage=wanted.lineage) for entry in made)
        put = self._store.put_near if near else self._store.put
        stored = [put(entry) for entry in made]
        if not all(stored):
            return None
        self._vain.pop(hash(wanted.root), None)
        return made[-1]

    def _place(self, wanted: Wanted) -> Place:
        return Place(wanted.root, wanted.person, wanted.asked, self.get(wanted.root), wanted.chosen)

    def freshen(
        self, wanted: Wanted, miss: Miss, old: Entry, told: Fields, requested: float, received: float
    ) -> Entry | None:
        """Renew a stored reply by the fields of a newer one that has the same body (RFC 9111 section 4.3.4).

        The entry as it serves now; it is stored where its fields still let it be, and forgotten where they do not.
        """
        head = old.head
        if head is None:
            return None
        told = dated(told, received)
        fields = freshened(head.fields, told)
        # The age counts from this reply on: the Date is its own, and an Age that it does not say is none.
        aged = (*fields, *(field for field in told if field[0].lower() == b"age"))
        whole = replace(wanted, special=False).for_result(old.body, received)
        how = self.how(whole, head.status, aged, requested, received)
        if isinstance(how, str):
            if not wanted.demand.no_store:
                self._store.forget(old.key)
            return replace(old, head=head_of(head.status, head.reason, fields), stored=received, aged=0)
        renewed = head_of(head.status, head.reason, how.fields)
        entry = self.store(whole, miss, how, renewed, old.extent or old.body, received)
        if entry is not None and entry.key != old.key:
            self._store.forget(old.key)
        return entry or replace(old, head=renewed, stored=received, aged=how.aged)

    def drop(self, entry: Entry) -> None:
        """Forget a reply that holds no longer."""
        self._store.forget(entry.key)

    # --- trips that others wait for

    def trip(self, miss: Miss, method: Method) -> Trip | None:
        """A trip under way for the same, in the same generations; nothing was written to the service since it left."""
        return self._trips.get(self._trip_key(miss, method))

    def lead(self, miss: Miss, method: Method) -> Trip:
        """Begin a trip for which others may wait; it must land."""
        key = self._trip_key(miss, method)
        self._trips[key] = made = Trip(lambda: self._forget(key))
        return made

    def in_vain(self, wanted: Wanted, now: float) -> None:
        """A reply to this request was not stored, though a rule speaks of it: nobody need wait for the next ones, for a while."""
        self._vain[hash(wanted.root)] = now + _VAIN_SECONDS

    def is_in_vain(self, wanted: Wanted, now: float) -> bool:
        """Whether that was the case a moment ago."""
        return bool(self._vain) and now < self._vain.get(hash(wanted.root), 0.0)

    @property
    def agrees(self) -> bool:
        """Whether other processes may be on the way for the same."""
        return self._store.agrees

    async def lead_of_all(self, wanted: Wanted, miss: Miss, method: Method, patience: float) -> Lead | None:
        """The lead among all processes for such a trip; see `FarTiers.lead`."""
        names = (*wanted.lineage, *method.writes)
        generations = (*miss.generations, *self._generations.read(method.writes))
        return await self._store.lead(Sought(miss.key, names, generations, miss.epoch), patience)

    def _trip_key(self, miss: Miss, method: Method) -> Hashable:
        return miss.key, miss.epoch, miss.generations, self._generations.read(method.writes)

    def _forget(self, key: Hashable) -> None:
        self._trips.pop(key, None)
