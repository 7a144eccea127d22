"""One caller's WebSocket from its handshake to its end: calls that run beside each other, and what is told unasked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson

from gateway.core.faults import Fault, Unauthenticated
from gateway.core.frames import GOING_AWAY, MISTAKE, POLICY, Message, is_utf8
from gateway.core.ports import Visit
from gateway.core.transcode import NotSayable
from gateway.doors.asked import Asked, Occasion, Terms, new_id
from gateway.doors.attending import attend
from gateway.doors.caller import Caller
from gateway.doors.encodings import JSON, MSGPACK, Encoding
from gateway.doors.refusal import refused
from gateway.wire.answer import Answer
from gateway.wire.websocket import WebSocket

if TYPE_CHECKING:
    from gateway.doors.sockets import Sockets

AT_ONCE: Final = 32
"""Messages of one connection that are carried out at the same time; the next ones wait unread."""
ASK_SECONDS: Final = 1.0
"""How often it is looked whether a caller is still who they were, if nothing else says that they may not be."""


Told = Callable[[], Mapping[str, Any] | None]


class Line:
    """One WebSocket and its caller.

    `own` are the methods of the connection itself; `heed` is called when something may have changed, and `closed` in the end.
    """

    def __init__(self, sockets: Sockets, asked: Asked, caller: Caller, encoding: Encoding) -> None:
        """`encoding` is that of what is told unasked."""
        self.principal = asked.principal
        self.datastack = asked.datastack
        self.client = asked.client
        self.own: Mapping[str, Callable[[bytes | None], bytes]] = {}
        self.heed: Callable[[], None] = lambda: None
        self.closed: Callable[[], None] = lambda: None
        self._sockets = sockets
        self._caller = caller
        self._peer = asked.visit.peer
        self._path = asked.visit.path
        self._encoding = encoding
        self._socket: WebSocket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._taken = 0  # bytes of the messages that are carried out
        self._room = asyncio.Event()
        self._waiting: dict[str, tuple[str, Told]] = {}
        self._telling = asyncio.Event()
        self._goodbye: tuple[int, str] | None = None
        self._asked_at = 0.0
        self._epoch = sockets.relay.epoch
        self._asking: asyncio.Task[None] | None = None

    @property
    def busy(self) -> int:
        """How many messages are carried out at this moment."""
        return len(self._tasks)

    @property
    def halted(self) -> bool:
        """Whether the caller does not take what they are sent."""
        return self._socket is not None and self._socket.halted

    # --- calls

    async def serve(self, socket: WebSocket) -> None:
        """Answer what comes until one of the two ends it."""
        self._socket = socket
        teller = asyncio.create_task(self._tell_all(socket))
        self._sockets.enter(self)
        try:
            if self._goodbye is not None:
                socket.stop()
            while (message := await self._next(socket)) is not None:
                self._taken += len(message.data)
                task = asyncio.create_task(self._carry(socket, message))
                self._tasks.add(task)
                task.add_done_callback(self._done)
            await self._end(socket)
        finally:
            self._sockets.leave(self)
            self.closed()
            left = [teller, *self._tasks, *((self._asking,) if self._asking else ())]
            for one in left:
                one.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _next(self, socket: WebSocket) -> Message | None:
        """The next message, once there is room for one."""
        while len(self._tasks) >= AT_ONCE or (self._tasks and self._taken >= self._sockets.most):
            self._room.clear()
            await self._room.wait()
        return await socket.receive()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._leave(MISTAKE, "The gate made a mistake; its log tells more.")
        self._room.set()

    async def _carry(self, socket: WebSocket, message: Message) -> None:
        try:
            answer = await self._answer(message)
            if answer is not None:
                text = message.text
                body = answer.body
                if text and not is_utf8(body):
                    raise ValueError("an answer is no text, and was to be sent as one")
                await socket.send(body, text=text)
        except Unauthenticated as fault:
            self._leave(POLICY, fault.message)
        except ConnectionError:
            pass  # the caller has gone: whoever receives knows it too
        finally:
            self._taken -= len(message.data)

    async def _answer(self, message: Message) -> Answer | None:
        """The answer to one message, None where none is wanted. Raises `Unauthenticated`."""
        sockets = self._sockets
        self.principal = principal = await self._caller.identify()
        relay = sockets.relay
        encoding = JSON if message.text else MSGPACK
        occasion = Occasion(
            Visit(new_id(), "rpc", "WEBSOCKET", self._path, self._peer, subject=principal.subject),
            principal,
            self.datastack,
            client=self.client,
            own=self.own,
        )
        occasion.trace = sockets.observer.tracer.begin("WEBSOCKET rpc", ())

        async def work() -> Answer:
            access = relay.policies.access(principal)
            occasion.view = relay.catalog.view(access, self.datastack)
            return await sockets.rpc.carry(occasion, Terms(encoding, encoding), message.data)

        def refuse(fault: Fault) -> Answer:
            occasion.visit.fault = fault.name
            return refused(fault, occasion.id, (), writing=encoding)

        answer = await attend(occasion, sockets.observer, relay.wall, work(), refuse)
        return answer if isinstance(answer, Answer) and answer.status != 204 else None

    # --- what is told unasked

    def tell(self, key: str, method: str, params: Told) -> None:
        """Send a notification soon, with what `params` gives when it is sent; nothing where that is None.

        A later one takes the place of one under the same key that was not sent yet: so little is kept for who does not read.
        """
        self._waiting[key] = (method, params)
        self._telling.set()

    async def _tell_all(self, socket: WebSocket) -> None:
        try:
            while True:
                await self._telling.wait()
                self._telling.clear()
                await self._tell(socket)
        except ConnectionError:
            pass

    async def _tell(self, socket: WebSocket) -> None:
        while self._waiting:
            method, told = self._waiting.pop(next(iter(self._waiting)))
            params = told()
            if params is not None:
                data = notification(method, params, self._encoding)
                await socket.send(data, text=self._encoding is JSON)

    # --- is it still them?

    def look(self, now: float) -> None:
        """To be asked regularly, `now` on the loop's clock: whether the caller still may, and is still there."""
        if self._socket is not None:
            self._socket.check(now)
        epoch = self._sockets.relay.epoch
        if (epoch == self._epoch and now - self._asked_at < ASK_SECONDS) or self._asking is not None:
            return
        self._epoch, self._asked_at = epoch, now
        known = self._caller.known()
        if known is not None:
            self.principal = known
            return
        # Verdicts end together, whosever token was revoked: this one is asked about anew.
        self._asking = asyncio.create_task(self._ask_again())

    async def _ask_again(self) -> None:
        try:
            self.principal = await self._caller.identify()
        except Unauthenticated as fault:
            self._leave(POLICY, fault.message)
        except Fault:
            pass  # whoever was asked does not answer: they are asked again
        finally:
            self._asking = None

    # --- the end

    def go_away(self, why: str) -> None:
        """End the connection once what was begun is answered: the gate is going down, or another takes its place."""
        self._leave(GOING_AWAY, why)

    def _leave(self, code: int, why: str) -> None:
        if self._goodbye is None:
            self._goodbye = (code, why)
            if self._socket is not None:
                self._socket.stop()
            self._room.set()

    async def _end(self, socket: WebSocket) -> None:
        if self._goodbye is None:
            await socket.close()
            return
        code, why = self._goodbye
        if code == GOING_AWAY:
            self.tell("closing", "rpc.closing", lambda: {"reason": why})
            if self._tasks:
                # As long as the gate itself waits for what was begun.
                await asyncio.wait(self._tasks)
            try:
                await self._tell(socket)
            except ConnectionError:
                return
        await socket.close(code, why)


def notification(method: str, params: Mapping[str, Any], encoding: Encoding) -> bytes:
    """A notification in this encoding; a `result` that it cannot say is left out."""
    said = {"jsonrpc": "2.0", "method": method, "params": params}
    try:
        return encoding.value(orjson.dumps(said))
    except NotSayable:
        less = {name: value for name, value in params.items() if name != "result"}
        return encoding.value(orjson.dumps({**said, "params": less}))
