"""Which requests through a mount can be answered or sent on at once, because all about them is settled?"""

from __future__ import annotations

from typing import Final, Literal

from msgspec.structs import replace

from gateway.core.cache_status import in_a_word
from gateway.core.call import NO_DEMAND
from gateway.core.charging import Account
from gateway.core.faults import RateLimited
from gateway.core.keys import person
from gateway.core.max_forwards import FIELD as MAX_FORWARDS
from gateway.core.method import Method
from gateway.core.parts import root_of_parts
from gateway.core.policy import NONE, Access
from gateway.core.principal import Principal
from gateway.core.upstream import Lease
from gateway.core.vary import PRINCIPAL, variant
from gateway.core.verdict import Entry, pass_for
from gateway.core.wanted import root_prefix, watched_for
from gateway.doors.dash import Dash
from gateway.doors.mount_hit import MountHit
from gateway.doors.mount_tools import MountTools
from gateway.doors.notes import Notes
from gateway.doors.passed import status_lines
from gateway.doors.passing import Passing
from gateway.doors.wanting import chooses_of, credential_of, why_not_asked
from gateway.doors.way import Settled, Way
from gateway.wire.connection import Connection
from gateway.wire.delivery import JOINED_BYTES
from gateway.wire.guest import ANSWERED, Answered
from gateway.wire.lane import SMALL_BODY
from gateway.wire.passage import SOON

LARGEST_PIECE: Final = 1 << 20
"""Bytes of the largest answer that may come in one piece: one to which less is allowed has to be looked at."""

_BY_PRINCIPAL: Final = (PRINCIPAL,)


