"""How do equal JSON-RPC calls through a mount share one trip? Each has an id of its own, and the rest of the answer is the same."""

from __future__ import annotations

import math

from gateway.core.method import Method
from gateway.core.verdict import Miss
from gateway.doors.mounted_once import MountedOnce
from gateway.doors.mounted_shared import TURNS
from gateway.trips import Trip, Waited


class MountedRpcShared(MountedOnce):
    """A JSON-RPC body through a mount whose one call may be answered by what another equal one brings."""

    _joined: Miss | None = None
    """Why the call was not answered from memory before another one's trip was waited for."""

    def look_up(self) -> None:
        """Judge what memory has now."""
        raise NotImplementedError

    def follow_call(self, verdict: Miss, method: Method) -> bool:
        """Wait for the trip of an equal call, or begin one for which others may wait; whether it waits."""
        book = self.tools.relay.book
        if not (self.notes.demand.takes_others and verdict.key) or book.is_in_vain(
            verdict.key, self.tools.wall()
        ):
            return False
        trip = book.trip(verdict, method)
        if trip is None:
            self._trip = book.lead(verdict, method)
            return False
        if self._turns >= TURNS:
            return False
        self._turns += 1
        self.later(self._wait_for_call(trip, verdict))
        return True

    async def _wait_for_call(self, trip: Trip, verdict: Miss) -> None:
        waited = await trip.over(self.seconds_left(), math.inf, lambda _: False)
        if self.over or self.left:
            return
        if waited is Waited.STORED:
            self._joined = verdict
            self.look_up()
        elif waited is Waited.NOT_STORED and trip.deserted:
            self.look_up()
        else:
            self.depart()

    def call_in_vain(self) -> None:
        """The answer is none that is kept, though a rule speaks of the method."""
        if self._trip is not None and isinstance(self.verdict, Miss):
            self.tools.relay.book.in_vain(self.verdict.key, self.tools.wall())
            self.land(shared=False)
