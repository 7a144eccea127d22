"""Which bytes of a caller's connection are the next request, and when may they pass?"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from gateway.core.faults import BadRequest
from gateway.wire.behind import Behind
from gateway.wire.connection import Connection
from gateway.wire.framing import Chunks, Length
from gateway.wire.guest import ANSWERED, Guest
from gateway.wire.head import CHUNKED, END, Head, examine, fields_of, find_end, usual_line
from gateway.wire.lane import Seen
from gateway.wire.phase import Phase
from gateway.wire.refusal import Refusal

_END: Final = len(END)


class Incoming(Connection):
    """The connection as the event loop knows it: what comes is a head, a body, held for later, or dropped.

    Whoever answers is given one request at a time, whose head was examined and whose end is known.
    """

    __slots__ = ()

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

    # ---- heads

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
        elif self._unwelcome is not None:
            self.refuse(self._unwelcome)
        else:
            self._hand_on(head, data, end)

    def _serve_known(self, data: bytes, end: int) -> bool:
        """Let a guest answer a request whose header lines came before; False where the whole head has to be read."""
        shared = self.shared
        at = data.find(b" HTTP/1.", 0, end)
        seen = self.lane.get(data[at:end])
        if seen is None or at > self._limits.line_bytes or self._unwelcome or shared.host is None:
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
        halted = out.paused or out.closed or shared.draining or self._unwelcome or self._ended
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

    # ---- bodies

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
        self.pause_behind(False)  # what comes now is another request, or that the caller goes
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
            self._behind = Behind(self, self.shared.behind(), self._real)
        self._behind.take(data)

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
            self.finish()
            return
        fault = BadRequest(text)
        if self._guest is not None:
            self._guest.broken(fault)
        if self._behind is not None:
            self._behind.break_body(fault)

    # ---- one after the other

    def _next(self, *, soon: bool = False) -> None:
        self._enter(Phase.IDLE)
        if self.shared.successor is None and not self._held:
            return
        if soon or self.shared.successor is not None:
            # A guest may answer before it is asked for more: each of many requests would lie on the one before.
            self._scheduled = True
            self.shared.loop.call_soon(self._take_held)
            return
        self._take_held()

    def _take_held(self) -> None:
        """Go on with what came behind the last request."""
        self._scheduled = False
        while self.shared.successor is not None and self._phase is Phase.IDLE:
            self.move_on()
        if self._phase is not Phase.IDLE or not self._held:
            return
        data = bytes(self._held)
        self._held.clear()
        if self._paused_held:
            self._paused_held = False
            self._resume()
        self._take_head(data)
