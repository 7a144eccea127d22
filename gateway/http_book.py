"""Which stored HTTP reply answers a request through a mount, and what is stored of the replies that come?

RFC 9111's rule book, joined to the tiers: what it decides is in `core.http_judging` and `core.http_storing`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final

from msgspec.structs import replace

from gateway.core.credentials_shown import without_cookies
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
from gateway.core.method import Method
from gateway.core.ports import Generations, Lead, Sought
from gateway.core.reply import Fields
from gateway.core.switches import SWITCHED_OFF, Switches
from gateway.core.validators import freshened
from gateway.core.vary import variant
from gateway.core.verdict import Entry, Extent, Hit, HttpHead, Miss, Stale
from gateway.core.wanted import Wanted
from gateway.store import Store
from gateway.trips import Trip, Trips

NOT_STORED: Final = "not stored"
NO_VARIANT: Final = "no reply for these fields"


class HttpBook:
    """Finds and stores HTTP replies; whoever carries requests through a mount asks it."""

    def __init__(self, store: Store, generations: Generations, switches: Switches) -> None:
        self.get = store.get
        self._store = store
        self._generations = generations
        self._switches = switches
        self._trips = trips = Trips()
        self.in_vain, self.is_in_vain = trips.in_vain, trips.is_in_vain

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
        self._trips.was_stored(wanted.root)
        return made[-1]

    def foreseen(self, wanted: Wanted, miss: Miss, how: Storing, head: HttpHead, received: float) -> Entry:
        """The entry that a reply will be whose body is still coming; it has none here."""
        made = entries(how, self._place(wanted), miss, head, b"", received)[-1]
        return replace(made, lineage=wanted.lineage)

    def answers(self, wanted: Wanted, entry: Entry, now: float) -> bool:
        """Whether an entry that is not stored yet would answer the request as it is."""
        return isinstance(self._judged(wanted, entry.key, entry, now).verdict, Hit)

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
        return self._trips.find(self._trip_key(miss, method))

    def lead(self, miss: Miss, method: Method) -> Trip:
        """Begin a trip for which others may wait; it must land."""
        return self._trips.begin(self._trip_key(miss, method))

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
