"""How do the supervisor and a worker speak with each other? Lines of JSON over a pair of sockets, both ways.

A line is a message `{"kind", "body"}`, a question with an `id` beside them, or an answer `{"answer": id}` with the
`body`, or with a `fault` in words. Messages are taken in the order in which they were sent.

One pair of sockets carries several lines, `of` tells of which a message is: a worker has one for each gate in it, and the
supervisor one for each crew. They know nothing of each other.
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

    number = 0
    """That of the first line, which it is itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ids = count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines: dict[int, Mapping[str, Handler]] = {}
        self._gone = False

    @classmethod
    async def open(cls, end: socket.socket) -> Channel:
        """The channel over this end of a pair; it owns the socket from here on."""
        return cls(*await asyncio.open_unix_connection(sock=end, limit=_LONGEST))

    def line(self, number: int, handlers: Mapping[str, Handler]) -> Line:
        """Another line beside the first, which is 0; what comes on it is taken by these handlers until it is closed."""
        self._lines[number] = handlers
        return Line(self, number)

    def tell(self, kind: str, body: Any = None, line: int = 0) -> None:
        """Send a message that wants no answer; nothing happens if the other end has gone."""
        self._send({"kind": kind, "of": line, "body": body})

    async def ask(self, kind: str, body: Any = None, line: int = 0) -> Any:
        """The answer to a question. Raises `Unavailable`, with the other end's words, or because it has gone."""
        if self._gone:
            raise Unavailable(_GONE)
        number = next(self._ids)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._send({"kind": kind, "of": line, "id": number, "body": body})
            return await answer
        finally:
            self._asked.pop(number, None)

    async def attend(self, handlers: Mapping[str, Handler], heard: Callable[[], None] = lambda: None) -> None:
        """Take what comes until the other end has gone; `heard` is called for every message.

        The handlers are those of the first line.
        """
        self._lines[0] = handlers
        try:
            while line := await self._reader.readline():
                heard()
                self._take(orjson.loads(line))
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

    def hang_up(self, line: int) -> None:
        """Take no more of what comes on a line; who asks there is told that nobody is there."""
        self._lines.pop(line, None)

    def _take(self, line: Mapping[str, Any]) -> None:
        if "answer" in line:
            answer = self._asked.get(line["answer"])
            if answer is None or answer.done():
                return
            if "fault" in line:
                answer.set_exception(Unavailable(line["fault"]))
            else:
                answer.set_result(line["body"])
            return
        handlers = self._lines.get(line.get("of", 0))
        if handlers is None:
            # A gate, or a crew, that has just ended.
            self._refuse(line.get("id"), _GONE)
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


class Line:
    """One line of a channel, beside others."""

    def __init__(self, channel: Channel, number: int) -> None:
        self.number = number
        self._channel = channel

    def tell(self, kind: str, body: Any = None) -> None:
        """As `Channel.tell`."""
        self._channel.tell(kind, body, self.number)

    async def ask(self, kind: str, body: Any = None) -> Any:
        """As `Channel.ask`."""
        return await self._channel.ask(kind, body, self.number)

    async def flush(self) -> None:
        """As `Channel.flush`."""
        await self._channel.flush()

    def close(self) -> None:
        """End this line; the others go on."""
        self._channel.hang_up(self.number)
