"""How does the caller of a request get its answer: a head, what follows it, and an end?"""

from __future__ import annotations

from typing import Final

from gateway.core.heads import BODILESS_STATUSES
from gateway.wire.connection import Connection

LARGE: Final = 64 << 10
"""Bytes from which on it costs more to join two pieces than to write them one after the other."""


class PassageAnswer:
    """A request's answer on its way to the caller, wherever it comes from.

    A subclass says what is done at the end: `ending`, `closed`.
    """

    sent = 0
    """Bytes of the answer's body so far."""
    complete = False
    """Whether the request is whole."""
    begun = False
    """Whether the answer's head is on its way to the caller."""
    left = False
    """Whether the caller has gone."""
    over = False
    _stay = False
    _chunked = False
    _bodiless = False
    _tunnelled = False

    def __init__(self, caller: Connection) -> None:
        self.caller = caller
        self.loop = caller.shared.loop
        self._out: list[bytes] = []

    # --- what a subclass says

    def closed(self) -> None:
        """It is over: called once, whatever happened."""

    def ending(self) -> None:
        """The last of the answer is about to be written."""

    # --- head and body

    def write_head(self, written: bytes, status: int, *, framed: bool) -> None:
        """Write the answer's head with the lines that are the connection's to say; `framed` = its length is in it."""
        head = self.caller.head
        self.begun = True
        self._stay = head.keep_alive and self.complete and self.caller.may_stay()
        self._bodiless = head.bodiless or status in BODILESS_STATUSES
        if not framed and not self._bodiless:
            if head.minor:
                self._chunked = True
                written += b"Transfer-Encoding: chunked\r\n"
            else:
                self._stay = False
        if not self._stay:
            written += b"Connection: close\r\n"
        elif not head.minor:
            written += b"Connection: keep-alive\r\n"
        self._out.append(written + b"\r\n")

    def _switch(self, written: bytes) -> None:
        self.begun = self._tunnelled = True
        self._out.append(written + b"\r\n")
        self._flush()
        self.caller.tunnel()

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self.left or self.caller.over:
            return
        write = self.caller.out.write
        if len(out) == 1:
            write(out[0])
        elif sum(map(len, out)) < LARGE:
            write(b"".join(out))
        else:
            for data in out:
                if self.caller.over:  # the one before may have shown that nobody is there
                    return
                write(data)

    def write_whole(self, head: bytes, body: bytes, status: int) -> None:
        """Write an answer that is in memory; `head` is without framing, Connection and the empty line."""
        if self.left or self.over:
            self.close()
            return
        bodiless = self.caller.head.bodiless or status in BODILESS_STATUSES
        if status not in BODILESS_STATUSES:
            head += b"Content-Length: %d\r\n" % len(body)
        self.write_head(head, status, framed=True)
        if not bodiless:
            self.sent += len(body)
            self._out.append(body)
        self.finish(stay=self._stay)

    # --- the end

    def finish(self, *, stay: bool) -> None:
        """The answer is written to its end."""
        if not self.over:
            self.ending()
        self._flush()
        self.close()
        if not self.left and not self.caller.out.closed:
            self.caller.answered(stay)

    def cut(self) -> None:
        """The answer breaks off: no caller may take what came of it for the whole."""
        self.close()
        if not self.left:
            self.caller.abort()

    def close(self) -> None:
        """It is over."""
        if not self.over:
            self.over = True
            self._leave_off()
            self._out.clear()
            self.closed()

    def _leave_off(self) -> None:
        """End what is still under way."""
