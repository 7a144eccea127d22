"""How do equal requests below a mount share one trip?"""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from typing import Any, Final

from gateway.core.conditions import may_keep
from gateway.core.heads import AnswerHead
from gateway.core.http_fields import length_of
from gateway.core.http_storing import BY_THE_REPLY
from gateway.core.method import Method
from gateway.core.ports import Shared
from gateway.core.verdict import Entry, Hit, Miss
from gateway.core.waiting import UNSEEN, Coming
from gateway.core.wanted import Wanted
from gateway.doors.mounted_served import MountedServed
from gateway.trips import Trip, Waited

TURNS: Final = 3
"""How often a request waits for others."""


class MountedShared(MountedServed):
    """A request below a mount that may wait for the trip of another one for the same."""

    candidate: Entry | None = None
    """The stored reply about which the service is asked."""
    _trip: Trip | None = None
    _turns = 0
    length: int | None = None
    """How many bytes the answer has, where it says so and is kept."""

    def _shares(self, verdict: Miss) -> bool:
        """Whether it is known to be worth it: a rule stores the reply, or there is one about which is asked."""
        wanted = self._wanted
        plain = not wanted.special and not wanted.credential and self._way.verb != "HEAD"
        worth = self._is_ruled or self.candidate is not None
        vain = self.tools.relay.book.is_in_vain(wanted.root, self.tools.wall())
        return plain and wanted.demand.takes_others and worth and not vain and bool(verdict.key)

    @property
    def _is_ruled(self) -> bool:
        """Whether a rule says that the reply is stored."""
        return self._wanted.rule is not BY_THE_REPLY and may_keep(self._wanted.rule)

    def _follow(self, verdict: Miss) -> bool:
        """Wait for the trip of another request for the same, or begin one; whether it waits, for whatever."""
        book, method = self.tools.relay.book, self.method
        if method is None:
            return False
        trip = book.trip(verdict, method)
        if trip is None:
            self._trip = trip = book.lead(verdict, method)
            if book.agrees:
                self.later(self._ask_others(trip, verdict, method))
            return book.agrees
        if self._turns >= TURNS:
            return False
        self._turns += 1
        self.later(self._wait_for(trip, verdict))
        return True

    async def _ask_others(self, trip: Trip, verdict: Miss, method: Method) -> None:
        """Begin the trip, unless another process brings its reply meanwhile."""
        book, wanted = self.tools.relay.book, self._wanted
        lead = await book.lead_of_all(wanted, verdict, method, min(UNSEEN, self.seconds_left()))
        if self._trip is not trip:  # its caller has left
            if lead is not None:
                lead.release()
            return
        trip.lead = lead
        if lead is not None and lead.waited:
            found = await book.recall(wanted, self.tools.wall)
            if self.over or self.left:
                return
            if isinstance(found.verdict, Hit):
                self.verdict, self._collapsed = verdict, True
                self.land(shared=True)
                self.serve(found.verdict.entry)
                return
        self.go_or_say_no()

    async def _wait_for(self, trip: Trip, verdict: Miss) -> None:
        unseen = math.inf if self._is_ruled else UNSEEN
        waited = await trip.over(self.seconds_left(), unseen, lambda shared: self._joins(shared, verdict))
        if self.over or self.left or waited is Waited.JOINED:
            return
        if waited is Waited.STORED:
            await self._take_stored(verdict)
        elif waited is Waited.NOT_STORED and trip.deserted and self._turns < TURNS:
            self.look()
        else:
            self.go_or_say_no()

    def _joins(self, shared: Shared, verdict: Miss) -> bool:
        """Read another's answer while it comes, where it is this request's too; whether it does, or nobody is there to read."""
        if self.over or self.left:
            return True
        entry = shared.entry_for(self._wanted, self.tools.wall())
        if entry is None:
            return False
        self.verdict, self._collapsed = verdict, True
        self.serve_coming(entry, shared)
        return True

    async def _take_stored(self, verdict: Miss) -> None:
        """Answer with what another's trip brought, where that is this request's too."""
        book, wanted = self.tools.relay.book, self._wanted
        found = book.find(wanted, self.tools.wall())
        if book.may_recall(wanted, found, self._way.service.qualified):
            found = await book.recall(wanted, self.tools.wall)
            if self.over or self.left:
                return
        if isinstance(found.verdict, Hit):
            self.verdict, self._collapsed = verdict, True
            self.serve(found.verdict.entry)
        else:
            self.go_or_say_no()

    def seconds_left(self) -> float:
        """How long the caller still waits."""
        raise NotImplementedError

    def trip_begins(self, head: AnswerHead, share: Callable[[], Shared | None]) -> None:
        """The answer begins, and is kept: whoever waits for it learns how far it is, or may `share` it."""
        if self._trip is not None:
            began, length = self.loop.time(), length_of(head.fields) if head.traits.has_length else None
            self.length = length
            self._trip.begins(lambda: Coming(began, length, self.sent), share)

    def land(self, *, shared: bool, deserted: bool = False) -> None:
        """Whoever waits for this request's trip waits no more."""
        trip, self._trip = self._trip, None
        if trip is not None:
            trip.deserted = deserted
            trip.land(shared=shared)

    # --- what a subclass does

    def look(self) -> None:
        """Judge what memory has now."""
        raise NotImplementedError

    def go_or_say_no(self) -> None:
        """Send the request on, unless its caller wants what is stored or nothing (RFC 9111 section 5.2.1.7)."""
        raise NotImplementedError

    def depart(self) -> None:
        """Send the request on."""
        raise NotImplementedError

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what has to wait for something."""
        raise NotImplementedError

    @property
    def _wanted(self) -> Wanted:
        if self.wanted is None:
            raise ValueError("the cache has no part in this request")
        return self.wanted
