"""What does a caller get of the HTTP answer to a call?"""

from __future__ import annotations

import base64
import json
import re
from http import HTTPStatus
from typing import Final

import orjson

from gateway.core import scanner
from gateway.core.faults import TooLarge, UpstreamBroken
from gateway.core.reply import Reply, Whole
from gateway.core.service import Service
from gateway.core.upstream import Answer
from gateway.core.verdict import Pass
from gateway.dialects.notices import notices
from gateway.dialects.openapi.coding import UnreadableCodingError, field, plain
from gateway.dialects.openapi.parameters import essence, is_json
from gateway.dialects.texts import text

_TRIP = Pass("trip")  # The relay knows the verdict, and puts it here.
_MAX_DETAIL: Final = 500
_MAX_PLAIN: Final = 4096
_MAX_READ: Final = 1 << 20
_MAX_COMPLAINTS: Final = 3
_TELLING: Final = ("detail", "message", "title", "error")
_charset = re.compile(r';\s*charset\s*=\s*"?([A-Za-z0-9._:-]+)', re.IGNORECASE)
# Python knows more codings of text; punycode, for one, takes time that grows with the square of the length.
_known_charset = re.compile(
    r"utf-?(?:8|16|32)(?:-?[lb]e)?|us-ascii|iso-8859-[0-9]+|latin-?1|windows-125[0-9]|koi8-[ru]"
    r"|shift[_-]jis|euc-(?:jp|kr)|gb(?:k|2312|18030)|big5",
    re.IGNORECASE,
)


def reply(answer: Answer, service: Service, *, safe: bool) -> Reply:
    """The result or the error in an answer.

    JSON stays the bytes it is, text becomes a string, anything else bytes. Raises UpstreamBroken for redirects and
    what cannot be read, with `maybe_executed` where the call may have changed something, and TooLarge.
    """
    status = answer.status
    doubt = {} if safe else {"maybe_executed": True}
    if status < 200 or 300 <= status < 400:
        raise UpstreamBroken(
            f"The service {service.qualified!r} answered with a redirect (HTTP {status}), which is not followed. "
            "Check `url` and `describe` of the service in the gate's configuration: scheme, host and base path."
        )
    try:
        body = plain(answer, service.max_reply)
        if status >= 400:
            return Reply("error", Whole(_error(answer, body)), _TRIP, notices=notices(answer))
        return Reply("result", Whole(_result(answer, body)), _TRIP, notices=notices(answer))
    except UnreadableCodingError as problem:
        if problem.too_large:
            raise TooLarge(
                f"The answer of {service.qualified!r} is larger than {service.max_reply} bytes.", **doubt
            ) from problem
        raise UpstreamBroken(
            f"The service {service.qualified!r} answered HTTP {status} with {problem}.", **doubt
        ) from problem
    except scanner.MalformedJson as problem:
        raise UpstreamBroken(
            f"The service {service.qualified!r} answered HTTP {status} with what is no JSON: {problem}.",
            **doubt,
        ) from problem


def _result(answer: Answer, body: bytes) -> bytes:
    if not body or answer.status in (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT):
        return b"null"
    kind = field(answer, b"content-type")
    if is_json(kind):
        scanner.check(body)
        return body
    said = _said(kind, body) if essence(kind).startswith("text/") else None
    if said is not None:
        return orjson.dumps(said)
    return b'{"$binary":{"base64":"%b"}}' % base64.b64encode(body)


def _said(kind: str, body: bytes) -> str | None:
    """The text of a body, None where it is not in its character set, or in an unknown one."""
    found = _charset.search(kind)
    charset = found[1] if found else "utf-8"
    if _known_charset.fullmatch(charset) is None:
        return None
    try:
        return body.decode(charset)
    except (UnicodeError, LookupError):
        return None


# --- errors ------------------------------------------------------------------------------------------------


def _error(answer: Answer, body: bytes) -> bytes:
    """The JSON-RPC error of a status of 400 or more; a page of HTML is never passed on."""
    status = answer.status
    kind = field(answer, b"content-type")
    shown, detail = b"", ""
    if body and is_json(kind):
        try:
            scanner.check(body)
        except scanner.MalformedJson:
            pass
        else:
            shown, detail = body, _detail(body)
    elif body and essence(kind) == "text/plain":
        # A character of UTF-8 that the limit cuts through is left out.
        said = _said(kind, body) if len(body) <= _MAX_PLAIN else body[:_MAX_PLAIN].decode("utf-8", "ignore")
        if said:
            shown, detail = orjson.dumps(said), " ".join(text(said, _MAX_DETAIL).split())
    message = f"{status} {_phrase(answer)}".strip() + (f": {detail}" if detail else "")
    data = b'{"status":%d' % status + (b',"body":%b' % shown if shown else b"") + b"}"
    return b'{"code":-32000,"message":%b,"data":%b}' % (orjson.dumps(message), data)


def _phrase(answer: Answer) -> str:
    try:
        return HTTPStatus(answer.status).phrase
    except ValueError:
        return text(answer.reason, 100)


def _detail(body: bytes) -> str:
    """What a JSON body says went wrong (RFC 9457, and the customs of frameworks), at most 500 characters."""
    if len(body) > _MAX_READ:
        return ""
    try:
        value = json.loads(body)  # numbers of any size, which orjson refuses
    except (ValueError, RecursionError):
        return ""
    return text(_telling(value), _MAX_DETAIL)


def _telling(value: object, level: int = 0) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(filter(None, (_complaint(one) for one in value[:_MAX_COMPLAINTS])))
    if isinstance(value, dict) and level < 2:
        for name in _TELLING:
            told = _telling(value.get(name), level + 1)
            if told:
                return told
    return ""


def _complaint(one: object) -> str:
    """One of several, as pydantic lists them: where (`loc`) and what (`msg`)."""
    if not isinstance(one, dict) or not isinstance(one.get("msg"), str):
        return one if isinstance(one, str) else ""
    where = one.get("loc")
    place = ".".join(str(step) for step in where) if isinstance(where, list) else ""
    return f"{place}: {one['msg']}" if place else one["msg"]