class Shortcut:
    """The fast way: what was decided for one request holds for others by the same header lines."""

    def __init__(self, tools: MountTools) -> None:
        self._tools = tools
        self._relay = tools.relay

    def take(self, passing: Passing, settled: Settled | None, data: bytes) -> Dash | Answered | None:
        """The fast way, where everything is settled or can be now; who calls is looked at several times a second."""
        notes: Notes = passing.seen.notes
        way = passing.way
        closed = self._relay.switches.closed
        epoch = self._relay.epoch
        principal = notes.principal(epoch, self._tools.wall())
        tracer = self._tools.observer.tracer
        if tracer.may_record(traced=notes.traced):
            return None
        if principal is None or way.is_special or (closed and way.service.qualified in closed):
            return None
        if passing.query and way.service.http_cache.secret_query:
            return None
        if settled is None or settled.epoch != epoch:
            settled = self._settled(passing.caller, notes, way, principal)
            if settled is None:
                return None
        if settled.root is not None:
            found = self._from_memory(passing, settled, data)
            if found != "not stored":
                return found
        lease = self._lease(way, settled.account)
        if lease is None:
            return None
        tracer.left -= 1
        return Dash(self._tools, passing, lease, settled)

    def _from_memory(
        self, passing: Passing, settled: Settled, data: bytes
    ) -> Answered | Literal["not stored"] | None:
        """Answer a request whose reply may be stored, where it is; None where that takes whoever can do everything."""
        if not self._relay.switches.cache:
            return None
        way = passing.way
        root, book = (settled.root or b"") + way.rest + passing.query, self._relay.book
        entry = book.get(root)
        if entry is not None:
            caller = passing.caller
            hit = self._hit(passing, settled, entry) if data else None
            if hit is None or not hit.answer(caller):
                return None
            lane, size = caller.lane, len(hit.entry.body)
            if size <= SMALL_BODY and lane.comes_again(data):
                lane.put_request(data, size, hit)
            return ANSWERED
        if passing.seen.notes.special and book.get(root_of_parts(root)) is not None:
            return None
        if settled.ruled or settled.heuristic or self._relay.store.reaches(way.service.qualified):
            return None
        return "not stored"

    def _lease(self, way: Way, account: Account | None) -> Lease | None:
        """A connection at hand for a request, which is charged then; None where there is none, or it may not go."""
        if account is None:
            return way.carrier.at_hand()
        if account.at_once is not None:
            return None  # it would have to be counted until it ends
        lease = way.carrier.at_hand()
        if lease is not None:
            try:
                account.charge(self._tools.wall())
            except RateLimited:
                lease.release()
                return None  # the usual way says so
        return lease

    def _hit(self, passing: Passing, settled: Settled, entry: Entry) -> MountHit | None:
        """Whoever gives the stored reply as it is; None where there is more to it."""
        if passing.seen.notes.special or passing.way.verb != "GET":
            return None
        signpost = entry
        if signpost.vary:
            if signpost.vary != _BY_PRINCIPAL:
                return None
            found = self._relay.book.get(variant(signpost.key, signpost.vary, (), settled.person))
            if found is None:
                return None
            entry = found
        if (
            entry.head is None
            or not entry.head.ready
            or entry.extent is not None
            or len(entry.body) >= JOINED_BYTES
        ):
            return None
        return MountHit(self._tools, passing, settled, signpost, entry)

    def _settled(self, caller: Connection, notes: Notes, way: Way, principal: Principal) -> Settled | None:
        """What holds for all requests of these header lines for this way; None where that is no plain safe passage."""
        if self._relay.decider is not None:
            return None  # each path is another question
        asked = caller.head
        plain = asked.keep_alive and asked.minor and not (asked.length or asked.upgrade or way.is_rpc)
        if not plain or not way.is_known:
            return None
        access = self._relay.policies.access(principal)
        method = way.method()
        by_right = method.cache is not None and method.cache.share == "authorized"
        if by_right and why_not_asked(way.service, notes, way.verb, method, b"") is None:
            return None  # a right decides, which each path may name
        if not (access.allows_path(way.verb, way.judged) and access.allows(method.qualified)):
            return None
        # Beyond the permission for the path, and what it is charged to, the paths of one method are all alike.
        limited = self._relay.accounts is not None
        of_method = (
            way.verb,
            method.qualified,
            caller.peer,
            access.first_path(way.verb, way.judged) if limited else NONE,
        )
        settled = notes.settled.get(of_method)
        if settled is None or settled.epoch != self._relay.epoch or settled.catalog is not way.catalog:
            settled = self._settled_for(caller, notes, way, method, access, principal)
            if settled is None:
                return None
            if limited:
                client = self._tools.proxies.client(notes.asked, caller.peer)
                account = self._relay.account(principal, method, client, (way.verb, way.judged))
                settled = replace(settled, account=account)
            notes.settle(of_method, settled)
        way.settle(caller.peer, settled)
        return settled

    def _settled_for(
        self,
        caller: Connection,
        notes: Notes,
        way: Way,
        method: Method,
        access: Access,
        principal: Principal,
    ) -> Settled | None:
        service = way.service
        lines = notes.lines(service.qualified, caller.peer)
        seconds = min(notes.patience, service.within)
        if lines is None or not method.safe or seconds < SOON or not self._is_plain(way, notes):
            return None
        why = why_not_asked(service, notes, way.verb, method, b"")
        root = _root(notes, way, method, principal) if why is None else None
        if root is None and (why is None or notes.demand.only_cached):
            return None
        verdict = pass_for(why or "no rule")
        version = notes.version_line(way.catalog, access)
        return Settled(
            way.verb.encode(),
            method,
            verdict,
            in_a_word(verdict),
            self._relay.epoch,
            way.catalog,
            b"%bLabgate-Timeout: %.3f\r\n" % (lines, seconds),
            notes.first.get(b"host") if service.keep_host else None,
            notes.request_id.encode() if notes.request_id else None,
            version + status_lines(verdict, self._tools.wall),
            seconds,
            root,
            method.cache is not None,
            person(principal.issuer, principal.subject, principal.rights),
            version,
            service.http_cache.heuristic.on,
            watched_for(method),
            self._tools.observer.hits(method, principal),
        )

    def _is_plain(self, way: Way, notes: Notes) -> bool:
        """Whether nothing of the service's settings asks for a closer look at the request or its answer."""
        service = way.service
        if service.max_passed is not None and service.max_passed < LARGEST_PIECE:
            return False
        shows = not service.checked.isdisjoint(notes.first)
        return not (
            shows
            or (service.checked and self._tools.entrance.nobody)
            or service.cors
            or way.verb == "TRACE"
            or (way.verb == "OPTIONS" and MAX_FORWARDS in notes.first)
        )


def _root(notes: Notes, way: Way, method: Method, principal: Principal) -> bytes | None:
    """What stands before the target in the keys of such requests; None where each has to be looked at."""
    # What its caller asks of freshness is for whoever can weigh it.
    if notes.demand != NO_DEMAND or (method.cache is not None and way.verb != "GET"):
        return None
    chosen, credential = chooses_of(notes, way.service), credential_of(notes, way.service)
    return root_prefix(method, principal, way.verb, chosen, credential=credential)
