"""How is a JSON-RPC request answered that no lane could answer, without the handler behind?"""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter

from gateway.core.charging import lines_of
from gateway.core.envelope import Request
from gateway.core.faults import BadRequest, Fault
from gateway.core.ports import Observer
from gateway.core.quick_envelope import usual_call
from gateway.core.reply import Reply
from gateway.doors.asked import Occasion
from gateway.doors.attending import CALLER_GONE, attend, attended
from gateway.doors.part import Part
from gateway.doors.refusal import refused
from gateway.doors.rpc import RpcDoor
from gateway.doors.rpc_trip import RpcTrip
from gateway.doors.rpc_written import length, written
from gateway.doors.standing import Standing
from gateway.relay import Relay
from gateway.wire.answer import Answer, StreamAnswer
from gateway.wire.connection import Connection
from gateway.wire.delivery import JOINED_BYTES, deliver, deliver_now

log = logging.getLogger("labgate.doors")


class RpcGuest:
    """One request to `/rpc`: a `Guest` of its caller's connection.

    A usual call goes to its upstream at once, over a connection at hand, and its answer is written when it comes.
    Everything else is carried out by the door, in a task.
    """

    wants_bare = True

    def __init__(
        self,
        door: RpcDoor,
        relay: Relay,
        observer: Observer,
        caller: Connection,
        standing: Standing,
        asked: Occasion,
        max_depth: int,
        call: tuple[str, bytes, bytes] | None = None,
    ) -> None:
        """`call` is what the body says, where somebody has read it already."""
        self._door = door
        self._relay = relay
        self._observer = observer
        self._caller = caller
        self._standing = standing
        self._asked = asked
        self._max_depth = max_depth
        self._call = call
        self._body: list[bytes] = []
        self._fault: BadRequest | None = None
        self._task: asyncio.Task[None] | None = None
        self._trip: RpcTrip | None = None
        self._part: Part | None = None  # a call that was begun, and takes a task
        self._started = asked.started

    # --- the caller's side

    def start(self, *, whole: bool) -> None:
        """The head was taken."""
        if whole:
            self.body_end()

    def body(self, data: bytes) -> None:
        """Some of the body; its length was found to be small enough."""
        self._body.append(data)

    def body_end(self) -> None:
        """The body is whole."""
        if self._fault is None and self._standing.is_quick and self._asked.trace is None:
            body = b"".join(self._body)
            self._body = [body]
            call = self._call or usual_call(body, self._max_depth)
            if call is not None and self._set_off(Request(call[0], call[1] or None, call[2])):
                return
        self._task = self._caller.shared.loop.create_task(self._answer())

    def broken(self, fault: BadRequest) -> None:
        """The rest of the body never comes."""
        self._fault = fault
        self.body_end()

    def gone(self) -> None:
        """The caller has gone."""
        if self._task is not None:
            self._task.cancel()
        if self._trip is not None:
            self._trip.leave()
            self._asked.visit.status = CALLER_GONE
            self._asked.visit.seconds = perf_counter() - self._started
            self._observer.visited(self._asked.visit)

    def pause_writing(self) -> None:
        """Whoever writes a large answer waits."""

    def resume_writing(self) -> None:
        """They go on by themselves."""

    def check(self, now: float) -> None:
        """End a trip that has taken too long; a task has a deadline of its own."""
        if self._trip is not None:
            self._trip.check(now)

    # --- a usual call

    def _set_off(self, call: Request) -> bool:
        """Answer the call, or send it on its way; False where that takes a task."""
        part = self._door.begin(call, self._asked, self._standing.terms)
        if part.raw is not None or part.reply is not None or part.fault is not None:
            self._finish(part, None)
            return True
        self._part = part
        if part.call is None or self._standing.terms.patience < self._relay.time_of(part.call):
            return False
        trip = RpcTrip.begin(self._relay, self._caller.shared.loop, part.call, part, self._finish)
        if trip is None:
            return False
        self._part = None
        if not trip.told:
            self._trip = trip
        return True

    def _finish(self, part: Part, seconds: float | None) -> None:
        """Write the answer to the call."""
        self._trip = None
        asked, caller, reply = self._asked, self._caller, part.reply
        spent = perf_counter() - self._started
        if spent < self._observer.slow and reply is not None and part.id is not None and self._is_plain(part):
            if seconds is not None:
                self._door.observe(part, seconds)
            shared, now = caller.shared, self._relay.wall()
            told = self._standing.told
            if asked.accounts:
                told = lines_of(asked.accounts, now) + told
            caller.answer(written(reply, part.id, asked.id.encode("ascii"), told, shared.date(), now, spent))
            if self._observer.writes:
                self._write_down(part, reply, part.id, spent)
            else:
                self._standing.answered.count += 1
            return
        asked.visit.seconds = spent
        answer = self._door.end(part, asked, self._standing.terms, seconds)
        answer = attended(asked, self._observer, self._relay.wall, answer)
        if len(answer.body) < JOINED_BYTES and not caller.over:
            deliver_now(caller, caller.head.keep_alive, answer)
        else:
            self._task = caller.shared.loop.create_task(self._deliver(answer))

    def _is_plain(self, part: Part) -> bool:
        """Whether the reply is short, and the connection goes on."""
        reply = part.reply
        return reply is not None and len(reply.body.data) < JOINED_BYTES and self._caller.goes_on

    def _write_down(self, part: Part, reply: Reply, token: bytes, spent: float) -> None:
        """Have the access log say of a plain answer what it says of others."""
        visit, size = self._asked.visit, length(reply.kind, len(reply.body.data), len(token))
        self._door.note(self._asked, [part], reply)
        visit.status, visit.size, visit.seconds = 200, size, spent
        self._observer.visited(visit)

    # --- any request

    async def _answer(self) -> None:
        await self._deliver(
            await attend(self._asked, self._observer, self._relay.wall, self._work(), self._refused)
        )

    async def _deliver(self, answer: Answer | StreamAnswer) -> None:
        caller = self._caller
        try:
            await deliver(caller, caller.head.keep_alive, answer).write_eof()
        except ConnectionError:
            pass  # the caller has gone
        except Exception:
            log.exception("an answer could not be written", extra={"request_id": self._asked.id})
            caller.abort()

    async def _work(self) -> Answer:
        if self._fault is not None:
            raise self._fault
        if self._part is not None:
            return await self._door.carry_on(self._part, self._asked, self._standing.terms)
        return await self._door.carry(self._asked, self._standing.terms, b"".join(self._body))

    def _refused(self, fault: Fault) -> Answer:
        self._asked.visit.fault = fault.name
        fields = ((b"Cache-Control", b"no-store"),)
        return refused(fault, self._asked.id, fields, writing=self._standing.refusing)
