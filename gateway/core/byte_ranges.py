"""Which bytes of a whole does a request want, and do parts make a whole (RFC 9110 section 14, RFC 9111 section 3.4)?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

_single = re.compile(rb"bytes[ \t]*=[ \t,]*([0-9]*)-([0-9]*)[ \t,]*", re.IGNORECASE).fullmatch
_content = re.compile(rb"bytes ([0-9]+)-([0-9]+)/([0-9]+)", re.IGNORECASE).fullmatch
_DIGITS = 18


class Span(Struct, frozen=True):
    """The bytes from `start` up to, and without, `stop`."""

    start: int
    stop: int


class Unsatisfiable(Struct, frozen=True):
    """What is asked for lies beyond the end."""


def wanted(value: bytes, length: int) -> Span | Unsatisfiable | None:
    """The bytes that a Range field asks for of a body of this length; None where the whole is the answer.

    That is for several ranges, other units, and what is no range: a server may always answer with everything.
    """
    found = _single(value)
    if found is None or max(map(len, found.groups())) > _DIGITS:
        return None
    first, last = found.groups()
    if not first:
        if not last:
            return None
        count = int(last)
        return Span(max(0, length - count), length) if count and length else Unsatisfiable()
    start, stop = int(first), int(last) + 1 if last else length
    if last and stop <= start:
        return None
    return Span(start, min(stop, length)) if start < length else Unsatisfiable()


class Part(Struct, frozen=True):
    """A piece of a representation: where it begins, its bytes, how long the whole is, and the whole's entity tag."""

    start: int
    data: bytes
    total: int
    tag: bytes

    @property
    def stop(self) -> int:
        """Where it ends."""
        return self.start + len(self.data)


def part_of(content_range: bytes, data: bytes, tag: bytes | None) -> Part | None:
    """The part that a 206 is; None where it does not say which, of how much and of what, or is not as long as it says."""
    found = _content(content_range)
    if found is None or max(map(len, found.groups())) > _DIGITS or tag is None or tag.startswith(b"W/"):
        return None
    first, last, total = map(int, found.groups())
    if last < first or last >= total or last - first + 1 != len(data):
        return None
    return Part(first, data, total, tag)


def whole_of(parts: Sequence[Part]) -> bytes | None:
    """The whole that the parts make; None where one is missing, or they are not of the same.

    Only a strong validator says that they are. Where they overlap, they must agree.
    """
    if not parts or any(part.tag != parts[0].tag or part.total != parts[0].total for part in parts):
        return None
    if parts[0].tag.startswith(b"W/"):
        return None
    made = bytearray()
    for part in sorted(parts, key=lambda one: one.start):
        if part.start > len(made):
            return None
        known = made[part.start : part.stop]
        if known != part.data[: len(known)]:
            return None
        made += part.data[len(known) :]
    return bytes(made) if len(made) == parts[0].total else None
