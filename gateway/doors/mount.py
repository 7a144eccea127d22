"""How do a service's own clients reach it? Below its mount, or on a port of its own, byte for byte."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.core.faults import BadRequest, Unauthenticated, Unavailable
from gateway.core.mounts import RESERVED, Mounts
from gateway.core.paths import ANY, plain_steps
from gateway.core.presented import without_token
from gateway.core.repeats import FIELD
from gateway.core.service import Service
from gateway.core.upstream import Carrier
from gateway.doors.dash import Dash
from gateway.doors.mount_shortcut import Shortcut
from gateway.doors.mount_tools import MountTools
from gateway.doors.mount_ways import Ways
from gateway.doors.mounted import Mounted
from gateway.doors.mounted_inbound import MountedInbound
from gateway.doors.mounted_led import MountedLed
from gateway.doors.mounted_moved import MountedMoved
from gateway.doors.mounted_once import KeyedRequest
from gateway.doors.mounted_rpc import MountedRpc
from gateway.doors.mounted_vouched import MountedVouched
from gateway.doors.notes import Notes, notes_of, seen_with
from gateway.doors.passing import Passing
from gateway.doors.way import Way
from gateway.wire.connection import Connection
from gateway.wire.guest import Answered, Guest
from gateway.wire.lane import Seen

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
        self._mounts = mounts
        self._own = own
        self._ways = Ways(tools, carriers, mounts, own)
        self._shortcut = Shortcut(tools)

    def takes(self, target: bytes) -> bool:
        """Whether requests for this target may be for a service."""
        if target == ANY:
            return False
        return self._own is not None or (bool(self._mounts) and not _OWN(target))

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
        keyed = FIELD in notes.first
        if not keyed:
            passing = Passing(caller, line, seen, way, query)
            dash = self._shortcut.take(passing, way.settled.get(caller.peer), data)
            if dash is not None:
                return dash
        return self._passes(way, keyed=keyed)(self._tools, caller, line, seen, way, query)

    @staticmethod
    def _passes(way: Way, *, keyed: bool) -> type[Mounted]:
        if way.asks_who:
            return MountedVouched
        if way.inbound is not None:
            return MountedInbound
        if way.site is not None:
            return MountedMoved
        if way.is_rpc:
            return MountedRpc
        if way.service.links:
            return MountedLed
        return KeyedRequest if keyed else Mounted

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
        way = self._ways.made(stem.verb, stem.service, stem.judged[:1] + inner, inner, rest)
        notes.keep(line, way)
        return way

    def guest(self, caller: Connection, verb: str, target: bytes, seen: Seen) -> Guest | None:
        """Whoever answers the request; None where it is for the gate's own doors."""
        line = b"%b %b" % (verb.encode("ascii"), target)
        try:
            if self._shows_token(target):
                target, seen = self._taken_from(target, seen)
                line = b"%b %b" % (verb.encode("ascii"), target)
            found = self._ways.find(verb, target)
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
        # By a rule it may be stored: without its bytes there is nothing that could be settled quickly.
        if way.is_known and way.method().cache is None:
            dash = self._shortcut.take(Passing(caller, line, seen, way, query), None, b"")
            if isinstance(dash, Dash):
                return dash
        passes = self._passes(way, keyed=FIELD in notes.first)
        return passes(self._tools, caller, line, seen, way, query)

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
        return self._ways.find(verb, target)
