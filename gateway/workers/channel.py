"""How do the supervisor and a worker speak with each other? Lines of JSON over a pair of sockets, both ways.

A line is a message `{"kind", "body"}`, a question with an `id` beside them, or an answer `{"answer": id}` with the
`body`, or with a `fault` in words. Messages are taken in the order in which they were sent.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Any, Final, TypeAlias

import orjson

from gateway.core.faults import Fault, Unavailable

Handler: TypeAlias = Callable[[Any], Awaitable[Any]]
"""Takes a message's body; what it returns is the answer, if it was a question. Faults are told to who asked."""

_LONGEST: Final = 1 << 30
"""Bytes of a line: a service's description may be large, and both ends are ours."""
_GONE: Final = "the gate is going down, or one of its workers is: try again"

log = logging.getLogger("labgate.workers")


class Channel:
    """One end of a pair of sockets. `attend` must run for questions to be answered."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ids = count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._gone = False

    @classmethod
    async def open(cls, end: socket.socket) -> Channel:
        """The channel over this end of a pair; it owns the socket from here on."""
        return cls(*await asyncio.open_unix_connection(sock=end, limit=_LONGEST))

    def tell(self, kind: str, body: Any = None) -> None:
        """Send a message that wants no answer; nothing happens if the other end has gone."""
        self._send({"kind": kind, "body": body})

    async def ask(self, kind: str, body: Any = None) -> Any:
        """The answer to a question. Raises `Unavailable`, with the other end's words, or because it has gone."""
        if self._gone:
            raise Unavailable(_GONE)
        number = next(self._ids)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._send({"kind": kind, "id": number, "body": body})
            return await answer
        finally:
            self._asked.pop(number, None)

    async def attend(self, handlers: Mapping[str, Handler], heard: Callable[[], None] = lambda: None) -> None:
        """Take what comes until the other end has gone; `heard` is called for every line."""
        try:
            while line := await self._reader.readline():
                heard()
                self._take(orjson.loads(line), handlers)
        except (OSError, ValueError) as error:
            # A line that was cut off is the end of a process that was killed.
            log.debug("a channel broke off: %s", error)
        finally:
            self.close()

    async def flush(self) -> None:
        """Wait until the other end has taken what was sent, or has gone."""
        try:
            await self._writer.drain()
        except OSError:
            pass

    def close(self) -> None:
        """End it; whoever still waits for an answer is told so."""
        self._gone = True
        self._writer.close()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(Unavailable(_GONE))
        for task in self._tasks:
            task.cancel()

    def _send(self, line: Mapping[str, Any]) -> None:
        if not self._gone:
            self._writer.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS))

    def _take(self, line: Mapping[str, Any], handlers: Mapping[str, Handler]) -> None:
        if "answer" in line:
            answer = self._asked.get(line["answer"])
            if answer is None or answer.done():
                return
            if "fault" in line:
                answer.set_exception(Unavailable(line["fault"]))
            else:
                answer.set_result(line["body"])
            return
        # Tasks begin in the order in which they were made.
        task = asyncio.ensure_future(self._handle(line, handlers[line["kind"]]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, line: Mapping[str, Any], handler: Handler) -> None:
        number = line.get("id")
        try:
            body = await handler(line["body"])
            if number is not None:
                self._send({"answer": number, "body": body})
        except Fault as fault:
            self._refuse(number, fault.message)
        except Exception:
            log.exception("a message of kind %s could not be dealt with", line["kind"])
            self._refuse(number, "the gate made a mistake; its log tells more")

    def _refuse(self, number: int | None, words: str) -> None:
        if number is not None:
            self._send({"answer": number, "fault": words})
