"""Which messages do the bytes of a WebSocket hold, and how is one sent (RFC 6455)? The client's side, without a socket."""

from __future__ import annotations

import base64
import hashlib
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from labgate._wire import Head

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NORMAL, PROTOCOL_ERROR, TOO_BIG = 1000, 1002, 1009

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SHORT = 125
_MOST = 64 * 1024 * 1024


class BrokenFrames(Exception):
    """The other end does not keep to the protocol; `code` is what it is told."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def new_key() -> bytes:
    """What the handshake's answer has to prove that it has read."""
    return base64.b64encode(os.urandom(16))


def question(key: bytes, protocol: str) -> bytes:
    """The fields of a request that wants to become a WebSocket of this subprotocol."""
    return (
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: %b\r\nSec-WebSocket-Protocol: %b\r\n\r\n" % (key, protocol.encode("ascii"))
    )


def is_accepted(head: Head, key: bytes, protocol: str) -> bool:
    """Whether a 101 is the answer to that (section 4.1)."""
    fields = head.fields
    proof = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    return (
        fields.get(b"upgrade", b"").lower() == b"websocket"
        and b"upgrade" in [one.strip() for one in fields.get(b"connection", b"").lower().split(b",")]
        and fields.get(b"sec-websocket-accept") == proof
        and fields.get(b"sec-websocket-protocol") == protocol.encode("ascii")
        and b"sec-websocket-extensions" not in fields
    )


def frame(opcode: int, data: bytes) -> bytes:
    """A whole frame as a client sends it: masked, with chance that nobody can foresee (section 5.3)."""
    size = len(data)
    if size <= _SHORT:
        head = struct.pack(">BB", 0x80 | opcode, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack(">BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack(">BBQ", 0x80 | opcode, 0x80 | 127, size)
    mask = os.urandom(4)
    return head + mask + _masked(data, mask)


def _masked(data: bytes, mask: bytes) -> bytes:
    size = len(data)
    masks = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(masks, "little")).to_bytes(size, "little")


class Frames:
    """Takes a server's bytes as they come, and gives what is whole: pairs of opcode and data."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._begun: int | None = None
        self._parts = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """TEXT, BINARY, CLOSE, PING and PONG with their data, in their order.

        Raises:
            BrokenFrames: it is no WebSocket.
        """
        self._held += data
        while (found := self._next()) is not None:
            opcode, payload, last = found
            if opcode >= CLOSE:
                yield opcode, payload
                continue
            if (opcode == CONTINUATION) is (self._begun is None):
                raise BrokenFrames(PROTOCOL_ERROR, "a message begins or goes on where none may")
            if opcode != CONTINUATION:
                self._begun = opcode
            self._parts += payload
            if len(self._parts) > _MOST:
                raise BrokenFrames(TOO_BIG, "a message is too large")
            if last:
                kind, whole = self._begun, bytes(self._parts)
                self._begun = None
                self._parts = bytearray()
                yield kind or TEXT, whole

    def _next(self) -> tuple[int, bytes, bool] | None:
        held = self._held
        if len(held) < 2:
            return None
        opcode, last, size = held[0] & 0x0F, bool(held[0] & 0x80), held[1]
        if held[0] & 0x70 or opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG) or size & 0x80:
            raise BrokenFrames(PROTOCOL_ERROR, "a frame is none of a server's")
        if opcode >= CLOSE and (not last or size > _SHORT):
            raise BrokenFrames(PROTOCOL_ERROR, "a control frame is too long, or not whole")
        at = 2
        if size == 126:
            at, form = 4, ">H"
        elif size == 127:
            at, form = 10, ">Q"
        if len(held) < at:
            return None
        if at > 2:
            (size,) = struct.unpack_from(form, held, 2)
        if size > _MOST:
            raise BrokenFrames(TOO_BIG, "a message is too large")
        if len(held) < at + size:
            return None
        payload = bytes(held[at : at + size])
        del held[: at + size]
        return opcode, payload, last
