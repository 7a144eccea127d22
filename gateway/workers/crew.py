"""What must all workers know, and what do they say together? The supervisor's side of the channels."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import to_builtins

from gateway.core.ending import Ending, end
from gateway.core.faults import Unavailable
from gateway.core.reloading import Reloading, asked
from gateway.core.sums import Family, lasting, status_of_all, total
from gateway.core.switches import Switches, Wish
from gateway.core.told import Told
from gateway.workers.channel import Handler, Line
from gateway.workers.child import Seat
from gateway.workers.hello import Handed, Hello, Switched
from gateway.workers.listeners import Sockets, numbers
from gateway.workers.loads import Loads

_PATIENCE: Final = 2.0
"""Seconds that a worker has to say how it stands; one that takes longer is left out, or its last word counts."""
_COOKIES: Final = 10_000


class Crew:
    """The workers that run, what they have in common, and what was counted by those that have ended.

    One of them leads: it asks the services what they offer, and the others hear it. When the settings are taken anew there
    is another crew, in the same processes; the one before it ends with the last of its gates.
    """

    def __init__(
        self,
        handed: Handed,
        sockets: Sockets,
        memory: int,
        wall: Callable[[], float],
        before: Crew | None = None,
    ) -> None:
        """`memory` is the descriptor of the workers' `Loads`; `wall` gives seconds since 1970."""
        self.memory = memory
        self._loads = Loads(memory, handed.workers)
        self.handed = handed
        self.restarts = 0
        self.reloading: Reloading | None = None
        """Who takes the settings anew; None where nobody can."""
        self.ending: Ending | None = None if before is None else before.ending
        """Who has all workers end."""
        self._sockets = sockets
        self.wall = wall
        self.started = wall()
        self._members: dict[int, Seat] = {}
        self._leader: Seat | None = None
        self.switches = Switches()
        self._told: dict[str, Told] = {}
        self.cookies: dict[tuple[str, str], None] = {}
        self._begun = False
        self._ended: Sequence[Family] = ()
        self._switching = asyncio.Lock()
        self._before = before
        self._crews: list[Crew] = [self] if before is None else before._crews  # noqa: SLF001 - of us
        """This one and those beside it whose gates have not ended, in the order in which they took over."""
        if before is not None:
            self.restarts, self.reloading = before.restarts, before.reloading
            self.started, self.switches, self.cookies = (
                before.started,
                before.switches,
                dict(before.cookies),
            )

    def take_over(self) -> None:
        """The callers are this crew's from now on: what one of the crew before says, it hears."""
        self._crews.append(self)
        if self._before is not None:
            # Nobody may ask for numbers for days, and each reload leaves a crew.
            self._before._past()  # noqa: SLF001 - another one of us

    @property
    def members(self) -> list[Seat]:
        """Those that run, by number."""
        return [self._members[number] for number in sorted(self._members)]

    def join(self, child: Seat) -> None:
        """It runs from now on; the first one leads."""
        self._members[child.number] = child
        if self._leader is None:
            self._leader = child

    def has(self, child: Seat) -> bool:
        """Whether it belongs to it and has not ended."""
        return self._members.get(child.number) is child

    def leave(self, child: Seat) -> None:
        """It has ended; if it led, another one does."""
        if isinstance(child.line, Line):
            child.line.close()
        if not self.has(child):
            return
        del self._members[child.number]
        if not self._members and self is not self._crews[-1] and self in self._crews:
            self._crews.remove(self)
        self._ended = total([self._ended, lasting(child.numbers)])
        if self._leader is child:
            members = self.members
            self._leader = next((one for one in members if one.ready.is_set()), next(iter(members), None))
            if self._leader is not None:
                self._leader.line.tell("lead")

    def absent(self, number: int) -> None:
        """The process of this number has ended: nobody leaves it any connections."""
        self._loads.absent(number)

    def handlers(self, child: Seat) -> Mapping[str, Handler]:
        """What is done with what this worker says."""
        of_it: Mapping[str, Callable[[Seat, Any], Awaitable[Any]]] = {
            "hello": self._greet,
            "beat": self._heard,
            "ready": self._is_ready,
            "failed": self._has_failed,
            "counted": self._has_counted,
            "told": self._tell,
            "begun": self._has_begun,
            "cookie": self._has_cookie,
            "health": self._health,
            "left": self._has_left,
        }
        return {
            **{kind: partial(deed, child) for kind, deed in of_it.items()},
            **{kind: partial(self._by_latest, kind) for kind in self._of_all()},
        }

    def _of_all(self) -> Mapping[str, Handler]:
        """What concerns the whole gate: of an old crew's worker it is the present one's to do."""
        return {
            "switch": self._switch,
            "reload": self._reload,
            "drain": self._drain,
            "status": self._status,
            "numbers": self._numbers,
            "lately": self._lately,
            "refresh": self._refresh,
            "nudge": self._nudge,
        }

    async def _by_latest(self, kind: str, body: Any) -> Any:
        return await self._crews[-1]._of_all()[kind](body)  # noqa: SLF001 - another one of us

    async def _greet(self, child: Seat, _: Any) -> Any:
        child.greeted = True
        return to_builtins(self._hello(child))

    async def _heard(self, child: Seat, _: Any) -> None:
        """A sign of life: to have been heard is enough."""

    async def _is_ready(self, child: Seat, _: Any) -> None:
        child.ready.set()

    async def _has_failed(self, child: Seat, words: str) -> None:
        child.failed = words

    async def _has_left(self, child: Seat, _: Any) -> None:
        self.leave(child)

    async def _has_counted(self, child: Seat, families: Any) -> None:
        child.numbers = msgspec.convert(families, list[Family])

    def _hello(self, child: Seat) -> Hello:
        handed, switches = self.handed, self.switches
        return Hello(
            number=child.number,
            workers=handed.workers,
            pseudonym=handed.pseudonym,
            settings=handed.settings,
            host=handed.host,
            port=handed.port,
            listeners=numbers(self._sockets),
            loads=self.memory,
            leads=child is self._leader,
            begun=self._begun,
            lanes=switches.lanes,
            cache=switches.cache,
            cordons=switches.cordons,
            told=list(self._told.values()),
            cookies=list(self.cookies),
        )

    # what one says and all hear

    async def _spread(self, kind: str, body: Any, *, but: Seat | None = None) -> None:
        """Tell all workers but one; returns when each has done what follows from it, or has ended."""
        asked = (one.line.ask(kind, body) for one in self.members if one is not but and one.greeted)
        await asyncio.gather(*map(_quietly, asked))

    async def _switch(self, body: Any) -> Any:
        said = msgspec.convert(body, Switched)
        async with self._switching:
            wish = Wish(said.lanes, said.cache, said.cordon)
            done = self.switches.change(wish, said.by, said.now)
            await self._spread("switch", body)
            return done

    async def _has_begun(self, teller: Seat, _: Any) -> None:
        self._begun = True
        await self._spread("begun", None, but=teller)

    async def _tell(self, teller: Seat, body: Any) -> None:
        one = msgspec.convert(body, Told)
        self._told[one.service] = one.after(self._told.get(one.service))
        await self._spread("told", body, but=teller)

    async def _has_cookie(self, teller: Seat, body: list[str]) -> None:
        crews = self._crews
        for crew in crews[crews.index(self) :] if self in crews else [self, *crews]:
            await crew.own(teller, body)

    async def own(self, teller: Seat, body: list[str]) -> None:
        """A service was seen to set a cookie: all of these workers are to know."""
        pair = (body[0], body[1])
        if pair not in self.cookies and len(self.cookies) < _COOKIES:
            self.cookies[pair] = None
            await self._spread("cookie", pair, but=teller)

    async def _health(self, teller: Seat, body: Any) -> None:
        await self._spread("health", body, but=teller)

    # what one asks and another one does

    async def _drain(self, by: Any) -> None:
        end(self.ending, by)

    async def _reload(self, body: list[Any]) -> Any:
        return await asked(self.reloading, body[0], only_look=body[1])

    async def _refresh(self, service: Any) -> Any:
        return await self._of_leader().ask("refresh", service)

    async def _nudge(self, body: Any) -> None:
        self._of_leader().tell("nudge", body)

    def _of_leader(self) -> Any:
        if self._leader is None or not self._leader.ready.is_set():
            raise Unavailable("the gate is not asking its services at this moment: try again later")
        return self._leader.line

    # what all say together

    async def _each(self, kind: str, body: Any = None) -> list[tuple[Seat, Any]]:
        """What each worker says, the leader first; None of those that are silent."""
        members = [one for one in self.members if one.greeted]
        members.sort(key=lambda one: one is not self._leader)
        said = await asyncio.gather(*(_soon(one.line.ask(kind, body)) for one in members))
        return list(zip(members, said, strict=True))

    async def _status(self, _: Any) -> Any:
        said = [status for _, status in await self._each("status") if status]
        if not said:
            raise Unavailable("no worker says how it stands: try again")
        status = status_of_all(said)
        status["workers"] = sorted(status["workers"], key=lambda row: row["worker"])
        found = {
            **status,
            "uptime_seconds": round(self.wall() - self.started),
            "restarts": self.restarts,
        }
        return found if self.reloading is None else {**found, "reload": dict(self.reloading.shown())}

    async def _numbers(self, _: Any) -> Any:
        for child, families in await self._each("numbers"):
            if families:
                child.numbers = msgspec.convert(families, list[Family])
        own = [
            Family("labgate_worker_restarts", "counter", "Workers that were started in the place of one that ended.", False,
                   (("labgate_worker_restarts_total", (), float(self.restarts)),)),
        ]  # fmt: skip
        if self.reloading is not None:
            own += self.reloading.families()
        return to_builtins(total([*(one.numbers for one in self.members), self._past(), own]))

    async def _lately(self, seconds: float) -> Any:
        return [said for _, said in await self._each("lately", seconds) if said]

    def _past(self) -> Sequence[Family]:
        """What stays true of what was counted by those that have ended, and by the crews before."""
        before = self._before
        if before is None:
            return self._ended
        if before.is_over:
            # Nothing of it need be kept but its numbers.
            self._ended, self._before = total([before.counted(), self._ended]), None
            return self._ended
        return total([before.counted(), self._ended])

    def counted(self) -> Sequence[Family]:
        return total([*(lasting(one.numbers) for one in self.members), self._past()])

    @property
    def is_over(self) -> bool:
        """Whether all of its gates have ended, and those of the crews before."""
        return not self._members and (self._before is None or self._before.is_over)


async def _quietly(asked: Awaitable[Any]) -> None:
    """Wait for it; a worker that has ended needs to be told nothing."""
    try:
        await asked
    except Unavailable:
        pass


async def _soon(asked: Awaitable[Any]) -> Any:
    try:
        return await asyncio.wait_for(asked, _PATIENCE)
    except (Unavailable, TimeoutError):
        return None
