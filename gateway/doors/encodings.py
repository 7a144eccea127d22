"""In which encoding does a JSON-RPC message come, and in which does its answer go?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

import msgpack
from msgspec import Struct

from gateway.core import arrays, envelope, msgpack_envelope
from gateway.core.arrays import Array
from gateway.core.envelope import Batch, Refused, Single
from gateway.core.faults import UnsupportedMediaType
from gateway.core.preference import weight_of
from gateway.core.transcode import json_to_msgpack, msgpack_to_json


class Encoding(Struct, frozen=True):
    """One way to write JSON-RPC messages.

    Results and errors come to it as JSON: `value` says them in this encoding, and raises `NotSayable` where it cannot. `json_id` says one of its ids in JSON.
    `array` and `binary` say a result that never was in JSON.
    """

    content_type: bytes
    read: Callable[..., Single | Batch | Refused]
    result: Callable[[bytes, bytes], bytes]
    error: Callable[[bytes, bytes], bytes]
    batch: Callable[[Iterable[bytes]], bytes]
    value: Callable[[bytes], bytes]
    json_id: Callable[[bytes], bytes]
    null: bytes
    array: Callable[[Array], bytes]
    binary: Callable[[bytes], bytes]


def _same(raw: bytes) -> bytes:
    return raw


def _packed(value: object) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


JSON = Encoding(
    content_type=b"application/json",
    read=envelope.read,
    result=envelope.splice_result,
    error=envelope.splice_error,
    batch=envelope.splice_batch,
    value=_same,
    json_id=_same,
    null=b"null",
    array=arrays.as_json,
    binary=arrays.binary_as_json,
)
MSGPACK = Encoding(
    content_type=b"application/msgpack",
    read=msgpack_envelope.read,
    result=msgpack_envelope.splice_result,
    error=msgpack_envelope.splice_error,
    batch=msgpack_envelope.splice_batch,
    value=json_to_msgpack,
    json_id=msgpack_to_json,
    null=b"\xc0",
    array=lambda array: _packed(arrays.as_msgpack(array)),
    binary=_packed,
)

_JSON_TYPES = frozenset({"application/json", "application/json-rpc", "application/jsonrequest"})
_MSGPACK_TYPES = frozenset({"application/msgpack", "application/x-msgpack"})


# Callers say the same few things with every request.
@lru_cache(256)
def of_body(content_type: str | None, coding: str | None = None) -> Encoding:
    """The encoding of a body with this Content-Type and Content-Encoding. Raises `UnsupportedMediaType`.

    Types that a browser sends without asking first (`text/plain`, forms) are refused: a page of another origin
    could call with them.
    """
    if coding is not None and coding.strip().lower() != "identity":
        raise UnsupportedMediaType("Send the body as it is, without a Content-Encoding.")
    media, _, parameters = (content_type or "").lower().partition(";")
    media = media.strip()
    if media in _MSGPACK_TYPES:
        return MSGPACK
    if media in _JSON_TYPES or (media.startswith("application/") and media.endswith("+json")):
        charset = parameters.replace(" ", "").replace('"', "").partition("charset=")[2].partition(";")[0]
        if charset in ("", "utf-8", "utf8"):
            return JSON
        raise UnsupportedMediaType("JSON is sent as UTF-8; leave the charset out of the Content-Type.")
    raise UnsupportedMediaType(
        "Send JSON-RPC as `Content-Type: application/json`, or as `application/msgpack`."
    )


@lru_cache(256)
def of_answer(accept: str | None, sent: Encoding) -> Encoding:
    """The encoding that the caller wants back: the one that Accept prefers, else the one they sent."""
    if not accept:
        return sent
    weights = {JSON.content_type: 0.0, MSGPACK.content_type: 0.0}
    for part in accept.lower().split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        weight = weight_of(parameters)
        if media in _MSGPACK_TYPES:
            weights[MSGPACK.content_type] = weight
        elif media in _JSON_TYPES:
            weights[JSON.content_type] = weight
    if not any(weights.values()):
        return sent
    return MSGPACK if weights[MSGPACK.content_type] >= weights[JSON.content_type] else JSON
