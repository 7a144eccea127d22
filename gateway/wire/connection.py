"""Which bytes of a caller's connection are the next request, and when may they pass?"""

from __future__ import annotations

import asyncio
from typing import Final, cast

from aiohttp.web import BaseRequest, RequestHandler
from msgspec.structs import replace

from gateway.core.certificates import PeerCertificate
from gateway.core.faults import BadRequest
from gateway.wire.framing import Chunks, Length
from gateway.wire.guest import ANSWERED, Guest
from gateway.wire.head import CHUNKED, END, Head, examine, fields_of, find_end, usual_line
from gateway.wire.lane import Seen
from gateway.wire.phase import Phase
from gateway.wire.refusal import Refusal
from gateway.wire.sender import Sender
from gateway.wire.shared import Shared
from gateway.wire.tls import peer_certificate
from gateway.wire.transport import CallerTransport
from gateway.wire.written import written_refusal

_END: Final = len(END)
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(asyncio.Protocol):
    """One caller's connection: it stands between the real transport and an unmodified aiohttp handler.

    aiohttp is given one request at a time, whose head was examined and whose end is known; the connection
    closes itself after anything whose end is not. It owns every timer (`check`, called by the server), both
    directions' pauses, and what happens at the end.
    """

    __slots__ = (
        "_behind",
        "_ended",
        "_fault",
        "_framing",
        "_full",
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
        "_request",
        "_scheduled",
        "_since",
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
        self._behind: RequestHandler | None = None
        self._guest: Guest | None = None
        self._peer: str | None = None
        self._phase = Phase.IDLE
        self._full = False

        self._held = bytearray()
        self.head = _NO_HEAD
        self._framing: Length | Chunks = _NO_BODY
        self._request: BaseRequest | None = None
        self._open = False  # a request was handed on and its answer is not written yet
        self._ended = False  # the caller sends no more
        self._last = False  # no request after the present one
        self._invited = False
        self._scheduled = False  # what is held will be taken in a moment
        self._fault: BadRequest | None = None

        self._since = 0.0  # when the present phase began, or the body last moved on after a pause
        self._received = 0  # bytes of the body, or dropped ones, since then
        self._paused_behind = False
        self._paused_held = False

    # ---- the real transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller is here; the handler behind is made with the first head."""
        shared, limits = self.shared, self._limits
        self._real = real = cast(asyncio.Transport, transport)
        self.out = Sender(real, shared.loop)
        self._since = shared.loop.time()
        if shared.lanes is not None:
            self.certificate = peer_certificate(real)
            self.lane = shared.lanes.of(self.certificate)
            self._repeats = self.lane.requests
        shared.counters.accepted += 1
        taken = len(shared.connections)
        shared.connections.add(self)
        shared.emptied.clear()
        self._full = taken >= limits.connections
        if taken >= limits.connections + limits.connections // 10 or shared.draining:
            shared.counters.turned_away += 1
            self.abort()
            return
        real.set_write_buffer_limits(high=limits.write_bytes)

    def data_received(self, data: bytes) -> None:
        """Bytes are here."""
        phase = self._phase
        if phase is Phase.IDLE or phase is Phase.HEAD:
            if self._scheduled:
                self._held += data
            else:
                self._take_head(data)
        elif phase is Phase.BODY:
            self._take_body(data)
        elif phase is Phase.ANSWER:
            self._hold(data)
        elif phase is Phase.TUNNEL:
            self._pass(data)
        else:
            self._drop(len(data))

    def eof_received(self) -> bool:
        """The caller sends no more. While a whole request is served that means: the caller has gone."""
        self._ended = True
        if self._phase is Phase.BODY and self._open:
            self._break_body("The body stopped half way: the connection was closed for sending.")
        elif self._phase is not Phase.BROKEN:
            self._close()
        return self._real.can_write_eof()  # over TLS, both directions end together

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; whatever is done for this caller only is cancelled."""
        self._phase = Phase.LOST
        self._request = None
        self._held.clear()
        shared = self.shared
        shared.connections.discard(self)
        if not shared.connections:
            shared.emptied.set()
        self.out.close()
        guest, self._guest = self._guest, None
        if guest is not None:
            guest.gone()
        if self._behind is not None:
            self._behind.connection_lost(exc)

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

    # ---- bytes in

    def _take_head(self, data: bytes) -> None:
        searched = len(self._held)
        if searched:
            self._held += data
            end = find_end(self._held, searched, self._limits)
            if end == 0:
                return
            data = bytes(self._held)
            self._held.clear()
        else:
            if data[:1] in (b"\r", b"\n"):
                data = data.lstrip(b"\r\n")  # RFC 9112 section 2.2: empty lines before a request are ignored
            if not data:
                return
            known = self._repeats.get(data)
            if known is not None and self._may_answer and known.answer(self):
                self._answered_at_once()
                return
            end = data.find(END) + _END
            if not _END <= end <= self._limits.header_bytes:
                end = find_end(data, 0, self._limits)
            if end == 0:
                self._held += data
                self._enter(Phase.HEAD)
                return
        if isinstance(end, Refusal):
            self.refuse(end)
            return
        if self.shared.host is not None and self._serve_known(data, end):
            return
        head = examine(data[:end], self._limits)
        if isinstance(head, Refusal):
            self.refuse(head)
        elif self._full:
            self.refuse(Refusal.FULL)
        else:
            self._hand_on(head, data, end)

    def _serve_known(self, data: bytes, end: int) -> bool:
        """Let a guest answer a request whose header lines came before; False where the whole head has to be read."""
        shared = self.shared
        at = data.find(b" HTTP/1.", 0, end)
        seen = self.lane.get(data[at:end])
        if seen is None or at > self._limits.line_bytes or self._full or shared.host is None:
            return False
        line = data[:at]
        head = self.head = seen.bodiless if line.startswith(b"HEAD ") else seen.head
        whole = data if len(data) == end + head.length and self._may_answer else b""
        guest = shared.host.again(self, line, seen, whole, end)
        if guest == ANSWERED:
            self._answered_at_once()
            return True
        if guest is None:
            usual = usual_line(line)
            if usual is None or not shared.host.takes(usual[1]):
                return False
            guest = shared.host.guest(self, usual[0].decode("ascii"), usual[1], seen)
            if guest is None:
                return False
        self._serve(guest, head, data, end)
        return True

    @property
    def _may_answer(self) -> bool:
        """Whether an answer that is at hand may be written without handing the request on."""
        out, shared = self.out, self.shared
        halted = out.paused or out.closed or shared.draining or self._full or self._ended
        return not (halted or self._real.is_closing())

    def _answered_at_once(self) -> None:
        shared = self.shared
        shared.counters.requests += 1
        self._phase = Phase.IDLE
        self._since = shared.loop.time()

    def _hand_on(self, head: Head, data: bytes, end: int) -> None:
        """Give the request whose head is `data[:end]`, with what is here of its body, to a guest or to aiohttp."""
        self.head = head
        host = self.shared.host
        if host is not None:
            verb, target, _ = data[: data.index(b"\r\n")].split(b" ")
            if host.takes(target):
                fields = fields_of(data[:end])
                if fields is None:
                    self.refuse(Refusal.MALFORMED)
                    return
                usual = head if verb != b"HEAD" else replace(head, bodiless=False)
                seen = Seen(usual, replace(usual, bodiless=True), fields, self.certificate)
                guest = host.guest(self, verb.decode("ascii"), target, seen)
                if guest is not None:
                    if target.startswith(b"/"):
                        self.lane.put(data[data.index(b" HTTP/1.") : end], seen)
                    self._serve(guest, head, data, end)
                    return
        self.shared.counters.requests += 1
        self._open = True
        self._invited = not head.expects or end < len(data)
        if head.upgrade:
            self._last = True
            self._phase = Phase.TUNNEL
            self._pass(data)
        elif head.length == CHUNKED:
            self._framing = Chunks()
            self._enter(Phase.BODY)
            self._pass(data[:end])
            if end < len(data):
                self._take_body(data[end:])
        elif end + head.length > len(data):
            self._framing = Length(end + head.length - len(data))
            self._enter(Phase.BODY)
            self._pass(data)
        else:
            end += head.length
            self._phase = Phase.ANSWER
            if end == len(data):
                self._pass(data)
            else:
                self._pass(data[:end])
                self._hold(data[end:])

    def _serve(self, guest: Guest, head: Head, data: bytes, end: int) -> None:
        """Let a guest answer the request whose head is `data[:end]`, with what is here of its body."""
        self.shared.counters.requests += 1
        self._open = True
        self._invited = not head.expects or end < len(data)
        self._guest = guest
        if not head.length and end == len(data):
            self._phase = Phase.ANSWER
            guest.start(whole=True)
            return
        rest = data[end:]
        if head.length == CHUNKED or head.length > len(rest):
            bare = guest.wants_bare
            self._framing = Chunks(bare=bare) if head.length == CHUNKED else Length(head.length)
            self._enter(Phase.BODY)
            guest.start(whole=False)
            if rest:
                self.data_received(rest)
            return
        self._phase = Phase.ANSWER
        body, rest = rest[: head.length], rest[head.length :]
        if rest:
            self._hold(rest)
        if body:
            guest.body(body)
        guest.start(whole=True)

    def _take_body(self, data: bytes) -> None:
        self._received += len(data)
        self._invited = True  # who sends the body does not wait for leave to send it
        try:
            body, rest = self._framing.take(data)
        except BadRequest as fault:
            self._break_body(fault.message)
            return
        if body:
            self._pass(body)
        if not self._framing.done:
            return
        self._phase = Phase.ANSWER
        if rest:
            self._hold(rest)
        if not self._open:
            self._next()
        elif self._guest is not None:
            self._guest.body_end()

    def _pass(self, data: bytes) -> None:
        if self._guest is not None:
            self._guest.body(data)
            return
        if self._behind is None:
            self._behind = self.shared.behind()
            self._behind.connection_made(CallerTransport(self, self._real))
        self._behind.data_received(data)

    def _hold(self, data: bytes) -> None:
        self._held += data
        if len(self._held) > self._limits.held_bytes:
            self._paused_held = True
            self._real.pause_reading()

    def _drop(self, size: int) -> None:
        self._received += size
        if self._received > self._limits.linger_bytes:
            if self._phase is Phase.LINGER:
                self.abort()
            else:
                self._real.pause_reading()

    def _break_body(self, text: str) -> None:
        """End the request whose body cannot be had: whoever reads it gets the fault, and may still answer."""
        self.shared.counters.broken_bodies += 1
        self._last = True
        self._enter(Phase.BROKEN)
        if not self._open:
            self._finish()
            return
        self._fault = BadRequest(text)
        if self._guest is not None:
            self._guest.broken(self._fault)
        if self._request is not None:
            self._request.content.set_exception(self._fault)

    # ---- one request and its answer

    def begin(self, request: BaseRequest) -> None:
        """aiohttp has made a request of the bytes it was given."""
        self._request = request
        if self._fault is not None:
            request.content.set_exception(self._fault)

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
        request, self._request = self._request, None
        guest, self._guest = self._guest, None
        self._open = False
        if guest is None and not stay and self._phase is Phase.ANSWER and not self._held:
            return  # aiohttp will close: after that, and not in the middle of its own work
        if not stay or self._last or self.shared.draining:
            self._finish()
            if request is not None:
                request.content.feed_eof()  # so that aiohttp does not wait for the rest of the body
        elif self._phase is Phase.ANSWER:
            self._next(soon=guest is not None)

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
        if self._held:
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

    def _next(self, *, soon: bool = False) -> None:
        self._enter(Phase.IDLE)
        if not self._held:
            return
        if soon:
            # A guest may answer before it is asked for more: each of many requests would lie on the one before.
            self._scheduled = True
            self.shared.loop.call_soon(self._take_held)
            return
        self._take_held()

    def _take_held(self) -> None:
        """Go on with what came behind the last request."""
        self._scheduled = False
        if self._phase is not Phase.IDLE or not self._held:
            return
        data = bytes(self._held)
        self._held.clear()
        if self._paused_held:
            self._paused_held = False
            self._resume()
        self._take_head(data)

    # ---- the end

    def refuse(self, refusal: Refusal) -> None:
        """Answer a head that never becomes a request, and close."""
        self.shared.counters.refused[refusal.name.lower()] += 1
        self._held.clear()
        self.out.write(written_refusal(refusal, self.shared.date()))
        self._finish()

    def release(self) -> None:
        """The server drains: close when the present answer is written, at once if there is none."""
        if self._phase is Phase.IDLE:
            self._close()

    def abort(self) -> None:
        """End the connection at once, with a reset: no caller can take half an answer for a whole one."""
        if self._phase is not Phase.LOST:
            self._phase = Phase.CLOSING
            self.out.reset()

    def _finish(self) -> None:
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
            self._real.write_eof()
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
        if self.out.stuck(now, limits.write_seconds):
            self.shared.counters.stuck += 1
            self.abort()
            return
        silent = now - self._since
        # Who is to be told that there is no room has as little time as a head.
        idle_seconds = limits.header_seconds if self._full else limits.idle_seconds
        if phase is Phase.IDLE and silent > idle_seconds:
            self._close()
        elif phase is Phase.HEAD and silent > limits.header_seconds:
            self.refuse(Refusal.SLOW_HEAD)
        elif phase is Phase.LINGER and silent > limits.linger_seconds:
            self._close()
        elif (
            phase is Phase.BODY
            and self._invited
            and not self._paused_behind
            and silent > limits.body_seconds + self._received / limits.body_rate
        ):
            self._break_body("The body stopped half way: too little of it came in the time given.")

    # ---- aiohttp's calls, by way of its transport

    @property
    def over(self) -> bool:
        """Whether nothing more can be written."""
        return self.out.closed or self._real.is_closing()

    def write_behind(self, data: bytes | bytearray | memoryview) -> None:
        """aiohttp writes. Outside of a request that is its parser's refusal, whose text quotes the caller."""
        if self._request is not None:
            self.out.write(data)
        elif not self.over:
            self.refuse(Refusal.MALFORMED)

    def close_behind(self) -> None:
        """aiohttp wants no more."""
        self._finish()

    def pause_behind(self, pause: bool) -> None:
        """aiohttp's reader has enough, or wants more."""
        if self.out.closed or pause == self._paused_behind:
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


_NO_HEAD: Final = Head(0, 1)
_NO_BODY: Final = Length(0)
