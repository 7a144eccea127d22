"""How can everything that several threads wait for be ended at once?"""

from __future__ import annotations

import socket
import threading

from labgate._transport import NotSent, Pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from labgate._flow import Flow


class Watched:
    """The pool's connections as one reading uses them: all can be ended at once, which tells the gate so, too.

    Attributes:
        ended: they were.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._used: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.ended = threading.Event()

    def take(self, sure: float | None) -> socket.socket | None:
        """As `Pool.take`."""
        sock = self._pool.take(sure)
        return None if sock is None else self._watched(sock)

    def connect(self, deadline: float | None) -> socket.socket:
        """As `Pool.connect`."""
        return self._watched(self._pool.connect(deadline))

    def give_back(self, flow: Flow) -> None:
        """Keep a connection whose reply was read to its end, where it serves on."""
        with self._lock:
            self._used.discard(flow.sock)
        if flow.complete and flow.head.reusable() and not flow.reader.buffer and not self.ended.is_set():
            self._pool.keep(flow.sock)
        else:
            flow.sock.close()

    def drop(self, sock: socket.socket) -> None:
        """Close one."""
        with self._lock:
            self._used.discard(sock)
        sock.close()

    def end(self) -> None:
        """End them all; whoever reads from one is woken by its end."""
        self.ended.set()
        with self._lock:
            _wake(self._used)

    def _watched(self, sock: socket.socket) -> socket.socket:
        with self._lock:
            if not self.ended.is_set():
                self._used.add(sock)
                return sock
        sock.close()
        raise ConnectionAbortedError("the reading has ended")


class WatchedPool(Pool):
    """The same for calls whose replies are read whole: a pool over a pool.

    Attributes:
        ended: nothing leaves any more.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._used: dict[int, socket.socket] = {}  # by thread: each reads one reply at a time
        self._lock = threading.Lock()
        self.ended = threading.Event()

    def take(self, sure: float | None) -> socket.socket | None:
        """As `Pool.take`."""
        if self.ended.is_set():
            raise NotSent("the work that it was for has ended", final=True)
        sock = self._pool.take(sure)
        return None if sock is None else self._watched(sock)

    def connect(self, deadline: float | None) -> socket.socket:
        """As `Pool.connect`."""
        if self.ended.is_set():
            raise NotSent("the work that it was for has ended", final=True)
        return self._watched(self._pool.connect(deadline))

    def keep(self, sock: socket.socket) -> None:
        """As `Pool.keep`."""
        with self._lock:
            self._used.pop(threading.get_ident(), None)
            ended = self.ended.is_set()
        if ended:
            sock.close()
        else:
            self._pool.keep(sock)

    def end(self) -> None:
        """End all that is under way; whoever reads is woken by the end."""
        self.ended.set()
        with self._lock:
            _wake(self._used.values())

    def _watched(self, sock: socket.socket) -> socket.socket:
        with self._lock:
            if not self.ended.is_set():
                self._used[threading.get_ident()] = sock
                return sock
        sock.close()
        raise NotSent("the work that it was for has ended", final=True)


def _wake(sockets: Iterable[socket.socket]) -> None:
    for sock in sockets:
        try:
            # The base class's method: TLS would say its good-bye first, beside the thread that reads.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        except OSError:
            continue
