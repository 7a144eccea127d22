"""How does a client hear of what happens at the gate, without asking? From a thread of its own, where a program wants one."""

from __future__ import annotations

import os
import socket
import threading
import time
import weakref

from labgate._at_once import at_once
from labgate._codec import decode_json
from labgate._hearings import (
    CONNECT_SECONDS,
    ENDED,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    PROTOCOL,
    QUIET_SECONDS,
    SPREAD_SECONDS,
    Listening,
    NoSuchThingError,
    chance,
    version_told,
)
from labgate._session import Terms
from labgate._transport import NotSent, OutOfTime, give_time
from labgate._websocket import (
    CLOSE,
    NORMAL,
    PING,
    PONG,
    TEXT,
    BrokenFrames,
    Frames,
    frame,
    new_key,
    question,
)
from labgate._wire import MalformedReply, Reader, ReplyCut, next_head
from labgate.errors import Error, LoginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, overload

    from labgate._async_client import AsyncClient
    from labgate._async_live import AsyncLive
    from labgate._changes import Changes
    from labgate._client import Client
    from labgate._link import Link
    from labgate._transport import Pool

_GLANCE_SECONDS = 1.0


class Live(Listening):
    """A line on which the gate tells a client of changes as they happen, kept by a thread; see `labgate.watch`.

    It ends with `close`, at the end of a `with` block, and when no client of its gate is left. A forked child has none until it
    asks for one.

    Attributes:
        connected: the line stands at this moment.
        why: why it does not, as text; empty while it does.
    """

    def __init__(self, link: Link, timeout: float | None) -> None:
        super().__init__(timeout)
        self._pid = os.getpid()
        self._link = weakref.ref(link, self._left)
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._sock: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name=f"labgate {link.address}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Live:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def running(self) -> bool:
        """Whether there is a thread that keeps the line, or tries to have it again."""
        return self._pid == os.getpid() and not self._over.is_set()

    def close(self) -> None:
        """Hear of nothing more; returns when the thread has ended."""
        if self._pid != os.getpid():
            return
        self._over.set()
        sock = self._sock
        if sock is not None:
            if self.connected:
                self._send(sock, CLOSE, NORMAL.to_bytes(2, "big"))
            _wake(sock)
        if self._thread is not threading.current_thread():
            self._thread.join()

    def forget(self) -> None:
        """In a forked child: the line is the parent's."""
        sock = self._sock
        if sock is not None:
            sock.close()

    def _say(self, text: bytes) -> None:
        """Say something, if the line stands; a new line has all said again."""
        sock = self._sock
        if sock is not None and self.connected:
            self._send(sock, TEXT, text)

    # --- the thread

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._is_over():
            began = time.monotonic()
            try:
                self._hear()
                self.why, pause = ENDED, FIRST_PAUSE
            except NoSuchThingError as error:
                self.why = str(error)
                break
            except (Error, NotSent, OutOfTime, ReplyCut, MalformedReply, BrokenFrames, OSError) as error:
                self.why = str(error) or type(error).__name__
            finally:
                self._lost()
            if time.monotonic() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            self._rest(pause * (0.5 + chance()))
            pause = min(2 * pause, LONGEST_PAUSE)
        self._over.set()

    def _is_over(self) -> bool:
        return self._over.is_set() or self._link() is None

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._is_over():
            self._over.wait(min(left, _GLANCE_SECONDS))

    def _lost(self) -> None:
        self.connected = False
        with self._lock:
            sock, self._sock = self._sock, None
        self._hearings.lost()
        if sock is not None:
            _wake(sock)  # a forked child may have it, too
            sock.close()

    def _left(self, _: object = None) -> None:
        """There is no client any more. It may be the collector that says so: no lock may be taken here."""
        sock = self._sock
        if sock is not None:
            _wake(sock)

    def _hear(self) -> None:
        """Connect, and hear until the line ends.

        Raises: what prevents it.
        """
        opened = self._open()
        if opened is None:
            return
        sock, rest = opened
        self.connected, self.why = True, ""
        for said in self._hearings.asked():
            self._send(sock, TEXT, said)
        frames, data = Frames(), rest
        sock.settimeout(QUIET_SECONDS)
        while True:
            for opcode, payload in frames.feed(data):
                if opcode == CLOSE:
                    self._send(sock, CLOSE, payload)
                    return
                if opcode == PING:
                    self._send(sock, PONG, payload)
                elif opcode == TEXT and (version := self._hearings.told(decode_json(payload))) is not None:
                    link = self._link()
                    if link is not None:
                        self._renew(link, version, spread=True)
            data = sock.recv(1 << 16)
            if not data:
                return

    def _open(self) -> tuple[socket.socket, bytes] | None:
        """The line, and what came on it already; None where there is no client any more.

        Raises: what prevents it.
        """
        link = self._link()
        if link is None:
            return None
        if link.direct is not None:
            raise NoSuchThingError("a server without a gate")
        deadline = time.monotonic() + CONNECT_SECONDS
        head = link.fields("GET", "/rpc")
        pool: Pool = link.pool
        sock = pool.connect(deadline)
        with self._lock:
            self._sock = sock
        if self._over.is_set():
            return None
        key = new_key()
        give_time(sock, deadline)
        sock.sendall(head + question(key, PROTOCOL))
        reader = Reader(sock, deadline)
        answer = at_once(next_head(reader, switches=True))
        if answer.status == 401:
            # A login's next token: the next try shows it.
            link.retold(head)
            raise LoginError("the gate does not take the token")
        self._renew(link, version_told(answer, key), spread=False)
        return sock, bytes(reader.buffer)

    def _renew(self, link: Link, version: str, *, spread: bool) -> None:
        """Have the link's catalog be that of the gate."""
        if not version or link.holds(version):
            return
        if spread:
            self._over.wait(SPREAD_SECONDS * chance())
        try:
            changes = link.refresh(self._timeout, 1)
        except Error:
            link.outdated = True  # the next touch tries it again
            return
        if changes:
            for listener in tuple(self._listeners):
                listener(changes)

    def _send(self, sock: socket.socket, opcode: int, data: bytes) -> None:
        """Send a frame; a line that has gone is noticed by who reads."""
        try:
            with self._sending:
                sock.sendall(frame(opcode, data))
        except OSError:
            pass


