"""Whose is the next connection, where several processes listen on one socket?

Each is woken by it, and the one that is quickest would take all that come at once: so whoever has more than others waits
for a moment before it takes one, and nobody takes two in one turn.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final

_EXHAUSTED: Final = 1.0
"""Seconds to wait when the system gives us no more connections."""

log = logging.getLogger(__name__)


class Accepting:
    """Takes connections from a listening socket that others have too; the socket is closed with it."""

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[], asyncio.Protocol],
        patience: Callable[[], float],
    ) -> None:
        """`make` gives the protocol for a connection; `patience` says for how many seconds to leave it to others."""
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._make = make
        self._patience = patience
        self._later: asyncio.TimerHandle | None = None
        self._closed = False
        self._adopting: set[asyncio.Task[None]] = set()
        listener.setblocking(False)
        self._loop.add_reader(listener, self._readable)

    def close(self) -> None:
        """Take no more."""
        if self._closed:
            return
        self._closed = True
        if self._later is not None:
            self._later.cancel()
        else:
            self._loop.remove_reader(self._listener)
        self._listener.close()

    def _readable(self) -> None:
        if seconds := self._patience():
            self._leave(seconds)
        else:
            self._take()

    def _leave(self, seconds: float) -> None:
        """Look away for so long; what is there then is taken."""
        self._loop.remove_reader(self._listener)
        self._later = self._loop.call_later(seconds, self._return)

    def _return(self) -> None:
        self._later = None
        self._loop.add_reader(self._listener, self._readable)
        self._take()

    def _take(self) -> None:
        try:
            taken, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # somebody was quicker, or the caller has gone
        except OSError as error:
            log.warning("no connection can be taken: %s", error.strerror or error)
            if self._later is None:
                self._leave(_EXHAUSTED)
            return
        taken.setblocking(False)
        task = self._loop.create_task(self._adopt(taken))
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    async def _adopt(self, taken: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, taken)
        except OSError as error:
            taken.close()
            log.debug("a connection was gone before it was taken: %s", error)
