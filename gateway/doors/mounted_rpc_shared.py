"""How do equal JSON-RPC calls through a mount share one trip? Each has an id of its own, and the rest of the answer is the same."""

from __future__ import annotations

import math

from gateway.core.cache_status import trip_status, ttl
from gateway.core.heads import AnswerHead
from gateway.core.http_fields import length_of
from gateway.core.method import Method
from gateway.core.verdict import Entry, Miss
from gateway.core.waiting import Coming
from gateway.doors.mounted_once import MountedOnce
from gateway.doors.mounted_shared import TURNS
from gateway.trips import Trip, Waited


class MountedRpcShared(MountedOnce):
    """A JSON-RPC body through a mount whose one call may be answered by what another equal one brings."""

    _joined: Miss | None = None
    """Why the call was not answered from memory before another one's trip was waited for."""

    def look_up_again(self) -> None:
        """Judge what memory has now."""
        raise NotImplementedError

    def follow_call(self, verdict: Miss, method: Method) -> bool:
        """Wait for the trip of an equal call, or begin one for which others may wait; whether it waits."""
        book, demand = self.tools.relay.book, self.notes.demand
        usual = demand.max_age is None and not demand.no_store and not demand.only_cached
        if not (usual and verdict.key) or book.is_in_vain(verdict.key, self.tools.wall()):
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
            self.look_up_again()
        elif waited is Waited.NOT_STORED and trip.deserted:
            self.look_up_again()
        else:
            self.depart()

    def say_joined(self, joined: Miss, entry: Entry) -> None:
        """Say that the answer is what another call's trip brought."""
        now = self.tools.wall()
        self.verdict = joined
        self._say(
            trip_status(joined, stored=False, collapsed=True, status=None, ttl=ttl(entry, now)), entry, now
        )

    def call_begins(self, head: AnswerHead) -> None:
        """The answer to the call begins, and is kept for others if it is one."""
        if self._trip is not None:
            began, length = self.loop.time(), length_of(head.fields) if head.traits.has_length else None
            self._trip.begins(lambda: Coming(began, length, self.sent), lambda: None)

    def call_in_vain(self) -> None:
        """The answer is none that is kept, though a rule speaks of the method."""
        if self._trip is not None and isinstance(self.verdict, Miss):
            self.tools.relay.book.in_vain(self.verdict.key, self.tools.wall())
            self.land(shared=False)
