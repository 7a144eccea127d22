"""How does a caller's connection go on: its answers, its times, its end?"""

from __future__ import annotations

import asyncio
from typing import Final, cast

from aiohttp.web import BaseRequest

from gateway.core.certificates import PeerCertificate
from gateway.wire.behind import Behind
from gateway.wire.crowd import Welcome
from gateway.wire.framing import Chunks, Length
from gateway.wire.guest import Guest
from gateway.wire.head import Head
from gateway.wire.patience import Overdue, credited, overdue
from gateway.wire.phase import Phase
from gateway.wire.refusal import Refusal
from gateway.wire.sender import Sender
from gateway.wire.shared import Shared
from gateway.wire.tls import peer_certificate
from gateway.wire.written import written_refusal

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(asyncio.Protocol):
    """One caller's connection, as whoever answers knows it; what comes in is the business of `Incoming`, which every one is.

    It stands between the real transport and an unmodified aiohttp handler, which is given one request at a time, whose head
    was examined and whose end is known; the connection closes itself after anything whose end is not. It owns every timer
    (`check`, called by the server), both directions' pauses, and what happens at the end. Who is let in says the `Crowd`,
    what takes too long `patience`, and what aiohttp gets and may say `Behind`.
    """

    __slots__ = (
        "_behind",
        "_ended",
        "_framing",
        "_guest",
        "_held",
        "_invited",
        "_last",
        "_limits",
        "_open",
        "_paused_behind",
        "_paused_held",
        "_peer",
        "_phase",
        "_real",
        "_received",
        "_repeats",
        "_scheduled",
        "_since",
        "_unwelcome",
        "_welcome",
        "certificate",
        "head",
        "lane",
        "out",
        "shared",
    )
    _real: asyncio.Transport
    out: Sender
    """The writing half; it is there once there is a caller, and closed once nothing more may be written."""
    head: Head
    """The present request's."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self._limits = shared.limits
        self.lane = shared.lane
        self._repeats = shared.lane.requests
        self.certificate: PeerCertificate | None = None
        """Whom the caller is known by, beside the tokens in their requests."""
        self._behind: Behind | None = None
        self._guest: Guest | None = None
        self._peer: str | None = None
        self._phase = Phase.IDLE
        self._welcome: Welcome | None = None  # where the caller was expected
        self._unwelcome: Refusal | None = None  # what every request here is told

        self._held = bytearray()
        self.head = _NO_HEAD
        self._framing: Length | Chunks = _NO_BODY
        self._open = False  # a request was handed on and its answer is not written yet
        self._ended = False  # the caller sends no more
        self._last = False  # no request after the present one
        self._invited = False
        self._scheduled = False  # what is held will be taken in a moment

        self._since = 0.0  # when the present phase began, or its silence
        self._received = 0  # bytes of the body since it was last looked at, or all that were dropped
        self._paused_behind = False
        self._paused_held = False

    # ---- before there is a transport

    def expect(self, address: str) -> bool:
        """A caller has come who has yet to speak TLS, and counts from now on; False where there is no room."""
        shared = self.shared
        self._peer = address
        welcome = shared.crowd.enter(address)
        if welcome is Welcome.TURNED_AWAY or shared.draining:
            shared.counters.turned_away += 1
            shared.crowd.leave(address)
            return False
        self._welcome = welcome
        return True

    def expect_no_more(self) -> None:
        """The handshake is over: who has not come counts no more."""
        if self._welcome is not None and self not in self.shared.connections and self._phase is Phase.IDLE:
            self._welcome = None
            self.shared.crowd.leave(self.peer)

    # ---- the real transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller is here; the handler behind is made with the first head."""
        while self.shared.successor is not None:
            # It was taken just before another server took this one's place.
            if self._welcome is not None:
                self.shared.crowd.leave(self.peer)
                self._welcome = self.shared.successor.crowd.enter(self.peer)
            self._belong_to(self.shared.successor)
        shared, limits = self.shared, self._limits
        self._real = real = cast(asyncio.Transport, transport)
        self.out = Sender(real, shared.loop)
        self._since = shared.loop.time()
        self._recognize()
        shared.counters.accepted += 1
        shared.connections.add(self)
        shared.emptied.clear()
        welcome = self._welcome or shared.crowd.enter(self.peer)
        if welcome is Welcome.TURNED_AWAY or shared.draining:
            shared.counters.turned_away += 1
            self.abort()
            return
        self._unwelcome = _UNWELCOME.get(welcome)
        real.set_write_buffer_limits(high=limits.write_bytes)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; whatever is done for this caller only is cancelled."""
        self._phase = Phase.LOST
        self._held.clear()
        shared = self.shared
        shared.connections.discard(self)
        shared.crowd.leave(self.peer)
        if not shared.connections:
            shared.emptied.set()
        self.out.close()
        guest, self._guest = self._guest, None
        if guest is not None:
            guest.gone()
        if self._behind is not None:
            self._behind.lost(exc)

    def pause_writing(self) -> None:
        """The real transport holds enough for a caller who does not read."""
        self.out.pause()
        if self._guest is not None:
            self._guest.pause_writing()
        if self._behind is not None:
            self._behind.pause_writing()

    def resume_writing(self) -> None:
        """The real transport has sent most of what it held."""
        self.out.resume()
        if self._guest is not None:
            self._guest.resume_writing()
        if self._behind is not None:
            self._behind.resume_writing()

    @property
    def peer(self) -> str:
        """The address that the caller comes from."""
        if self._peer is None:
            name = self._real.get_extra_info("peername")
            self._peer = name[0] if isinstance(name, tuple) else ""
        return self._peer

    # ---- one request and its answer

    def begin(self, request: BaseRequest) -> None:
        """aiohttp has made a request of the bytes it was given."""
        if self._behind is not None:
            self._behind.begin(request)

    def invite_body(self) -> None:
        """Send 100 Continue if the caller waits for it (RFC 9110 section 10.1.1)."""
        if not self._invited:
            self._invited = True
            self._since = self.shared.loop.time()
            self.out.write(CONTINUE)

    def may_stay(self) -> bool:
        """Whether the connection can carry another request after the present answer."""
        if self._last or self.shared.draining:
            return False
        if self._phase is Phase.ANSWER:
            return True
        # A short rest of a body that the handler did not want is read sooner than a connection is made.
        return (
            self._phase is Phase.BODY
            and self._invited
            and isinstance(self._framing, Length)
            and self._framing.left <= self._limits.held_bytes
        )

    def answered(self, stay: bool) -> None:
        """The present answer is written; `stay` = its head promised to take another request."""
        if self.out.closed:
            return
        request = self._behind.end() if self._behind is not None else None
        guest, self._guest = self._guest, None
        self._open = False
        if guest is None and not stay and self._phase is Phase.ANSWER and not self._held:
            return  # aiohttp will close: after that, and not in the middle of its own work
        if not stay or self._last or self.shared.draining:
            self.finish()
            if request is not None:
                request.content.feed_eof()  # so that aiohttp does not wait for the rest of the body
        elif self._phase is Phase.ANSWER:
            self._next(soon=guest is not None)
        else:
            self.pause_behind(False)  # the rest of the body comes before the next request

    @property
    def goes_on(self) -> bool:
        """Whether a guest's request is whole, and its answer will leave and let another request follow."""
        return (
            self._phase is Phase.ANSWER
            and not self._last
            and not self.shared.draining
            and not self.out.closed
            and not self._real.is_closing()
        )

    def answer(self, written: bytes) -> None:
        """Write the whole answer of a guest; the connection `goes_on`."""
        self.out.write(written)
        self._guest = None
        self._open = False
        if self._held or self.shared.successor is not None:
            self._next(soon=True)
        else:
            self._phase = Phase.IDLE
            self._since = self.shared.loop.time()

    def change_guest(self, guest: Guest) -> None:
        """Let another guest go on with the present request."""
        if self._guest is not None:
            self._guest = guest

    def tunnel(self) -> None:
        """The protocol is another one from here on: every byte goes to the guest as it is."""
        self._last = True
        self._phase = Phase.TUNNEL
        self._since = self.shared.loop.time()
        held = bytes(self._held)
        self._held.clear()
        self._paused_held = False
        self._resume()
        if held:
            self._pass(held)

    # ---- what comes in: see `Incoming`

    def _next(self, *, soon: bool = False) -> None:
        """The present answer is written: take the next request; `soon` = not before the caller of this has ended."""
        raise NotImplementedError

    def _pass(self, data: bytes) -> None:
        """Give whoever answers more of what came."""
        raise NotImplementedError

    def _break_body(self, text: str) -> None:
        """End the request whose body cannot be had; the text says why."""
        raise NotImplementedError

    # ---- the end

    def refuse(self, refusal: Refusal) -> None:
        """Answer a head that never becomes a request, and close."""
        self.shared.counters.refused[refusal.name.lower()] += 1
        self._held.clear()
        self.out.write(written_refusal(refusal, self.shared.date()))
        self.finish()

    def release(self) -> None:
        """The server drains: close when the present answer is written, at once if there is none."""
        if self._phase is Phase.IDLE:
            self._close()

    def move_on(self) -> None:
        """Belong to the server that has taken our server's place, if no request is under way here."""
        before, successor = self.shared, self.shared.successor
        if successor is None or self._phase not in (Phase.IDLE, Phase.HEAD) or self._open:
            return
        before.connections.discard(self)
        before.crowd.leave(self.peer)
        if not before.connections:
            before.emptied.set()
        behind, self._behind = self._behind, None
        if behind is not None:
            behind.leave()
        self._belong_to(successor)
        self._recognize()
        successor.connections.add(self)
        successor.emptied.clear()
        successor.crowd.enter(self.peer)  # who was let in once is not sent away for coming over
        if successor.draining:
            self.release()

    def _belong_to(self, shared: Shared) -> None:
        self.shared = shared
        self._limits = shared.limits
        self.lane = shared.lane
        self._repeats = shared.lane.requests

    def _recognize(self) -> None:
        """Know the caller by their certificate, where that is asked for."""
        lanes = self.shared.lanes
        self.certificate = None if lanes is None else peer_certificate(self._real)
        if lanes is not None:
            self.lane = lanes.of(self.certificate)
            self._repeats = self.lane.requests

    def abort(self) -> None:
        """End the connection at once, with a reset: no caller can take half an answer for a whole one."""
        if self._phase is not Phase.LOST:
            self._phase = Phase.CLOSING
            self.out.reset()

    def finish(self) -> None:
        """The last answer is written: let it arrive before closing.

        A close with unread bytes makes the kernel send a reset, which may overtake the answer. So where more
        may come, our side is closed for sending (TLS cannot do that), and what comes is dropped for a while.
        """
        if self.out.closed:
            return
        whole = self._ended or (self._phase is Phase.ANSWER and not self._held)
        if whole:
            self._close()
            return
        self._held.clear()
        self._enter(Phase.LINGER)
        self.out.close()
        if self._real.can_write_eof():
            try:
                self._real.write_eof()
            except OSError:  # the caller has gone, and nobody was told yet; uvloop does not say so
                self._close()
                return
        self._paused_behind = self._paused_held = False
        self._real.resume_reading()

    def _close(self) -> None:
        if self._phase in (Phase.CLOSING, Phase.LOST):
            return
        self._phase = Phase.CLOSING
        self.out.close()
        self._real.close()

    # ---- times

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._since = self.shared.loop.time()
        self._received = 0

    def check(self, now: float) -> None:
        """End what has taken too long. `now` is on the loop's clock."""
        limits = self._limits
        phase = self._phase
        if phase is Phase.LOST:
            return
        if self._guest is not None:
            self._guest.check(now)
        if self.out.stuck(now, limits.write_seconds, limits.write_rate):
            self.shared.counters.stuck += 1
            self.abort()
            return
        if phase is Phase.BODY:
            self._since = credited(self._since, now, self._received, limits.body_rate)
            self._received = 0
        found = overdue(
            phase,
            now - self._since,
            limits,
            unwelcome=self._unwelcome is not None,
            invited=self._invited and not self._paused_behind,
        )
        if found is Overdue.SILENT:
            self._close()
        elif found is Overdue.HEAD:
            self.refuse(Refusal.SLOW_HEAD)
        elif found is Overdue.BODY:
            self._break_body("The body stopped half way: too little of it came in the time given.")

    # ---- whoever answers

    @property
    def over(self) -> bool:
        """Whether nothing more can be written."""
        return self.out.closed or self._real.is_closing()

    def pause_behind(self, pause: bool) -> None:
        """Whoever takes the body has enough, or wants more; once it is whole, nobody is paused by it."""
        if self.out.closed or pause == self._paused_behind or (pause and self._phase is Phase.ANSWER):
            return
        self._paused_behind = pause
        if pause:
            self._real.pause_reading()
        else:
            # A handler's pause is not the caller's: the body's time starts anew.
            self._since, self._received = self.shared.loop.time(), 0
            self._resume()

    def _resume(self) -> None:
        if not self._paused_behind and not self._paused_held:
            self._real.resume_reading()


_UNWELCOME: Final = {Welcome.FULL: Refusal.FULL, Welcome.CROWDED: Refusal.CROWDED}
_NO_HEAD: Final = Head(0, 1)
_NO_BODY: Final = Length(0)
