"""One worker, as the supervisor has it: a process, and a channel to it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from itertools import count

from gateway.core.sums import Family
from gateway.workers.channel import Channel, Handler, Line
from gateway.workers.listeners import Sockets, numbers


class Seat:
    """A worker's place in a crew. `numbers` is what it counted when it last said so, `failed` why it could not begin.

    `greeted` = it was told all that is known, and is told what changes from then on.
    """

    def __init__(self, number: int, channel: Channel | Line) -> None:
        self.number = number
        self.line = channel
        """By which it is spoken to."""
        self.greeted = False
        self.ready = asyncio.Event()
        self.numbers: Sequence[Family] = ()
        self.failed: str | None = None


class Child(Seat):
    """A process that runs, and its place in the crew that it was started for; see `another`."""

    def __init__(
        self, number: int, process: asyncio.subprocess.Process, channel: Channel, now: float
    ) -> None:
        """Made by `start`. `now`: seconds of the loop's clock."""
        super().__init__(number, channel)
        self.channel = channel
        """All its lines."""
        self.began = now
        self.heard: float | None = None
        """When it last gave a sign of life; None before the first."""
        self._process = process
        self._lines = count(1)

    @classmethod
    async def start(
        cls, number: int, command: Sequence[str], sockets: Sockets, memory: int, tether: int
    ) -> Child:
        """Start `command --worker CHANNEL,TETHER`; it inherits the sockets, memory, and the reading end `tether` of a pipe.

        It has a process group of its own: a Ctrl-C in the terminal reaches the supervisor alone, which ends all in
        order. Raises OSError.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            descriptors = [one for each in numbers(sockets).values() for one in each]
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    "--worker",
                    f"{theirs.fileno()},{tether}",
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=[theirs.fileno(), tether, memory, *descriptors],
                    process_group=0,
                )
            except BaseException:
                ours.close()
                raise
        return cls(number, process, await Channel.open(ours), asyncio.get_running_loop().time())

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def another(self, handlers: Callable[[Seat], Mapping[str, Handler]]) -> Seat:
        """Its place in one more crew, on a line of its own."""
        number = next(self._lines)
        seat = Seat(self.number, Line(self.channel, number))
        self.channel.line(number, handlers(seat))
        return seat

    async def attend(self, handlers: Mapping[str, Handler]) -> int:
        """Take what it says until it has ended; its exit code, or the negative of the signal that ended it."""
        loop = asyncio.get_running_loop()

        def heard() -> None:
            self.heard = loop.time()

        await self.channel.attend(handlers, heard)
        return await self._process.wait()

    def silent(self, now: float) -> float:
        """For how many seconds it has given no sign of life."""
        return now - (self.began if self.heard is None else self.heard)

    def terminate(self) -> None:
        """Ask it to end in order."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it now."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            try:
                os.kill(self._process.pid, number)
            except ProcessLookupError:
                pass


def ended(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
