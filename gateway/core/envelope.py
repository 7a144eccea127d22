"""What does a JSON-RPC 2.0 message in JSON say, and how is one written around bytes that nobody touches?

Requests and answers are read as spans: method, params, id, result and error are found, but only method and
envelope keys are decoded. msgspec finds the spans of a usual message; whatever leaves a doubt goes to
`scanner`. The doubts: msgspec takes the last of duplicate keys, accepts broken UTF-8 within spans, gives up on
deep texts, and refuses `NaN` and lone surrogates. Otherwise its grammar is ours (tests hold both together).
"""

import json
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from itertools import islice
from typing import Final, Literal

import numpy as np
from msgspec import MsgspecError, Raw, Struct
from msgspec.json import Decoder

from gateway.core import scanner
from gateway.core.faults import InvalidRequest, ParseFault
from gateway.core.scanner import ANY_DEPTH, MalformedJson

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


class Answered(Struct, frozen=True, gc=False):
    """An upstream's answer: exactly one of `result` and `error` is given, as the upstream's bytes.

    An error is always an object with an integer code and a text message. `id` is None when absent.
    """

    result: bytes | None
    error: bytes | None
    id: bytes | None


class Broken(Struct, frozen=True, gc=False):
    """What an upstream sent is no JSON-RPC answer; the reason quotes nothing of it."""

    reason: str


Answer = Answered | Broken


class _UsualRequest(Struct, gc=False):
    jsonrpc: str
    method: str
    params: Raw = Raw()
    id: Raw = Raw()


class _UsualAnswer(Struct, gc=False):
    jsonrpc: Raw = Raw()
    result: Raw = Raw()
    error: Raw = Raw()
    id: Raw = Raw()


_decode_request = Decoder(_UsualRequest).decode
_decode_requests = Decoder(list[_UsualRequest]).decode
_decode_answer = Decoder(_UsualAnswer).decode
_UNUSUAL = (MsgspecError, ValueError, RecursionError)

_REQUEST_MEMBERS = ("jsonrpc", "method", "params", "id")
_REQUEST_QUOTES: Final = 8  # of "jsonrpc":"2.0" and "method":"…"
_ANSWER_MEMBERS = ("result", "error", "id")
_NO_OBJECT = Invalid(InvalidRequest.code, "a request must be an object", b"null")
_QUOTE, _OPEN_OBJECT = b'"{'
_OPENERS = frozenset(b"[{")
_ID_STARTS = frozenset(b'"-0123456789')
_INTEGER = re.compile(rb"-?[0-9]+")
_LARGE: Final = 4096


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
    except _UNUSUAL:
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
            if params[0] not in _OPENERS or (len(params) > room and not scanner.depth_within(params, room)):
                return None
        if token:
            quotes += 4 if token[0] == _QUOTE else 2
            if token[0] not in _ID_STARTS and token != b"null":
                return None
        if request.jsonrpc != "2.0":
            return None
        requests.append(Request(request.method, params or None, token or None))
    # With just as many quotes as these members need, there are no others, and none is there twice.
    if _outside(body, params_spans) != (quotes, 0):
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
    found, twice = _pick(raw, _REQUEST_MEMBERS, max_depth)
    token = found.get("id")
    objection = _objection(found, twice)
    if objection:
        known = token is not None and "id" not in twice and _is_id(token)
        return Invalid(InvalidRequest.code, objection, token if known and token else b"null")
    params = found.get("params")
    return Request(scanner.decoded(found["method"]), None if params == b"null" else params, token)


def _objection(found: dict[str, bytes], twice: set[str]) -> str | None:
    """Why these members make no request; None when they do."""
    if twice:
        return f"the member {min(twice)!r} is given twice"
    if "id" in found and not _is_id(found["id"]):
        return "the member 'id' must be a string, a number or null"
    if _text(found.get("jsonrpc")) != "2.0":
        return "the member 'jsonrpc' must be \"2.0\""
    if _text(found.get("method")) is None:
        return "the member 'method' must be a string"
    if "params" in found and found["params"][0] not in _OPENERS and found["params"] != b"null":
        return "the member 'params' must be an array or an object"
    return None


# --- answers ---------------------------------------------------------------------------------------------


def read_answer(body: bytes) -> Answer:
    """An upstream's answer to one request, in any of the shapes that servers send.

    JSON-RPC 1.0 answers (`"error": null` beside the result) and answers without `jsonrpc` or `id` are fine; a
    result of any depth passes. An error of no standard shape becomes one with the code -32000. Never raises.
    """
    return _read_usual_answer(body) or _read_answer_strictly(body)


