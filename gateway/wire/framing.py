"""Where does a request's body end (RFC 9112 sections 6 and 7)?"""

from __future__ import annotations

import re
from typing import Final, Literal

from gateway.core.faults import BadRequest

_LINE_BYTES: Final = 4096
_TRAILERS: Final = 64
# What aiohttp takes once only, and the fields that say where messages end: they have no business after a body.
_NO_TRAILERS: Final = frozenset(
    {
        b"connection",
        b"content-length",
        b"content-location",
        b"content-range",
        b"content-type",
        b"etag",
        b"host",
        b"max-forwards",
        b"server",
        b"transfer-encoding",
        b"user-agent",
    }
)

_State = Literal["size", "data", "seal", "trailer"]

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_EXTENSIONS = rb'(?:;%b(?:=(?:%b|"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"))?)*' % (_TOKEN, _TOKEN)

_WHOLE: Final[dict[_State, re.Pattern[bytes]]] = {
    "size": re.compile(rb"([0-9A-Fa-f]{1,15})%b" % _EXTENSIONS),
    "seal": re.compile(rb""),
    "trailer": re.compile(rb"(?:(%b):[\t -~\x80-\xff]*)?" % _TOKEN),
}
# What an unfinished line may look like: anything else is refused at once and not waited for.
_PART: Final[dict[_State, re.Pattern[bytes]]] = {
    "size": re.compile(rb"(?:[0-9A-Fa-f]{1,15}(?:;[\t -~\x80-\xff]*)?\r?)?"),
    "seal": re.compile(rb"\r?"),
    "trailer": re.compile(rb"(?:%b(?::[\t -~\x80-\xff]*\r?)?|\r)?" % _TOKEN),
}
_BROKEN: Final[dict[_State, str]] = {
    "size": "A chunk of the body does not begin with its size.",
    "seal": "A chunk of the body is longer than its size says.",
    "trailer": "What follows the chunks of the body is no trailer field.",
}


class Length:
    """The rest of a body of known length."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    @property
    def done(self) -> bool:
        """Whether the whole body has been taken."""
        return self.left == 0

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Split what has come into the body's bytes and what comes after it."""
        if len(data) <= self.left:
            self.left -= len(data)
            return data, b""
        mine, rest = data[: self.left], data[self.left :]
        self.left = 0
        return mine, rest


class Chunks:
    """A body in chunks, which is rewritten in the plainest form: no extensions, no trailers.

    So the parser behind cannot read it in another way than this one, whatever a caller sends. `bare` = the body's
    own bytes are wanted, without any frame.
    """

    __slots__ = ("_bare", "_held", "_left", "_state", "_trailers", "done")

    def __init__(self, *, bare: bool = False) -> None:
        self.done = False
        self._bare = bare
        self._state: _State = "size"
        self._left = 0
        self._held = b""
        self._trailers = 0

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Split what has come into the body's bytes, rewritten, and what comes after it. Raises BadRequest."""
        data = self._held + data
        self._held = b""
        pieces: list[bytes] = []
        at = 0
        while not self.done and at < len(data):
            if self._state == "data":
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = "seal"
                continue
            end = data.find(b"\r\n", at, at + _LINE_BYTES)
            if end < 0:
                self._held = self._part_of_a_line(data[at:])
                break
            pieces.append(self._line(data[at:end]))
            at = end + 2
        return b"".join(pieces), data[at:] if self.done else b""

    def _part_of_a_line(self, part: bytes) -> bytes:
        if len(part) >= _LINE_BYTES:
            raise BadRequest("A line between the chunks of the body is too long.")
        if not _PART[self._state].fullmatch(part):
            raise BadRequest(_BROKEN[self._state])
        return part

    def _line(self, line: bytes) -> bytes:
        """Take one line without its CRLF; returns what is passed on for it."""
        match = _WHOLE[self._state].fullmatch(line)
        if match is None:
            raise BadRequest(_BROKEN[self._state])
        if self._state == "seal":
            self._state = "size"
            return b"" if self._bare else b"\r\n"
        if self._state == "size":
            self._left = int(match[1], 16)
            self._state = "data" if self._left else "trailer"
            return b"%x\r\n" % self._left if self._left and not self._bare else b""
        if not line:
            self.done = True
            return b"" if self._bare else b"0\r\n\r\n"
        self._trailers += 1
        if self._trailers > _TRAILERS or match[1].lower() in _NO_TRAILERS:
            raise BadRequest("The body ends with a field that no trailer may be, or with too many of them.")
        return b""
