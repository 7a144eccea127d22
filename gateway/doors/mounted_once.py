"""How does a request below a mount that may change something reach its service once, however often it comes?"""

from __future__ import annotations

from typing import Final

from gateway.core.faults import Fault
from gateway.core.heads import AnswerHead
from gateway.core.repeats import FIELD, Once, by_key, key_of
from gateway.core.verdict import HttpHead
from gateway.doors.mounted import Mounted
from gateway.doors.mounted_reply import REPEATED
from gateway.outcomes import LARGEST, Outcome
from gateway.wire.passage_there import EARLY

_REFUSED_UNREAD: Final = (401, 403, 429)
"""Statuses of a service that has done nothing: who asks again is heard."""


class MountedOnce(Mounted):
    """A request that may be the repetition of one before; it is known when its body has come."""

    _outcome: Outcome | None = None  # what will come of it, for its repetition
    _kept: list[bytes] | None = None
    _kept_size = 0
    _kept_head: HttpHead | None = None

    def once_by_key(self, body: bytes) -> Once | None:
        """What the request's key makes of it, None without one. Raises `BadRequest`."""
        key = key_of(self.notes.first.get(FIELD))
        if key is None:
            return None
        way = self._way
        kind = self.notes.first.get(b"content-type", b"")
        said = (way.verb.encode(), way.rest + self.query, kind, body)
        return by_key(self._principal, self._origin().client, way.service.qualified, key, said)

    def is_first(self, once: Once) -> bool:
        """Whether it repeats nothing that is under way, or ended a moment ago: what does is answered so."""
        self._outcome = self.tools.outcomes.begin(once)
        if self._outcome is None:
            self.later(self._repeat(once))
            return False
        self._kept = []
        if self.tools.outcomes.is_shared(self._outcome):
            self.later(self._agree(self._outcome))
            return False
        return True

    async def _agree(self, outcome: Outcome) -> None:
        """Send it on if other gates know nothing of it; else it is answered as theirs was."""
        self._outcome = None  # until it is ours to make
        verdict, self.verdict = self.verdict, REPEATED
        joined = await self.tools.outcomes.agree(outcome, self.loop.time() + self.seconds_left())
        if joined is not None:
            if not (self.over or self.left):
                self.write_stored(*joined)
            return
        if self.over or self.left:
            self.tools.outcomes.never_ran(outcome)
            return
        self._outcome, self.verdict = outcome, verdict
        self.depart_first()

    async def _repeat(self, once: Once) -> None:
        verdict, self.verdict = self.verdict, REPEATED
        joined = await self.tools.outcomes.join(once, self.loop.time() + self.seconds_left())
        if self.over or self.left:
            return
        if joined is not None:
            self.write_stored(*joined)
            return
        self.verdict = verdict
        if self.is_first(once):
            self.depart_first()

    def depart_first(self) -> None:
        """Send it on."""
        self.depart()

    # --- the way back

    def answer_head(self, head: AnswerHead) -> bytes | None:
        """The head for the caller."""
        self.note_head(head)
        return super().answer_head(head)

    @property
    def hands_over(self) -> bool:
        """Whether the answer is for others as it comes: not one that is kept for repetitions."""
        return self._kept is None and super().hands_over

    def tee(self, data: bytes) -> None:
        """Some of the answer."""
        self.keep(data)
        super().tee(data)

    def answered(self) -> None:
        """The answer is whole."""
        self.settle()
        super().answered()

    def note_head(self, head: AnswerHead) -> None:
        """Remember the answer's head for who repeats the request."""
        if self._outcome is not None:
            self._kept_head = HttpHead(head.status, head.reason, head.fields)

    def keep(self, data: bytes) -> None:
        """The same for some of its body."""
        if self._kept is not None:
            self._kept.append(data)
            self._kept_size += len(data)
            if self._kept_size > LARGEST:
                self._kept = None

    def settle(self) -> None:
        """Tell who repeats the request what came of it."""
        outcome, head = self._outcome, self._kept_head
        if outcome is None or head is None:
            return
        self._outcome = None
        if head.status in _REFUSED_UNREAD:
            self.tools.outcomes.never_ran(outcome)
        else:
            self.tools.outcomes.end(outcome, head, None if self._kept is None else b"".join(self._kept))

    def refuse(self, fault: Fault) -> None:
        """Answer with a fault, now and when the request is repeated, if it may have reached the service."""
        outcome, self._outcome = self._outcome, None
        if outcome is not None and fault.data.get("maybe_executed"):
            told = self.refusal(fault, ((b"Cache-Control", b"no-store"),))
            self.tools.outcomes.end(outcome, HttpHead(told.status, b"", told.fields), told.body)
        elif outcome is not None:
            self.tools.outcomes.never_ran(outcome)
        super().refuse(fault)

    def closed(self) -> None:
        """It is over; if nobody knows what came of it, whoever repeats it is told so."""
        outcome, self._outcome = self._outcome, None
        if outcome is not None and self._unsure:
            self.tools.outcomes.end(outcome, HttpHead(500, b"", ()), None)
        elif outcome is not None:
            self.tools.outcomes.never_ran(outcome)
        super().closed()


class KeyedRequest(MountedOnce):
    """A request with an `Idempotency-Key`. One whose body is longer than what is read early has it passed on, and no more."""

    _known = False

    @property
    def awaits_body(self) -> bool:
        """A key is compared with what came with it before."""
        return 0 <= self.caller.head.length <= EARLY

    def depart(self) -> None:
        """Send the request on, if it is the first of its key."""
        if not self.safe and not self.upgrades and self.complete and not self._known:
            self._known = True
            body = self.early
            self.put_early(body)
            once = self.once_by_key(body)
            if once is not None and not self.is_first(once):
                return
        super().depart()
