"""Which JSON-RPC requests are answered before anybody parses HTTP? The lanes of `/rpc`.

The front lane knows whole requests by their bytes, the head lane header lines. Both only remember what was decided:
they ask the relay's memory as everybody does, and whatever is unusual in any way, or not in memory, goes the usual way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from gateway.core.envelope import Batch, Request, read
from gateway.core.faults import Fault, UnsupportedMediaType
from gateway.core.ports import Observer, Visit
from gateway.core.quick_envelope import usual_call
from gateway.core.verdict import Entry
from gateway.doors.asked import Occasion, Terms, new_id
from gateway.doors.encodings import JSON, of_answer, of_body
from gateway.doors.entrance import Entrance
from gateway.doors.notes import Notes, vet
from gateway.doors.rpc import RpcDoor, RpcLimits
from gateway.doors.rpc_guest import RpcGuest
from gateway.doors.standing import DOOR, Standing
from gateway.relay import Quick, Relay
from gateway.wire.connection import Connection
from gateway.wire.guest import Guest
from gateway.wire.lane import Seen

_ADDRESS: Final = b"/rpc"
_VERBS: Final = ("POST", "QUERY")
_MOST_LINES: Final = 8
_LONGEST: Final = 64 << 10
"""Bytes of a result beyond which it is not written in one go."""

_LONGEST_BATCH: Final = 1 << 20
_datastack = re.compile(rb"/rpc(?:\?datastack=([a-z][a-z0-9_]*))?").fullmatch


class Known(NamedTuple):
    """A whole request that was answered from memory: by which entry, and what held then."""

    standing: Standing
    version: int
    quick: Quick
    entry: Entry
    token: bytes


class RpcLane:
    """Answers calls that memory has the reply to, at once; others by a guest that asks the rpc door."""

    def __init__(
        self,
        door: RpcDoor,
        relay: Relay,
        entrance: Entrance,
        observer: Observer,
        limits: RpcLimits,
        *,
        pseudonym: bytes,
        wall: Callable[[], float],
    ) -> None:
        """`pseudonym` is the gate's in Via fields, `wall` tells seconds since 1970."""
        self._door = door
        self._relay = relay
        self._entrance = entrance
        self._observer = observer
        self._limits = limits
        self._pseudonym = pseudonym
        self._wall = wall

    def takes(self, target: bytes) -> bool:
        """Whether the target is the door's."""
        return target.startswith(_ADDRESS) and _datastack(target) is not None

    # --- at once

    def repeat(self, caller: Connection, known: Known) -> bool:
        """Answer a request whose very bytes were answered before, if all still holds."""
        standing, version, quick, entry, token = known
        now = self._wall()
        if not self._is_settled(standing, now) or standing.version != version:
            return False
        if not self._relay.again(quick, entry, now):
            return False
        self._write(caller, standing, quick, entry, token, now)
        return True

    def at_once(self, caller: Connection, line: bytes, seen: Seen, data: bytes, end: int) -> bool:
        """Answer a call, or a batch, that memory has all replies to."""
        standing: Standing = seen.terms[line]
        now = self._wall()
        if not standing.is_quick or not self._is_settled(standing, now):
            return False
        body = data[end:]
        call = usual_call(body, self._limits.depth)
        if call is None:
            return body.startswith(b"[") and self._batch(caller, standing, body, now)
        name, params, token = call
        quick = standing.quick(name)
        entry = self._relay.ready(quick, params, now) if quick is not None else None
        if quick is None or entry is None or entry.length > _LONGEST:
            return False
        self._write(caller, standing, quick, entry, token, now)
        caller.shared.lane.put_request(data, Known(standing, standing.version, quick, entry, token))
        return True

    def _is_settled(self, standing: Standing, now: float) -> bool:
        """Whether it is known who calls, and what they may; False where somebody has to be asked."""
        notes, epoch = standing.notes, self._relay.epoch
        principal = notes.principal(epoch, now)
        if principal is None:
            principal = self._entrance.known(notes.credential)
            if principal is None:
                return False
            notes.identified(principal, epoch, now)
        if not self._entrance.is_open:
            return False
        if not standing.holds(principal):
            try:
                standing.settle(principal)
            except Fault:
                return False
        return True

    def _write(
        self, caller: Connection, standing: Standing, quick: Quick, entry: Entry, token: bytes, now: float
    ) -> None:
        """The answer to one call, as the door writes it for an entry at hand."""
        kind = b"result" if entry.kind == "result" else b"error"
        number = standing.given_id or new_id().encode("ascii")
        body = b'{"jsonrpc":"2.0","%b":%b,"id":%b}' % (kind, entry.body, token)
        caller.out.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
            b"Cache-Status: labgate; hit; ttl=%.0f\r\nAge: %d\r\nX-Request-Id: %b\r\n%b%bContent-Length: %d\r\n\r\n%b"
            % (
                entry.fresh_until - now,
                max(0, int(now - entry.stored)) + entry.aged,
                number,
                standing.told,
                caller.shared.date(),
                len(body),
                body,
            )
        )
        observer = self._observer
        standing.tally(observer, quick, entry.kind, DOOR if not observer.writes else "").count += 1
        if observer.writes:
            visit = self._visit(caller, standing, number.decode("ascii"), 1, len(body))
            visit.method = quick.method.qualified
            observer.visited(visit)

    def _batch(self, caller: Connection, standing: Standing, body: bytes, now: float) -> bool:
        limits = self._limits
        message = read(body, max_batch=limits.batch, max_depth=limits.depth)
        if not isinstance(message, Batch):
            return False
        asked, tokens = [], []
        for call in message.entries:
            quick = standing.quick(call.method) if isinstance(call, Request) else None
            if quick is None or not isinstance(call, Request) or call.id is None:
                return False
            asked.append((quick, call.params))
            tokens.append(call.id)
        entries = self._relay.all_ready(asked, now)
        if entries is None or sum([entry.length for entry in entries]) > _LONGEST_BATCH:
            return False
        answers = b",".join(
            [
                b'{"jsonrpc":"2.0","%b":%b,"id":%b}'
                % (b"result" if entry.kind == "result" else b"error", entry.body, token)
                for entry, token in zip(entries, tokens, strict=True)
            ]
        )
        number = standing.given_id or new_id().encode("ascii")
        first = entries[0]
        aged = b"Age: %d\r\n" % (max(0, int(now - first.stored)) + first.aged) if len(entries) == 1 else b""
        caller.out.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
            b"Cache-Status: labgate; hit; ttl=%.0f\r\n%bX-Request-Id: %b\r\n%b%bContent-Length: %d\r\n\r\n[%b]"
            % (
                first.fresh_until - now,
                aged,
                number,
                standing.told,
                caller.shared.date(),
                len(answers) + 2,
                answers,
            )
        )
        for (quick, _), entry in zip(asked, entries, strict=True):
            standing.tally(self._observer, quick, entry.kind, "").count += 1
        visit = self._visit(caller, standing, number.decode("ascii"), len(entries), len(answers) + 2)
        if len(entries) == 1:
            visit.method = asked[0][0].method.qualified
        self._observer.visited(visit)
        return True

    def _visit(self, caller: Connection, standing: Standing, number: str, entries: int, size: int) -> Visit:
        """What the access log says of a request that memory answered."""
        visit = Visit(number, DOOR, standing.verb, standing.path, caller.peer, 200)
        visit.subject, visit.entries, visit.cache, visit.size = (
            standing.principal.subject,
            entries,
            "hit",
            size,
        )
        return visit

    # --- by a guest

    def again(self, caller: Connection, line: bytes, seen: Seen) -> Guest | None:
        """Who answers a request of lines that came before."""
        standing = seen.terms.get(line)
        return None if standing is None else self._guest(caller, standing)

    def guest(self, caller: Connection, verb: str, target: bytes, seen: Seen) -> Guest | None:
        """Who answers the request; None where the handler behind has to look at it, or who calls must be asked about."""
        line = b"%b %b" % (verb.encode("ascii"), target)
        standing = seen.terms.get(line)
        if standing is None:
            standing = self._standing(caller, verb, target, seen)
            if standing is None:
                return None
            if len(seen.terms) >= _MOST_LINES:
                seen.terms.clear()
            seen.terms[line] = standing
        return self._guest(caller, standing)

    def _guest(self, caller: Connection, standing: Standing) -> Guest | None:
        if not self._is_settled(standing, self._wall()):
            return None
        visit = Visit(standing.notes.request_id or new_id(), DOOR, standing.verb, standing.path, caller.peer)
        visit.subject = standing.principal.subject
        asked = Occasion(visit, standing.principal, standing.datastack, standing.view)
        return RpcGuest(self._door, self._observer, caller, standing, asked)

    def _standing(self, caller: Connection, verb: str, target: bytes, seen: Seen) -> Standing | None:
        """What the lines say, where they are of the usual kind and nothing is wrong with them."""
        head, named = caller.head, _datastack(target)
        if named is None or verb not in _VERBS or not (head.minor and head.keep_alive):
            return None
        if head.upgrade or head.expects or not 0 <= head.length <= self._limits.body:
            return None
        notes: Notes | None = seen.notes
        if notes is None:
            notes = seen.notes = Notes(seen.fields)
        try:
            vet(notes, seen.fields, self._entrance, self._pseudonym)
            reading = of_body(notes.text(b"content-type"), notes.text(b"content-encoding"))
        except (Fault, UnsupportedMediaType):
            return None
        if notes.fault is not None:
            return None
        accept = notes.text(b"accept")
        terms = Terms(reading, of_answer(accept, reading), notes.patience, notes.demand)
        datastack = named[1].decode("ascii") if named[1] else None
        return Standing(
            self._relay, notes, terms, of_answer(accept, JSON), verb, _ADDRESS.decode(), datastack
        )
