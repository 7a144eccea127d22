"""In what may an exchange through a mount differ from the same one without a gate? In nothing but what stands here."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin

from fidelity.raw import Answer, Fields, Request

HOP_BY_HOP = frozenset(
    {
        *(b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
        *(b"proxy-authenticate", b"proxy-authorization", b"proxy-authentication-info", b"proxy-connection"),
    }
)
"""Fields of one connection: neither side's reach the other."""

FRAMING = frozenset({b"content-length", b"host", b"expect"})
"""Fields that are written anew, wherever they stood: their values are compared on their own (`_host`, `_length`)."""

ADDED_TO_REQUESTS = frozenset(
    {
        *(b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-prefix", b"forwarded"),
        *(b"via", b"x-request-id", b"labgate-timeout"),
    }
)
ADDED_TO_REPLIES = frozenset(
    {b"x-request-id", b"labgate-catalog", b"cache-status", b"server-timing", b"via", b"date", b"age"}
)
"""Fields that the gate may add; those of the other side stay beside them."""

DROPPED_FROM_REPLIES = frozenset(
    {b"alt-svc", b"service-worker-allowed", b"clear-site-data", b"strict-transport-security"}
)
"""Fields that would speak for the whole origin, which is the gate's; and every `Access-Control-*`."""

LED_BACK = frozenset({b"location", b"content-location", b"refresh"})
"""Fields that hold a URL: one of the upstream's becomes one of the mount's."""

UNTRUE_OF_A_WRITE = frozenset({502, 503, 504})
"""Statuses that invite a caller to send again; answered to a write they become a 500."""

SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PROPFIND", b"REPORT", b"SEARCH", b"QUERY"})
"""Verbs that change nothing, by their registry."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as an upstream saw it; the body as its length and digest."""

    verb: bytes
    target: bytes
    fields: Fields
    length: int
    sha256: str

    def value(self, name: bytes) -> bytes | None:
        """The value of a field, None where it is not there."""
        return next((value for key, value in self.fields if key.lower() == name), None)


@dataclass(frozen=True, slots=True)
class Mount:
    """Where an upstream is and where it is mounted: two authorities and a path."""

    upstream: bytes
    gate: bytes
    path: bytes


def differences(
    request: Request, direct: Answer, found: Answer, mount: Mount | None, changing: frozenset[bytes]
) -> Iterator[str]:
    """In what an answer differs from the direct one, beyond the exceptions. Without a mount there are none.

    `changing` are fields, in small letters, whose value the upstream itself makes anew each time.
    """
    yield from _status(request, direct, found, mount)
    expected, actual = direct.fields, found.fields
    if mount is not None:
        expected, actual = _passing_on(expected), _without_additions(_plain(actual), direct.fields)
        expected, actual = _without(expected, FRAMING), _without(actual, FRAMING)
    yield from _fields(expected, actual, changing, mount, request)
    yield from _length(direct, found)
    ours, theirs = _with_boundary(direct), _with_boundary(found)
    if ours != theirs:
        yield f"body: {_shown(theirs)} instead of {_shown(ours)}"
    yield from _ends(request, direct, found, mount)


def seen_differences(direct: Seen, found: Seen, mount: Mount | None) -> Iterator[str]:
    """In what a request that an upstream saw differs from the direct one, beyond the exceptions."""
    for name in ("verb", "target", "length", "sha256"):
        if getattr(direct, name) != getattr(found, name):
            yield f"the upstream saw {name} {getattr(found, name)!r} instead of {getattr(direct, name)!r}"
    expected, actual = direct.fields, found.fields
    if mount is not None:
        named = _named_in_connection(expected)
        expected = tuple(
            (name, value)
            for name, value in _plain(expected)
            if b"_" not in name and name.lower() not in named
        )
        actual = _without_additions(actual, direct.fields, ADDED_TO_REQUESTS)
    framing = FRAMING if mount is None else FRAMING | {b"transfer-encoding"}
    for line in _fields(_without(expected, framing), _without(actual, framing), frozenset(), None, None):
        yield f"the upstream saw {line}"
    yield from _host(direct, found)
    announced, seen = direct.value(b"content-length"), found.value(b"content-length")
    if announced == seen:
        return
    chunked = direct.value(b"transfer-encoding") is not None
    # A body in chunks may have been awaited; a write without a body may be given the length 0 (RFC 9110 section 8.6).
    may_be = b"%d" % direct.length if chunked else b"0" if direct.verb not in SAFE else None
    if announced is not None or seen != may_be:
        yield f"the upstream saw Content-Length {seen!r} instead of {announced!r}"


def _status(request: Request, direct: Answer, found: Answer, mount: Mount | None) -> Iterator[str]:
    if mount is not None and direct.status in UNTRUE_OF_A_WRITE and request.verb not in SAFE:
        if found.status != 500:
            yield f"status {found.status} instead of 500 in place of {direct.status}"
        return
    if (found.status, found.reason) != (direct.status, direct.reason):
        yield f"status {found.status} {found.reason!r} instead of {direct.status} {direct.reason!r}"


def _fields(
    expected: Fields, actual: Fields, changing: frozenset[bytes], mount: Mount | None, request: Request | None
) -> Iterator[str]:
    ours, theirs = [name for name, _ in expected], [name for name, _ in actual]
    if ours != theirs:
        lacking, extra = list(Counter(ours) - Counter(theirs)), list(Counter(theirs) - Counter(ours))
        told = f"without {lacking}, with {extra}" if lacking or extra else f"in another order: {theirs}"
        yield f"fields {told}"
        return
    for (name, was), (_, became) in zip(expected, actual, strict=True):
        if not _agree(name.lower(), was, became, changing, mount, request):
            yield f"field {name!r}: {_shown(became)} instead of {_shown(was)}"


def _agree(
    name: bytes,
    was: bytes,
    became: bytes,
    changing: frozenset[bytes],
    mount: Mount | None,
    request: Request | None,
) -> bool:
    if was == became and (mount is None or name not in LED_BACK | {b"set-cookie"}):
        return True
    if name in changing:
        return bool(was) and bool(became)
    if name == b"content-type" and _BOUNDARY.search(was):
        return _BOUNDARY.sub(b"", was) == _BOUNDARY.sub(b"", became)
    if mount is None or request is None:
        return was == became
    if name in LED_BACK:
        return _leads_back(was, became, mount, request)
    return name == b"set-cookie" and _cookie_agrees(was, became, mount)


def _leads_back(was: bytes, became: bytes, mount: Mount, request: Request) -> bool:
    if (timed := _REFRESH.match(was)) is not None:
        start = len(timed[0])
        return became[:start] == timed[0] and _leads_back(was[start:], became[start:], mount, request)
    here = b"http://" + mount.upstream
    url = urljoin((here + request.target).decode("latin-1"), was.decode("latin-1")).encode("latin-1")
    own = url == here or url.startswith((here + b"/", here + b"?"))
    relative = not re.match(rb"[A-Za-z][A-Za-z0-9+.-]*:|/", was)
    if not own or relative:
        return became == was
    path = url[len(here) :]
    return became in (mount.path + path, b"http://" + mount.gate + mount.path + path)


def _cookie_agrees(was: bytes, became: bytes, mount: Mount) -> bool:
    pair, rest, path = _cookie(was)
    if (pair, rest) != _cookie(became)[:2]:
        return False
    moved = _cookie(became)[2]
    if b";domain" in became.lower().replace(b" ", b""):
        return False
    if path is None or not path.startswith(b"/"):
        return moved is None or (moved + b"/").startswith(mount.path + b"/")
    return moved is not None and moved.rstrip(b"/") == (mount.path + path).rstrip(b"/")


def _cookie(value: bytes) -> tuple[bytes, list[bytes], bytes | None]:
    pair, *attributes = [part.strip(b" \t") for part in value.split(b";")]
    named = [(one.partition(b"=")[0].strip().lower(), one) for one in attributes]
    paths = [one.partition(b"=")[2] for name, one in named if name == b"path"]
    rest = [one for name, one in named if name not in (b"path", b"domain")]
    return pair, rest, paths[-1] if paths else None


def _length(direct: Answer, found: Answer) -> Iterator[str]:
    """An announced length stays announced; one that was not is announced only of a body that is there."""
    was, became = direct.values(b"content-length"), found.values(b"content-length")
    if was == became:
        return
    if not was and direct.framing in ("chunked", "close") and became == [b"%d" % len(direct.body)]:
        return
    yield f"Content-Length {became} instead of {was}"


def _ends(request: Request, direct: Answer, found: Answer, mount: Mount | None) -> Iterator[str]:
    if mount is not None:
        yield from _hop_by_hop_left(found)
    else:
        for name in ("framing", "interim", "trailers", "ended"):
            if getattr(direct, name) != getattr(found, name):
                yield f"{name} {getattr(found, name)!r} instead of {getattr(direct, name)!r}"
        return
    if found.trailers:
        yield f"trailers {found.trailers!r}: they end at the gate"
    if found.interim and not (request.expects and found.interim == (100,)):
        yield f"interim answers {found.interim!r}: they end at the gate"
    if found.framing == "chunked" and request.minor == 0:
        yield "chunks for HTTP/1.0"
    if found.ended and not request.last:
        yield "the connection was ended, which nobody asked for"


def _host(direct: Seen, found: Seen) -> Iterator[str]:
    """The upstream always sees its own name."""
    if direct.value(b"host") != found.value(b"host"):
        yield f"the upstream saw Host {found.value(b'host')!r} instead of {direct.value(b'host')!r}"


def _hop_by_hop_left(found: Answer) -> Iterator[str]:
    for name, _ in found.fields:
        if name.lower() in HOP_BY_HOP - {b"connection", b"keep-alive", b"transfer-encoding"}:
            yield f"field {name!r} passed the gate"


def _passing_on(fields: Fields) -> Fields:
    """The fields of a reply that a mount passes on."""
    named = _named_in_connection(fields)
    return tuple(
        (name, value)
        for name, value in _plain(fields)
        if name.lower() not in DROPPED_FROM_REPLIES | named
        and not name.lower().startswith(b"access-control-")
    )


def _named_in_connection(fields: Fields) -> frozenset[bytes]:
    """RFC 9110 section 7.6.1."""
    values = [value.lower() for name, value in fields if name.lower() == b"connection"]
    return frozenset(word.strip() for value in values for word in value.split(b","))


def _plain(fields: Fields) -> Fields:
    return _without(fields, HOP_BY_HOP)


def _without(fields: Fields, names: frozenset[bytes]) -> Fields:
    return tuple((name, value) for name, value in fields if name.lower() not in names)


def _without_additions(
    fields: Fields, there_before: Fields, names: frozenset[bytes] = ADDED_TO_REPLIES
) -> Fields:
    """The fields without those that the gate may have added: no more of a name stay than there were before."""
    left = Counter(name.lower() for name, _ in there_before)
    kept = []
    for name, value in fields:
        if name.lower() in names:
            left[name.lower()] -= 1
            if left[name.lower()] < 0:
                continue
        kept.append((name, value))
    return tuple(kept)


_REFRESH = re.compile(rb"[0-9.]+ *; *url *= *", re.IGNORECASE)
_BOUNDARY = re.compile(rb"(?<=boundary=)[^;]+")


def _with_boundary(answer: Answer) -> bytes:
    """The body, with the same boundary between its parts whatever the upstream made up this time."""
    for value in answer.values(b"content-type"):
        if value.startswith(b"multipart/byteranges") and (found := _BOUNDARY.search(value)):
            return answer.body.replace(found[0], b"BOUNDARY")
    return answer.body


def _shown(data: bytes) -> str:
    return repr(data) if len(data) <= 120 else f"{data[:60]!r}… ({len(data)} bytes)"
