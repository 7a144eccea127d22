"""What does a JSON-RPC 2.0 request in JSON say, and how are messages written around bytes that nobody touches?

Requests are read as spans, as answers are (`envelope_answers`): method, params and id are found, but only method and
envelope keys are decoded. msgspec finds the spans of a usual message; whatever leaves a doubt goes to
`scanner`. The doubts: msgspec takes the last of duplicate keys, accepts broken UTF-8 within spans, gives up on
deep texts, and refuses `NaN` and lone surrogates. Otherwise its grammar is ours (tests hold both together).
"""

import json
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import Final, Literal

from msgspec import Raw, Struct
from msgspec.json import Decoder

from gateway.core import scanner
from gateway.core.envelope_spans import (
    ID_STARTS,
    OPENERS,
    QUOTE,
    UNUSUAL,
    is_id,
    pick,
    quoting_outside,
    text_of,
)
from gateway.core.faults import InvalidRequest, ParseFault
from gateway.core.scanner import MalformedJson

Encoding = Literal["json", "msgpack"]

MAX_BATCH: Final = 1000
MAX_DEPTH: Final = 512


class Request(Struct, frozen=True, gc=False):
    """A valid request; its spans are the caller's bytes.

    `params` is an array or object in JSON, None when absent or null. `id` is the token in the encoding of the
    message, None when absent: that makes a notification, a null id does not.
    """

    method: str
    params: bytes | None
    id: bytes | None


class Invalid(Struct, frozen=True, gc=False):
    """An entry that is no valid request, and the error that answers it; `id` is null where it is unknown."""

    code: int
    message: str
    id: bytes


Entry = Request | Invalid


class Single(Struct, frozen=True, gc=False):
    """A body of one entry."""

    entry: Entry
    encoding: Encoding = "json"


class Batch(Struct, frozen=True, gc=False):
    """A body of at least one entry, to be answered with an array."""

    entries: tuple[Entry, ...]
    encoding: Encoding = "json"


class Refused(Struct, frozen=True, gc=False):
    """A body that is answered with one error, its id null."""

    code: int
    message: str


class _UsualRequest(Struct, gc=False):
    jsonrpc: str
    method: str
    params: Raw = Raw()
    id: Raw = Raw()


_decode_request = Decoder(_UsualRequest).decode
_decode_requests = Decoder(list[_UsualRequest]).decode

_REQUEST_MEMBERS = ("jsonrpc", "method", "params", "id")
_REQUEST_QUOTES: Final = 8  # of "jsonrpc":"2.0" and "method":"…"
_NO_OBJECT = Invalid(InvalidRequest.code, "a request must be an object", b"null")


# --- requests --------------------------------------------------------------------------------------------


def read(body: bytes, *, max_batch: int = MAX_BATCH, max_depth: int = MAX_DEPTH) -> Single | Batch | Refused:
    """The entries of a request body (JSON-RPC 2.0, sections 4 and 6).

    `max_depth` bounds the containers inside each other in the whole body. Never raises.
    """
    return _read_usual(body, max_batch, max_depth) or _read_strictly(body, max_batch, max_depth)


def _read_usual(body: bytes, max_batch: int, max_depth: int) -> Single | Batch | None:
    """What `_read_strictly` would say of a usual valid body; None when there is any doubt."""
    opener = scanner.opener(body)
    try:
        if opener == b"{":
            usual = [_decode_request(body)]
        # Each entry has a brace: so no body makes many more entries here than a batch may have.
        elif body.count(b"{") <= 4 * max_batch:
            usual = _decode_requests(body)
        else:
            return None
        scanner.check_text(body)
    except UNUSUAL:
        return None
    room = max_depth - (1 if opener == b"{" else 2)
    if not 0 < len(usual) <= max_batch or room < 0:
        return None
    requests: list[Entry] = []
    params_spans: list[bytes] = []
    quotes = _REQUEST_QUOTES * len(usual)
    for request in usual:
        params, token = bytes(request.params), bytes(request.id)
        if params:
            params_spans.append(params)
            quotes += 2
            if params[0] not in OPENERS or (len(params) > room and not scanner.depth_within(params, room)):
                return None
        if token:
            quotes += 4 if token[0] == QUOTE else 2
            if token[0] not in ID_STARTS and token != b"null":
                return None
        if request.jsonrpc != "2.0":
            return None
        requests.append(Request(request.method, params or None, token or None))
    # With just as many quotes as these members need, there are no others, and none is there twice.
    if quoting_outside(body, params_spans) != (quotes, 0):
        return None
    return Single(requests[0]) if opener == b"{" else Batch(tuple(requests))


