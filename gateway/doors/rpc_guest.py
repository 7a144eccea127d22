"""How is a JSON-RPC request answered that memory has no reply to, without the handler behind?"""

from __future__ import annotations

import asyncio
import logging

from gateway.core.faults import BadRequest, Fault
from gateway.core.ports import Observer
from gateway.doors.asked import Occasion
from gateway.doors.attending import attend
from gateway.doors.refusal import refused
from gateway.doors.rpc import RpcDoor
from gateway.doors.standing import Standing
from gateway.wire.answer import Answer
from gateway.wire.connection import Connection
from gateway.wire.delivery import deliver

log = logging.getLogger("labgate.doors")


class RpcGuest:
    """One request to `/rpc`: a `Guest` of its caller's connection."""

    wants_bare = True

    def __init__(
        self, door: RpcDoor, observer: Observer, caller: Connection, standing: Standing, asked: Occasion
    ) -> None:
        self._door = door
        self._observer = observer
        self._caller = caller
        self._standing = standing
        self._asked = asked
        self._body: list[bytes] = []
        self._fault: BadRequest | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, *, whole: bool) -> None:
        """The head was taken."""
        if whole:
            self.body_end()

    def body(self, data: bytes) -> None:
        """Some of the body; its length was found to be small enough."""
        self._body.append(data)

    def body_end(self) -> None:
        """The body is whole."""
        self._task = self._caller.shared.loop.create_task(self._answer())

    def broken(self, fault: BadRequest) -> None:
        """The rest of the body never comes."""
        self._fault = fault
        self.body_end()

    def gone(self) -> None:
        """The caller has gone."""
        if self._task is not None:
            self._task.cancel()

    async def _answer(self) -> None:
        caller = self._caller
        try:
            answer = await attend(self._asked, self._observer, self._work(), self._refused)
            delivery = deliver(caller, caller.head.keep_alive, answer)
            await delivery.write_eof()
        except ConnectionError:
            pass  # the caller has gone
        except Exception:
            log.exception("an answer could not be written", extra={"request_id": self._asked.id})
            caller.abort()

    async def _work(self) -> Answer:
        if self._fault is not None:
            raise self._fault
        return await self._door.carry(self._asked, self._standing.terms, b"".join(self._body))

    def _refused(self, fault: Fault) -> Answer:
        self._asked.visit.fault = fault.name
        fields = ((b"Cache-Control", b"no-store"),)
        return refused(fault, self._asked.id, fields, writing=self._standing.refusing)

    def pause_writing(self) -> None:
        """Whoever writes a large answer waits."""

    def resume_writing(self) -> None:
        """They go on by themselves."""

    def check(self, now: float) -> None:
        """The call has a deadline of its own."""
