"""What is a worker to the others? Its side of the channel to the supervisor."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
from msgspec import to_builtins

from gateway.core.listing import Change
from gateway.core.sums import Family
from gateway.core.switches import Switches, Wish
from gateway.core.told import Told
from gateway.workers.channel import Channel, Handler, Line
from gateway.workers.hello import Hello, Switched
from gateway.workers.listeners import inherited
from gateway.workers.loads import Loads

_BEAT: Final = 1.0
"""Seconds between two signs of life."""
_COUNT: Final = 5.0
"""Seconds from one account of what was counted to the next: so much is lost of a worker that is killed."""
_LIGHT: Final = 500.0
"""An account of very many numbers comes so much later as it took to make."""


class Work(Protocol):
    """What the others may ask of this worker's gate."""

    def status(self) -> Mapping[str, Any]:
        """How it stands."""

    def numbers(self) -> Sequence[Family]:
        """What it has counted."""

    async def lately(self, seconds: float) -> Mapping[str, Any]:
        """What it has counted of each method in so many last seconds."""

    def switched(self, wish: Wish) -> None:
        """The switches have been changed so: act on it."""

    def owned(self, name: bytes, service: str) -> None:
        """A service has set a cookie of this name."""

    def checked(self, service: str, sick: Sequence[bool]) -> None:
        """Of the replicas of a service, these fail their health checks."""


class Listener(Protocol):
    """What knows the services: here by hearsay, or, in the worker that leads, by asking them."""

    async def hear(self, one: Told) -> None:
        """A service has answered, or not."""

    def begun(self) -> None:
        """Every service was asked once, or was given time to answer."""

    def lead(self) -> None:
        """Ask the services from now on."""

    def nudged(self, service: str, reason: str) -> None:
        """Another worker has reason to think that the service is not as we know it."""

    async def refresh(self, service: str | None = None) -> Mapping[str, Change]:
        """Ask again, now."""