def _read_strictly(body: bytes, max_batch: int, max_depth: int) -> Single | Batch | Refused:
    try:
        scanner.check_text(body)
        opener = scanner.opener(body)
        if opener == b"{":
            return Single(_entry(body, max_depth))
        if opener != b"[":
            scanner.check(body, max_depth)
            return Single(_NO_OBJECT)
        spans = list(islice(scanner.items(body, max_depth), max_batch + 1))
        if not spans:
            return Refused(InvalidRequest.code, "the batch is empty: send at least one request")
        if len(spans) > max_batch:
            return Refused(
                InvalidRequest.code, f"the batch is too long: send at most {max_batch} requests at once"
            )
        return Batch(tuple(_entry(body[start:end], max_depth - 1) for start, end in spans))
    except MalformedJson as error:
        return Refused(ParseFault.code, f"the body could not be read: {error}")


def _entry(raw: bytes, max_depth: int) -> Entry:
    if scanner.opener(raw) != b"{":
        return _NO_OBJECT
    found, twice = pick(raw, _REQUEST_MEMBERS, max_depth)
    token = found.get("id")
    objection = _objection(found, twice)
    if objection:
        known = token is not None and "id" not in twice and is_id(token)
        return Invalid(InvalidRequest.code, objection, token if known and token else b"null")
    params = found.get("params")
    return Request(scanner.decoded(found["method"]), None if params == b"null" else params, token)


def _objection(found: dict[str, bytes], twice: set[str]) -> str | None:
    """Why these members make no request; None when they do."""
    if twice:
        return f"the member {min(twice)!r} is given twice"
    if "id" in found and not is_id(found["id"]):
        return "the member 'id' must be a string, a number or null"
    if text_of(found.get("jsonrpc")) != "2.0":
        return "the member 'jsonrpc' must be \"2.0\""
    if text_of(found.get("method")) is None:
        return "the member 'method' must be a string"
    if "params" in found and found["params"][0] not in OPENERS and found["params"] != b"null":
        return "the member 'params' must be an array or an object"
    return None


# --- writing ---------------------------------------------------------------------------------------------


def splice_result(token: bytes, body: bytes) -> bytes:
    """The answer to the request with the id `token` whose result is the JSON `body`."""
    return b'{"jsonrpc":"2.0","result":%b,"id":%b}' % (body, token)


def splice_error(token: bytes, error: bytes) -> bytes:
    """The answer to the request with the id `token` whose error is the JSON object `error`."""
    return b'{"jsonrpc":"2.0","error":%b,"id":%b}' % (error, token)


def splice_batch(answers: Iterable[bytes]) -> bytes:
    """The array of the `answers`."""
    return b"[" + b",".join(answers) + b"]"


def request(method: str, params: bytes | None, token: bytes | None) -> bytes:
    """The request for an upstream; `params` None leaves that member out, `token` None makes a notification.

    The method is escaped to ASCII, so that any text survives, lone surrogates too.
    """
    return b'{"jsonrpc":"2.0","method":%b%b%b}' % (
        _spelled(method),
        b"" if params is None else b',"params":' + params,
        b"" if token is None else b',"id":' + token,
    )


@lru_cache(65536)
def _spelled(method: str) -> bytes:
    """The method's name in JSON; the same few are said with every call."""
    return json.dumps(method).encode()
