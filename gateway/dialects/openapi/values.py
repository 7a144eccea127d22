"""What does an argument look like outside of JSON: in a path, a query, a header, a form, as bytes?

A string is its text, every other value the token that the caller wrote: no number is ever decoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

import orjson

from gateway.core import arrays, scanner
from gateway.core.faults import InvalidParams, Unrepresentable
from gateway.core.method import Place

_IN_COOKIES = re.compile(rb"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*").fullmatch


def is_null(raw: bytes) -> bool:
    """Whether the value is null, which outside of a JSON body is as good as absent."""
    return raw == b"null"


def texts(raw: bytes, name: str) -> list[bytes]:
    """The items of an array, or the value itself, each as UTF-8; nulls are left out.

    What is no scalar stays JSON. Raises InvalidParams, which names the parameter, for what is no characters.
    """
    spans = [raw]
    if raw[:1] == b"[":
        spans = [raw[start:end] for start, end in scanner.items(raw)]
    return [_text(span, name) for span in spans if not is_null(span)]


def joined(place: Place, raw: bytes) -> bytes:
    """The value as a header says it: an array's items with commas. Raises InvalidParams for control characters."""
    value = raw if place.many == "json" else b",".join(texts(raw, place.param))
    if any((byte < 0x20 and byte != 0x09) or byte == 0x7F for byte in value):
        raise InvalidParams(
            f"The parameter {place.param!r} goes into a header, which holds no control characters."
        )
    return value


def cookies(place: Place, raw: bytes) -> list[bytes]:
    """The value as `name=value` in a Cookie: one for each item of an array, or one for all of them.

    Raises InvalidParams for what no cookie holds (RFC 6265 section 4.1.1): with a semicolon in it, it would be another one.
    """
    items = [raw] if place.many == "json" else texts(raw, place.param)
    if place.many == "comma" and items:
        items = [b",".join(items)]
    for item in items:
        if not _IN_COOKIES(item):
            raise InvalidParams(
                f"The parameter {place.param!r} goes into a cookie, which holds ASCII without spaces, quotes, commas, semicolons "
                "and backslashes: encode it as the service expects it."
            )
    return [b"%b=%b" % (place.name.encode(), item) for item in items]


def in_path(place: Place, raw: bytes) -> str:
    """The value as part of a path (RFC 3986 section 3.3): everything but the unreserved characters is encoded.

    Raises InvalidParams for what would be another path: an empty value, `.` and `..`.
    """
    items = [raw] if place.many == "json" else texts(raw, place.param)
    if not items or not all(items) or items in ([b"."], [b".."]):
        raise InvalidParams(
            f"The parameter {place.param!r} is part of the path, and cannot be empty, null, '.' or '..'."
        )
    return _expanded(place, [quote(item, safe="") for item in items])


def _expanded(place: Place, items: list[str]) -> str:
    """The encoded items as the path says them (RFC 6570 sections 3.2.2, 3.2.5 and 3.2.7)."""
    name = quote(place.name.encode(), safe="")
    match place.many:
        case "label":
            return "." + ",".join(items)
        case "label*":
            return "".join(f".{item}" for item in items)
        case "matrix":
            return f";{name}={','.join(items)}"
        case "matrix*":
            return "".join(f";{name}={item}" for item in items)
        case _:
            return ",".join(items)


_BETWEEN = {"comma": ",", "space": "%20", "pipe": "%7C", "tab": "%09"}
_DEEPEST = 16  # what lies deeper in an object of a query stays JSON


def pairs(place: Place, raw: bytes) -> list[str]:
    """The value as `name=value` in a query or a form: one for each item of an array, or one for all of them."""
    name = quote(place.name.encode(), safe="")
    if place.many == "deep" and raw[:1] == b"{":
        return list(_deep(name, raw, place.param, _DEEPEST))
    items = [quote(item, safe="") for item in ([raw] if place.many == "json" else texts(raw, place.param))]
    if place.many in _BETWEEN and items:
        items = [_BETWEEN[place.many].join(items)]
    return [f"{name}={item}" for item in items]


def _deep(name: str, raw: bytes, param: str, left: int) -> Iterator[str]:
    """An object as `name[member]=value`, what is in it as `name[member][inner]=value`, and lists as repetitions."""
    for key, start, end in scanner.members(raw):
        span = raw[start:end]
        inner = f"{name}%5B{quote(scanner.decoded(key).encode(), safe='')}%5D"
        if span[:1] == b"{" and left:
            yield from _deep(inner, span, param, left - 1)
            continue
        for item in texts(span, param):
            yield f"{inner}={quote(item, safe='')}"


def binary(raw: bytes) -> bytes | None:
    """The bytes of `{"$binary": {"base64": …}}`; None for any other value. Raises Unrepresentable for broken ones."""
    if raw[:1] != b"{" or b'"$binary"' not in raw:
        return None
    found = list(scanner.members(raw))
    if len(found) != 1 or found[0].name != b'"$binary"':
        return None
    form = raw[found[0].start : found[0].end]
    if form[:1] != b"{" or not scanner.depth_within(form, 1):
        return None
    try:
        value = orjson.loads(form)
    except orjson.JSONDecodeError:
        return None
    if value.keys() != {"base64"}:
        return None
    try:
        return arrays.unbase64(value["base64"])
    except arrays.NotSayable as problem:
        raise Unrepresentable(f"The params cannot be sent: {problem}.") from problem


def as_bytes(raw: bytes, name: str) -> bytes:
    """The value as a body or a file: bytes as they are, a string's text, anything else as the JSON it is."""
    found = binary(raw)
    return _text(raw, name) if found is None else found


def json_object(members: Iterable[tuple[str, bytes]]) -> bytes:
    """An object of these members; the values stay the bytes they are."""
    return b"{%b}" % b",".join(b"%b:%b" % (_spelled(name), raw) for name, raw in members)


def form(members: Sequence[tuple[Place, bytes]]) -> bytes:
    """A body of the type `application/x-www-form-urlencoded`."""
    return "&".join(pair for place, raw in members for pair in pairs(place, raw)).encode()


def multipart(members: Iterable[tuple[Place, bytes]], files: frozenset[str], boundary: bytes) -> bytes:
    """A body of the type `multipart/form-data` (RFC 7578); bytes, and the parameters in `files`, are sent as files."""
    parts: list[bytes] = []
    for place, raw in members:
        name = _quoted(place.name)
        items = [raw]
        if raw[:1] == b"[":
            items = [raw[start:end] for start, end in scanner.items(raw)]
        for item in items:
            if is_null(item):
                continue
            data = binary(item)
            head = b'--%b\r\nContent-Disposition: form-data; name="%b"' % (boundary, name)
            if data is not None or place.param in files:
                head += b'; filename="%b"\r\nContent-Type: application/octet-stream' % name
            parts += (head, b"\r\n\r\n", _text(item, place.param) if data is None else data, b"\r\n")
    return b"".join((*parts, b"--%b--\r\n" % boundary))


def _text(span: bytes, name: str) -> bytes:
    if span[:1] != b'"':
        return span
    try:
        return scanner.decoded(span).encode()
    except UnicodeEncodeError:
        raise InvalidParams(f"The parameter {name!r} holds what is no character.") from None


def _spelled(name: str) -> bytes:
    """The name as JSON; a lone surrogate, which orjson refuses, stays an escape."""
    return json.dumps(name).encode()


def _quoted(name: str) -> bytes:
    """The name of a part, escaped as the HTML standard has it (4.10.21.8)."""
    escaped = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    return escaped.encode("utf-8", "replace")
