"""Which messages do the bytes of a WebSocket hold, and how is one written (RFC 6455 section 5)? The server's side."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
"""Opcodes (section 5.2)."""

NORMAL, GOING_AWAY, PROTOCOL_ERROR, NO_STATUS = 1000, 1001, 1002, 1005
NO_TEXT, POLICY, TOO_BIG, MISTAKE = 1007, 1008, 1009, 1011
"""Close codes (section 7.4.1); NO_STATUS is never sent."""

_SHORT: Final = 125
_TWO_BYTES, _EIGHT_BYTES = 126, 127
_SENDABLE: Final = frozenset((*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)))
_REASON_BYTES: Final = 123


class Message(Struct, frozen=True, gc=False):
    """A whole message; `text` = it came as text, and is UTF-8."""

    data: bytes
    text: bool


class Ping(Struct, frozen=True, gc=False):
    """The other end asks whether we are there; the answer holds the same data."""

    data: bytes


class Pong(Struct, frozen=True, gc=False):
    """The other end is there."""


class Closing(Struct, frozen=True, gc=False):
    """The other end sends nothing more; `code` is NO_STATUS where it says none."""

    code: int


Event = Message | Ping | Pong | Closing


class Broken(Exception):  # noqa: N818 - it is a state of the connection
    """The bytes break the protocol, or a limit: the connection is failed with this close code (section 7.1.7)."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class FrameReader:
    """Takes a client's bytes as they come, and gives what is whole. Nothing is negotiated: a reserved bit is an error."""

    __slots__ = ("_begun", "_held", "_most", "_opcode", "_over")

    def __init__(self, most: int) -> None:
        """`most` is how many bytes one message may have."""
        self._most = most
        self._held = bytearray()
        self._opcode = CONTINUATION  # of the message that has begun; CONTINUATION = none has
        self._begun = bytearray()  # what came of it
        self._over = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """What is whole now, in its order; nothing after a close. Raises `Broken`, once and for all."""
        self._held += data
        while not self._over:
            try:
                event = self._next()
            except Broken:
                self._end()
                raise
            if event is None:
                return
            if isinstance(event, Closing):
                self._end()
            if not isinstance(event, _Part):
                yield event

    def _end(self) -> None:
        self._over = True
        self._held.clear()
        self._begun.clear()

    def _next(self) -> Event | _Part | None:
        held = self._held
        if len(held) < 2:
            return None
        first, second = held[0], held[1]
        opcode, last = first & 0x0F, bool(first & 0x80)
        self._check(first, second)
        found = self._length(second & 0x7F)
        if found is None:
            return None
        at, length = found
        if opcode < CLOSE and len(self._begun) + length > self._most:
            raise Broken(TOO_BIG, f"a message has more than {self._most} bytes")
        end = at + 4 + length
        if len(held) < end:
            return None
        payload = unmasked(bytes(held[at + 4 : end]), bytes(held[at : at + 4]))
        del held[:end]
        return self._control(opcode, payload) if opcode >= CLOSE else self._part(opcode, payload, last)

    def _check(self, first: int, second: int) -> None:
        """What can be said of a frame by its first two bytes."""
        opcode = first & 0x0F
        if first & 0x70:
            raise Broken(PROTOCOL_ERROR, "a reserved bit is set, and no extension was agreed on")
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise Broken(PROTOCOL_ERROR, f"there is no opcode {opcode}")
        if not second & 0x80:
            raise Broken(PROTOCOL_ERROR, "a frame of a client's is not masked")
        if opcode >= CLOSE and (not first & 0x80 or second & 0x7F > _SHORT):
            raise Broken(PROTOCOL_ERROR, "a control frame comes in parts, or has more than 125 bytes")
        if opcode == CONTINUATION and not self._opcode:
            raise Broken(PROTOCOL_ERROR, "a message goes on that has not begun")
        if opcode in (TEXT, BINARY) and self._opcode:
            raise Broken(PROTOCOL_ERROR, "a message begins before the last one has ended")

    def _length(self, said: int) -> tuple[int, int] | None:
        """Where the mask begins, and how long the payload is; None where that is not here yet."""
        held = self._held
        if said < _TWO_BYTES:
            return 2, said
        if said == _TWO_BYTES:
            if len(held) < 4:
                return None
            (length,) = struct.unpack_from(">H", held, 2)
            least, at = _TWO_BYTES, 4
        else:
            if len(held) < 10:
                return None
            (length,) = struct.unpack_from(">Q", held, 2)
            least, at = 1 << 16, 10
        if length < least or length >> 63:
            raise Broken(PROTOCOL_ERROR, "a length is not written in the fewest bytes that hold it")
        return at, length

    def _part(self, opcode: int, payload: bytes, last: bool) -> Message | _Part:
        if opcode:
            self._opcode = opcode
        if not last:
            self._begun += payload
            return _PART
        whole = bytes(self._begun + payload) if self._begun else payload
        text = self._opcode == TEXT
        self._opcode = CONTINUATION
        self._begun.clear()
        if text and not is_utf8(whole):
            raise Broken(NO_TEXT, "a text message is not UTF-8")
        return Message(whole, text)

    @staticmethod
    def _control(opcode: int, payload: bytes) -> Ping | Pong | Closing:
        if opcode == PING:
            return Ping(payload)
        if opcode == PONG:
            return Pong()
        if not payload:
            return Closing(NO_STATUS)
        code = int.from_bytes(payload[:2], "big")
        if len(payload) < 2 or code not in _SENDABLE:
            raise Broken(PROTOCOL_ERROR, "a close frame has no code that may be sent")
        if not is_utf8(payload[2:]):
            raise Broken(NO_TEXT, "the reason of a close frame is not UTF-8")
        return Closing(code)


class _Part(Struct, frozen=True, gc=False):
    """A frame that is no whole message."""


_PART: Final = _Part()
_utf8 = codecs.utf_8_decode


def unmasked(payload: bytes, mask: bytes) -> bytes:
    """The payload of a masked frame (section 5.3); the same masks."""
    size = len(payload)
    if not size:
        return payload
    # One number for all: an exclusive or of two long numbers is a loop in C.
    masks = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(masks, "little")).to_bytes(size, "little")


def is_utf8(data: bytes) -> bool:
    """Whether the bytes are a text that may be sent as one."""
    if data.isascii():
        return True
    try:
        _utf8(data, "strict", True)
    except UnicodeDecodeError:
        return False
    return True


def head_of(opcode: int, length: int) -> bytes:
    """What stands before a whole, unmasked payload of so many bytes."""
    if length <= _SHORT:
        return bytes((0x80 | opcode, length))
    if length < 1 << 16:
        return struct.pack(">BBH", 0x80 | opcode, _TWO_BYTES, length)
    return struct.pack(">BBQ", 0x80 | opcode, _EIGHT_BYTES, length)


def closing(code: int, reason: str = "") -> bytes:
    """A close frame; the reason is cut to what fits in it. NO_STATUS says nothing."""
    if code == NO_STATUS:
        return head_of(CLOSE, 0)
    said = reason.encode("utf-8", "replace")[:_REASON_BYTES].decode("utf-8", "ignore").encode("utf-8")
    return head_of(CLOSE, 2 + len(said)) + struct.pack(">H", code) + said
