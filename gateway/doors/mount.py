"""How do a service's own clients reach it? Below its mount, or on a port of its own, byte for byte."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gateway.core.cache_status import in_a_word
from gateway.core.call import NO_DEMAND
from gateway.core.faults import BadRequest, Unauthenticated, Unavailable
from gateway.core.keys import person
from gateway.core.method import Method
from gateway.core.mounts import RESERVED, Mounts, mount_steps
from gateway.core.parts import root_of_parts
from gateway.core.paths import Steps, located, plain_steps, rest_of
from gateway.core.places import Places, normal_origin
from gateway.core.policy import Access
from gateway.core.ports import Carrier
from gateway.core.presented import without_token
from gateway.core.principal import Principal
from gateway.core.service import Service
from gateway.core.vary import PRINCIPAL, variant
from gateway.core.verdict import Entry, pass_for
from gateway.doors.dash import Dash
from gateway.doors.mount_hit import MountHit
from gateway.doors.mount_tools import MountTools
from gateway.doors.mounted import Mounted
from gateway.doors.mounted_inbound import MountedInbound
from gateway.doors.mounted_led import MountedLed
from gateway.doors.mounted_moved import MountedMoved
from gateway.doors.mounted_rpc import MountedRpc
from gateway.doors.mounted_vouched import MountedVouched
from gateway.doors.notes import Notes, notes_of, seen_with
from gateway.doors.passed import status_lines
from gateway.doors.wanting import chooses_of, credential_of, why_not_asked
from gateway.doors.way import Settled, Way
from gateway.http_book import root_prefix, watched_for
from gateway.wire.connection import Connection
from gateway.wire.delivery import JOINED_BYTES
from gateway.wire.guest import ANSWERED, Answered, Guest
from gateway.wire.lane import SMALL_BODY, Seen
from gateway.wire.passage import SOON

RPC_VERBS: Final = frozenset(("POST", "QUERY"))

_BY_PRINCIPAL: Final = (PRINCIPAL,)
_ROOT: Final = (b"",)
_query = re.compile(rb"[!-~\x80-\xff]+").fullmatch
_OWN = re.compile(rb"/+(?:%b)(?:[/?]|$)" % b"|".join(map(re.escape, sorted(RESERVED)))).match


class MountDoor:
    """Finds the service of a request by its path, and lets it pass."""

    def __init__(
        self,
        tools: MountTools,
        carriers: Mapping[str, Carrier],
        mounts: Mounts,
        *,
        own: Service | None = None,
    ) -> None:
        """`carriers` are by the services' qualified names; `own` is the one service of a port, or what brings those it has."""
        self._tools = tools
        self._relay = tools.relay
        self._carriers = carriers
        self._mounts = mounts
        self._own = own
        self._own_steps = () if own is None else mount_steps(judged_at(own))
        self._places: dict[str, tuple[Service, Places]] = {}

    def takes(self, target: bytes) -> bool:
        """Whether requests for this target may be for a service."""
        return self._own is not None or (bool(self._mounts) and not _OWN(target) and target != b"*")

    def again(self, caller: Connection, line: bytes, seen: Seen, data: bytes) -> Guest | Answered | None:
        """Whoever answers a request for a path that was asked for before by the same header lines.

        `data` is the whole request, where it may be answered here and now.
        """
        notes = seen.notes
        if notes is None:
            return None
        mark = line.find(b"?")
        path = line if mark < 0 else line[:mark]
        way = notes.ways.get(path)
        if way is None:
            way = self._from_stem(notes, path)
        if way is None or way.catalog is not self._relay.catalog:
            return None
        query = b"" if mark < 0 else line[mark:]
        if query and (not _query(query) or self._shows_token(query)):
            return None
        dash = self._dash(caller, line, seen, way, query, way.settled.get(caller.peer), data)
        return dash or self._passes(way)(self._tools, caller, line, seen, way, query)

    @staticmethod
    def _passes(way: Way) -> type[Mounted]:
        if way.asks_who:
            return MountedVouched
        if way.inbound is not None:
            return MountedInbound
        if way.site is not None:
            return MountedMoved
        if way.is_rpc:
            return MountedRpc
        return MountedLed if way.service.links else Mounted

    def _from_stem(self, notes: Notes, line: bytes) -> Way | None:
        """The way of a new path, where another that begins like it tells whose it is."""
        at = line.find(b"/", line.find(b"/") + 1)
        stem = notes.stems.get(line[:at])
        if stem is None:
            return None
        rest = line[at:]
        inner = plain_steps(rest)
        if inner is None:
            return None
        way = self._way(stem.verb, stem.service, stem.judged[:1] + inner, inner, rest)
        notes.keep(line, way)
        return way

    def _dash(
        self,
        caller: Connection,
        line: bytes,
        seen: Seen,
        way: Way,
        query: bytes,
        settled: Settled | None,
        data: bytes,
    ) -> Dash | Answered | None:
        """The fast way, where everything is settled or can be now; who calls is looked at several times a second."""
        notes: Notes = seen.notes
        cordons = self._relay.switches.cordons
        epoch = self._relay.epoch
        principal = notes.principal(epoch, self._tools.wall())
        if principal is None or way.is_special or (cordons and way.service.qualified in cordons):
            return None
        if query and way.service.http_cache.secret_query:
            return None
        if settled is None or settled.epoch != epoch:
            settled = self._settled(caller, notes, way, principal)
            if settled is None:
                return None
        if settled.root is not None:
            if not self._relay.switches.cache:
                return None
            root, book = settled.root + way.rest + query, self._relay.book
            entry = book.get(root)
            if entry is not None:
                hit = self._hit(line, seen, way, query, settled, entry) if data else None
                if hit is None or not hit.answer(caller):
                    return None
                lane, size = caller.lane, len(hit.entry.body)
                if size <= SMALL_BODY and lane.comes_again(data):
                    lane.put_request(data, size, hit)
                return ANSWERED
            if notes.special and book.get(root_of_parts(root)) is not None:
                return None
            if settled.ruled or settled.heuristic or self._relay.store.reaches(way.service.qualified):
                return None
        lease = way.carrier.at_hand()
        return (
            Dash(self._tools, caller, line, seen, way, query, lease, settled) if lease is not None else None
        )

    def _hit(
        self, line: bytes, seen: Seen, way: Way, query: bytes, settled: Settled, entry: Entry
    ) -> MountHit | None:
        """Whoever gives the stored reply as it is; None where there is more to it."""
        notes: Notes = seen.notes
        if notes.special or way.verb != "GET":
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
        return MountHit(self._tools, line, seen, way, query, settled, signpost, entry)

    def _settled(self, caller: Connection, notes: Notes, way: Way, principal: Principal) -> Settled | None:
        """What holds for all requests of these header lines for this way; None where that is no plain safe passage."""
        asked = caller.head
        plain = asked.keep_alive and asked.minor and not (asked.length or asked.upgrade or way.is_rpc)
        if not plain or not way.is_known:
            return None
        access = self._relay.policies.access(principal)
        method = way.method()
        if not (access.allows_path(way.verb, way.judged) and access.allows(method.qualified)):
            return None
        # Beyond the permission for the path, the paths of one method are all alike.
        of_method = (way.verb, method.qualified, caller.peer)
        settled = notes.settled.get(of_method)
        if settled is None or settled.epoch != self._relay.epoch or settled.catalog is not way.catalog:
            settled = self._settled_for(caller, notes, way, method, access, principal)
            if settled is None:
                return None
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
        seconds = min(notes.patience, service.timeout)
        if not service.checked.isdisjoint(notes.first) or (service.checked and self._tools.entrance.nobody):
            return None
        if lines is None or not method.safe or service.cors or seconds < SOON or way.verb == "TRACE":
            return None
        why = why_not_asked(service, notes, way.verb, method, b"")
        root = None
        if why is None:
            # What its caller asks of freshness is for whoever can weigh it.
            if notes.demand != NO_DEMAND or (method.cache is not None and way.verb != "GET"):
                return None
            chosen = chooses_of(notes, service)
            credential = credential_of(notes, service)
            root = root_prefix(method, principal, way.verb, chosen, credential=credential)
            if root is None:
                return None
        elif notes.demand.only_cached:
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
            version + status_lines(verdict, self._tools.wall, None),
            seconds,
            root,
            method.cache is not None,
            person(principal.issuer, principal.subject),
            version,
            service.http_cache.heuristic.on,
            watched_for(method),
            self._tools.observer.hits(method),
        )

    def guest(self, caller: Connection, verb: str, target: bytes, seen: Seen) -> Guest | None:
        """Whoever answers the request; None where it is for the gate's own doors."""
        line = b"%b %b" % (verb.encode("ascii"), target)
        try:
            if self._shows_token(target):
                target, seen = self._taken_from(target, seen)
                line = b"%b %b" % (verb.encode("ascii"), target)
            found = self.way(verb, target)
        except (BadRequest, Unauthenticated, Unavailable) as fault:
            return Mounted(self._tools, caller, line, seen, None, b"", fault)
        if found is None:
            return None
        way, query = found
        notes = notes_of(seen, self._tools.entrance)
        if target.startswith(b"/"):
            known = line[: len(line) - len(query)]
            notes.keep(known, way)
            depth = len(way.judged) - len(way.inner)
            alone = self._own is None and not way.service.mount_aliases
            if depth == 1 and alone and way.rest and self._mounts.all_below(way.judged):
                notes.keep_stem(known[: len(known) - len(way.rest)], way)
        dash = self._dash(caller, line, seen, way, query, None, b"")
        if isinstance(dash, Dash):
            return dash
        return self._passes(way)(self._tools, caller, line, seen, way, query)

    def _shows_token(self, target: bytes) -> bool:
        """Whether a token may stand in the address."""
        name = self._tools.entrance.token_name
        return name is not None and b"?" in target and (name in target or b"%" in target)

    def _taken_from(self, target: bytes, seen: Seen) -> tuple[bytes, Seen]:
        """The target without the token in it, and the lines with it. Raises `Unauthenticated`."""
        entrance = self._tools.entrance
        if entrance.token_name is None:
            return target, seen
        target, token = without_token(target, entrance.token_name)
        return target, seen if token is None else seen_with(seen, token, entrance)

    def way(self, verb: str, target: bytes) -> tuple[Way, bytes] | None:
        """Where a request for this target goes, and its query; None if it is for nobody here. Raises `BadRequest`."""
        where = located(target, encoded_slash=True)
        own = self._own
        if own is not None and not own.entry:
            found: tuple[Service, int] | None = (own, 0)
        else:
            found = self._mounts.find(where.steps) or (None if own is None else (own, 0))
        if found is None:
            return None
        service, depth = found
        if not service.encoded_slash and b"%" in where.path:
            located(where.path)
        rest = rest_of(where.path, depth) if depth else where.path
        inner = where.steps[depth:] or _ROOT
        judged = self._own_steps + where.steps
        if service.common is not None and service.mount is not None:
            # Wherever it is reached, it is judged as the one service that it is.
            judged = mount_steps(service.mount) + inner
        if service.mount is not None and self._mounts.knows_by_another_path(where.steps[:depth], service):
            judged = mount_steps(service.mount) + inner
        return self._way(verb, service, judged, inner, rest), where.query

    def _placed(self, service: Service) -> Places:
        known = self._places.get(service.qualified)
        if known is None or known[0] is not service:
            known = self._places[service.qualified] = service, places_of(service, self._own)
        return known[1]

    def _way(self, verb: str, service: Service, judged: Steps, inner: Steps, rest: bytes) -> Way:
        catalog, name = self._relay.catalog, service.qualified
        listing = catalog.listings.get(name)
        if listing is None:
            raise Unavailable(
                f"The service {name!r} is just becoming known: try again in a moment.", retry_after=1
            )
        way = Way(
            verb,
            service,
            listing,
            self._carriers[name],
            self._placed(service),
            catalog,
            judged,
            inner,
            rest,
        )
        route = self._relay.routes.get(name)
        if route is not None and route.inbound is not None and route.inbound.takes(service, verb, inner):
            way.inbound = route.inbound
        site = self._tools.site(service)
        if site is not None:
            way.site = site if site.moves(service, inner) else None
            way.asks_who = self._tools.vouch is not None and site.asks_who(service, verb, inner)
        rpc_path = listing.rpc_steps
        if rpc_path is not None:
            way.is_rpc = verb in RPC_VERBS and inner == rpc_path
            way.below_rpc = not way.is_rpc and _is_below(inner, rpc_path)
        return way


