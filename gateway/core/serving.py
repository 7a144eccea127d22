"""What of a stored reply does this request get: the whole, a part, or word that it is unchanged?"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from gateway.core.byte_ranges import Unsatisfiable, wanted
from gateway.core.http_fields import values, without
from gateway.core.reply import Fields
from gateway.core.validators import IN_304, etag_of, is_unchanged, may_be_part_of
from gateway.core.verdict import HttpHead

SPECIAL: Final = frozenset((b"if-none-match", b"if-modified-since", b"if-range", b"range"))
"""Fields with which a request may get another answer than the whole that is stored."""

_NOT_OF_416: Final = frozenset(
    (
        b"cache-control",
        b"cdn-cache-control",
        b"content-encoding",
        b"content-language",
        b"content-type",
        b"etag",
        b"expires",
        b"last-modified",
        b"surrogate-control",
    )
)
"""What is said of the whole; of its freshness too, or another cache would answer with the 416 who asks for the whole."""


class Served(Struct, frozen=True):
    """An answer made of a stored reply; its body is the stored bytes from `start` up to `stop`."""

    status: int
    reason: bytes
    fields: Fields
    start: int
    stop: int


def served(head: HttpHead, length: int, verb: str, asked: Fields, received: float) -> Served:
    """The answer to a request, made of the stored head and a body of this length that came at `received`.

    Conditions come before the range (RFC 9110 section 13.2.2). Those that only the service can judge never come here.
    """
    if verb in ("GET", "HEAD") and is_unchanged(asked, head, received):
        tagged = etag_of(head.fields) is not None
        told = IN_304 - {b"last-modified"} if tagged else IN_304
        kept = tuple(field for field in head.fields if field[0].lower() in told)
        return Served(304, b"Not Modified", kept, 0, 0)
    ranges = values(asked, b"range")
    if verb == "GET" and head.status == 200 and len(ranges) == 1 and may_be_part_of(asked, head, received):
        span = wanted(ranges[0], length)
        if isinstance(span, Unsatisfiable):
            fields = (
                *without(head.fields, _NOT_OF_416),
                (b"Content-Range", b"bytes */%d" % length),
            )
            return Served(416, b"Range Not Satisfiable", fields, 0, 0)
        if span is not None:
            told_range = b"bytes %d-%d/%d" % (span.start, span.stop - 1, length)
            fields = (*head.fields, (b"Content-Range", told_range))
            return Served(206, b"Partial Content", fields, span.start, span.stop)
    return Served(head.status, head.reason, head.fields, 0, length)
