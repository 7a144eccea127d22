"""How is a whole request answered that came before, byte for byte, and was answered from memory?

This is the shortest way through the gate, and the one that most calls take. What it does for each call is all that may have
changed since the last one; see `Repeat` in `gateway.wire.lane`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.charging import Account, Ahead
from gateway.core.faults import Fault
from gateway.core.verdict import Entry
from gateway.doors.asked import new_number
from gateway.doors.standing import Standing
from gateway.relay import Quick
from gateway.wire.connection import Connection

if TYPE_CHECKING:
    from gateway.doors.rpc_lane import RpcLane


class Known:
    """A whole request that was answered from memory: a `Repeat` for the next one of the same bytes.

    What can only have ended since is looked at each time; what stands in the answer for a second is written once in it.
    """

    __slots__ = (
        "_account",
        "_after",
        "_ahead",
        "_before",
        "_changes",
        "_charged",
        "_entry",
        "_lane",
        "_quick",
        "_second",
        "_standing",
        "_token",
        "_told",
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
        self._account: Account | None = None
        self._ahead: Ahead | None = None
        self._told: bytes | None = None
        self._charged = b""

    def answer(self, caller: Connection) -> bool:
        """Answer, if all still holds."""
        lane, standing, entry = self._lane, self._standing, self._entry
        if lane.tracer.left <= 0:  # this one is recorded
            return False
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
            self._renew(caller, now)
        after = self._after
        if self._account is not None:
            ahead, size = self._ahead, entry.length
            # As `pay` does, without a call: most calls of who calls often come by here.
            if (
                ahead is not None
                and ahead.told is self._told
                and ahead.calls
                and size <= ahead.size
                and ahead.since <= now < ahead.until
            ):
                ahead.calls -= 1
                ahead.size -= size
            elif not self._pay(self._account, now):
                return False
            after = self._charged
        number = standing.given_id or new_number()
        caller.out.write_now(b"%b%b%b" % (self._before, number, after))
        lane.counted(caller, standing, self._quick, entry, number, len(self._token))
        return True

    def _renew(self, caller: Connection, now: float) -> None:
        """Write what stands in the answer for this second, and find who it is charged to."""
        quick = self._quick
        self._before, self._after = self._lane.written(caller, self._standing, self._entry, self._token, now)
        self._told = None
        self._account = None if quick.account is None else quick.account(caller.peer)
        self._ahead = None if self._account is None else self._account.ahead

    def _pay(self, account: Account, now: float) -> bool:
        """Charge the call; False where it may not be: the usual way says why not."""
        told = paid(account, self._entry.length, now)
        if told is None:
            return False
        if told is not self._told:  # for calls that are charged in advance it is
            self._told, self._charged = told, b"\r\n%b%b" % (told, self._after[2:])
        return True


def paid(account: Account, size: int, now: float) -> bytes | None:
    """The lines that tell how the caller stands once a call is charged whose reply has so many bytes; None if it may not be."""
    try:
        return account.pay(size, now)
    except Fault:
        return None
