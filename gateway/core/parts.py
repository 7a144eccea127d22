"""What is known of a representation of which only parts came (RFC 9110 section 15.3.7.3, RFC 9111 section 3.4)?

Parts are put together only where a strong entity tag says that they are of the same, and answer no request but one for
bytes that lie within a single one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.core.byte_ranges import Part, Span, part_of, wanted
from gateway.core.http_fields import values, without
from gateway.core.http_storing import head_of
from gateway.core.reply import Fields
from gateway.core.serving import SPECIAL
from gateway.core.validators import etag_of, may_be_part_of
from gateway.core.vary import variant
from gateway.core.verdict import Entry, HttpHead

LARGEST: Final = 8 << 20
"""Bytes of parts that are kept of one representation at most: with each that comes they are written anew."""

_OF_PARTS: Final = b" parts"
"""Stands in keys where names of fields do, and can be none."""
_RANGE: Final = frozenset((b"content-range",))
_CONDITIONS: Final = SPECIAL - {b"range", b"if-range"}


def root_of_parts(root: bytes) -> bytes:
    """The key under which parts of the reply to a request lie, beside that of the whole."""
    return variant(root, (_OF_PARTS,), (), b"")


def joined(known: Sequence[Part], new: Part) -> tuple[Part, ...]:
    """The parts that are known by now, in order, none of which touches another.

    The new one is right: what is of another representation, or says otherwise where both speak, is known no more.
    """
    if any((part.tag, part.total) != (new.tag, new.total) for part in known):
        return (new,)
    made: list[Part] = []
    for part in sorted((*known, new), key=lambda one: one.start):
        last = made[-1] if made else None
        if last is None or part.start > last.stop:
            made.append(part)
            continue
        both = last.data[part.start - last.start :][: len(part.data)]
        if both != part.data[: len(both)]:
            return (new,)
        made[-1] = Part(last.start, last.data + part.data[len(both) :], last.total, last.tag)
    return tuple(made)


def whole_head(fields: Fields) -> HttpHead:
    """The head of the whole that parts with these fields have made."""
    return head_of(200, b"OK", without(fields, _RANGE))


def head_of_parts(fields: Fields, parts: Sequence[Part]) -> HttpHead:
    """The head under which parts are stored one behind the other: it says of each where it belongs."""
    told = tuple((b"Content-Range", _told(part.start, part.stop, part.total)) for part in parts)
    return HttpHead(206, b"Partial Content", (*without(fields, _RANGE), *told))


def parts_in(entry: Entry) -> tuple[Part, ...]:
    """The parts that such an entry holds."""
    if entry.head is None or entry.head.status != 206:
        return ()
    found, at, tag = [], 0, etag_of(entry.head.fields)
    for value in values(entry.head.fields, b"content-range"):
        first, _, last = value.removeprefix(b"bytes ").partition(b"/")[0].partition(b"-")
        length = int(last) - int(first) + 1
        part = part_of(value, entry.body[at : at + length], tag)
        if part is not None:
            found.append(part)
        at += length
    return tuple(found)


def served_part(entry: Entry, asked: Fields) -> tuple[HttpHead, bytes] | None:
    """The 206 that such an entry is for a request, and its body; None where it does not hold all that is asked for."""
    ranges = values(asked, b"range")
    head = entry.head
    if head is None or len(ranges) != 1 or any(name.lower() in _CONDITIONS for name, _ in asked):
        return None
    if not may_be_part_of(asked, head, entry.stored):
        return None
    for part in parts_in(entry):
        span = wanted(ranges[0], part.total)
        if isinstance(span, Span) and part.start <= span.start and span.stop <= part.stop:
            told = (b"Content-Range", _told(span.start, span.stop, part.total))
            fields = (*without(head.fields, _RANGE), told)
            made = HttpHead(206, b"Partial Content", fields)
            return made, part.data[span.start - part.start : span.stop - part.start]
    return None


def _told(start: int, stop: int, total: int) -> bytes:
    return b"bytes %d-%d/%d" % (start, stop - 1, total)
