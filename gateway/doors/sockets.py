"""How does a WebSocket come in at `/rpc`, and what do all that are open have in common?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from gateway.core.faults import Fault, Unauthenticated
from gateway.core.handshake import MSGPACK as IN_MSGPACK
from gateway.core.handshake import handshake
from gateway.core.ports import Observer
from gateway.doors.asked import Asked
from gateway.doors.caller import Caller
from gateway.doors.encodings import JSON, MSGPACK, Encoding
from gateway.doors.job_watch import JobWatches
from gateway.doors.line import Line
from gateway.doors.rpc import RpcDoor
from gateway.doors.subscriptions import Subscriptions
from gateway.relay import Relay
from gateway.wire.answer import SocketAnswer

log = logging.getLogger("labgate.doors")

LOOK: Final = 0.25
"""Seconds from one look at all open WebSockets to the next."""


class Sockets:
    """All WebSockets of one worker: each is looked at regularly, and told of a new catalog."""

    def __init__(
        self,
        relay: Relay,
        rpc: RpcDoor,
        observer: Observer,
        *,
        most: int,
        leaving: Callable[[], str | None],
        generations: Callable[[tuple[str, ...]], tuple[int, ...]],
        monotonic: Callable[[], float],
    ) -> None:
        """`most` is how many bytes one message may have; `leaving` says why all of them are to end, None = they are not.

        `generations` reads the counters of names.
        """
        self.relay = relay
        self.rpc = rpc
        self.observer = observer
        self.most = most
        self._leaving = leaving
        self._monotonic = monotonic
        self._generations = generations
        self.jobs = JobWatches(relay, observer, generations, monotonic)
        self._lines: dict[Line, str] = {}  # with the catalog's version that each knows

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def lines(self) -> list[Line]:
        """Those that are open."""
        return list(self._lines)

    def enter(self, line: Line) -> None:
        """A WebSocket is open."""
        self._lines[line] = self._version(line) or ""
        why = self._leaving()
        if why is not None:
            line.go_away(why)

    def line(self, asked: Asked, caller: Caller, encoding: Encoding) -> Line:
        """What serves a new one; `encoding` is that of what is told unasked."""
        line = Line(self, asked, caller, encoding)
        subscriptions = Subscriptions(line, self.relay, self.jobs, self._generations)
        line.own, line.heed, line.closed = subscriptions.own, subscriptions.look, subscriptions.close
        return line

    def leave(self, line: Line) -> None:
        """It is not any more."""
        self._lines.pop(line, None)

    def _version(self, line: Line) -> str | None:
        """The catalog's version for its caller; None where they have none, as their datastack is no more."""
        try:
            access = self.relay.policies.access(line.principal)
            return self.relay.catalog.view(access, line.datastack).version
        except Fault:
            return None

    async def run(self) -> None:
        """Look at all of them, for ever."""
        relay = self.relay
        catalog, changes = relay.catalog, relay.changes
        while True:
            await asyncio.sleep(LOOK)
            try:
                why = self._leaving()
                listed, ended = relay.catalog is not catalog, relay.changes != changes
                catalog, changes = relay.catalog, relay.changes
                for number, line in enumerate(self.lines):
                    self._look(line, why, listed=listed, ended=ended)
                    if number % 64 == 63:
                        await asyncio.sleep(0)  # others are answered in between
            except Exception:
                log.exception("a look at the open WebSockets failed by a mistake of the gate's")

    def _look(self, line: Line, why: str | None, *, listed: bool, ended: bool) -> None:
        """`listed` = there is a new catalog; `ended` = some generation has ended, or the epoch."""
        if why is not None:
            line.go_away(why)
            return
        line.look(self._monotonic())
        if line not in self._lines:
            return
        version = self._version(line) if listed or ended else None
        if version is not None and version != self._lines[line]:
            self._lines[line] = version
            line.tell("changed", "rpc.changed", lambda: {"version": version})
        if listed or ended:
            line.heed()


class SocketDoor:
    """`GET /rpc` that wants to become a WebSocket."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets

    async def answer(self, asked: Asked) -> SocketAnswer:
        """The handshake. Raises `BadRequest` where it is none."""
        shaken = handshake(tuple(asked.request.raw_headers))
        if asked.caller is None:
            raise Unauthenticated("Nobody knows who opens this WebSocket: connect again.")
        sockets = self._sockets
        encoding = MSGPACK if shaken.protocol == IN_MSGPACK else JSON
        line = sockets.line(asked, asked.caller, encoding)
        return SocketAnswer(shaken.fields, line.serve, sockets.most)
