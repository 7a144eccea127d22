"""Whose is the next connection, where several processes listen on one socket, and when is it one?

Each is woken by it, and the one that is quickest would take all that come at once: so whoever has more than others waits
for a moment before it takes one, and nobody takes two in one turn. With TLS it is one when the handshake has ended; until
then it counts, and has as long as a head may take.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

_EXHAUSTED: Final = 1.0
"""Seconds to wait when the system gives us no more connections."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Handshakes:
    """How connections begin with TLS: the context of the next one, its seconds, and those that an orderly end may take."""

    context: Callable[[], ssl.SSLContext]
    seconds: float
    closing_seconds: float
    has_room: Callable[[], bool]
    """Whether one more may begin; else the connection is closed unread."""
    failed: Callable[[], None]


class Accepting:
    """Takes connections from a listening socket that others have too; the socket is closed with it."""

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[], asyncio.Protocol],
        patience: Callable[[], float],
        handshakes: Handshakes | None = None,
    ) -> None:
        """`make` gives the protocol for a connection; `patience` says for how many seconds to leave it to others."""
        self._handshakes = handshakes
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._make = make
        self._patience = patience
        self._later: asyncio.TimerHandle | None = None
        self._closed = False
        self._adopting: set[asyncio.Task[None]] = set()
        listener.setblocking(False)
        self._loop.add_reader(listener, self._readable)

    @property
    def beginning(self) -> int:
        """Connections whose handshake is under way."""
        return len(self._adopting) if self._handshakes is not None else 0

    def close(self) -> None:
        """Take no more, and leave those that are no connections yet."""
        if self._closed:
            return
        self._closed = True
        if self._later is not None:
            self._later.cancel()
        else:
            self._loop.remove_reader(self._listener)
        self._listener.close()
        if self._handshakes is not None:
            for task in self._adopting:
                task.cancel()

    async def wait_closed(self) -> None:
        """Wait until nothing is beginning any more."""
        await asyncio.gather(*self._adopting, return_exceptions=True)

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
        handshakes = self._handshakes
        if handshakes is not None and not handshakes.has_room():
            taken.close()
            return
        taken.setblocking(False)
        task = self._loop.create_task(self._adopt(taken))
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    async def _adopt(self, taken: socket.socket) -> None:
        handshakes = self._handshakes
        how: dict[str, Any] = {}
        if handshakes is not None:
            how = {
                "ssl": handshakes.context(),
                "ssl_handshake_timeout": handshakes.seconds,
                "ssl_shutdown_timeout": handshakes.closing_seconds,
            }
        try:
            await self._loop.connect_accepted_socket(self._make, taken, **how)
        except OSError as error:
            taken.close()
            if handshakes is not None:
                handshakes.failed()
            log.debug("a connection was gone before it was taken: %s", error)
