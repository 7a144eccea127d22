"""Which JSON-RPC requests are answered before anybody parses HTTP? The lanes of `/rpc`.

The front lane knows whole requests by their bytes, the head lane header lines. Both only remember what was decided:
they ask the relay's memory as everybody does, and whatever is unusual in any way, or not in memory, goes the usual way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from gateway.core.cache_status import age_of, ttl
from gateway.core.charging import Account
from gateway.core.envelope import Batch, Request, read
from gateway.core.faults import Fault
from gateway.core.forwarded import Proxies
from gateway.core.ports import Observer, Visit
from gateway.core.quick_envelope import usual_call
from gateway.core.repeats import FIELD
from gateway.core.verdict import Entry
from gateway.doors.asked import Occasion, Terms, new_id, new_number
from gateway.doors.encodings import JSON, of_answer, of_body
from gateway.doors.entrance import Entrance, is_of_a_page
from gateway.doors.notes import notes_of, vet
from gateway.doors.rpc import RpcDoor, RpcLimits
from gateway.doors.rpc_guest import RpcGuest
from gateway.doors.rpc_known import Known, paid
from gateway.doors.rpc_written import ERROR_FRAME, RESULT_FRAME, length
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


Replies: TypeAlias = list[tuple[Quick, Entry, bytes]]
"""For each call of a batch its method, the reply that memory has, and its id."""


def charged(account: Account, size: int, now: float, cost: int = 1) -> bool:
    """Whether calls whose replies have so many bytes may be answered now: they are charged then. The usual way says why not."""
    try:
        account.charge(now, cost)
    except Fault:
        return False
    account.spend(size, now)
    return True


def _write_batch(caller: Connection, found: Replies, number: bytes, told: bytes, now: float) -> int:
    """Write the answer to a batch; how long its body is. `told` are further lines."""
    answers = b",".join(
        [
            b'{"jsonrpc":"2.0","%b":%b,"id":%b}'
            % (b"result" if entry.kind == "result" else b"error", entry.body, token)
            for _, entry, token in found
        ]
    )
    first, size = found[0][1], len(answers) + 2
    aged = b"Age: %d\r\n" % age_of(first, now) if len(found) == 1 else b""
    caller.out.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
        b"Cache-Status: labgate; hit; ttl=%d\r\n%bX-Request-Id: %b\r\n%b%bContent-Length: %d\r\n\r\n[%b]"
        % (ttl(first, now), aged, number, told, caller.shared.date(), size, answers)
    )
    return size


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
        proxies: Proxies,
        wall: Callable[[], float],
    ) -> None:
        """`pseudonym` is the gate's in Via fields, `wall` tells seconds since 1970.

        `proxies` are those whose word about callers counts.
        """
        self._proxies = proxies
        self._door = door
        self.relay = relay
        self._entrance = entrance
        self._observer = observer
        self.tracer = observer.tracer
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
        account = None if quick.account is None else quick.account(caller.peer)
        told = b"" if account is None else paid(account, entry.length, now)
        if told is None:
            return False
        number = standing.given_id or new_number()
        before, after = self.written(caller, standing, entry, token, now)
        if account is None:
            caller.out.write_now(b"%b%b%b" % (before, number, after))
        else:
            caller.out.write_now(b"%b%b\r\n%b%b" % (before, number, told, after[2:]))
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
        self.tracer.left -= 1
        tally = quick.results if entry.kind == "result" else quick.errors
        tally.count += 1
        tally.size += entry.length
        observer = self._observer
        if not observer.writes:
            self._requests.count += 1
            return
        visit = self._visit(caller, standing, number, 1, length(entry.kind, entry.length, token))
        visit.method = quick.method.qualified
        observer.visited(visit)

    def _batch(self, caller: Connection, standing: Standing, body: bytes, now: float) -> bool:
        """Answer a batch whose calls memory has all the replies to; False, with nothing done, where it has not."""
        message = read(body, max_batch=self._limits.batch, max_depth=self._limits.depth)
        found = self._at_hand(standing, message, now) if isinstance(message, Batch) else None
        if found is None:
            return False
        account = None
        if self.relay.charges:
            accounts = {None if one.account is None else one.account(caller.peer) for one, _, _ in found}
            account = accounts.pop()
            size = sum(entry.length for _, entry, _ in found)
            if accounts or (account is not None and not charged(account, size, now, len(found))):
                return False  # where some of it may be refused, each is looked at
        number = standing.given_id or new_number()
        told = standing.told if account is None else account.lines(now) + standing.told
        size = _write_batch(caller, found, number, told, now)
        self.tracer.left -= 1
        for quick, entry, _ in found:
            tally = quick.results if entry.kind == "result" else quick.errors
            tally.count += 1
            tally.size += entry.length
        visit = self._visit(caller, standing, number, len(found), size)
        if len(found) == 1:
            visit.method = found[0][0].method.qualified
        self._observer.visited(visit)
        return True

    def _at_hand(self, standing: Standing, message: Batch, now: float) -> Replies | None:
        """What memory has to each call of a batch; None if one of them has to go the usual way."""
        found: Replies = []
        room = _LONGEST_BATCH
        for call in message.entries:
            quick = standing.quick(call.method) if isinstance(call, Request) else None
            if quick is None or not isinstance(call, Request) or call.id is None:
                return None
            entry = self.relay.ready(quick, call.params, now)
            if entry is None:
                return None
            room -= entry.length
            if room < 0:
                return None
            found.append((quick, entry, call.id))
        return found

    def _visit(self, caller: Connection, standing: Standing, number: bytes, entries: int, size: int) -> Visit:
        """What the access log says of a request that memory answered."""
        client = standing.client(caller.peer)
        visit = Visit(number.decode("ascii"), DOOR, standing.verb, standing.path, client, 200)
        visit.subject, visit.entries, visit.size = standing.principal.subject, entries, size
        visit.cache, visit.reason = "hit", "memory"
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
        if not data or not standing.is_quick or self.tracer.may_record(traced=standing.notes.traced):
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
        client = standing.client(caller.peer)
        visit = Visit(standing.notes.request_id or new_id(), DOOR, standing.verb, standing.path, client)
        visit.subject = standing.principal.subject
        asked = Occasion(visit, standing.principal, standing.datastack, standing.view, client)
        notes = standing.notes
        asked.trace = self.tracer.begin(f"{standing.verb} {DOOR}", notes.trace)
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
        if notes.by_cookie or FIELD in notes.first:
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
        fields, proxies = seen.fields, self._proxies
        return Standing(
            self.relay,
            self._observer,
            notes,
            terms,
            of_answer(accept, JSON),
            verb,
            _ADDRESS.decode(),
            datastack,
            lambda peer: proxies.client(fields, peer),
        )
