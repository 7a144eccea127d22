"""How do a service's own clients reach it? Below its mount, or on a port of its own, byte for byte."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from gateway.core.faults import BadRequest
from gateway.core.mounts import Mounts, mount_steps
from gateway.core.paths import Located, Steps, located, rest_of
from gateway.core.places import Places, normal_origin
from gateway.core.ports import Carrier
from gateway.core.service import Service
from gateway.doors.dash import Dash
from gateway.doors.mount_tools import MountTools
from gateway.doors.mounted import Mounted
from gateway.doors.mounted_rpc import MountedRpc
from gateway.doors.notes import Notes
from gateway.doors.way import Settled, Way
from gateway.wire.connection import Connection
from gateway.wire.guest import Guest
from gateway.wire.lane import Seen

RPC_VERBS: Final = frozenset(("POST", "QUERY"))

_ROOT: Final = (b"",)
_query = re.compile(rb"[!-~\x80-\xff]+").fullmatch
_OWN = re.compile(rb"/+(?:rpc|mcp|openrpc\.json|openapi\.json|-|\.well-known)(?:[/?]|$)").match


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
        settled = way.settled.get(caller.peer)
        if settled is not None and self._holds(settled, notes, way) and not caller.shared.draining:
            lease = way.carrier.at_hand()
            if lease is not None:
                return Dash(self._tools, caller, line, seen, way, query, lease, settled)
        return (MountedRpc if way.is_rpc else Mounted)(self._tools, caller, line, seen, way, query)

    def _holds(self, settled: Settled, notes: Notes, way: Way) -> bool:
        """Whether what was decided still holds; who calls is looked at anew several times a second."""
        relay = self._relay
        epoch = relay.epoch
        cordons = relay.switches.cordons
        return (
            settled.epoch == epoch
            and notes.principal(epoch, self._tools.wall()) is not None
            and not (cordons and way.service.qualified in cordons)
        )

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
        made = (MountedRpc if way.is_rpc else Mounted)(self._tools, caller, line, seen, way, where.query)
        if target.startswith(b"/"):
            made.notes.keep(line[: len(line) - len(where.query)], way)
        return made

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
