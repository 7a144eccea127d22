"""The path of a call, top to bottom: find, admit, judge, fly, store, reply.

Who calls is known before (the doors identify), and how a reply is written is decided after (the doors write).
Between the two lies this file, and every call of every door goes through it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from gateway.core.call import Call
from gateway.core.catalog import Catalog
from gateway.core.faults import Fault, Forbidden, InternalFault, UnknownMethod, UpstreamUnreachable
from gateway.core.freshness import entry_of, judge, rule_of
from gateway.core.keys import key as key_of
from gateway.core.method import Method
from gateway.core.policy import Policies
from gateway.core.ports import Generations, Route, Tier, Watcher
from gateway.core.principal import Principal
from gateway.core.reply import Reply, Whole, error_code
from gateway.core.verdict import Hit, Miss, Pass, Stale, Verdict
from gateway.flights import Flight, Flights

log = logging.getLogger("labgate.relay")


class Relay:
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
    ) -> None:
        """`wall` tells seconds since 1970, for entries; `monotonic` those of the event loop, for deadlines."""
        self.policies = policies
        self.catalog = Catalog()
        self.routes: Mapping[str, Route] = {}
        self._watcher = watcher
        self._tier = tier
        self._generations = generations
        self._flights = flights
        self._wall = wall
        self._monotonic = monotonic

    def rebind(self, catalog: Catalog, routes: Mapping[str, Route]) -> None:
        """Take a new catalog, and how the calls of each service (by its qualified name) are carried out now."""
        self.catalog, self.routes = catalog, routes

    # find

    def find(self, name: str, datastack: str | None, principal: Principal) -> Method:
        """The method that the caller means. Raises `UnknownMethod`, `NeedsDatastack` or `UnknownDatastack`."""
        return self.catalog.find(name, datastack, self.policies.access(principal))

    # admit

    def admit(self, call: Call) -> None:
        """Refuse what the caller may not call; a hit passes here as a miss does."""
        if not self.policies.access(call.principal).allows(call.method.qualified):
            raise Forbidden(
                f"{call.principal.subject!r} may not call {call.method.name!r}: no policy allows it. "
                "Ask the lab's engineer for a group or scope that does."
            )

    # judge

    def judge(self, call: Call, now: float) -> Verdict:
        """What the cache can do for this call at `now` (seconds since 1970)."""
        rule = rule_of(call.method)
        if isinstance(rule, Pass):
            return rule
        key = key_of(call, rule)
        generations = self._generations.read(call.method.lineage)
        entry = self._tier.get(key)
        return judge(
            rule, key, entry, call.demand, epoch=self._generations.epoch, generations=generations, now=now
        )

    def at_hand(self, call: Call, now: float) -> Reply | None:
        """The reply, if memory has it: admits and judges, without waiting for anything.

        A stale entry answers at once, and one refresh is sent on its way.
        """
        self.admit(call)
        verdict = self.judge(call, now)
        match verdict:
            case Hit(entry):
                return Reply(entry.kind, Whole(entry.body), verdict)
            case Stale(entry):
                self._refresh(call, verdict)
                return Reply(entry.kind, Whole(entry.body), verdict)
        return None

    # fly

    async def answer(self, call: Call) -> Reply:
        """The reply to a call, from memory or by a trip."""
        return self.at_hand(call, self._wall()) or await self.obtain(call)

    async def obtain(self, call: Call) -> Reply:
        """The reply to a call that was admitted and is not at hand: joins a trip or makes one."""
        verdict = self.judge(call, self._wall())
        match verdict:
            case Hit(entry) | Stale(entry):  # came while the call was on its way here
                return Reply(entry.kind, Whole(entry.body), verdict)
            case Miss():
                flight = self._flights.find(_flight_key(verdict))
                if flight is not None:
                    return replace(await flight.join(call.deadline), verdict=verdict, collapsed=True)
                return await self._set_off(call, verdict).join(call.deadline)
            case Pass():
                safe = call.method.safe
                return await self._flights.start(lambda: self._trip(call, verdict), safe=safe).join(
                    call.deadline
                )

    def _set_off(self, call: Call, verdict: Miss | Stale) -> Flight:
        # The trip serves whoever joins, so it has the service's time and not the first caller's.
        deadline = self._monotonic() + self.routes[call.method.service].service.timeout
        shared = replace(call, deadline=deadline)
        return self._flights.start(
            lambda: self._trip(shared, verdict), key=_flight_key(verdict), safe=isinstance(verdict, Miss)
        )

    def _refresh(self, call: Call, verdict: Stale) -> None:
        if self._flights.find(_flight_key(verdict)) is None:
            self._set_off(call, verdict)

    async def _trip(self, call: Call, verdict: Miss | Stale | Pass) -> Reply:
        """One trip to the upstream, with everything that must happen when it ends, however it ends."""
        service = call.method.service
        started = self._monotonic()
        try:
            reply = await self._perform(call)
        except UpstreamUnreachable:
            self._watcher.suspect(service, self._monotonic())
            raise
        finally:
            # A write may have happened even if nobody heard of it, so its tags end in every case.
            self._generations.bump(call.method.purges)
        if reply.kind == "error" and error_code(reply.body.data) == UnknownMethod.code:
            self._watcher.missing(service, self._monotonic())
        stored = isinstance(verdict, Miss | Stale) and self._store(verdict, reply)
        spent = (self._monotonic() - started) * 1000
        return replace(reply, verdict=verdict, stored=stored, upstream_ms=spent)

    async def _perform(self, call: Call) -> Reply:
        route = self.routes[call.method.service]
        try:
            return await route.dialect.perform(call, route.service, route.address, route.upstream)
        except Fault:
            raise
        except Exception as mistake:
            log.exception("call failed by a mistake of the gate's", extra={"request_id": call.id})
            raise InternalFault(
                "The gate made a mistake; its log tells more, under this request id."
            ) from mistake

    # store

    def _store(self, verdict: Miss | Stale, reply: Reply) -> bool:
        entry = entry_of(verdict, reply.kind, reply.body.data, self._wall())
        return not isinstance(entry, Pass) and self._tier.put(entry.key, entry)


def _flight_key(verdict: Miss | Stale) -> tuple[bytes, int, tuple[int, ...]]:
    return verdict.key, verdict.epoch, verdict.generations