if TYPE_CHECKING:

    @overload
    def watch(client: Client, on_change: Callable[[Changes], Any] | None = None) -> Live: ...

    @overload
    def watch(client: AsyncClient, on_change: Callable[[Changes], Any] | None = None) -> AsyncLive: ...


def watch(
    client: Client | AsyncClient, on_change: Callable[[Changes], Any] | None = None
) -> Live | AsyncLive:
    """Hear of changes at the gate as they happen: a thread keeps a line to it, and refreshes the client's methods by itself.

    `labgate.wait` then hears of jobs, too, instead of asking for them. Clients of one gate, datastack and token share the line.
    Of an async client it is a task of its event loop that keeps the line, and the block is `async with`.

        with labgate.watch(lab):
            ...

    Args:
        client: of `labgate.connect` or `labgate.aconnect`.
        on_change: is called, in that thread, with what every refresh has found; what it gives is awaited in an event loop.

    Raises:
        TypeError: it is no such client.
    """
    from labgate._client import Whole

    session: Any = getattr(client, "_session", None)
    if not isinstance(client, Whole) or not isinstance(session, Terms):
        raise TypeError("watch takes a client of labgate.connect or labgate.aconnect")
    if on_change is not None and not callable(on_change):
        raise TypeError(f"on_change is a function, and no {type(on_change).__name__}")
    live = live_of(session.link, session.options.timeout)
    if on_change is not None:
        live.listen(on_change)
    return live


def live_of(link: Link, timeout: float | None) -> Live | AsyncLive:
    """The link's line, begun if there is none."""
    with link.lock:
        live = link.live
        if live is None or not live.running:
            live = link.live = link.new_live(timeout)
        found: Live | AsyncLive = live
        return found


def _wake(sock: socket.socket) -> None:
    """End a connection, so that whoever reads from it is woken."""
    try:
        # The base class's method: TLS would say its good-bye first, beside the thread that reads.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        pass
