"""What does an upstream's JSON-RPC answer in JSON say?

It is read as spans, as requests are (`envelope`): msgspec finds those of a usual answer, and whatever leaves a doubt
goes to `scanner`.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Final

from msgspec import Raw, Struct
from msgspec.json import Decoder

from gateway.core import scanner
from gateway.core.envelope_spans import OPENERS, QUOTE, UNUSUAL, is_id, pick, quoting_outside, text_of
from gateway.core.scanner import ANY_DEPTH, MalformedJson


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


class _UsualAnswer(Struct, gc=False):
    jsonrpc: Raw = Raw()
    result: Raw = Raw()
    error: Raw = Raw()
    id: Raw = Raw()


_decode_answer = Decoder(_UsualAnswer).decode

_MEMBERS: Final = ("result", "error", "id")
_OPEN_OBJECT: Final = b"{"[0]
_INTEGER = re.compile(rb"-?[0-9]+")


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
    except UNUSUAL:
        return None
    result, error, token = bytes(usual.result), bytes(usual.error), bytes(usual.id)
    version = bytes(usual.jsonrpc)
    if (token and not is_id(token)) or (version and version[0] in OPENERS):
        return None
    quotes = 0
    for member in (result, error, token, version):
        quotes += 2 if member else 0
    for scalar in (token, version):
        quotes += 2 if scalar.startswith(b'"') else 0
    if quoting_outside(body, [result, error]) != (quotes, 0):
        return None
    return _answer(result or None, error or None, token or None)


def _read_answer_strictly(body: bytes) -> Answer:
    if not body:
        return Broken("the body is empty")
    try:
        scanner.check_text(body)
        if scanner.opener(body) != b"{":
            return Broken("no JSON object")
        found, twice = pick(body, _MEMBERS, ANY_DEPTH)
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
    if error[0] == QUOTE:
        return b'{"code":-32000,"message":%b}' % error
    if error[0] != _OPEN_OBJECT:
        return b'{"code":-32000,"message":%b,"data":%b}' % (message, error)
    found, _ = pick(error, ("code", "message"), ANY_DEPTH)
    has_code = _INTEGER.fullmatch(found.get("code", b"")) is not None
    has_message = text_of(found.get("message")) is not None
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
        text = text_of(one)
        return text is not None and text == text_of(other)
    try:
        return Decimal(one.decode()) == Decimal(other.decode())
    except (InvalidOperation, ValueError):
        return False
