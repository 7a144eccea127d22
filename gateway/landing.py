"""What comes of a trip to a service, whoever carries it through: the relay, or a door by itself?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from gateway.afar import Afar
from gateway.audited import Audited
from gateway.core.call import Call
from gateway.core.charging import Hold
from gateway.core.conditions import in_force, named_in_result, named_params
from gateway.core.faults import Fault, RateLimited, UnknownMethod, UpstreamUnreachable
from gateway.core.ports import Route, Watcher
from gateway.core.reply import Reply, error_code
from gateway.core.verdict import Miss, Pass, Stale
from gateway.flights import Flights, Solo
from gateway.judging import Judging
from gateway.writes import Writes


class Trip(Struct, frozen=True):
    """A trip that a door carries through by itself: for which call and why, since when (on the monotonic clock)."""

    call: Call
    verdict: Miss | Pass
    key: Hashable | None
    flight: Solo
    started: float
    hold: Hold | None = None
    marked: tuple[str, ...] = ()
    """What is noted of a write until it has ended."""
    audited: Audited | None = None
    """Who writes a write down."""


class Landing(Judging):
    """Lets doors set off by themselves, and knows what to do with what every trip brings; `Relay` has the parts."""

    routes: Mapping[str, Route]
    writes: Writes
    afar: Afar
    _watcher: Watcher
    _flights: Flights
    _monotonic: Callable[[], float]

    # what a door carries through by itself

    def solo(self, call: Call, verdict: Miss | Pass) -> Trip | None:
        """A trip for a call, which was admitted and judged just now, that the caller carries through by himself.

        None where there is somebody to join, or a farther tier to ask, or a token to be sent. A write is carried through
        to its end, whoever waits for it.
        """
        if self.routes[call.method.service].service.introduced:
            return None
        key: Hashable | None = None
        if isinstance(verdict, Miss):
            if self.afar.may_have(verdict, call.demand) or self.afar.agrees(verdict):
                return None
            key = self._flight_key(call, verdict)
            if self._flights.find(key) is not None:
                return None
        hold = None
        if call.account is not None and call.account.at_once is not None:
            try:
                hold = call.account.hold()
            except RateLimited:
                return None  # the usual way says so
        marked: tuple[str, ...] = ()
        audited: Audited | None = None
        if not call.method.safe:
            marked = self.writes.begins(call.method)
            audited = None if self.auditor is None else Audited(self.auditor, call, self._monotonic)
        return Trip(call, verdict, key, self._flights.solo(key), self._monotonic(), hold, marked, audited)

    def landed(self, trip: Trip, reply: Reply) -> Reply:
        """Such a trip has brought this: store and share it, and say what the cache did."""
        self._over(trip)
        told = self._brought(trip.call, trip.verdict, reply, trip.started)
        self._flights.landed(trip.key, trip.flight, told)
        if trip.audited is not None:
            trip.audited.reply = told
            trip.audited.ended()
        return told

    def fell(self, trip: Trip, fault: Fault | None) -> None:
        """Such a trip has failed, or was given up (None): of a write nothing was sent then, and it is made by `obtain`."""
        self._over(trip)
        if fault is not None and trip.audited is not None:
            trip.audited.ended(fault)
        if isinstance(fault, UpstreamUnreachable):
            self._watcher.suspect(trip.call.method.service, self._monotonic())
        self._flights.landed(trip.key, trip.flight, None)

    def _over(self, trip: Trip) -> None:
        if trip.hold is not None:
            trip.hold.release()
        if not trip.call.method.safe:
            self.writes.ends(trip.call.method, trip.marked)

    def adopt(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Have the gate wait for this when it ends, as for a trip."""
        return self._flights.adopt(work)

    def _flight_key(self, call: Call, verdict: Miss | Stale) -> Hashable:
        """What calls must agree in to share a trip: the service may have been written to since it began.

        What a farther tier answers on the way may be too old for some; a refresh asks none.
        """
        reaches = isinstance(verdict, Miss) and self.store.reaches(call.method.service)
        age = call.demand.max_age if reaches else None
        writes = self._generations.read(call.method.writes)
        return verdict.key, verdict.epoch, verdict.generations, writes, age

    # what every trip brings

    def _brought(self, call: Call, verdict: Miss | Stale | Pass, reply: Reply, started: float) -> Reply:
        """What a trip has brought, with what is said of it; it is stored where the rule lets it."""
        service = call.method.service
        if reply.kind == "error" and error_code(reply.body.data) == UnknownMethod.code:
            self._watcher.missing(service, self._monotonic())
        stored = (
            isinstance(verdict, Miss | Stale)
            and not reply.notices
            and self._keep(_in_force(verdict, call, reply, self.wall()), reply.kind, reply.body.data)
        )
        spent = (self._monotonic() - started) * 1000
        if call.method.assembled:  # its verdict is the worst of its parts
            return replace(reply, upstream_ms=spent)
        return replace(reply, verdict=verdict, stored=stored, upstream_ms=spent)


def _in_force(verdict: Miss | Stale, call: Call, reply: Reply, now: float) -> Miss | Stale:
    """The verdict with the rule as it holds for this call and what it brought."""
    if not verdict.rule.when:
        return verdict
    result = named_in_result(reply.body.data) if reply.kind == "result" else {}
    rule = in_force(verdict.rule, named_params(call.ask.raw, call.method), result, now)
    return replace(verdict, rule=rule)
