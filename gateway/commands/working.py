"""Runs the gate as one of several workers, until it or its supervisor is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from gateway.app import running
from gateway.commands.pauses import leave_tables_alone
from gateway.core.faults import Unavailable
from gateway.identity.errors import IdentityError
from gateway.settings import Settings
from gateway.settings.handing import settings_from
from gateway.telemetry.logs import configure
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
    lost = _Tether(tether, loop, stopping)
    joining = asyncio.create_task(Member.join(end))
    await _either(joining, asyncio.create_task(stopping.wait()))
    try:
        member = await joining
    except (Unavailable, asyncio.CancelledError):
        return 1
    hello = member.hello
    settings = settings_from(hello.settings).listening_on(hello.host, hello.port)
    lost.patience = settings.shutdown_seconds + _CLEANUP
    configure(settings.telemetry.access_log)
    try:
        await _serve(settings, member, stopping)
    except (IdentityError, OSError) as error:
        await member.failed(str(error))
        return 1
    await member.leave()
    return 0


async def _serve(settings: Settings, member: Member, stopping: asyncio.Event) -> None:
    async with running(settings, member):
        leave_tables_alone()
        member.ready()
        await _either(asyncio.create_task(member.gone.wait()), asyncio.create_task(stopping.wait()))


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
