"""May this request become a WebSocket, in which encoding, and with which token (RFC 6455 section 4.2)?"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final

from msgspec import Struct

from gateway.core.cors import values
from gateway.core.credentials import credential
from gateway.core.faults import BadRequest, Unauthenticated
from gateway.core.reply import Fields

JSON: Final = "labgate.json"
MSGPACK: Final = "labgate.msgpack"
"""The subprotocols: in which encoding the gate speaks of itself. A call's answer is in the encoding of the call."""
_BEARER: Final = "labgate.bearer."
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION: Final = "13"
_KEY_BYTES: Final = 16
_base64url = re.compile(r"[A-Za-z0-9_-]{2,12000}").fullmatch


class OtherVersion(BadRequest):
    """Another version of the protocol is asked for (section 4.4)."""

    status = 426

    @property
    def name(self) -> str:
        """It is as wrong as any other request."""
        return "BadRequest"


class Handshake(Struct, frozen=True):
    """What is answered: the proof that the key was read, and the subprotocol, None where none is known here."""

    accept: bytes
    protocol: str | None

    @property
    def fields(self) -> Fields:
        """The fields of the answer, but for Connection."""
        said: Fields = ((b"Upgrade", b"websocket"), (b"Sec-WebSocket-Accept", self.accept))
        if self.protocol is None:
            return said
        return (*said, (b"Sec-WebSocket-Protocol", self.protocol.encode("ascii")))


def handshake(fields: Fields) -> Handshake:
    """What is answered to a request with these fields. Raises `BadRequest`."""
    if [one.strip().lower() for one in values(fields, b"upgrade")] != ["websocket"]:
        raise BadRequest("Ask for one protocol: `Upgrade: websocket`.")
    if [one.strip() for one in values(fields, b"sec-websocket-version")] != [_VERSION]:
        raise OtherVersion(
            "The gate speaks version 13 of the WebSocket protocol: `Sec-WebSocket-Version: 13`."
        )
    keys = [one.strip() for one in values(fields, b"sec-websocket-key")]
    if len(keys) != 1 or not _is_key(keys[0]):
        raise BadRequest("Sec-WebSocket-Key is 16 bytes in base64, once.")
    # Its only use is to show that a WebSocket was meant.
    proof = hashlib.sha1(keys[0].encode("ascii") + _GUID, usedforsecurity=False).digest()
    offered = _offered(fields)
    protocol = next((one for one in offered if one in (JSON, MSGPACK)), None)
    if protocol is None and offered:
        # A browser ends a connection whose answer chooses none of those that it offered.
        raise BadRequest(f"Offer the subprotocol {JSON} or {MSGPACK}, or none.")
    return Handshake(base64.b64encode(proof), protocol)


def with_token(fields: Fields) -> Fields:
    """The fields with the token that a subprotocol holds in a field of its own, as every other request has it.

    A page cannot set fields of a WebSocket's request: it offers `labgate.bearer.` with the token in base64url. Raises
    `Unauthenticated` where there are two tokens that differ, or where it is none.
    """
    shown = [one for one in _offered(fields) if one.startswith(_BEARER)]
    if not shown:
        return fields
    if len(set(shown)) > 1:
        raise Unauthenticated(f"Several subprotocols begin with {_BEARER}: send one token.")
    token = _decoded(shown[0].removeprefix(_BEARER))
    found = credential(((b"Labgate-Token", token),))
    already = credential(fields)
    if already is not None and already != found:
        raise Unauthenticated(
            "The request shows two different tokens, in its fields and in a subprotocol: send one."
        )
    return fields if already is not None else (*fields, (b"Labgate-Token", token))


def _decoded(text: str) -> bytes:
    if _base64url(text):
        try:
            return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except binascii.Error:
            pass
    raise Unauthenticated(f"After {_BEARER} stands the token in base64url, without `=` at its end.")


def _offered(fields: Fields) -> list[str]:
    return [
        one.strip()
        for value in values(fields, b"sec-websocket-protocol")
        for one in value.split(",")
        if one.strip()
    ]


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        return False
