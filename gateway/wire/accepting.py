"""Whose is the next connection, also where several processes listen on one socket, and what if there is no room for it?

Each process is woken by it, and the one that is quickest would take all that come at once: so whoever has more than others
waits for a moment before it takes one, and nobody takes two in one turn.

Event loops have listeners of their own, but when the process has no file descriptor left, uvloop's closes for good, and
asyncio's tries again without a pause. This one looks away for a second.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final

_EXHAUSTED: Final = 1.0
"""Seconds to wait when the system gives us no more connections."""

_AT_ONCE: Final = 32
"""Connections that are taken in one turn of the event loop where nobody else would take them."""

log = logging.getLogger(__name__)


class Accepting:
    """Takes connections from a listening socket that others have too; the socket is closed with it."""

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[], asyncio.Protocol],
        patience: Callable[[], float] | None = None,
    ) -> None:
        """`make` gives the protocol for a connection; `patience` says for how many seconds to leave it to others.

        Without `patience` there are none.
        """
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._make = make
        self._patience = patience
        self._at_once = _AT_ONCE if patience is None else 1
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
        if self._patience is not None and (seconds := self._patience()):
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
        for _ in range(self._at_once):
            try:
                taken, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return  # there is none, somebody was quicker, or the caller has gone
            except OSError as error:
                log.warning("no connection can be taken: %s", error.strerror or error)
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
