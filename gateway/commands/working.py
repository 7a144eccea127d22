"""Runs the gate as one of several workers, until it or its supervisor is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from gateway.commands.pauses import leave_tables_alone
from gateway.commands.succession import Succession
from gateway.core.faults import Unavailable
from gateway.identity.errors import IdentityError
from gateway.settings import Settings
from gateway.settings.handing import settings_from
from gateway.telemetry.logs import configure
from gateway.workers.channel import Handler
from gateway.workers.member import Member

log = logging.getLogger("labgate.workers")

_CLEANUP = 5.0
"""Seconds after `shutdown_seconds` until a worker without a supervisor ends, whatever it is at."""


def work(channel: int, tether: int, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None) -> int:
    """Serve; `channel` and `tether` are descriptors that a supervisor handed down. 0 when told to end, 1 on failure."""
    for descriptor in (channel, tether):
        os.set_inheritable(descriptor, False)
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(_work(socket.socket(fileno=channel), tether))


async def _work(end: socket.socket, tether: int) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    # A reload is the supervisor's to begin.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    lost = _Tether(tether, loop, stopping)
    succession = _Exchanges(lost)
    joining = asyncio.create_task(Member.join(end, succession.deeds))
    await _either(joining, asyncio.create_task(stopping.wait()))
    try:
        member = await joining
    except (Unavailable, asyncio.CancelledError):
        return 1
    try:
        await succession.begin(member)
        leave_tables_alone()
        member.ready()
        await _either(asyncio.create_task(member.gone.wait()), asyncio.create_task(stopping.wait()))
        await succession.end()
    except (IdentityError, OSError) as error:
        await member.failed(str(error))
        return 1
    await member.hang_up()
    return 0


class _Exchanges:
    """What the supervisor has this process do with its gates."""

    def __init__(self, tether: _Tether) -> None:
        self.deeds: Mapping[str, Handler] = {
            "prepare": self._prepare,
            "commit": self._commit,
            "drop": self._drop,
        }
        self._tether = tether
        self._succession = Succession()
        self._first: Member
        self._settings: Settings

    async def begin(self, member: Member) -> None:
        """The first gate."""
        self._first = member
        self._set(_settings(member))
        await self._succession.begin(self._settings, member)

    async def end(self) -> None:
        """End all gates in order."""
        await self._succession.end()

    async def _prepare(self, line: int) -> None:
        """Make the next gate, which speaks with the supervisor on this line."""
        member = await self._first.another(line)
        try:
            await self._succession.prepare(_settings(member), member)
        except (IdentityError, OSError) as error:
            raise Unavailable(str(error)) from error
        self._next = _settings(member)
        member.ready()

    async def _commit(self, _: object) -> None:
        self._set(self._next)
        await self._succession.commit()

    async def _drop(self, _: object) -> None:
        await self._succession.drop()

    def _set(self, settings: Settings) -> None:
        """What of the settings holds for the whole process."""
        self._settings = settings
        self._tether.patience = settings.seconds_to_end + _CLEANUP
        configure(settings.telemetry.access_log)


def _settings(member: Member) -> Settings:
    hello = member.hello
    return settings_from(hello.settings).listening_on(hello.host, hello.port)


async def _either(*tasks: asyncio.Task[Any]) -> None:
    """Wait for one of them, and leave the others."""
    _, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()


class _Tether:
    """Ends this process in order when the supervisor has died, and after `patience` seconds at all events.

    A thread watches, since the loop may hang.
    """

    def __init__(self, descriptor: int, loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
        self.patience = _CLEANUP
        self._descriptor = descriptor
        self._loop = loop
        self._stopping = stopping
        threading.Thread(target=self._watch, name="tether", daemon=True).start()

    def _watch(self) -> None:
        os.read(self._descriptor, 1)  # Nobody ever writes: it returns at the pipe's end.
        try:
            self._loop.call_soon_threadsafe(self._stopping.set)
        except RuntimeError:
            return  # The loop is closed: we are ending.
        time.sleep(self.patience)
        os._exit(1)