class Member:
    """A worker's word to the others, and theirs to it. Made by `join`."""

    def __init__(self, line: Channel | Line) -> None:
        self.switches = Switches()
        self.leads = False
        self.gone = asyncio.Event()
        """Set when there is no supervisor any more."""
        self.hello: Hello
        self.sockets: Mapping[str, Sequence[socket.socket]]
        self._channel = line
        self._loads: Loads
        self._work: Work | None = None
        self._listener: Listener | None = None
        self._early: list[Callable[[Listener], Awaitable[None]]] = []
        self._attending: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None

    @classmethod
    async def join(cls, end: socket.socket, deeds: Mapping[str, Handler] | None = None) -> Member:
        """Say hello over this end of the channel. Raises `Unavailable` if nobody is there.

        `deeds` are what the supervisor may ask of the process beside what it asks of every gate in it.
        """
        channel = await Channel.open(end)
        member = cls(channel)
        member._attending = asyncio.create_task(
            member._attend(channel, deeds or {}), name="channel to the supervisor"
        )
        await member._greet()
        member.sockets = inherited(member.hello.listeners)
        member._loads = Loads(member.hello.loads, member.hello.workers)
        os.close(member.hello.loads)
        return member

    async def another(self, line: int) -> Member:
        """The word to the others of one more gate in this process, over this line. Raises `Unavailable`."""
        if not isinstance(self._channel, Channel):
            raise TypeError("only the first of a process has the channel")
        member = Member(Line(self._channel, line))
        self._channel.line(line, member._handlers())
        member.sockets, member._loads = self.sockets, self._loads
        await member._greet()
        return member

    async def _greet(self) -> None:
        hello = self.hello = msgspec.convert(await self._channel.ask("hello"), Hello)
        self.leads |= hello.leads
        self.switches.take(lanes=hello.lanes, cache=hello.cache, cordons=hello.cordons)
        self._beating = asyncio.create_task(self._beat(), name="signs of life")

    async def failed(self, words: str) -> None:
        """Tell why this worker cannot begin."""
        self._channel.tell("failed", words)
        await self.hang_up()

    async def leave(self) -> None:
        """Say the last word about what was counted: the gate has ended."""
        self._count()
        self._work = self._listener = None
        self._channel.tell("left")
        await self._channel.flush()
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
        if isinstance(self._channel, Line):
            self._channel.close()

    async def hang_up(self) -> None:
        """End the channel, when the process does."""
        await self._channel.flush()
        if self._attending is not None:
            self._attending.cancel()
            await asyncio.gather(self._attending, return_exceptions=True)

    # for the gate

    @property
    def place(self) -> tuple[int, int]:
        """Its number, from 1, and how many workers there are."""
        return self.hello.number, self.hello.workers

    @property
    def pseudonym(self) -> bytes:
        """What the gate is called in `Via`, the same in all workers."""
        return self.hello.pseudonym.encode("ascii")

    def serve(self, work: Work) -> None:
        """Have this asked when the others want to know; the cordons that there are, are told to it."""
        self._work = work
        work.switched(Wish(cordon=dict.fromkeys(self.switches.cordons, True)))
        for name, service in self.hello.cookies:
            work.owned(name.encode("latin-1"), service)

    def ready(self) -> None:
        """This worker takes calls."""
        self._channel.tell("ready")

    def patience(self, connections: int) -> float:
        """For how many seconds this worker, which has so many, leaves a new connection to the others."""
        return self._loads.patience(self.hello.number, connections)

    def absent(self) -> None:
        """This worker takes no more connections: nobody needs to leave any to it."""
        self._loads.absent(self.hello.number)

    async def switch(self, wish: Wish, by: str, now: float) -> tuple[str, ...]:
        """Do as wished in all workers; what changed by it, in words. It is so everywhere when this returns."""
        said = Switched(by, now, wish.lanes, wish.cache, dict(wish.cordon))
        return tuple(await self._channel.ask("switch", to_builtins(said)))

    async def reload(self, by: str, *, only_look: bool) -> Mapping[str, Any]:
        """Have the settings taken anew, in all workers or in none, or hear what that would do. Raises `Unavailable`."""
        found: Mapping[str, Any] = await self._channel.ask("reload", [by, only_look])
        return found

    async def drain(self, by: str) -> None:
        """Have all workers end. Raises `Unavailable`."""
        await self._channel.ask("drain", by)

    async def status(self) -> Mapping[str, Any]:
        """How all stand together. Raises `Unavailable`."""
        found: Mapping[str, Any] = await self._channel.ask("status")
        return found

    async def numbers(self) -> list[Family]:
        """What all have counted, those that have ended too. Raises `Unavailable`."""
        return msgspec.convert(await self._channel.ask("numbers"), list[Family])

    async def lately(self, seconds: float) -> Sequence[Any]:
        """What each of those that run has counted of each method in so many last seconds. Raises `Unavailable`."""
        found: Sequence[Any] = await self._channel.ask("lately", seconds)
        return found

    def own(self, name: bytes, service: str) -> None:
        """Let all know that a service has set a cookie of this name."""
        self._channel.tell("cookie", [name.decode("latin-1"), service])

    def tell_health(self, service: str, sick: Sequence[bool]) -> None:
        """Let all know which replicas of a service fail their health checks."""
        self._channel.tell("health", [service, list(sick)])

    # for discovery

    async def listen(self, listener: Listener) -> None:
        """Let this hear what the services offer, first what was told before."""
        for one in self.hello.told:
            await listener.hear(one)
        if self.hello.begun:
            listener.begun()
        self._listener = listener
        early, self._early = self._early, []
        for deed in early:
            await deed(listener)

    async def announce(self, one: Told) -> None:
        """Tell all others; returns when they know."""
        await self._channel.ask("told", to_builtins(one))

    def begun(self) -> None:
        """Tell all others that every service was asked."""
        self._channel.tell("begun")

    def nudge(self, service: str, reason: str) -> None:
        """Tell the leader that a service is not as we know it."""
        self._channel.tell("nudge", [service, reason])

    async def refresh(self, service: str | None) -> Mapping[str, Change]:
        """Have the leader ask the services. Raises `Unavailable`."""
        return msgspec.convert(await self._channel.ask("refresh", service), dict[str, Change])

    # from the supervisor

    async def _attend(self, channel: Channel, deeds: Mapping[str, Handler]) -> None:
        try:
            await channel.attend({**self._handlers(), **deeds})
        finally:
            self.gone.set()

    def _handlers(self) -> Mapping[str, Handler]:
        return {
            "switch": self._on_switch,
            "status": self._on_status,
            "numbers": self._on_numbers,
            "lately": self._on_lately,
            "cookie": self._on_cookie,
            "health": self._on_health,
            "told": lambda body: self._hear(lambda one: one.hear(msgspec.convert(body, Told))),
            "begun": lambda _: self._hear(_begun),
            "lead": self._on_lead,
            "nudge": self._on_nudge,
            "refresh": self._on_refresh,
        }

    async def _hear(self, deed: Callable[[Listener], Awaitable[None]]) -> None:
        if self._listener is None:
            self._early.append(deed)
        else:
            await deed(self._listener)

    async def _on_switch(self, body: Any) -> None:
        said = msgspec.convert(body, Switched)
        wish = Wish(said.lanes, said.cache, said.cordon)
        self.switches.change(wish, said.by, said.now)
        if self._work is not None:
            self._work.switched(wish)

    async def _on_status(self, _: Any) -> Any:
        return None if self._work is None else self._work.status()

    async def _on_numbers(self, _: Any) -> Any:
        return None if self._work is None else to_builtins(self._work.numbers())

    async def _on_lately(self, seconds: float) -> Any:
        return None if self._work is None else await self._work.lately(seconds)

    async def _on_cookie(self, pair: list[str]) -> None:
        if self._work is not None:
            self._work.owned(pair[0].encode("latin-1"), pair[1])

    async def _on_health(self, said: list[Any]) -> None:
        if self._work is not None:
            self._work.checked(said[0], said[1])

    async def _on_lead(self, _: Any) -> None:
        self.leads = True
        await self._hear(_lead)

    async def _on_nudge(self, body: list[str]) -> None:
        if self._listener is not None:
            self._listener.nudged(body[0], body[1])

    async def _on_refresh(self, service: str | None) -> Any:
        if self._listener is None:
            return {}
        return to_builtins(await self._listener.refresh(service))

    # signs of life

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + _COUNT
        while True:
            self._channel.tell("beat")
            await asyncio.sleep(_BEAT)
            if (began := loop.time()) >= due:
                self._count()
                due = began + max(_COUNT, _LIGHT * (loop.time() - began))

    def _count(self) -> None:
        if self._work is not None:
            self._channel.tell("counted", to_builtins(self._work.numbers()))


async def _begun(listener: Listener) -> None:
    listener.begun()


async def _lead(listener: Listener) -> None:
    listener.lead()
