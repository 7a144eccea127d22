"""What does a message to the MCP endpoint ask, in which revision, and may it be answered?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from msgspec import Struct

from gateway.core.envelope import Request
from gateway.core.faults import InvalidParams, InvalidRequest
from gateway.core.mcp.words import (
    CAPABILITIES_KEY,
    HEADER_MISMATCH,
    LEGACY,
    MIRRORED,
    MODERN,
    UNSUPPORTED_VERSION,
    VERSION_KEY,
    VERSIONS,
    from_field,
)
from gateway.core.naming import shown
from gateway.core.scanner import MalformedJson, decoded, members, opener

LONGEST_ID: Final = 256
"""Bytes of a request's id: it is repeated in the answer, and in what clients keep."""


class Objection(Exception):  # noqa: N818 - what it says is sent, and is no failure of the gate's
    """Why a message is not answered with a result: a JSON-RPC error, and the HTTP status that goes with it."""

    def __init__(
        self, code: int, message: str, status: int = 200, data: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.data = data

    def as_error(self) -> bytes:
        """The JSON-RPC error object."""
        said: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            said["data"] = self.data
        try:
            return orjson.dumps(said)
        except TypeError:  # a lone surrogate that the caller sent
            return json.dumps(said).encode()


class Mirrors(Struct, frozen=True):
    """The values of the header fields that repeat what the body says, each as often as it was sent."""

    version: Sequence[str] = ()
    method: Sequence[str] = ()
    name: Sequence[str] = ()


class Message(Struct, frozen=True):
    """A request: `params` are its members as the caller wrote them. `modern` = it is of the revision 2026-07-28."""

    method: str
    id: bytes
    params: Mapping[str, bytes]
    modern: bool

    def text(self, name: str) -> str:
        """The param of this name, which must be a text. Raises Objection."""
        raw = self.params.get(name)
        if raw is None or opener(raw) != b'"':
            raise Objection(InvalidParams.code, f"`params.{name}` must be a string.")
        return decoded(raw)


def message_of(request: Request, mirrors: Mirrors) -> Message | None:
    """The message that a request is; None for a notification. Raises Objection.

    A dual-era server goes by how it is asked: what carries a version in `_meta`, or names the modern one in the header
    field, is of the modern revision, and anything else of a legacy one (2026-07-28, versioning, backward compatibility).
    """
    if request.id is None:
        _check_header(mirrors)
        return None
    if request.id == b"null" or len(request.id) > LONGEST_ID:
        what = "null" if request.id == b"null" else f"longer than {LONGEST_ID} bytes"
        raise Objection(InvalidRequest.code, f"The id of a request must not be {what}.", 400)
    params = _members(request.params, "params")
    meta = _members(params.get("_meta"), "params._meta") if "_meta" in params else {}
    modern = VERSION_KEY in meta or (MODERN in mirrors.version and request.method != "initialize")
    message = Message(request.method, request.id, params, modern)
    if modern:
        _check_modern(message, meta, mirrors)
    elif request.method != "initialize":
        _check_header(mirrors)
    return message


def _members(raw: bytes | None, where: str) -> dict[str, bytes]:
    """The members of an object, each as it was written. Raises Objection."""
    if raw is None:
        return {}
    if opener(raw) != b"{":
        raise Objection(InvalidParams.code, f"`{where}` must be an object.", 400)
    found: dict[str, bytes] = {}
    try:
        for token, start, end in members(raw):
            name = decoded(token)
            if name in found:
                raise Objection(InvalidParams.code, f"`{where}` has the member {shown(name)} twice.", 400)
            found[name] = raw[start:end].strip()
    except MalformedJson as problem:
        raise Objection(InvalidParams.code, f"`{where}` cannot be read: {problem}.", 400) from problem
    return found


def _check_modern(message: Message, meta: Mapping[str, bytes], mirrors: Mirrors) -> None:
    missing = [key for key in (VERSION_KEY, CAPABILITIES_KEY) if key not in meta]
    if missing:
        text = f"`params._meta` lacks {' and '.join(missing)}, which every request says."
        raise Objection(InvalidParams.code, text, 400)
    if opener(meta[VERSION_KEY]) != b'"' or opener(meta[CAPABILITIES_KEY]) != b"{":
        text = f"In `params._meta`, {VERSION_KEY} must be a string and {CAPABILITIES_KEY} an object."
        raise Objection(InvalidParams.code, text, 400)
    version = decoded(meta[VERSION_KEY])
    _check_mirror("MCP-Protocol-Version", mirrors.version, version)
    _check_mirror("Mcp-Method", mirrors.method, message.method)
    name = MIRRORED.get(message.method)
    if name is not None and name in message.params:
        said = [from_field(one) for one in mirrors.name]
        _check_mirror("Mcp-Name", said, message.text(name))
    if version != MODERN:
        raise _unsupported(version)


def _check_mirror(field: str, said: Sequence[str | None], meant: str) -> None:
    if len(said) == 1 and said[0] == meant:
        return
    what = "is missing" if not said else "was sent twice" if len(said) > 1 else "says something else"
    raise Objection(HEADER_MISMATCH, f"The header field {field} {what}: the body says {shown(meant)}.", 400)


def _check_header(mirrors: Mirrors) -> None:
    """Raises Objection for a version that nobody has agreed on. None at all is what older clients send."""
    for version in mirrors.version:
        if version not in VERSIONS:
            raise _unsupported(version)


def _unsupported(version: str) -> Objection:
    data = {"supported": list(VERSIONS), "requested": shown(version)}
    return Objection(UNSUPPORTED_VERSION, "Unsupported protocol version", 400, data)


def agreed(offered: str) -> str:
    """The legacy revision that an `initialize` is answered with: the client's, or else our newest."""
    return offered if offered in LEGACY else LEGACY[0]
