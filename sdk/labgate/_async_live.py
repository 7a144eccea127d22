"""How does an async client hear of what happens at the gate, without asking? From a task of its event loop."""

from __future__ import annotations

import time
import weakref

from labgate._at_once import settled
from labgate._codec import decode_json
from labgate._hearings import (
    CONNECT_SECONDS,
    ENDED,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    PROTOCOL,
    QUIET_SECONDS,
    SPREAD_SECONDS,
    Listening,
    NoSuchThingError,
    chance,
    version_told,
)
from labgate._transport import NotSent, OutOfTime
from labgate._websocket import CLOSE, NORMAL, PING, PONG, TEXT, BrokenFrames, Frames, frame, new_key, question
from labgate._wire import MalformedReply, ReplyCut, next_head
from labgate.errors import Error, LoginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from labgate._async_line import Line
    from labgate._async_link import AsyncLink


class AsyncLive(Listening):
    """A line on which the gate tells an async client of changes as they happen, kept by a task; see `labgate.watch`.

    It ends with `close`, at the end of an `async with` block, and when its client is closed.

    Attributes:
        connected: the line stands at this moment.
        why: why it does not, as text; empty while it does.
    """

    def __init__(self, link: AsyncLink, timeout: float | None) -> None:
        """Inside the event loop that it is for."""
        import asyncio

        super().__init__(timeout)
        self._line: Line | None = None
        loop = asyncio.get_running_loop()
        task = self._task = loop.create_task(self._run(), name=f"labgate {link.address}")

        def left(_: object) -> None:  # in whichever thread the collector runs
            if not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)

        self._link = weakref.ref(link, left)

    async def __aenter__(self) -> AsyncLive:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def running(self) -> bool:
        """Whether there is a task that keeps the line, or tries to have it again."""
        return not self._task.done()

    async def close(self) -> None:
        """Hear of nothing more; returns when the task has ended."""
        import asyncio

        line = self._line
        if self.connected:
            self._send(CLOSE, NORMAL.to_bytes(2, "big"))
        self._task.cancel()
        if self._task is asyncio.current_task():
            return
        await asyncio.wait((self._task,))
        if line is not None:
            await line.closed()

    def forget(self) -> None:
        """In a forked child: the line is the parent's, as all of its loop is."""

    def _say(self, text: bytes) -> None:
        """Say something, if the line stands; a new line has all said again."""
        if self.connected:
            self._send(TEXT, text)

    def _send(self, opcode: int, data: bytes) -> None:
        """Send a frame; frames are small, and never wait for each other."""
        if self._line is not None and not self._line.ended:
            self._line.transport.write(frame(opcode, data))

    # --- the task

    async def _run(self) -> None:
        import asyncio

        pause = FIRST_PAUSE
        while self._link() is not None:
            began = time.monotonic()
            try:
                await self._hear()
                self.why, pause = ENDED, FIRST_PAUSE
            except NoSuchThingError as error:
                self.why = str(error)
                return
            except (Error, NotSent, OutOfTime, ReplyCut, MalformedReply, BrokenFrames, OSError) as error:
                self.why = str(error) or type(error).__name__
            finally:
                self._lost()
            if time.monotonic() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause * (0.5 + chance()))
            pause = min(2 * pause, LONGEST_PAUSE)

    def _lost(self) -> None:
        self.connected = False
        line, self._line = self._line, None
        self._hearings.lost()
        link = self._link()
        if line is None:
            return
        if link is None:
            line.close()
        else:
            link.lines.drop(line)

    async def _hear(self) -> None:
        """Connect, and hear until the line ends.

        Raises: what prevents it.
        """
        import asyncio

        line = await self._open()
        if line is None:
            return
        self.connected, self.why = True, ""
        for said in self._hearings.asked():
            self._send(TEXT, said)
        frames, data = Frames(), bytes(line.buffer)
        line.buffer.clear()
        while True:
            for opcode, payload in frames.feed(data):
                if opcode == CLOSE:
                    self._send(CLOSE, payload)
                    return
                if opcode == PING:
                    self._send(PONG, payload)
                elif opcode == TEXT and (version := self._hearings.told(decode_json(payload))) is not None:
                    await self._renew(version, spread=True)
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    data = await line.more()
            except ReplyCut:
                return

    async def _open(self) -> Line | None:
        """The line; None where there is no client any more.

        Raises: what prevents it.
        """
        import asyncio

        link = self._link()
        if link is None:
            return None
        if link.direct is not None:
            raise NoSuchThingError("a server without a gate")
        async with asyncio.timeout(CONNECT_SECONDS):
            await link.credential_ready()
            head = link.fields("GET", "/rpc")
            line = self._line = await link.lines.connect()
            line.begin()
            key = new_key()
            await line.send((head + question(key, PROTOCOL),))
            answer = await next_head(line, switches=True)
        if answer.status == 401:
            # A login's next token: the next try shows it.
            await asyncio.to_thread(link.retold, head)
            raise LoginError("the gate does not take the token")
        await self._renew(version_told(answer, key), spread=False)
        return line

    async def _renew(self, version: str, *, spread: bool) -> None:
        """Have the link's catalog be that of the gate."""
        import asyncio

        link = self._link()
        if link is None or not version or link.holds(version):
            return
        if spread:
            await asyncio.sleep(SPREAD_SECONDS * chance())
        try:
            changes = await link.refresh_async(self._timeout, 1)
        except Error:
            link.outdated = True  # the next touch tries it again
            return
        if changes:
            for listener in tuple(self._listeners):
                await settled(listener(changes))
