"""Whose is the next connection, when is it one, and what if there is no room for it?

Where several processes listen on one socket, each is woken by it, and the one that is quickest would take all that come at
once: so whoever has more than others waits for a moment before it takes one, and nobody takes two in one turn.

With TLS it is one when the handshake has ended; until then it counts, and has as long as a head may take.

Event loops have listeners of their own, but when the process has no file descriptor left, uvloop's closes for good, and
asyncio's tries again without a pause. This one looks away for a second.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_EXHAUSTED: Final = 1.0
"""Seconds to wait when the system gives us no more connections."""

_AT_ONCE: Final = 32
"""Connections that are taken in one turn of the event loop where nobody else would take them."""

_CALM: Final = 0.002
"""Seconds without a connection after which only one is taken in the next turn: to see that there is no other costs as much as to take one."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Handshakes:
    """How connections begin with TLS: the context of the next one, its seconds, and those that an orderly end may take."""

    context: Callable[[], ssl.SSLContext]
    seconds: float
    closing_seconds: float
    expect: Callable[[str], asyncio.Protocol | None]
    """Gives the protocol for who comes from an address; None where there is no room: they are closed unread."""
    ended: Callable[[asyncio.Protocol], None]
    """A handshake is over; where it has failed, the protocol was never told of a connection."""
    failed: Callable[[], None]


class Accepting:
    """Takes connections from a listening socket that others have too; the socket is closed with it."""

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[], asyncio.Protocol],
        patience: Callable[[], float] | None = None,
        handshakes: Handshakes | None = None,
    ) -> None:
        """`make` gives the protocol for a connection; `patience` says for how many seconds to leave it to others.

        Without `patience` there are none.
        """
        self._handshakes = handshakes
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._make = make
        self._patience = patience
        self._at_once = _AT_ONCE if patience is None else 1
        self._last = -1.0
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

    def hand_over(self) -> socket.socket:
        """Take no more, and leave the listening socket to whoever takes them from now on.

        What callers have queued on it stays there; those that were taken just now are still made connections of.
        """
        self._closed = True
        if self._later is not None:
            self._later.cancel()
        else:
            self._loop.remove_reader(self._listener)
        return self._listener

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
        now = self._loop.time()
        calm, self._last = now - self._last > _CALM, now
        for _ in range(1 if calm else self._at_once):
            try:
                taken, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return  # there is none, somebody was quicker, or the caller has gone
            except OSError as error:
                log.warning("no connection can be taken: %s", error.strerror or error)
                self._leave(_EXHAUSTED)
                return
            taken.setblocking(False)
            self._begin(taken, address[0] if isinstance(address, tuple) else "")

    def _begin(self, taken: socket.socket, address: str) -> None:
        if self._handshakes is None:
            beginning = self._adopt(taken)
        elif (protocol := self._handshakes.expect(address)) is not None:
            beginning = self._shake_hands(taken, protocol, self._handshakes)
        else:
            taken.close()
            return
        task = self._loop.create_task(beginning)
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    async def _adopt(self, taken: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, taken)
        except OSError as error:
            taken.close()
            log.debug("a connection was gone before it was taken: %s", error)

    async def _shake_hands(self, taken: socket.socket, protocol: asyncio.Protocol, how: Handshakes) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: protocol,
                taken,
                ssl=how.context(),
                ssl_handshake_timeout=how.seconds,
                ssl_shutdown_timeout=how.closing_seconds,
            )
        except OSError as error:
            taken.close()
            how.failed()
            log.debug("no TLS came about: %s", error)
        finally:
            how.ended(protocol)
