"""What does a JSON-RPC 2.0 message in msgpack say, and how is an answer written in it?

The shapes are those of `envelope`. Params become JSON here, because that is what services are sent and keys
are made of; an id stays the caller's bytes, so that it is echoed as it came.
"""

import math
import re
from collections.abc import Iterable
from typing import Any

import msgpack

from gateway.core.envelope import MAX_BATCH, MAX_DEPTH, Batch, Entry, Invalid, Refused, Request, Single
from gateway.core.faults import InvalidRequest, ParseFault, Unrepresentable
from gateway.core.transcode import BIG_INTEGER, NotSayable, TooDeep, msgpack_to_json

NULL = b"\xc0"
"""The id of answers to what has none."""

_MAPS = frozenset([*range(0x80, 0x90), 0xDE, 0xDF])
_ARRAYS = frozenset([*range(0x90, 0xA0), 0xDC, 0xDD])
_TEXTS = frozenset([*range(0xA0, 0xC0), 0xD9, 0xDA, 0xDB])
_ID_STARTS = frozenset([*range(0x80), *range(0xE0, 0x100), *range(0xCA, 0xD4), *_TEXTS, NULL[0]])
_EXTENSIONS = frozenset([0xC7, 0xC8, 0xC9, *range(0xD4, 0xD9)])
_DECIMAL = re.compile(rb"-?(?:0|[1-9][0-9]*)")
_NO_OBJECT = Invalid(InvalidRequest.code, "a request must be a map", NULL)
_MEMBERS = ("jsonrpc", "method", "params", "id")


# --- requests --------------------------------------------------------------------------------------------


def read(body: bytes, *, max_batch: int = MAX_BATCH, max_depth: int = MAX_DEPTH) -> Single | Batch | Refused:
    """The entries of a request body in msgpack: `params` as JSON (arrays as `$ndarray`), `id` in msgpack.

    Params that cannot be said in JSON make an Invalid entry with the code of that fault. Never raises.
    """
    if not body:
        return Refused(ParseFault.code, "the body is empty")
    unpacker = msgpack.Unpacker(max_buffer_size=0)
    unpacker.feed(body)
    try:
        found: Single | Batch | Refused
        if body[0] in _ARRAYS:
            length = unpacker.read_array_header()
            if length == 0:
                return Refused(InvalidRequest.code, "the batch is empty: send at least one request")
            if length > max_batch:
                advice = f"send at most {max_batch} requests at once"
                return Refused(InvalidRequest.code, f"the batch is too long: {advice}")
            entries = tuple(_entry(unpacker, body, max_depth - 2) for _ in range(length))
            found = Batch(entries, "msgpack")
        else:
            found = Single(_entry(unpacker, body, max_depth - 1), "msgpack")
    except TooDeep as error:
        return Refused(ParseFault.code, f"the body could not be read: {error}")
    except (ValueError, msgpack.UnpackException):
        return Refused(ParseFault.code, "the body could not be read as msgpack")
    if unpacker.tell() != len(body):
        return Refused(ParseFault.code, "the body could not be read: something follows the message")
    return found


def _entry(unpacker: Any, body: bytes, room: int) -> Entry:
    if _next_byte(unpacker, body) not in _MAPS:
        unpacker.skip()
        return _NO_OBJECT
    found, twice = _members(unpacker, body)
    token = found.get("id")
    objection = _objection(found, twice)
    known = NULL if token is None or "id" in twice or not _is_id(token) else token
    if objection:
        return Invalid(InvalidRequest.code, objection, known)
    params: bytes | None = found.get("params", NULL)
    try:
        params = None if params == NULL else msgpack_to_json(params or b"", max_depth=room)
    except TooDeep:
        raise
    except NotSayable as error:
        return Invalid(Unrepresentable.code, f"the params cannot be passed on: {error}", known)
    if params is not None and params[:1] not in (b"[", b"{"):
        return Invalid(InvalidRequest.code, "the member 'params' must be an array or a map", known)
    return Request(str(_unpacked(found["method"])), params, token)


def _members(unpacker: Any, body: bytes) -> tuple[dict[str, bytes], set[str]]:
    """The envelope's members of the map that comes next, and which of them it has more than once."""
    found: dict[str, bytes] = {}
    twice: set[str] = set()
    for _ in range(unpacker.read_map_header()):
        # Only texts are built: what else a map may have as a key is never looked at.
        name = unpacker.unpack() if _next_byte(unpacker, body) in _TEXTS else unpacker.skip()
        start = unpacker.tell()
        unpacker.skip()
        if name in _MEMBERS:
            if name in found:
                twice.add(name)
            found[name] = body[start : unpacker.tell()]
    return found, twice


def _next_byte(unpacker: Any, body: bytes) -> int:
    at: int = unpacker.tell()
    if at >= len(body):
        raise msgpack.OutOfData
    return body[at]


def _objection(found: dict[str, bytes], twice: set[str]) -> str | None:
    """Why these members make no request; None when they do."""
    if twice:
        return f"the member {min(twice)!r} is given twice"
    if "id" in found and not _is_id(found["id"]):
        return "the member 'id' must be a string, a number or nil"
    if _text(found.get("jsonrpc")) != "2.0":
        return "the member 'jsonrpc' must be \"2.0\""
    if _text(found.get("method")) is None:
        return "the member 'method' must be a string"
    params = found.get("params", NULL)
    if params != NULL and params[0] not in _MAPS and params[0] not in _ARRAYS:
        return "the member 'params' must be an array or a map"
    return None


def _is_id(token: bytes) -> bool:
    """Whether this is a text, a finite number or nil."""
    if token[0] in _ID_STARTS:
        value = _unpacked(token)
        return not isinstance(value, float) or math.isfinite(value)
    return token[0] in _EXTENSIONS and _big_integer(token) is not None


def _big_integer(token: bytes) -> bytes | None:
    """The decimal text of an integer beyond 64 bit; None for other ext types."""
    value = _unpacked(token)
    if not isinstance(value, msgpack.ExtType) or value.code != BIG_INTEGER:
        return None
    return value.data if _DECIMAL.fullmatch(value.data) else None


def _text(token: bytes | None) -> str | None:
    return str(_unpacked(token)) if token is not None and token[0] in _TEXTS else None


def _unpacked(token: bytes) -> object:
    value: object = msgpack.unpackb(token)
    return value


# --- answers ---------------------------------------------------------------------------------------------

_VERSION = b"\x83\xa7jsonrpc\xa32.0"
_ID = b"\xa2id"


def splice_result(token: bytes, body: bytes) -> bytes:
    """The answer to the request with the id `token`, whose result is `body`, both in msgpack."""
    return b"".join((_VERSION, b"\xa6result", body, _ID, token))


def splice_error(token: bytes, error: bytes) -> bytes:
    """The answer to the request with the id `token`, whose error is the map `error`, both in msgpack."""
    return b"".join((_VERSION, b"\xa5error", error, _ID, token))


def splice_batch(answers: Iterable[bytes]) -> bytes:
    """The array of the `answers`."""
    answers = list(answers)
    header: bytes = msgpack.Packer().pack_array_header(len(answers))
    return header + b"".join(answers)
