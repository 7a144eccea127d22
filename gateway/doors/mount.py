"""How do a service's own clients reach it? Below its mount, or on a port of its own, byte for byte."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from gateway.core.cache_status import in_a_word
from gateway.core.faults import BadRequest
from gateway.core.mounts import RESERVED, Mounts, mount_steps
from gateway.core.paths import Located, Steps, located, rest_of
from gateway.core.places import Places, normal_origin
from gateway.core.ports import Carrier
from gateway.core.principal import Principal
from gateway.core.service import Service
from gateway.core.storing import why_not_shared
from gateway.core.verdict import pass_for
from gateway.doors.dash import Dash
from gateway.doors.mount_tools import MountTools
from gateway.doors.mounted import Mounted
from gateway.doors.mounted_rpc import MountedRpc
from gateway.doors.notes import Notes
from gateway.doors.passed import status_lines
from gateway.doors.way import Settled, Way
from gateway.wire.connection import Connection
from gateway.wire.guest import Guest
from gateway.wire.lane import Seen
from gateway.wire.passage import SOON

RPC_VERBS: Final = frozenset(("POST", "QUERY"))

_ROOT: Final = (b"",)
_query = re.compile(rb"[!-~\x80-\xff]+").fullmatch
_OWN = re.compile(rb"/+(?:%b)(?:[/?]|$)" % b"|".join(map(re.escape, sorted(RESERVED)))).match


class Upstreams(Struct, frozen=True):
    """What the door needs of the services: connections to them, and where they are."""

    carriers: Mapping[str, Carrier]
    places: Mapping[str, Places]


class MountDoor:
    """Finds the service of a request by its path, and lets it pass."""

    def __init__(
        self, tools: MountTools, upstreams: Upstreams, mounts: Mounts, *, own: Service | None = None
    ) -> None:
        """`own` is the one service of a port that carries nothing else."""
        self._tools = tools
        self._relay = tools.relay
        self._upstreams = upstreams
        self._mounts = mounts
        self._own = own
        self._own_steps = () if own is None else mount_steps(judged_at(own))

    def takes(self, target: bytes) -> bool:
        """Whether requests for this target may be for a service."""
        return self._own is not None or (bool(self._mounts) and not _OWN(target) and target != b"*")

    def again(self, caller: Connection, line: bytes, seen: Seen) -> Guest | None:
        """Whoever answers a request for a path that was asked for before by the same header lines."""
        notes = seen.notes
        if notes is None:
            return None
        mark = line.find(b"?")
        way = notes.ways.get(line if mark < 0 else line[:mark])
        if way is None or way.catalog is not self._relay.catalog:
            return None
        query = b"" if mark < 0 else line[mark:]
        if query and not _query(query):
            return None
        dash = self._dash(caller, line, seen, way, query, way.settled.get(caller.peer))
        return dash or (MountedRpc if way.is_rpc else Mounted)(self._tools, caller, line, seen, way, query)

    def _dash(
        self, caller: Connection, line: bytes, seen: Seen, way: Way, query: bytes, settled: Settled | None
    ) -> Dash | None:
        """The fast way, where everything is settled or can be now; who calls is looked at several times a second."""
        notes: Notes = seen.notes
        cordons = self._relay.switches.cordons
        epoch = self._relay.epoch
        principal = notes.principal(epoch, self._tools.wall())
        asked = caller.head
        if principal is None or caller.shared.draining or (cordons and way.service.qualified in cordons):
            return None
        if not (asked.keep_alive and asked.minor):
            return None
        if settled is None or settled.epoch != epoch:
            settled = self._settled(caller, notes, way, principal)
            if settled is None:
                return None
        lease = way.carrier.at_hand()
        return (
            Dash(self._tools, caller, line, seen, way, query, lease, settled) if lease is not None else None
        )

    def _settled(self, caller: Connection, notes: Notes, way: Way, principal: Principal) -> Settled | None:
        """What holds for all requests of these header lines for this way; None where that is no plain safe passage."""
        service = way.service
        lines = notes.lines(service.qualified, caller.peer)
        seconds = min(notes.patience, service.timeout)
        plain = not (caller.head.length or caller.head.upgrade or service.cors or way.is_rpc)
        if lines is None or not plain or seconds < SOON or not way.is_known or way.verb == "TRACE":
            return None
        access = self._relay.policies.access(principal)
        method = way.method()
        if not (method.safe and access.allows_path(way.verb, way.judged) and access.allows(method.qualified)):
            return None
        why = why_not_shared(way.verb, notes.first, method)
        if why is None:
            return None
        verdict = pass_for(why)
        settled = Settled(
            way.verb,
            method,
            verdict,
            in_a_word(verdict),
            self._relay.epoch,
            b"%bLabgate-Timeout: %.3f\r\n" % (lines, seconds),
            notes.first.get(b"host") if service.keep_host else None,
            notes.request_id,
            notes.version_line(way.catalog, access) + status_lines(verdict, self._tools.wall, None),
            seconds,
        )
        way.settle(caller.peer, settled)
        return settled

    def guest(self, caller: Connection, verb: str, target: bytes, seen: Seen) -> Guest | None:
        """Whoever answers the request; None where it is for the gate's own doors."""
        line = b"%b %b" % (verb.encode("ascii"), target)
        try:
            where = located(target, encoded_slash=True)
        except BadRequest as fault:
            return Mounted(self._tools, caller, line, seen, None, b"", fault)
        found = (self._own, 0) if self._own is not None else self._mounts.find(where.steps)
        if found is None:
            return None
        service, depth = found
        if not service.encoded_slash and b"%" in where.path:
            try:
                located(where.path)
            except BadRequest as fault:
                return Mounted(self._tools, caller, line, seen, None, b"", fault)
        way = self._way(verb, service, where, depth)
        notes: Notes | None = seen.notes
        if notes is None:
            notes = seen.notes = Notes(seen.fields)
        if target.startswith(b"/"):
            notes.keep(line[: len(line) - len(where.query)], way)
        dash = self._dash(caller, line, seen, way, where.query, None)
        return dash or (MountedRpc if way.is_rpc else Mounted)(
            self._tools, caller, line, seen, way, where.query
        )

    def _way(self, verb: str, service: Service, where: Located, depth: int) -> Way:
        catalog, name = self._relay.catalog, service.qualified
        listing = catalog.listings[name]
        inner = where.steps[depth:] or _ROOT
        way = Way(
            verb,
            service,
            listing,
            self._upstreams.carriers[name],
            self._upstreams.places[name],
            catalog,
            self._own_steps + where.steps,
            inner,
            rest_of(where.path, depth) if depth else where.path,
        )
        rpc_path = listing.rpc_steps
        if rpc_path is not None:
            way.is_rpc = verb in RPC_VERBS and inner == rpc_path
            way.below_rpc = not way.is_rpc and _is_below(inner, rpc_path)
        return way


def judged_at(service: Service) -> str:
    """The path as which requests on a service's own port are judged."""
    return service.mount or f"/{service.name}"


def places_of(service: Service, *, own_port: bool) -> Places:
    """What leads back through the gate, of what a service says of its own addresses."""
    origins = set()
    base = b""
    for url in service.urls:
        scheme, _, rest = url.partition("://")
        host, slash, path = rest.rpartition("@")[2].partition("/")
        origins.add(normal_origin(f"{scheme}://{host}".encode("ascii", "replace")))
        base = base or (slash + path).rstrip("/").encode("ascii", "replace")
    mount = "" if own_port or service.mount in (None, "/") else service.mount
    return Places(frozenset(origins), base, (mount or "").encode("ascii"))


def _is_below(path: Steps, rpc_path: Steps) -> bool:
    """Whether the path is where JSON-RPC calls go, or below: there a request may call whatever its path says."""
    known = rpc_path if rpc_path[-1] else rpc_path[:-1]
    return path[: len(known)] == known
