"""The path of a call, top to bottom: find, admit, judge, fly, store, reply.

Who calls is known before (the doors identify), and how a reply is written is decided after (the doors write).
Between the two lies this file, and every call of every door goes through it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Hashable, Mapping
from typing import Any

from msgspec.structs import replace

from gateway.admission import plea_for
from gateway.afar import Afar
from gateway.audited import Audited
from gateway.core.assembling import Assembler
from gateway.core.audit import Auditor
from gateway.core.cache_status import in_a_word, reason
from gateway.core.call import Call
from gateway.core.catalog import Catalog
from gateway.core.charging import Accounts, Hold
from gateway.core.decisions import Decider
from gateway.core.faults import (
    Fault,
    InternalFault,
    UpstreamUnreachable,
)
from gateway.core.heard import Heard
from gateway.core.introducing import Introducer, Nobody
from gateway.core.method import Method
from gateway.core.policy import Policies
from gateway.core.ports import FarTiers, Generations, Marks, Route, Tier, Watcher
from gateway.core.principal import Principal
from gateway.core.reply import Reply, Whole
from gateway.core.switches import Switches
from gateway.core.tracing import current, step
from gateway.core.verdict import Hit, Miss, Pass, Stale, Verdict
from gateway.flights import Flight, Flights, Solo, late
from gateway.http_book import HttpBook
from gateway.introduced import introduced
from gateway.judging import Quick
from gateway.landing import Landing, Trip
from gateway.parts import RelayParts
from gateway.store import Store
from gateway.writes import Writes

__all__ = ["Quick", "Relay", "Trip"]  # what doors know of the path: they know no other file of it

log = logging.getLogger("labgate.relay")


class Relay(Landing):
    """Carries calls out: from memory where that is right, by a trip to the upstream otherwise."""

    def __init__(
        self,
        watcher: Watcher,
        policies: Policies,
        tier: Tier,
        generations: Generations,
        flights: Flights,
        *,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
        switches: Switches | None = None,
        far: FarTiers | None = None,
        marks: Marks | None = None,
        introducer: Introducer | None = None,
        accounts: Accounts | None = None,
        auditor: Auditor | None = None,
        decider: Decider | None = None,
    ) -> None:
        """`wall` tells seconds since 1970, for entries; `monotonic` those of the event loop, for deadlines.

        `introducer` says what a service is sent for a caller, and raises the fault of one who cannot be introduced. For
        `accounts`, `auditor` and `decider` see `Admission`.
        """
        switches = switches or Switches()
        store = Store(tier, far, switches)
        super().__init__(store, generations, policies, switches, wall, accounts, auditor, decider)
        self.introducer = introducer or Nobody()
        self.writes = Writes(marks, generations)
        self.catalog = Catalog()
        self.routes: Mapping[str, Route] = {}
        self._watcher = watcher
        self._flights = flights
        self._monotonic = monotonic
        self.afar = Afar(store, generations)
        self.parts = RelayParts(self)
        self.book = HttpBook(self.store, generations, self.switches)

    def rebind(self, catalog: Catalog, routes: Mapping[str, Route]) -> None:
        """Take a new catalog, and how the calls of each service (by its qualified name) are carried out now."""
        self.catalog, self.routes = catalog, routes

    @property
    def epoch(self) -> int:
        """What decisions that are kept elsewhere must still agree with."""
        return self._generations.epoch

    # find

    def find(self, name: str, datastack: str | None, principal: Principal) -> Method:
        """The method that the caller means. Raises `UnknownMethod`, `NeedsDatastack` or `UnknownDatastack`."""
        return self.catalog.find(name, datastack, self.policies.access(principal))

    # admit

    def admit(self, call: Call, now: float) -> None:
        """Refuse what the caller may not call, or not now, or nobody at present; a hit passes here as a miss does."""
        self.permit(call.principal, call.method)
        self.check_audit(call.method)
        if call.account is not None:
            call.account.charge(now)

    async def admit_decided(self, call: Call) -> None:
        """The same, where somebody else may have to be asked."""
        if self.decider is not None:
            await self._have_decided(call)
        self.admit(call, self.wall())

    async def _have_decided(self, call: Call) -> None:
        # Of what is forbidden anyway nobody is asked.
        self.permit(call.principal, call.method)
        await self.decide([plea_for(call.principal, call.method)])

    # judge

    def under_way(self, call: Call, verdict: Verdict) -> bool:
        """Whether a trip is under way that the call, with this verdict, would join."""
        if not isinstance(verdict, Miss | Stale):
            return False
        return self._flights.find(self._flight_key(call, verdict)) is not None

    def flies(self, key: bytes) -> bool:
        """Whether a trip is under way whose reply may be stored under this key."""
        return any(isinstance(shared, tuple) and shared[0] == key for shared in self._flights.shared())

    def at_hand(self, call: Call, now: float) -> Reply | None:
        """The reply, if memory has it: admits and judges, without waiting for anything.

        A stale entry answers at once, and one refresh is sent on its way.
        """
        found = self.look(call, now)
        return found if isinstance(found, Reply) else None

    def look(self, call: Call, now: float) -> Reply | Miss | Pass:
        """The same; where memory has no reply, why it has none."""
        if current.get() is None:
            return self._look(call, now)
        with step("judge") as recorded:
            found = self._look(call, now)
            verdict = found.verdict if isinstance(found, Reply) else found
            recorded.set("labgate.cache", in_a_word(verdict))
            recorded.set("labgate.cache.reason", reason(verdict))
            return found

    def _look(self, call: Call, now: float) -> Reply | Miss | Pass:
        self.admit(call, now)
        verdict = self.judge(call, now)
        match verdict:
            case Hit(entry):
                return Reply(entry.kind, Whole(entry.body), verdict)
            case Stale(entry):
                self.refresh(call, verdict)
                return Reply(entry.kind, Whole(entry.body), verdict)
        return verdict

    # what a door carries through by itself, byte by byte

    def beside(self, key: Hashable, fly: Callable[[], Coroutine[Any, Any, Reply]]) -> None:
        """Do work that belongs to no caller, unless the same is under way."""
        if self._flights.find(key) is None:
            self._flights.start(fly, key=key)

    def suspect(self, service: str) -> None:
        """A request through a mount did not reach the service."""
        self._watcher.suspect(service, self._monotonic())

    # fly

    async def answer(self, call: Call) -> Reply:
        """The reply to a call, from memory or by a trip."""
        if self.decider is not None:
            await self._have_decided(call)
        return self.at_hand(call, self.wall()) or await self.obtain(call)

    async def obtain(self, call: Call) -> Reply:
        """The reply to a call that was admitted and is not at hand: joins a trip or makes one."""
        verdict = self.judge(call, self.wall())
        if isinstance(verdict, Hit | Stale):  # came while the call was on its way here
            return Reply(verdict.entry.kind, Whole(verdict.entry.body), verdict)
        if call.account is None or call.account.at_once is None:
            return await self._obtain(call, verdict)
        hold = call.account.hold()
        if isinstance(
            verdict, Pass
        ):  # one that may change something is under way until it ends, whoever waits for it
            return await self._start(call, verdict, hold).join(call.deadline)
        try:
            return await self._obtain(call, verdict)
        finally:
            hold.release()

    async def _obtain(self, call: Call, verdict: Miss | Pass) -> Reply:
        match verdict:
            case Miss():
                flight = self._flights.find(self._flight_key(call, verdict))
                if flight is None:
                    return await self._set_off(call, verdict).join(call.deadline)
                with step("join") as recorded:
                    recorded.link(flight.trace)
                    shared = await self._joined(flight, call.deadline)
                if shared is not None:
                    self._flights.joined += 1
                    if isinstance(shared.verdict, Hit | Stale):  # it went no farther than a tier
                        return shared
                    return replace(shared, verdict=verdict, collapsed=True)
                if self._monotonic() >= call.deadline:
                    raise late(call.method.service)
                # Failures are nobody's but the caller's whose they are: the others go by themselves.
                alone = self._flights.start(
                    lambda: self._trip(call, verdict), safe=True, service=call.method.service
                )
                return await alone.join(call.deadline)
            case Pass():
                return await self._start(call, verdict).join(call.deadline)

    def _start(self, call: Call, verdict: Pass, hold: Hold | None = None) -> Flight:
        """A trip that nobody shares; what is held is released when it ends, and a write is written down."""
        auditor, flight = self.auditor, None

        async def fly() -> Reply:
            if auditor is None or call.method.safe:
                return await self._trip(call, verdict)
            with Audited(auditor, call, self._monotonic) as audited:
                try:
                    audited.reply = await self._trip(call, verdict)
                finally:
                    audited.heard = flight is not None and flight.awaited
                return audited.reply

        ended = None if hold is None else hold.release
        method = call.method
        flight = self._flights.start(fly, safe=method.safe, service=method.service, ended=ended)
        return flight

    async def _joined(self, flight: Flight | Solo, deadline: float) -> Reply | None:
        """What somebody else's trip brings, None where it fails or takes more than half of the time that is left.

        The other half is for a trip of one's own.
        """
        now = self._monotonic()
        try:
            return await flight.join(now + (deadline - now) / 2)
        except Fault:
            return None

    def time_of(self, call: Call) -> float:
        """How many seconds the service of a call has."""
        return self.routes[call.method.service].service.timeout

    def _set_off(self, call: Call, verdict: Miss | Stale) -> Flight:
        # The trip serves whoever joins, so it has the service's time and not the first caller's.
        deadline = self._monotonic() + self.routes[call.method.service].service.timeout
        shared = replace(call, deadline=deadline)
        return self._flights.start(
            lambda: self._fetch(shared, verdict),
            key=self._flight_key(call, verdict),
            safe=isinstance(verdict, Miss),
            service=call.method.service,
        )

    def refresh(self, call: Call, verdict: Stale) -> None:
        """Have a new reply brought for whoever asks next, unless somebody is on the way already."""
        if self._flights.find(self._flight_key(call, verdict)) is None:
            self._set_off(call, verdict)

    async def _fetch(self, call: Call, verdict: Miss | Stale) -> Reply:
        """One reply for all who share it: from a farther tier, from another process's trip, or by a trip."""
        sought = self.afar.sought(call, verdict)
        if isinstance(verdict, Miss) and self.afar.may_have(verdict, call.demand):
            with step("tier") as recorded:
                found = await self.afar.look(verdict, self.wall(), call.demand, sought)
                recorded.set("labgate.cache", in_a_word(found))
                recorded.set("labgate.cache.reason", reason(found))
            if not isinstance(found, Miss):
                return await self._told(call, found) or await self._trip(call, verdict)
            verdict = found
        if sought is None:
            return await self._trip(call, verdict)
        half = (call.deadline - self._monotonic()) / 2
        with step("lead"):
            lead = await self.afar.lead(sought, half)
        try:
            if lead is not None and lead.waited and (brought := await self._brought_elsewhere(call, verdict)):
                return brought
            return await self._trip(call, verdict)
        finally:
            if lead is not None:
                lead.release()

    async def _told(self, call: Call, found: Hit | Stale) -> Reply | None:
        """The reply of an entry that a farther tier has; None if it cannot be read."""
        read = await self.store.in_memory(found.entry)
        if read is None:
            return None
        if isinstance(found, Stale):
            self._set_off(call, found)
        return Reply(read.kind, Whole(read.body), found)

    async def _brought_elsewhere(self, call: Call, verdict: Miss | Stale) -> Reply | None:
        """What another process's trip has brought; failures are nobody's but the caller's whose they are."""
        brought = await self.afar.brought(verdict, self.wall(), call.demand)
        told = None if brought is None else await self._told(call, brought[1])
        return None if told is None or brought is None else replace(told, verdict=brought[0], collapsed=True)

    async def _trip(self, call: Call, verdict: Miss | Stale | Pass) -> Reply:
        """One trip to the upstream, with everything that must happen when it ends, however it ends."""
        started = self._monotonic()
        try:
            with self.writes.under_way(call.method), step("trip") as recorded:
                recorded.set("labgate.service", call.method.service)
                reply = await self._perform(call)
        except UpstreamUnreachable:
            self._watcher.suspect(call.method.service, self._monotonic())
            raise
        return self._brought(call, verdict, reply, started)

    async def _perform(self, call: Call) -> Reply:
        route = self.routes[call.method.service]
        if route.service.introduced:
            call, route = await introduced(self.introducer, call, route, call.deadline - self._monotonic())
        try:
            if call.method.assembled and isinstance(route.dialect, Assembler):
                return await route.dialect.assemble(call, route, self.parts)
            upstream = Heard(route.upstream if route.aim is None else route.aim(call))
            reply = await route.dialect.perform(call, route.service, route.address, upstream)
            return replace(reply, replica=upstream.replica)
        except Fault:
            raise
        except Exception as mistake:
            log.exception("call failed by a mistake of the gate's", extra={"request_id": call.id})
            raise InternalFault(
                "The gate made a mistake; its log tells more, under this request id."
            ) from mistake
