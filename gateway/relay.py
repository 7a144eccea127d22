"""The path of a call, top to bottom: find, admit, judge, fly, store, reply.

Who calls is known before (the doors identify), and how a reply is written is decided after (the doors write).
Between the two lies this file, and every call of every door goes through it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from gateway.afar import Afar
from gateway.audited import Audited
from gateway.core.assembling import Assembler
from gateway.core.audit import Auditor
from gateway.core.call import Call
from gateway.core.catalog import Catalog
from gateway.core.charging import Account, Accounts, Hold
from gateway.core.conditions import in_force, may_keep, named_in_result, named_params
from gateway.core.decisions import Decided, Decider, Plea, Undecided, insist
from gateway.core.faults import (
    DeadlineExceeded,
    Fault,
    Forbidden,
    InternalFault,
    RateLimited,
    UnknownMethod,
    UpstreamUnreachable,
)
from gateway.core.freshness import entry_of, judge, rule_of, serves
from gateway.core.introducing import Introducer, Nobody, WithFields
from gateway.core.keys import key as key_of
from gateway.core.keys import parameters
from gateway.core.keys import prefix as key_prefix
from gateway.core.limits import Named
from gateway.core.method import CacheRule, HttpBinding, Method
from gateway.core.naming import shown
from gateway.core.paths import Steps, text_of
from gateway.core.policy import Policies
from gateway.core.ports import FarTiers, Generations, Marks, Route, Tally, Tier, Watcher
from gateway.core.principal import Principal
from gateway.core.reply import Reply, Whole, error_code
from gateway.core.switches import SWITCHED_OFF, Switches
from gateway.core.verdict import Entry, Extent, Hit, HttpHead, Miss, Pass, Stale, Verdict
from gateway.flights import Flight, Flights, Solo, late
from gateway.http_book import HttpBook
from gateway.parts import RelayParts
from gateway.store import Store

log = logging.getLogger("labgate.relay")


class Quick:
    """A method whose calls memory may answer: its rule, what their keys begin with, and what entries must agree with.

    `epoch` and `generations` are those of the last change that was looked at. `results` and `errors` count what was
    answered, for whoever asks. `account` says what is charged to whom, by the caller's address; None = nothing limits them.
    """

    __slots__ = (
        "account",
        "changes",
        "epoch",
        "errors",
        "generations",
        "method",
        "prefix",
        "results",
        "rule",
    )

    def __init__(self, method: Method, rule: CacheRule, prefix: bytes) -> None:
        self.method = method
        self.rule = rule
        self.prefix = prefix
        self.changes = self.epoch = -1
        self.generations: tuple[int, ...] = ()
        self.results = self.errors = Tally()
        self.account: Callable[[str], Account | None] | None = None


class Trip(Struct, frozen=True):
    """A trip that a door carries through by itself: for which call and why, since when (on the monotonic clock)."""

    call: Call
    verdict: Miss | Pass
    key: Hashable | None
    flight: Solo
    started: float
    hold: Hold | None = None


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
        switches: Switches | None = None,
        far: FarTiers | None = None,
        marks: Marks | None = None,
        introducer: Introducer | None = None,
        accounts: Accounts | None = None,
        auditor: Auditor | None = None,
        decider: Decider | None = None,
    ) -> None:
        """`wall` tells seconds since 1970, for entries; `monotonic` those of the event loop, for deadlines.

        `introducer` says what a service is sent for a caller, and raises the fault of one who cannot be introduced. `accounts`
        is what calls are charged to, None = nothing limits anybody; `auditor` is who writes down what may change something;
        `decider` is who else is asked about what the policies allow.
        """
        self.introducer = introducer or Nobody()
        self.auditor = auditor
        self.decider = decider
        self.accounts = accounts
        self.charges = accounts is not None or decider is not None
        """Whether calls are charged to anything."""
        self._marks = marks
        self.policies = policies
        self.catalog = Catalog()
        self.routes: Mapping[str, Route] = {}
        self.switches = switches or Switches()
        self._watcher = watcher
        self._generations = generations
        self._flights = flights
        self.wall = wall
        self._monotonic = monotonic
        self.store = Store(tier, far, self.switches)
        self.afar = Afar(self.store, generations)
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

    def check_audit(self, method: Method) -> None:
        """Refuse a write that could not be written down, where that is not to be."""
        if self.auditor is not None and not method.safe:
            self.auditor.check()

    def account(
        self, principal: Principal, method: Method, client: str, path: tuple[str, Steps] | None = None
    ) -> Account | None:
        """What calls of the method by the principal are charged to; `path` has the verb and path of one through a mount."""
        account = None
        if self.accounts is not None:
            account = self.accounts.account(principal, client, self._places(principal, method, path))
        if self.decider is None:
            return account
        return Decided(account, self.decider, _plea(principal, method, path))

    def check_decided(self, principal: Principal, methods: Iterable[Method], path: tuple[str, Steps]) -> None:
        """Refuse a request that somebody else does not allow. Raises `Undecided` where they have to be asked."""
        if self.decider is None:
            return
        now, unknown = self.wall(), []
        for plea in [_plea(principal, method, path) for method in methods]:
            verdict = self.decider.known(plea, now)
            if verdict is None:
                unknown.append(plea)
            else:
                insist(plea, verdict)
        if unknown:
            raise Undecided(unknown)

    async def decide(self, pleas: Iterable[Plea]) -> None:
        """Have it decided whether these may be. Raises the fault of the first that may not."""
        decider = self.decider
        if decider is None:
            return
        asked = list(dict.fromkeys(pleas))
        for plea, verdict in zip(
            asked, await asyncio.gather(*(decider.ask(plea, self.wall()) for plea in asked)), strict=True
        ):
            insist(plea, verdict)

    def limits(
        self, principal: Principal, method: Method, path: tuple[str, Steps] | None = None
    ) -> Sequence[Named]:
        """What limits such calls."""
        return () if self.accounts is None else self.accounts.told(self._places(principal, method, path))

    def _places(
        self, principal: Principal, method: Method, path: tuple[str, Steps] | None
    ) -> tuple[int, ...]:
        access = self.policies.access(principal)
        of_method = access.first(method.qualified)
        return (of_method,) if path is None else (access.first_path(*path), of_method)

    def permit(self, principal: Principal, method: Method) -> None:
        """Refuse a method that the principal may not call, or nobody at present."""
        if not self.policies.access(principal).allows(method.qualified):
            raise Forbidden(
                f"{principal.subject!r} may not call {method.name!r}: no policy allows it. "
                "Ask the lab's engineer for a group or scope that does."
            )
        self.permit_service(method.service)

    def permit_service(self, service: str) -> None:
        """Refuse what is for a service that takes no calls at present."""
        if service in self.switches.cordons:
            raise self.switches.refusal(service)

    def permit_path(self, principal: Principal, verb: str, path: Steps) -> None:
        """Refuse a path below the mounts that the principal may not ask with this verb."""
        if not self.policies.access(principal).allows_path(verb, path):
            raise Forbidden(
                f"{principal.subject!r} may not {verb} {shown(text_of(path))}: no policy allows this path. "
                "Ask the lab's engineer for a group or scope that does."
            )

    # judge

    def judge(self, call: Call, now: float) -> Verdict:
        """What the cache can do for this call at `now` (seconds since 1970)."""
        if not self.switches.cache:
            return SWITCHED_OFF
        rule = rule_of(call.method)
        if isinstance(rule, Pass):
            return rule
        key = key_of(call, rule)
        lineage = call.method.lineage
        generations = self._generations.read(lineage)
        entry = self.store.get(key)
        return judge(
            rule,
            key,
            entry,
            call.demand,
            epoch=self._generations.epoch,
            generations=generations,
            now=now,
            lineage=lineage,
        )

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
        self.admit(call, now)
        verdict = self.judge(call, now)
        match verdict:
            case Hit(entry):
                return Reply(entry.kind, Whole(entry.body), verdict)
            case Stale(entry):
                self.refresh(call, verdict)
                return Reply(entry.kind, Whole(entry.body), verdict)
        return verdict

    def quick(self, method: Method, principal: Principal) -> Quick | None:
        """What the lanes need to ask memory for calls of a method; None where it has to be asked otherwise.

        Admits: it holds for this catalog, epoch and principal, as long as the service takes calls.
        """
        self.permit(principal, method)
        rule = rule_of(method)
        if isinstance(rule, Pass) or not (may_keep(rule) or rule.negative):
            return None
        if rule.share == "authorized":  # whose entry it is depends on the parameters
            return None
        return Quick(method, rule, key_prefix(method, principal, rule))

    def ready(self, quick: Quick, params: bytes | None, now: float) -> Entry | None:
        """The fresh entry for a call with these parameters, if memory has it; none while its service or the cache is off."""
        entry = self.store.get(quick.prefix + parameters(params, quick.rule))
        return entry if entry is not None and self.serves(quick, entry, now) else None

    @property
    def changes(self) -> int:
        """As long as it stays, no generation or epoch has ended."""
        return self._generations.changes

    def serves(self, quick: Quick, entry: Entry, now: float) -> bool:
        """Whether the entry is fresh and agrees with what has ended since."""
        generations, switches = self._generations, self.switches
        changes = generations.changes
        if changes != quick.changes:
            quick.epoch, quick.generations = generations.epoch, generations.read(quick.method.lineage)
            quick.changes = changes
        if (switches.cordons and quick.method.service in switches.cordons) or not switches.cache:
            return False
        return serves(entry, quick.epoch, quick.generations, now)

    # what a door carries through by itself, byte by byte

    def sets_out(self, methods: Iterable[Method], uris: Iterable[str] = ()) -> tuple[str, ...]:
        """A request through a mount is sent that may change something. What is noted until it has `ended`.

        `uris` are the generations of the addresses that it changes, as far as that is known. It may lead to others, so
        that all replies end, should this process be killed before, that speak for themselves.
        """
        names = {name for method in methods for name in (*method.purges, *method.calls)}
        return self._mark((*sorted(names), *uris))

    def _mark(self, names: tuple[str, ...]) -> tuple[str, ...]:
        if self._marks is None or not names:
            return ()
        self._marks.mark(names)
        return names

    def _clear(self, marked: tuple[str, ...]) -> None:
        if self._marks is not None and marked:
            self._marks.clear(marked)

    def ended(
        self, methods: Iterable[Method], uris: Iterable[str] = (), marked: tuple[str, ...] = ()
    ) -> None:
        """A request through a mount has ended, however it did: what it may have changed holds no longer.

        `uris` are the generations of the addresses that it changed, `marked` is what `sets_out` has noted.
        """
        for method in set(methods):
            # With what is written to the service, and before the addresses: see `HttpBook.since`.
            self._generations.bump(method.purges)
        self._generations.bump(tuple(uris))
        self._clear(marked)

    def beside(self, key: Hashable, fly: Callable[[], Coroutine[Any, Any, Reply]]) -> None:
        """Do work that belongs to no caller, unless the same is under way."""
        if self._flights.find(key) is None:
            self._flights.start(fly, key=key)

    def suspect(self, service: str) -> None:
        """A request through a mount did not reach the service."""
        self._watcher.suspect(service, self._monotonic())

    def keep(self, verdict: Miss | Stale, head: HttpHead, body: bytes | Extent) -> bool:
        """Store the whole reply to a request through a mount, if the rule lets it; whether it was."""
        return self._keep(verdict, "http", body, head)

    def keep_part(self, missing: Miss, body: bytes) -> bool:
        """Store a part of an assembled reply that came with others; whether it was."""
        return self._keep(missing, "result", body)

    # fly

    async def answer(self, call: Call) -> Reply:
        """The reply to a call, from memory or by a trip."""
        if self.decider is not None:
            self.permit(call.principal, call.method)
            await self.decide([_plea(call.principal, call.method)])
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
                shared = await self._joined(flight, call.deadline)
                if shared is not None:
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

    def solo(self, call: Call, verdict: Miss | Pass) -> Trip | None:
        """A trip for a safe call, which was admitted and judged just now, that the caller carries through by himself.

        None where there is somebody to join, or a farther tier to ask, or a write to be made, or a token to be sent.
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
        elif not call.method.safe:
            return None
        hold = None
        if call.account is not None and call.account.at_once is not None:
            try:
                hold = call.account.hold()
            except RateLimited:
                return None  # the usual way says so
        return Trip(call, verdict, key, self._flights.solo(key), self._monotonic(), hold)

    def landed(self, trip: Trip, reply: Reply) -> Reply:
        """Such a trip has brought this: store and share it, and say what the cache did."""
        if trip.hold is not None:
            trip.hold.release()
        told = self._brought(trip.call, trip.verdict, reply, trip.started)
        self._flights.landed(trip.key, trip.flight, told)
        return told

    def fell(self, trip: Trip, fault: Fault | None) -> None:
        """Such a trip has failed, or was given up (None)."""
        if trip.hold is not None:
            trip.hold.release()
        if isinstance(fault, UpstreamUnreachable):
            self._watcher.suspect(trip.call.method.service, self._monotonic())
        self._flights.landed(trip.key, trip.flight, None)

    def _flight_key(self, call: Call, verdict: Miss | Stale) -> Hashable:
        """What calls must agree in to share a trip: the service may have been written to since it began.

        What a farther tier answers on the way may be too old for some; a refresh asks none.
        """
        reaches = isinstance(verdict, Miss) and self.store.reaches(call.method.service)
        age = call.demand.max_age if reaches else None
        writes = self._generations.read(call.method.writes)
        return verdict.key, verdict.epoch, verdict.generations, writes, age

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
        if isinstance(verdict, Miss) and self.afar.may_have(verdict, call.demand):
            found = await self.afar.look(verdict, self.wall(), call.demand)
            if not isinstance(found, Miss):
                return await self._told(call, found) or await self._trip(call, verdict)
            verdict = found
        if not self.afar.agrees(verdict):
            return await self._trip(call, verdict)
        half = (call.deadline - self._monotonic()) / 2
        lead = await self.afar.lead(call, verdict, half)
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
        service = call.method.service
        started = self._monotonic()
        method = call.method
        changes = not method.safe and isinstance(method.binding, HttpBinding)
        marked = self._mark((*method.purges, *method.calls) if changes else method.purges)
        try:
            reply = await self._perform(call)
        except UpstreamUnreachable:
            self._watcher.suspect(service, self._monotonic())
            raise
        finally:
            # A write may have happened even if nobody heard of it, so its tags end in every case.
            self._generations.bump(method.purges)
            if changes:
                self._generations.bump(method.calls)
            self._clear(marked)
        return self._brought(call, verdict, reply, started)

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

    async def _perform(self, call: Call) -> Reply:
        route = self.routes[call.method.service]
        if route.service.introduced:
            call, route = await self._introduced(call, route)
        try:
            if call.method.assembled and isinstance(route.dialect, Assembler):
                return await route.dialect.assemble(call, route, self.parts)
            upstream = route.upstream if route.aim is None else route.aim(call)
            return await route.dialect.perform(call, route.service, route.address, upstream)
        except Fault:
            raise
        except Exception as mistake:
            log.exception("call failed by a mistake of the gate's", extra={"request_id": call.id})
            raise InternalFault(
                "The gate made a mistake; its log tells more, under this request id."
            ) from mistake

    async def _introduced(self, call: Call, route: Route) -> tuple[Call, Route]:
        """The call and its route with what tells the service who asks."""
        found = self.introducer.at_hand(route.service, call.principal)
        if found is None:
            try:
                async with asyncio.timeout(call.deadline - self._monotonic()):
                    found = await self.introducer.obtain(route.service, call.principal)
            except TimeoutError:
                raise DeadlineExceeded("There was no token for the service within the call's time.") from None
        if found.fields:
            aim, fields = route.aim, found.fields
            route = replace(
                route,
                upstream=WithFields(route.upstream, fields),
                aim=None if aim is None else lambda aimed: WithFields(aim(aimed), fields),
            )
        return replace(call, bearer=found.bearer), route

    # store

    def _keep(
        self, verdict: Miss | Stale, kind: str, body: bytes | Extent, head: HttpHead | None = None
    ) -> bool:
        if not self.switches.cache:  # switched off while the trip went on
            return False
        if isinstance(body, bytes):
            entry = entry_of(verdict, kind, body, self.wall(), head)
        elif body.length > verdict.rule.max_size:
            return False
        else:
            entry = entry_of(verdict, kind, b"", self.wall(), head)
            entry = entry if isinstance(entry, Pass) else replace(entry, extent=body)
        return not isinstance(entry, Pass) and self.store.put(entry)


def _plea(principal: Principal, method: Method, path: tuple[str, Steps] | None = None) -> Plea:
    verb, steps = path or (None, ())
    return Plea(principal, method.qualified, method.service, verb, steps)


def _in_force(verdict: Miss | Stale, call: Call, reply: Reply, now: float) -> Miss | Stale:
    """The verdict with the rule as it holds for this call and what it brought."""
    if not verdict.rule.when:
        return verdict
    result = named_in_result(reply.body.data) if reply.kind == "result" else {}
    rule = in_force(verdict.rule, named_params(call.ask.raw, call.method), result, now)
    return replace(verdict, rule=rule)
