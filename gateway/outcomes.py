"""What came of a call that may change something, for its repetition: it runs once, and both get the same answer."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Protocol

from msgspec import Struct

from gateway.core.faults import DeadlineExceeded, TooLarge, Unavailable
from gateway.core.outcome_record import Record, Told
from gateway.core.repeats import Once, key_reused
from gateway.core.verdict import HttpHead
from gateway.outcome_files import OutcomeFiles

log = logging.getLogger("labgate.outcomes")

LARGEST: Final = 1 << 20
"""Bytes of an answer that is kept."""
_SHARES: Final = 16
"""As much as so many principals may have is kept for all of them together."""
_LONGEST: Final = 86_400.0
"""Seconds after which other gates forget even a call that has not ended."""
_LOOK: Final = 0.05
"""Seconds from one look for what another worker does to the next."""


class Bounds(Struct, frozen=True):
    """What is kept for each principal: outcomes for so many seconds after the end, so many of them, answers of so many bytes."""

    seconds: float = 600.0
    count: int = 2000
    size: int = 16 << 20


class Others(Protocol):
    """The other gates, as far as calls go that are made once."""

    async def claim(self, key: bytes, said: bytes, seconds: float) -> object:
        """A claim to the call, of which nobody need know after so many seconds; or the `Record` of it. Raises OSError."""

    def tell(self, claim: Any, answer: Told | None, seconds: float) -> None:
        """The call has ended so, which counts for so long."""

    def forget(self, claim: Any) -> None:
        """The call may be made anew."""


class Outcome:
    """One call, under way or ended: `answer` is its HTTP answer, None where it is not known."""

    def __init__(self, once: Once, files: OutcomeFiles | None) -> None:
        """`files` are where other processes look for it, None where there is nobody else to tell."""
        self.once = once
        self.files = files
        self.others: tuple[Others, object] | None = None
        self.ended = asyncio.Event()
        self.ran = True
        self.answer: Told | None = None
        self.until = float("inf")

    @property
    def size(self) -> int:
        """The bytes of the answer."""
        return 0 if self.answer is None else len(self.answer[1])


class _Owned:
    """What is kept for one principal, in the order in which it ended."""

    def __init__(self) -> None:
        self.ended: OrderedDict[bytes, Outcome] = OrderedDict()
        self.size = 0


class Outcomes:
    """The calls under way that may be repeated, and what came of those that ended a moment ago.

    With a folder, other processes of this host that are given the same one know of them too, and so does this one when it is
    started again.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
        folder: Path | None = None,
        bounds: Bounds = Bounds(),  # noqa: B008 - it is frozen
        *,
        alone: bool = False,
    ) -> None:
        """`alone` = no other process is given the folder at the same time."""
        self.joined = 0
        """Repetitions so far that were answered with what came of the first call."""
        self.bounds = bounds
        self._monotonic = monotonic
        self._alone = alone or folder is None
        self._known: dict[bytes, Outcome] = {}
        self._ended: OrderedDict[bytes, Outcome] = OrderedDict()
        self._owners: dict[bytes, _Owned] = {}
        self._size = 0
        self.others: Others | None = None
        """The other gates, where there are any that must know of calls with a key."""
        self._files: OutcomeFiles | None = None
        if folder is not None:
            try:
                self._files = OutcomeFiles(folder, wall, bounds.seconds)
            except OSError as error:
                log.warning("repeated calls are known to one worker only: %s", error.strerror)

    def close(self) -> None:
        """No further call begins."""
        if self._files is not None:
            self._files.close()

    def rebind(self, bounds: Bounds) -> None:
        """Keep them by other settings from now on."""
        self.bounds = bounds
        if self._files is not None:
            self._files.seconds = bounds.seconds

    def begin(self, once: Once) -> Outcome | None:
        """A call sets out; None if it repeats one that is known: see `join`.

        Raises `Unavailable` where another worker could make the same call without knowing.
        """
        self._forget()
        if once.key in self._known:
            return None
        # What only its id tells apart is promised to nobody; a process that is alone need not write it down.
        files = self._files if once.said or not self._alone else None
        ours = None if files is None else files.claim(once.key, once.said)
        if ours is False:
            return None
        if ours is None and once.said and not self._alone:
            raise Unavailable(
                "It cannot be written down that this call is made once (state_dir cannot be written): call again in a "
                "moment, or without an Idempotency-Key.",
                retry_after=5,
            )
        outcome = self._known[once.key] = Outcome(once, files)
        return outcome

    async def join(self, once: Once, deadline: float) -> Told | None:
        """The answer of the first call, when it has come; `deadline` is on the event loop's clock.

        None if that never ran: it may begin anew. Raises `DeadlineExceeded`, `TooLarge` where the answer was not kept, and
        `KeyReused` where the first was another call.
        """
        outcome = self._known.get(once.key)
        if outcome is None:
            answer = await self._from_others(once, deadline)
        else:
            if outcome.once.said != once.said:
                raise key_reused()
            try:
                async with asyncio.timeout_at(deadline):
                    self.joined += 1
                    await outcome.ended.wait()
            except TimeoutError:
                raise _over() from None
            if not outcome.ran:
                return None
            answer = outcome.answer
            if answer is None:
                raise _unknown()
        return answer

    def is_shared(self, outcome: Outcome) -> bool:
        """Whether other gates must agree before the call sets out: see `agree`."""
        return self.others is not None and bool(outcome.once.said)

    async def agree(self, outcome: Outcome, deadline: float) -> Told | None:
        """None if the call is ours to make, as far as other gates go; else the answer of theirs, when it has come.

        In the latter case, and when it raises, the outcome is over. Raises as `join` does, and `Unavailable` where nobody can be asked.
        """
        try:
            answer = await self._agreed(outcome, deadline)
        except BaseException:
            self.never_ran(outcome)
            raise
        if answer is not None:
            self.end(outcome, *answer)
        return answer

    async def _agreed(self, outcome: Outcome, deadline: float) -> Told | None:
        once, others = outcome.once, self.others

        async def look() -> Record | None:
            if others is None:
                return None
            try:
                found = await others.claim(once.key, once.said, self.bounds.seconds + _LONGEST)
            except OSError:
                raise _unclaimed() from None
            if isinstance(found, Record):
                return found
            outcome.others = (others, found)
            return None

        return await self._followed(once, deadline, look)

    def end(self, outcome: Outcome, head: HttpHead, body: bytes | None) -> None:
        """The call has ended so; None for a body that is too large to be kept."""
        most = min(LARGEST, self.bounds.size)
        outcome.answer = None if body is None or len(body) > most else (head, body)
        outcome.until = self._monotonic() + self.bounds.seconds
        once = outcome.once
        self._ended[once.key] = outcome
        owned = self._owners.setdefault(once.owner, _Owned())
        owned.ended[once.key] = outcome
        owned.size += outcome.size
        self._size += outcome.size
        outcome.ended.set()
        self._tell(outcome)
        self._bound(owned)
        self._forget()

    def never_ran(self, outcome: Outcome) -> None:
        """The call did not reach the service: whoever repeats it begins anew."""
        self._known.pop(outcome.once.key, None)
        self._forget_everywhere(outcome)
        outcome.ran = False
        outcome.ended.set()

    def _forget(self) -> None:
        """Forget what ended too long ago."""
        now = self._monotonic()
        while self._ended:
            oldest = next(iter(self._ended.values()))
            if now < oldest.until:
                return
            self._drop(oldest)

    def _bound(self, owned: _Owned) -> None:
        """Keep no more for a principal, and for all of them, than may be; the oldest goes first.

        Where there are too many bytes, only the answer is forgotten, not that there was a call.
        """
        while len(owned.ended) > self.bounds.count:
            self._drop(next(iter(owned.ended.values())))
        while owned.size > self.bounds.size:
            self._strip(owned)
        while self._size > _SHARES * self.bounds.size:
            self._strip(max(self._owners.values(), key=lambda one: one.size))

    def _strip(self, owned: _Owned) -> None:
        outcome = next(one for one in owned.ended.values() if one.size)
        owned.size -= outcome.size
        self._size -= outcome.size
        outcome.answer = None
        self._tell(outcome)

    def _drop(self, outcome: Outcome) -> None:
        once = outcome.once
        del self._known[once.key]
        del self._ended[once.key]
        owned = self._owners[once.owner]
        del owned.ended[once.key]
        owned.size -= outcome.size
        self._size -= outcome.size
        if not owned.ended:
            del self._owners[once.owner]
        self._forget_everywhere(outcome)

    def _tell(self, outcome: Outcome) -> None:
        """Let others know what came of it."""
        if outcome.files is not None:
            outcome.files.tell(outcome.once.key, outcome.once.said, outcome.answer)
        if outcome.others is not None:
            others, claim = outcome.others
            others.tell(claim, outcome.answer, max(0.0, outcome.until - self._monotonic()))

    @staticmethod
    def _forget_everywhere(outcome: Outcome) -> None:
        if outcome.files is not None:
            outcome.files.forget(outcome.once.key)
        if outcome.others is not None:
            others, claim = outcome.others
            others.forget(claim)

    async def _from_others(self, once: Once, deadline: float) -> Told | None:
        """What another process of this host has written down of the call."""

        async def look() -> Record | None:
            return None if self._files is None else self._files.read(once.key)

        return await self._followed(once, deadline, look)

    async def _followed(
        self, once: Once, deadline: float, look: Callable[[], Awaitable[Record | None]]
    ) -> Told | None:
        """The answer of a call that somebody else makes, when it has come; None as soon as there is no such call.

        Raises as `join` does.
        """
        loop = asyncio.get_running_loop()
        begun = False
        while (found := await look()) is not None:
            if (found.said or found.ended) and found.said != once.said:
                raise key_reused()
            if not begun:
                begun = True
                self.joined += 1
            if found.ended and found.answer is None:
                raise _unknown()
            if found.answer is not None:
                return found.answer
            if loop.time() + _LOOK > deadline:
                raise _over()
            await asyncio.sleep(_LOOK)
        return None


def _unclaimed() -> Unavailable:
    # A client whose key is of its own making may call without one: then it is made at most once, by never sending it again.
    return Unavailable(
        "The gates cannot agree that this call is made once (Redis is away): call again in a moment, or without an "
        "Idempotency-Key.",
        retry_after=1,
        keyed=False,
    )


def _over() -> DeadlineExceeded:
    return DeadlineExceeded(
        "The same call is under way, and did not end within the time.", maybe_executed=True
    )


def _unknown() -> TooLarge:
    return TooLarge(
        "The same call was made a moment ago, and its answer was not kept: look whether it had its effect, and call with a new "
        "id or key if not.",
        maybe_executed=True,
    )
