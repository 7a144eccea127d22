"""Which JSON-RPC requests are answered before anybody parses HTTP? The lanes of `/rpc`.

The front lane knows whole requests by their bytes, the head lane header lines. Both only remember what was decided:
they ask the relay's memory as everybody does, and whatever is unusual in any way, or not in memory, goes the usual way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from gateway.core.cache_status import age_of, ttl
from gateway.core.envelope import Batch, Request, read
from gateway.core.faults import Fault
from gateway.core.ports import Observer, Visit
from gateway.core.quick_envelope import usual_call
from gateway.core.verdict import Entry
from gateway.doors.asked import Occasion, Terms, new_id, new_number
from gateway.doors.encodings import JSON, of_answer, of_body
from gateway.doors.entrance import Entrance, is_of_a_page
from gateway.doors.notes import notes_of, vet
from gateway.doors.rpc import RpcDoor, RpcLimits
from gateway.doors.rpc_guest import RpcGuest
from gateway.doors.rpc_written import ERROR_FRAME, RESULT_FRAME
from gateway.doors.standing import DOOR, Standing
from gateway.relay import Quick, Relay
from gateway.wire.connection import Connection
from gateway.wire.delivery import JOINED_BYTES
from gateway.wire.guest import ANSWERED, Answered, Guest
from gateway.wire.lane import SMALL_BODY, Seen

_ADDRESS: Final = b"/rpc"
_VERBS: Final = ("POST", "QUERY")
_MOST_LINES: Final = 8
_BEFORE: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
    b"Cache-Status: labgate; hit; ttl=%d\r\nAge: %d\r\nX-Request-Id: "
)
_WITH_RESULT: Final = b'\r\n%b%bContent-Length: %d\r\n\r\n{"jsonrpc":"2.0","result":%b,"id":%b}'
_WITH_ERROR: Final = b'\r\n%b%bContent-Length: %d\r\n\r\n{"jsonrpc":"2.0","error":%b,"id":%b}'
_LONGEST_BATCH: Final = 1 << 20
_datastack = re.compile(rb"/rpc(?:\?datastack=([a-z][a-z0-9_]*))?").fullmatch


class Known:
    """A whole request that was answered from memory: a `Repeat` for the next one of the same bytes.

    What can only have ended since is looked at each time; what stands in the answer for a second is written once in it.
    """

    __slots__ = (
        "_after",
        "_before",
        "_changes",
        "_entry",
        "_lane",
        "_quick",
        "_second",
        "_standing",
        "_token",
        "_version",
    )

    def __init__(self, lane: RpcLane, standing: Standing, quick: Quick, entry: Entry, token: bytes) -> None:
        self._lane = lane
        self._standing = standing
        self._version = standing.version
        self._quick = quick
        self._entry = entry
        self._token = token
        self._changes = -1
        self._second = -1
        self._before = self._after = b""

    def answer(self, caller: Connection) -> bool:
        """Answer, if all still holds."""
        lane, standing, entry = self._lane, self._standing, self._entry
        now = lane.wall()
        relay = lane.relay
        changes = relay.changes
        # No epoch ends without a change.
        holds = changes == self._changes and now < standing.until and standing.catalog is relay.catalog
        if not (holds and standing.version == self._version):
            if not lane.settled(standing, now) or standing.version != self._version:
                return False
            if not relay.serves(self._quick, entry, now):
                return False
            self._changes = changes
        if now >= entry.fresh_until or relay.switches.hinder or not relay.store.has(entry):
            return False
        second = int(now)
        if second != self._second:
            self._second = second
            self._before, self._after = lane.written(caller, standing, entry, self._token, now)
        number = standing.given_id or new_number()
        caller.out.write_now(b"%b%b%b" % (self._before, number, self._after))
        lane.counted(caller, standing, self._quick, entry, number, len(self._token))
        return True


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
        self.relay = relay
        self._entrance = entrance
        self._observer = observer
        self._limits = limits
        self._pseudonym = pseudonym
        self._requests = observer.requests(DOOR, 200)
        self._second = -1
        self._date = b""
        self.wall = wall

    def takes(self, target: bytes) -> bool:
        """Whether the target is the door's."""
        return target.startswith(_ADDRESS) and _datastack(target) is not None

    # --- at once

    def at_once(
        self, caller: Connection, standing: Standing, data: bytes, call: tuple[str, bytes, bytes], now: float
    ) -> bool:
        """Answer the call that the whole request is from memory; False, with nothing done, if that has no reply to it."""
        name, params, token = call
        quick = standing.quick(name)
        entry = self.relay.ready(quick, params or None, now) if quick is not None else None
        if quick is None or entry is None or entry.length >= JOINED_BYTES:
            return False
        number = standing.given_id or new_number()
        before, after = self.written(caller, standing, entry, token, now)
        caller.out.write_now(b"%b%b%b" % (before, number, after))
        self.counted(caller, standing, quick, entry, number, len(token))
        lane = caller.lane
        if entry.length <= SMALL_BODY and lane.comes_again(data):
            lane.put_request(data, entry.length, Known(self, standing, quick, entry, token))
        return True

    def settled(self, standing: Standing, now: float) -> bool:
        """Whether it is known who calls, and what they may; False where somebody has to be asked."""
        notes, epoch = standing.notes, self.relay.epoch
        principal = notes.principal(epoch, now)
        if principal is None:
            principal = self._entrance.known(notes.credential, notes.certificate)
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
        standing.until = notes.until
        return True

    def written(
        self, caller: Connection, standing: Standing, entry: Entry, token: bytes, now: float
    ) -> tuple[bytes, bytes]:
        """The answer to one call, as the door writes it for an entry at hand: before the request id, and after it."""
        second = int(now)
        if second != self._second:
            self._second, self._date = second, caller.shared.date()
        before = _BEFORE % (ttl(entry, second), age_of(entry, second))
        body = entry.body
        if entry.kind == "result":
            length, written = RESULT_FRAME + len(body) + len(token), _WITH_RESULT
        else:
            length, written = ERROR_FRAME + len(body) + len(token), _WITH_ERROR
        return before, written % (standing.told, self._date, length, body, token)

    def counted(
        self, caller: Connection, standing: Standing, quick: Quick, entry: Entry, number: bytes, token: int
    ) -> None:
        """Count a call that was answered, or write it down where there is an access log; `token` is its id's length."""
        tally = quick.results if entry.kind == "result" else quick.errors
        tally.count += 1
        tally.size += entry.length
        observer = self._observer
        if not observer.writes:
            self._requests.count += 1
            return
        frame = RESULT_FRAME if entry.kind == "result" else ERROR_FRAME
        visit = self._visit(caller, standing, number, 1, frame + entry.length + token)
        visit.method = quick.method.qualified
        observer.visited(visit)

    def _batch(self, caller: Connection, standing: Standing, body: bytes, now: float) -> bool:
        limits = self._limits
        message = read(body, max_batch=limits.batch, max_depth=limits.depth)
        if not isinstance(message, Batch):
            return False
        found: list[tuple[Quick, Entry, bytes]] = []
        room = _LONGEST_BATCH
        for call in message.entries:
            quick = standing.quick(call.method) if isinstance(call, Request) else None
            if quick is None or not isinstance(call, Request) or call.id is None:
                return False
            entry = self.relay.ready(quick, call.params, now)
            if entry is None:
                return False
            room -= entry.length
            if room < 0:
                return False
            found.append((quick, entry, call.id))
        answers = b",".join(
            [
                b'{"jsonrpc":"2.0","%b":%b,"id":%b}'
                % (b"result" if entry.kind == "result" else b"error", entry.body, token)
                for _, entry, token in found
            ]
        )
        number = standing.given_id or new_number()
        first = found[0][1]
        aged = b"Age: %d\r\n" % age_of(first, now) if len(found) == 1 else b""
        caller.out.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
            b"Cache-Status: labgate; hit; ttl=%d\r\n%bX-Request-Id: %b\r\n%b%bContent-Length: %d\r\n\r\n[%b]"
            % (
                ttl(first, now),
                aged,
                number,
                standing.told,
                caller.shared.date(),
                len(answers) + 2,
                answers,
            )
        )
        for quick, entry, _ in found:
            tally = quick.results if entry.kind == "result" else quick.errors
            tally.count += 1
            tally.size += entry.length
        visit = self._visit(caller, standing, number, len(found), len(answers) + 2)
        if len(found) == 1:
            visit.method = found[0][0].method.qualified
        self._observer.visited(visit)
        return True

    def _visit(self, caller: Connection, standing: Standing, number: bytes, entries: int, size: int) -> Visit:
        """What the access log says of a request that memory answered."""
        visit = Visit(number.decode("ascii"), DOOR, standing.verb, standing.path, caller.peer, 200)
        visit.subject, visit.entries, visit.cache, visit.size = (
            standing.principal.subject,
            entries,
            "hit",
            size,
        )
        return visit

    # --- by a guest

    def again(
        self, caller: Connection, line: bytes, seen: Seen, data: bytes, end: int
    ) -> Guest | Answered | None:
        """Who answers a request of lines that came before; the whole of it is answered here where memory can."""
        standing = seen.terms.get(line)
        if standing is None:
            return None
        now = self.wall()
        if not standing.is_settled(now) and not self.settled(standing, now):
            return None
        if not data or not standing.is_quick:
            return self._guest(caller, standing)
        body = data[end:]
        call = usual_call(body, self._limits.depth)
        if call is not None:
            if self.at_once(caller, standing, data, call, now):
                return ANSWERED
        elif body.startswith(b"[") and self._batch(caller, standing, body, now):
            return ANSWERED
        return self._guest(caller, standing, call)

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
        return self._guest(caller, standing) if self.settled(standing, self.wall()) else None

    def _guest(
        self, caller: Connection, standing: Standing, call: tuple[str, bytes, bytes] | None = None
    ) -> Guest:
        visit = Visit(standing.notes.request_id or new_id(), DOOR, standing.verb, standing.path, caller.peer)
        visit.subject = standing.principal.subject
        asked = Occasion(visit, standing.principal, standing.datastack, standing.view)
        return RpcGuest(
            self._door, self.relay, self._observer, caller, standing, asked, self._limits.depth, call
        )

    def _standing(self, caller: Connection, verb: str, target: bytes, seen: Seen) -> Standing | None:
        """What the lines say, where they are of the usual kind and nothing is wrong with them."""
        head, named = caller.head, _datastack(target)
        if named is None or verb not in _VERBS or not (head.minor and head.keep_alive):
            return None
        if head.upgrade or head.expects or not 0 <= head.length <= self._limits.body:
            return None
        notes = notes_of(seen, self._entrance)
        if notes.by_cookie:
            return None
        try:
            vet(notes, seen.fields, self._entrance, self._pseudonym)
            reading = of_body(notes.text(b"content-type"), notes.text(b"content-encoding"))
        except Fault:
            return None
        if notes.fault is not None or (notes.by_certificate and is_of_a_page(seen.fields)):
            return None
        accept = notes.text(b"accept")
        terms = Terms(reading, of_answer(accept, reading), notes.patience, notes.demand)
        datastack = named[1].decode("ascii") if named[1] else None
        return Standing(
            self.relay,
            self._observer,
            notes,
            terms,
            of_answer(accept, JSON),
            verb,
            _ADDRESS.decode(),
            datastack,
        )
