"""Who goes next, when a service gets as many requests at once as it may?"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from gateway.core import pace
from gateway.core.faults import Unavailable
from gateway.core.principal import Principal

_Turn = asyncio.Future[bool]
_Whose = tuple[str, str] | None


def _whose(principal: Principal | None) -> _Whose:
    return None if principal is None else (principal.issuer, principal.subject)


class Place:
    """Somebody's place in the line, without a task."""

    __slots__ = ("_left", "_ready", "_turn", "_turns", "_whose")

    def __init__(self, turns: Turns, whose: _Whose, turn: _Turn, ready: Callable[[], None]) -> None:
        self._turns = turns
        self._whose = whose
        self._turn = turn
        self._ready = ready
        self._left = False
        turn.add_done_callback(self._turned)

    def leave(self) -> None:
        """Wait no longer: `ready` is not called any more."""
        self._left = True
        self._turns.leave(self._whose, self._turn)

    def _turned(self, _: _Turn) -> None:
        if not self._left:
            self._ready()


class Turns:
    """At most `limit` at once. The others wait: each caller's in the order in which they came, the callers by rounds.

    In a round everybody who waits gets one turn, whoever came first first; whoever had theirs waits for the next round.
    So one who asks for much keeps nobody waiting for more than a turn of theirs. What the gate asks for itself is one
    more caller's.

    At most `room` wait. Nobody may have more of it than they leave: one alone fills half of it, two a third each, and
    there is always some left for one who comes.
    """

    def __init__(self, limit: int, room: int) -> None:
        self.taken = 0
        """How many are at it now."""
        self.waiting = 0
        """How many wait."""
        self._limit = limit
        self._room = room
        self._lines: dict[_Whose, OrderedDict[_Turn, None]] = {}
        self._round: OrderedDict[_Whose, None] = OrderedDict()
        self._next_round: OrderedDict[_Whose, None] = OrderedDict()
        self._had_theirs: set[_Whose] = set()
        self._gap: float | None = None
        self._passed = 0.0

    def narrow(self, limit: int) -> None:
        """No more than so many at once from here on."""
        self._limit = min(self._limit, limit)

    def take_now(self) -> bool:
        """A turn without waiting, if there is one; whether there was. It must be given back."""
        if self.taken >= self._limit:
            return False
        self.taken += 1
        return True

    async def take(self, deadline: float, principal: Principal | None = None) -> bool:
        """Wait for a turn, at most until `deadline` (the loop's time); whether there was one. It must be given back.

        Raises Unavailable at once when too many wait already, or when it would come too late.
        """
        if self.taken < self._limit:
            self.taken += 1
            return True
        loop = asyncio.get_running_loop()
        whose = _whose(principal)
        turn = self._stand(loop, deadline, whose)
        timer = loop.call_at(deadline, self._give_up, whose, turn)
        try:
            return await turn
        except asyncio.CancelledError:
            self.leave(whose, turn)
            raise
        finally:
            timer.cancel()

    @property
    def full(self) -> bool:
        """Whether who comes now has to wait."""
        return self.taken >= self._limit

    def stand(self, deadline: float, principal: Principal | None, ready: Callable[[], None]) -> Place:
        """Wait without a task: `ready` is called when there is a turn, which must be given back.

        Nobody looks at the deadline but whoever stands here. Raises Unavailable as `take` does.
        """
        whose = _whose(principal)
        return Place(self, whose, self._stand(asyncio.get_running_loop(), deadline, whose), ready)

    def give(self) -> None:
        """End a turn; it passes to the one who is next."""
        while self.waiting and self.taken <= self._limit:
            turn = self._next()
            if not turn.done():  # one who has just gone away may still stand here
                now = turn.get_loop().time()
                self._gap = pace.smoothed(self._gap, now - self._passed)
                self._passed = now
                turn.set_result(True)
                return
        self.taken -= 1

    # --- who may wait

    def _stand(self, loop: asyncio.AbstractEventLoop, deadline: float, whose: _Whose) -> _Turn:
        now = loop.time()
        self._check_room(whose, deadline - now)
        turn: _Turn = loop.create_future()
        self._join(whose, turn, now)
        return turn

    def _check_room(self, whose: _Whose, left: float) -> None:
        own = len(self._lines.get(whose, ()))
        if own >= self._room - self.waiting:
            whose_calls = "calls of yours" if own else "calls"
            raise Unavailable(
                f"Too many {whose_calls} wait for the service already; call again in a moment.", retry_after=1
            )
        others = len(self._lines) - (own > 0)
        before = min(self.waiting, own + (own + 1) * others)
        if before < self._limit or left <= 0:  # a few always wait: by them it is known how fast it goes
            return
        late = pace.too_late_by(before, self._gap, left)
        if late is not None:
            raise Unavailable(
                "So many calls wait for the service that this one's time would be over before its turn came; "
                "call again later, or with more time.",
                retry_after=pace.retry_after(late),
            )

    # --- the lines

    def _join(self, whose: _Whose, turn: _Turn, now: float) -> None:
        if not self.waiting:  # what was known of the queue before says nothing of this one
            self._had_theirs.clear()
            self._gap = None
            self._passed = now
        self.waiting += 1
        line = self._lines.get(whose)
        if line is None:
            line = self._lines[whose] = OrderedDict()
            (self._next_round if whose in self._had_theirs else self._round)[whose] = None
        line[turn] = None

    def _next(self) -> _Turn:
        """Take out the one who is next."""
        if not self._round:
            self._round, self._next_round = self._next_round, self._round
            self._had_theirs.clear()
        whose = next(iter(self._round))
        line = self._lines[whose]
        turn, _ = line.popitem(last=False)
        self.waiting -= 1
        if not turn.done():
            self._had_theirs.add(whose)
            del self._round[whose]
            if line:
                self._next_round[whose] = None
        if not line:
            self._drop(whose)
        return turn

    def _drop(self, whose: _Whose) -> None:
        del self._lines[whose]
        self._round.pop(whose, None)
        self._next_round.pop(whose, None)

    def _give_up(self, whose: _Whose, turn: _Turn) -> None:
        if not turn.done():
            self._leave(whose, turn)
            turn.set_result(False)

    def leave(self, whose: _Whose, turn: _Turn) -> None:
        """Somebody goes away who waited, or had a turn and did nothing with it."""
        if turn.done() and not turn.cancelled() and turn.result():
            self.give()
        else:
            self._leave(whose, turn)

    def _leave(self, whose: _Whose, turn: _Turn) -> None:
        line = self._lines.get(whose)
        if line is None or turn not in line:
            return
        del line[turn]
        self.waiting -= 1
        if not line:
            self._drop(whose)