def _read_usual_answer(body: bytes) -> Answer | None:
    try:
        usual = _decode_answer(body)
        scanner.check_text(body)
    except _UNUSUAL:
        return None
    result, error, token = bytes(usual.result), bytes(usual.error), bytes(usual.id)
    version = bytes(usual.jsonrpc)
    if (token and not _is_id(token)) or (version and version[0] in _OPENERS):
        return None
    quotes = 0
    for member in (result, error, token, version):
        quotes += 2 if member else 0
    for scalar in (token, version):
        quotes += 2 if scalar.startswith(b'"') else 0
    if _outside(body, [result, error]) != (quotes, 0):
        return None
    return _answer(result or None, error or None, token or None)


def _read_answer_strictly(body: bytes) -> Answer:
    if not body:
        return Broken("the body is empty")
    try:
        scanner.check_text(body)
        if scanner.opener(body) != b"{":
            return Broken("no JSON object")
        found, twice = _pick(body, _ANSWER_MEMBERS, ANY_DEPTH)
    except MalformedJson as error:
        return Broken(f"no JSON: {error}")
    if twice:
        return Broken(f"the member {min(twice)!r} is given twice")
    return _answer(found.get("result"), found.get("error"), found.get("id"))


def _answer(result: bytes | None, error: bytes | None, token: bytes | None) -> Answer:
    if error is not None and error != b"null":
        return Answered(None, _standard_error(error), token)
    if result is None:
        return Broken("neither a result nor an error")
    return Answered(result, None, token)


def _standard_error(error: bytes) -> bytes:
    """`error` itself when it has a code and a message (section 5.1), else the nearest to it that has."""
    code, message = b"-32000", json.dumps("the service answered with an error of no standard shape").encode()
    if error[0] == _QUOTE:
        return b'{"code":-32000,"message":%b}' % error
    if error[0] != _OPEN_OBJECT:
        return b'{"code":-32000,"message":%b,"data":%b}' % (message, error)
    found, _ = _pick(error, ("code", "message"), ANY_DEPTH)
    has_code = _INTEGER.fullmatch(found.get("code", b"")) is not None
    has_message = _text(found.get("message")) is not None
    if has_code and has_message:
        return error
    if has_code:
        code = found["code"]
    if has_message:
        message = found["message"]
    return b'{"code":%b,"message":%b,"data":%b}' % (code, message, error)


def same_id(one: bytes, other: bytes) -> bool:
    """Whether two id tokens in JSON mean the same: texts by their characters, numbers exactly; `1` is not `"1"`."""
    if one == other:
        return True
    if one[:1] == b'"' or other[:1] == b'"':
        text = _text(one)
        return text is not None and text == _text(other)
    try:
        return Decimal(one.decode()) == Decimal(other.decode())
    except (InvalidOperation, ValueError):
        return False


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


# --- parts -----------------------------------------------------------------------------------------------


def _pick(raw: bytes, names: Sequence[str], max_depth: int) -> tuple[dict[str, bytes], set[str]]:
    """Those members of the object `raw` that have one of `names`, and which of these it has more than once."""
    found: dict[str, bytes] = {}
    twice: set[str] = set()
    for name, start, end in scanner.members(raw, max_depth):
        text = scanner.decoded(name)
        if text in names:
            if text in found:
                twice.add(text)
            found[text] = raw[start:end]
    return found, twice


def _outside(body: bytes, spans: Iterable[bytes]) -> tuple[int, int]:
    """How many quotes and backslashes `body` has outside `spans`, which are disjoint parts of it."""
    small = []
    for span in spans:
        if len(span) < _LARGE:
            small.append(span)
            continue
        # Single bytes are counted, so cutting out any equal part gives the same sum as this very part.
        at = body.find(span[:32])
        if body.startswith(span, at):
            body = body[:at] + body[at + len(span) :]
        else:
            small.append(span)
    inner = b"".join(small)
    return _count(body, b'"') - _count(inner, b'"'), body.count(b"\\") - inner.count(b"\\")


def _count(text: bytes, byte: bytes) -> int:
    # bytes.count stops at each find, which is slow where there are many.
    if len(text) < _LARGE:
        return text.count(byte)
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == byte[0]))


def _is_id(token: bytes) -> bool:
    """Whether this JSON token is a string, a number or null."""
    return (token[0] in _ID_STARTS and token != b"-Infinity") or token == b"null"


def _text(token: bytes | None) -> str | None:
    """The text of a JSON string token; None when it is no string."""
    return scanner.decoded(token) if token is not None and token[0] == _QUOTE else None
