"""Does the caller take what is written?"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
import sys
import termios
from typing import Final

from gateway.wire.patience import credited

_RESET: Final = struct.pack("ii", 1, 0)


class Borrowed:
    """A duplicate of a connection's socket: who sends by it sends past the transport."""

    def __init__(self, out: Sender, descriptor: int) -> None:
        self._out = out
        self._descriptor = descriptor

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        self._out.give_back()
        os.close(self._descriptor)


class Sender:
    """The writing half of one connection: back-pressure for writers, and a measure of progress."""

    __slots__ = ("_lent", "_loop", "_sent", "_since", "_waiter", "_written", "closed", "paused", "transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.transport = transport
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None
        self._lent = False  # somebody sends past the transport
        self._written = 0
        self._sent = 0
        self._since = loop.time()
        self.paused = False
        """Whether a writer has to wait for `drain`."""
        self.closed = False
        """Whether nothing more may be written."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes, or keep them until the caller takes them. ConnectionResetError if there is no caller."""
        if self.closed or self.transport.is_closing():
            raise ConnectionResetError("The caller has gone.")
        self._written += len(data)
        self.transport.write(data)

    def write_now(self, data: bytes) -> None:
        """Send bytes; the caller is known to be there."""
        self._written += len(data)
        self.transport.write(data)

    async def drain(self) -> None:
        """Wait until the caller has taken enough. Raises ConnectionResetError if there is no caller any more."""
        while self.paused and not self.closed:
            self._waiter = self._loop.create_future()
            await self._waiter
        if self.closed:
            raise ConnectionResetError("The caller has gone.")

    # --- past the transport, for files

    @property
    def has_socket(self) -> bool:
        """Whether bytes may be sent past the transport: there is a socket, and no TLS on it."""
        tell = self.transport.get_extra_info
        return tell("socket") is not None and tell("sslcontext") is None

    @property
    def written(self) -> int:
        """Bytes that were given to the transport and past it."""
        return self._written

    async def borrow(self) -> Borrowed:
        """A duplicate of the socket, once the transport has sent all that it was given; nothing else may be written
        until it is given back. Raises ConnectionResetError if there is no caller.
        """
        self.check()
        transport = self.transport
        low, high = transport.get_write_buffer_limits()
        transport.set_write_buffer_limits(high=0)
        try:
            while transport.get_write_buffer_size():
                await self.drain()
                await asyncio.sleep(0)
        finally:
            if not transport.is_closing():
                transport.set_write_buffer_limits(high=high, low=low)
        self.check()
        self._lent = True
        return Borrowed(self, os.dup(transport.get_extra_info("socket").fileno()))

    def give_back(self) -> None:
        """The transport may be written to again."""
        self._lent = False

    def check(self) -> None:
        """Raises ConnectionResetError if there is no caller."""
        if self.closed or self.transport.is_closing():
            raise ConnectionResetError("The caller has gone.")

    def sent(self, size: int) -> None:
        """So many bytes were sent past the transport."""
        self._written += size

    async def taking(self, descriptor: int) -> None:
        """Wait until the borrowed socket takes more. Raises ConnectionResetError if there is no caller any more."""
        self._waiter = self._loop.create_future()
        self._loop.add_writer(descriptor, self._wake)
        try:
            await self._waiter
        finally:
            self._loop.remove_writer(descriptor)
        self.check()

    def pause(self) -> None:
        """Enough is kept: writers wait."""
        self.paused = True

    def resume(self) -> None:
        """Writers may go on."""
        self.paused = False
        self._wake()

    def close(self) -> None:
        """Nothing more is written; writers who wait are told so."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def stuck(self, now: float, patience: float, rate: int) -> bool:
        """Whether of what is kept nothing has left for `patience` seconds, or on the whole less than `rate` bytes a second;
        to be asked regularly.
        """
        unsent = self.transport.get_write_buffer_size()
        if not unsent and not self._lent:
            self._since = now
            return False
        # The kernel keeps megabytes, and asks for more by the megabyte: a slow reader's progress shows there.
        sent = self._written - unsent - self._unread()
        if sent > self._sent:
            self._since = credited(self._since, now, sent - self._sent, rate)
            self._sent = sent
        return now - self._since > patience

    def _unread(self) -> int:
        """The bytes that the kernel keeps because the caller has not acknowledged them; 0 where it does not say."""
        sock = self.transport.get_extra_info("socket")
        try:
            answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)) if sock is not None else bytes(4)
        except OSError:
            return 0
        return int.from_bytes(answer, sys.byteorder)

    def reset(self) -> None:
        """End the connection so that the caller sees it broken, and not closed: what is kept is lost."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            except OSError:
                pass  # it is closed already
        self.close()
        self.transport.abort()
