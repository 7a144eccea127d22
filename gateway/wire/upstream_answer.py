"""What did an upstream answer, and where does its answer end?"""

from __future__ import annotations

import re
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.core.breaker import says_down
from gateway.core.heads import BODILESS_STATUSES, AnswerHead
from gateway.core.upstream import Answer, Receiver

MAX_HEAD: Final = 64 * 1024
"""Bytes of a status line with its fields, of the trailers, and of what may stand between two pieces of a body."""

MAX_FIELDS: Final = 200
MAX_INTERIM: Final = 16
"""How many 1xx answers may come before the final one."""

_START: Final = b"HTTP/1."
_MOST_SEEN: Final = 512
_LONGEST_SEEN: Final = 1 << 10

_USUAL = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9])(?: ([\t -~\x80-\xff]*))?\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n)+)"
).fullmatch
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,18})\r").search


class MalformedAnswerError(Exception):
    """What came is no HTTP/1.x answer to this request; the text quotes nothing of it."""


class AnswerTooLargeError(Exception):
    """The answer's body is larger than it may be."""


_seen: dict[bytes, tuple[AnswerHead, int]] = {}
"""Heads that were read before: those of small answers in the same second are often the same bytes."""


def _usual(written: bytes) -> tuple[AnswerHead, int] | None:
    """The head that is written so, and the length that it says; None where it is not of the most usual kind."""
    known = _seen.get(written)
    if known is not None:
        return known
    usual = _USUAL(written)
    if usual is None:
        return None
    code, reason, lines = usual.groups()
    if b" \r\n" in lines or b"\t\r\n" in lines or lines.count(b"\n") > MAX_FIELDS:
        return None
    head = AnswerHead(int(code), reason or b"", None, lines)
    length = _LENGTH(head.lower) if head.traits.is_framed else None
    if length is None:
        return None
    found = head, int(length[1])
    # What is meant for one caller (Set-Cookie among it) is not ready, and is not kept.
    if len(written) <= _LONGEST_SEEN and head.ready():
        if len(_seen) >= _MOST_SEEN:
            _seen.clear()
        _seen[written] = found
    return found


_SMALL: Final = 4 << 10
_FILLED: Final = 64 << 10
"""Bytes below which pieces of a body are put together, up to so many."""