def judged_at(service: Service) -> str:
    """The path as which requests on a service's own port are judged."""
    return service.mount or f"/{service.name}"


def places_of(service: Service, own: Service | None = None) -> Places:
    """What leads back through the gate, of what a service says of its own addresses; `own` is the service of a port."""
    origins = set()
    base = b""
    # What shares a server with others speaks of the whole server's addresses.
    for url in (service.home,) if service.home else service.urls:
        scheme, _, rest = url.partition("://")
        host, slash, path = rest.rpartition("@")[2].partition("/")
        origins.add(normal_origin(f"{scheme}://{host}".encode("ascii", "replace")))
        base = base or (slash + path).rstrip("/").encode("ascii", "replace")
    if service.home:
        root = "" if own is None or own.mount in (None, "/") else own.mount or ""
        mount: str | None = service.home_mount.removeprefix(root)
    else:
        mount = "" if own is not None or service.mount in (None, "/") else service.mount
    return Places(frozenset(origins), base, (mount or "").encode("ascii"))


def _is_below(path: Steps, rpc_path: Steps) -> bool:
    """Whether the path is where JSON-RPC calls go, or below: there a request may call whatever its path says."""
    known = rpc_path if rpc_path[-1] else rpc_path[:-1]
    return path[: len(known)] == known
