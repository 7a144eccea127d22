"""How is a request sent over a connection that is only just being made?

The event loop's own transports come into being step by step, and a request waits for each of them. Here the socket begins to
connect, the request is written as soon as the other side has answered (nearby that is at once), and the loop is only asked
to tell when there is something to read. It suits one short request and its answer; nothing is kept for the next one.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any, Final

_USUAL: Final = 64 << 10
_LARGE: Final = 256 << 10  # after one that was full


class SocketTransport(asyncio.Transport):
    """A plain TCP connection from its first packet on.

    Its protocol hears `connection_lost` once, and never from within a call of its own.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: asyncio.Protocol, seconds: float
    ) -> None:
        """What is written before the other side has answered is kept for so many seconds."""
        super().__init__()
        self.connected = False
        """Whether the other side is known to have answered."""
        self._loop = loop
        self._sock = sock
        self._descriptor = sock.fileno()
        self._protocol = protocol
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._unsent = b""
        self._size = _USUAL
        self._reads = False
        self._closing = False

    @classmethod
    def begin(
        cls,
        loop: asyncio.AbstractEventLoop,
        address: str,
        port: int,
        protocol: asyncio.Protocol,
        seconds: float,
    ) -> bool:
        """Connect to this address, given as numbers; False if that has failed already, and the protocol hears nothing."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            begun = sock.connect_ex((address, port)) in (0, errno.EINPROGRESS)
            if begun:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            begun = False
        if not begun:
            sock.close()
            return False
        protocol.connection_made(cls(loop, sock, protocol, seconds))
        return True

    # --- writing

    def write(self, data: Any) -> None:
        """Send bytes, or keep them until they are taken."""
        if self._closing:
            return
        if self._unsent:
            self._unsent += data
            return
        sent = self._sent(data)
        if sent < len(data) and not self._closing:
            self._unsent = bytes(data[sent:])
            self._loop.add_writer(self._descriptor, self._writable)
            if not self.connected:
                self._timer = self._loop.call_later(self._seconds, self._unanswered)

    def _sent(self, data: bytes) -> int:
        """Send some of it; how much."""
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self._end(error)
            return 0
        if not self.connected:
            self.connected = True
            self._stop_timer()
            self.resume_reading()
        return sent

    def _writable(self) -> None:
        if self._closing:
            return
        self._unsent = self._unsent[self._sent(self._unsent) :]
        if not self._unsent:
            self._loop.remove_writer(self._descriptor)

    def _unanswered(self) -> None:
        self._end(TimeoutError(errno.ETIMEDOUT, "no connection in time"))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def get_write_buffer_size(self) -> int:
        """Bytes that are kept."""
        return len(self._unsent)

    # --- reading

    def _readable(self) -> None:
        if self._closing:
            return
        try:
            data = self._sock.recv(self._size)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        if data:
            if len(data) == _USUAL:
                self._size = _LARGE
            self._protocol.data_received(data)
        else:
            self._protocol.eof_received()
            self._end(None)

    def pause_reading(self) -> None:
        """Take nothing for now."""
        if self._reads:
            self._reads = False
            self._loop.remove_reader(self._descriptor)

    def resume_reading(self) -> None:
        """Take what comes, once the other side has answered."""
        if self.connected and not self._reads and not self._closing:
            self._reads = True
            self._loop.add_reader(self._descriptor, self._readable)

    # --- the end

    def is_closing(self) -> bool:
        """Whether it has ended."""
        return self._closing

    def close(self) -> None:
        """End the connection."""
        self._end(None)

    def abort(self) -> None:
        """End the connection."""
        self._end(None)

    def _end(self, error: OSError | None) -> None:
        if not self._closing:
            self._closing = True
            self._stop_timer()
            # Whoever is on the way to a caller with what came last goes first.
            self._loop.call_soon(self._close, error)

    def _close(self, error: OSError | None) -> None:
        self.pause_reading()
        if self._unsent:
            self._unsent = b""
            self._loop.remove_writer(self._descriptor)
        self._sock.close()
        self._protocol.connection_lost(error)