class AnswerReader:
    """Reads the answers that come over one connection, one after the other.

    llhttp finds the parts and refuses what would let two readers see different message ends; the limits on
    sizes and numbers, which it lacks, are here. A body is gathered whole, or goes to a receiver as it comes.
    """

    begun: bool
    """Whether any byte of the answer has come."""
    complete: bool
    reusable: bool
    """Whether the connection can carry another request after this answer."""
    in_body: bool
    """Whether the whole head has come."""

    def __init__(self) -> None:
        self._spent = True
        self.begin(max_body=0, bodiless=False)

    def begin(
        self, *, max_body: int, bodiless: bool, receiver: Receiver | None = None, upgrades: bool = False
    ) -> None:
        """Expect the answer to a request; `bodiless` = that of a HEAD, which has no body whatever its fields say.

        `upgrades` = a 101 is an answer. With a `receiver` there is no limit to the body.
        """
        self.receiver = receiver
        self._upgrades = upgrades
        self._max_body = max_body
        self._bodiless = bodiless
        self._left = 0
        self.at_once: tuple[AnswerHead, bytes] | None = None
        """The answer that came in one piece: its receiver has not heard of it."""
        self.says_down: int | None = None
        """The status of an answer that comes in several pieces and says that the service is down, as far as its head tells."""
        self.switched = self.begun = self.complete = self.reusable = False
        self.in_body = self._framed = False
        if receiver is None:
            self._begin()

    def _begin(self) -> None:
        """Make ready for llhttp."""
        if self._spent:
            self._parser = HttpResponseParser(self)
            self._spent = False
        self._pieces: list[bytes | bytearray] = []
        self._gathered = 0
        self._start = b""
        self._silence = 0
        self._interim = 0
        self._failure: Exception | None = None
        self._begin_head()

    def _begin_head(self) -> None:
        self._status = 0
        self._reason = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._framed = False
        self._coded = False
        self.in_body = False
        self._length: int | None = None

    def feed(self, data: bytes) -> bool:
        """Take what came; whether the answer is complete.

        Raises MalformedAnswerError or AnswerTooLargeError; the connection is of no more use then. What comes
        behind a complete answer does not spoil it, but the connection: `reusable` is False.
        """
        if self._left:
            return self._take(data)
        if self.receiver is not None and not self.begun:
            if self._take_usual(data, self.receiver):
                return self.complete
            self._begin()
        if len(self._start) < len(_START):
            self._start += data[: len(_START) - len(self._start)]
            if not _START.startswith(self._start):
                raise MalformedAnswerError("it speaks no HTTP/1.1")
        self.begun = True
        self._silence += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            return self._switch(data[upgrade.args[0] :])
        except HttpParserError:
            if not self.complete:
                raise self._failure or MalformedAnswerError("its answer is no HTTP/1.1") from None
            self.reusable = False
        if self._status == 101 and not self.switched:
            raise MalformedAnswerError("it switches to no protocol that it names")
        if self.in_body and self.receiver is not None and self._length is not None and not self.complete:
            # The rest is counted: no parser has to look at it, and nobody copies it.
            self._left = self._length
            self._spent = True
        if not self.complete and self._silence > MAX_HEAD:
            # One field without end, or one chunk extension, is gathered by the parser without a word.
            raise MalformedAnswerError("the head of its answer is too long")
        return self.complete

    def _take_usual(self, data: bytes, receiver: Receiver) -> bool:
        """Read an answer of the most usual kind without llhttp; False, with nothing done, where there is any doubt.

        That is a whole head in HTTP/1.1 with one length, without transfer coding, and of a status that has a body.
        """
        end = data.find(b"\r\n\r\n", 0, MAX_HEAD) + 2
        usual = _usual(data[:end]) if end > 1 else None
        if usual is None:
            return False
        head, length = usual
        self.begun = self.in_body = self._framed = True
        self.reusable = head.stays()
        size = 0 if self._bodiless or head.status in BODILESS_STATUSES else length
        self.complete = not size
        rest = len(data) - end - 2
        if rest == size:
            self.complete = True
            self.at_once = head, data[end + 2 :]
            return True
        self._give_head(receiver, head)
        if size:
            self._left = size
            if rest:
                self._take(data[end + 2 :])
        elif rest:
            self.reusable = False
        return True

    def _give_head(self, receiver: Receiver, head: AnswerHead) -> None:
        """Pass the head on; what a body in JSON says beside a status that says so is not known."""
        if says_down(head.status, b""):
            kinds = [value.lower() for name, value in head.fields if name.lower() == b"content-type"]
            if not any(b"json" in kind for kind in kinds):
                self.says_down = head.status
        receiver.head(head)

    def _take(self, data: bytes) -> bool:
        """Pass on some of a body whose length is known."""
        if len(data) > self._left:
            data = data[: self._left]
            self.reusable = False
        self._left -= len(data)
        if self.receiver is not None:
            self.receiver.piece(data)
        self.complete = not self._left
        return self.complete

    def _switch(self, rest: bytes) -> bool:
        """The protocol is another one from here on; `rest` came with the head."""
        if not self._upgrades or self.receiver is None:
            raise MalformedAnswerError("it switches to another protocol without being asked") from None
        self.switched = True
        self.reusable = False
        self.receiver.head(AnswerHead(101, self._reason, tuple(self._fields), None))
        if rest:
            self.receiver.tunnel(rest)
        return False

    def end(self) -> bool:
        """The connection ended; whether the answer is complete, as one of no announced length is now."""
        self.reusable = False
        self.complete = self.complete or (self.in_body and not self._framed)
        return self.complete

    def answer(self) -> Answer:
        """The complete answer, once."""
        pieces, self._pieces = self._pieces, []
        body = bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)
        return Answer(self._status, self._reason.decode("latin-1"), tuple(self._fields), body)

    # what the parser calls

    def on_message_begin(self) -> None:
        """A message begins; a second one was not asked for."""
        if self.complete:
            self._fail(MalformedAnswerError("it sends more than one answer"))

    def on_status(self, reason: bytes) -> None:
        """The reason phrase, perhaps in pieces."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole field, or a trailer."""
        if self.in_body:
            return  # Trailers end here; their size is bounded by `_silence`.
        self._head_size += len(name) + len(value) + 4
        self._fields.append((name, value.rstrip(b" \t")))
        if self._head_size > MAX_HEAD or len(self._fields) > MAX_FIELDS:
            self._fail(MalformedAnswerError("the head of its answer is too long"))
        if len(name) == 14 and name.lower() == b"content-length":
            self._framed = True
            # llhttp has seen to it that there is one such field, and that it is a number.
            self._length = int(value)
            if not self._bodiless and self._length > self._max_body and self.receiver is None:
                self._fail(AnswerTooLargeError())
        elif len(name) == 17 and name.lower() == b"transfer-encoding":
            # With a tab behind it, llhttp takes it for another coding.
            if self._coded or value.strip(b" ").lower() != b"chunked":
                self._fail(MalformedAnswerError("its answer has a transfer coding that was not asked for"))
            self._framed = self._coded = True

    def on_headers_complete(self) -> None:
        """The head is whole; a body may follow."""
        self._status = self._parser.get_status_code()
        if self._status < 200:
            return
        self._silence = 0
        self.in_body = True
        # RFC 9112 section 6.1: a transfer coding in HTTP/1.0 leaves the framing in doubt.
        self.reusable = self._parser.should_keep_alive() and not (
            self._coded and self._parser.get_http_version() == "1.0"
        )
        if self._bodiless:
            # The parser waits for the body that was announced, and cannot be told that none comes.
            self.complete = self._spent = True
        if self.receiver is not None:
            self._give_head(self.receiver, AnswerHead(self._status, self._reason, tuple(self._fields), None))

    def on_body(self, piece: bytes) -> None:
        """Some of the body."""
        if self.complete:
            self._fail(MalformedAnswerError("it sends more than its answer"))
        self._silence = 0
        if self.receiver is not None:
            if self._length is not None:
                self._length -= len(piece)
            self.receiver.piece(piece)
            return
        pieces = self._pieces
        self._gathered += len(piece)
        if len(piece) >= _SMALL or not pieces:
            pieces.append(piece)
        elif isinstance(last := pieces[-1], bytearray) and len(last) < _FILLED:
            last += piece  # many small ones would take many times their length
        else:
            pieces.append(bytearray(piece))
        if self._gathered > self._max_body:
            self._fail(AnswerTooLargeError())

    def on_message_complete(self) -> None:
        """The message is whole; an interim one is forgotten."""
        if self._status >= 200:
            self.complete = True
            return
        if self._status == 101:
            if not self._upgrades:
                self._fail(MalformedAnswerError("it switches to another protocol without being asked"))
            return
        self._interim += 1
        if self.receiver is not None:
            self.receiver.interim(self._status)
        if self._interim > MAX_INTERIM:
            self._fail(MalformedAnswerError("it sends interim answers without end"))
        self._begin_head()

    def _fail(self, failure: Exception) -> None:
        # The parser passes on no exception, only that there was one.
        self._failure = failure
        raise failure
