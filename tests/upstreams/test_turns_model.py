"""Do turns pass as start-time fair queueing has it, whatever happens in which order?"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.faults import Unavailable
from gateway.core.principal import Principal
from gateway.upstreams.turns import Turns


@dataclass
class Model:
    """The same, told by start tags, as in start-time fair queueing with turns of equal length."""

    limit: int
    room: int
    taken: int = 0
    now: int = 0
    finished: dict[str, int] = field(default_factory=dict)
    heads: dict[str, tuple[int, int]] = field(default_factory=dict)
    lines: dict[str, list[int]] = field(default_factory=dict)
    order: int = 0

    @property
    def waiting(self) -> int:
        return sum(map(len, self.lines.values()))

    def take(self, whose: str, number: int) -> str:
        if self.taken < self.limit:
            self.taken += 1
            return "granted"
        if len(self.lines.get(whose, ())) >= self.room - self.waiting:
            return "refused"
        if not self.waiting:
            self.finished.clear()
        self.lines.setdefault(whose, []).append(number)
        if len(self.lines[whose]) == 1:
            self._stand(whose)
        return "waits"

    def give(self) -> int | None:
        if not self.waiting:
            self.taken -= 1
            return None
        whose = min(self.heads, key=lambda one: self.heads[one])
        self.now, _ = self.heads.pop(whose)
        self.finished[whose] = self.now + 1
        number = self.lines[whose].pop(0)
        self._stand(whose)
        return number

    def leave(self, number: int) -> None:
        for whose, line in self.lines.items():
            if number in line:
                line.remove(number)
                if not line:
                    del self.lines[whose], self.heads[whose]
                return

    def _stand(self, whose: str) -> None:
        if not self.lines[whose]:
            del self.lines[whose]
            return
        self.order += 1
        self.heads[whose] = max(self.now, self.finished.get(whose, 0)), self.order


callers = st.sampled_from(["alice", "bob", "carol", "dan"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("take"), callers),
        st.tuples(st.just("late"), callers),
        st.tuples(st.just("give"), st.just(0)),
        st.tuples(st.just("leave"), st.integers(0, 20)),
    ),
    max_size=60,
)


class Both:
    """The turns and the model, which are told the same."""

    def __init__(self, limit: int, room: int) -> None:
        self.turns, self.model = Turns(limit, room), Model(limit, room)
        self.tasks: dict[int, asyncio.Task[bool]] = {}
        self.granted: list[int] = []
        self.expected: list[int] = []

    async def step(self, number: int, what: str, word: Any) -> None:
        self.granted, self.expected = [], []
        steps: Mapping[str, Callable[[int, Any], Awaitable[None]]] = {
            "take": self.take,
            "late": self.late,
            "give": self.give,
            "leave": self.leave,
        }
        await steps[what](number, word)
        assert self.granted == self.expected
        assert (self.turns.taken, self.turns.waiting) == (self.model.taken, self.model.waiting)

    async def take(self, number: int, whose: str, seconds: float = 60.0) -> None:
        self.tasks[number] = asyncio.ensure_future(self._took(number, whose, seconds))
        await settled()
        said = self.model.take(whose, number)
        if said == "granted":
            self.expected = [number]
        elif said == "refused":
            with pytest.raises(Unavailable):
                await self.tasks[number]
        elif seconds > 0:
            assert not self.tasks[number].done()
        else:
            assert not await self.tasks[number]
            self.model.leave(number)

    async def late(self, number: int, whose: str) -> None:
        await self.take(number, whose, -1.0)

    async def give(self, *_: Any) -> None:
        if self.turns.taken:
            self.turns.give()
            await settled()
            found = self.model.give()
            self.expected = [] if found is None else [found]

    async def leave(self, _: int, which: int) -> None:
        waiting = [number for number, task in self.tasks.items() if not task.done()]
        if waiting:
            number = waiting[which % len(waiting)]
            self.tasks[number].cancel()
            await settled()
            self.model.leave(number)

    async def _took(self, number: int, whose: str, seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        got = await self.turns.take(loop.time() + seconds, Principal(whose, "lab"))
        if got:
            self.granted.append(number)
        return got


async def settled() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


@given(st.integers(1, 3), st.integers(0, 12), steps)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_turns_pass_as_in_start_time_fair_queueing(
    clocked: Any, limit: int, room: int, steps: list[tuple[str, Any]]
) -> None:
    async def run(_: Any) -> None:
        both = Both(limit, room)
        for number, (what, word) in enumerate(steps):
            await both.step(number, what, word)
        while both.turns.taken:
            both.turns.give()
        await settled()
        assert all(task.done() for task in both.tasks.values())

    clocked(run)
