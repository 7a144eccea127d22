"""Which trace does a request belong to? W3C Trace Context, level 2: the fields `traceparent` and `tracestate`."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from gateway.core.reply import Fields

TRACEPARENT: Final = b"traceparent"
TRACESTATE: Final = b"tracestate"
NAMES: Final = frozenset((TRACEPARENT, TRACESTATE))

_SAMPLED: Final = 1
_RANDOM: Final = 2
_MOST_MEMBERS: Final = 32
_LONGEST_STATE: Final = 4096
_parent = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?").fullmatch
_member = re.compile(
    rb"(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    rb"=[ -+\--<>-~]{0,255}[!-+\--<>-~]"
).fullmatch


class TraceContext(Struct, frozen=True):
    """A place in a trace: the ids as small hexadecimal letters; `sampled` = it is recorded; `state` is what other systems note.

    `random` = the trace's id was drawn by chance, for those who choose by its digits; it stays so from one to the next.
    """

    trace: str
    span: str
    sampled: bool
    state: bytes = b""
    random: bool = False

    @property
    def flags(self) -> int:
        """The flags as one number."""
        return (_SAMPLED if self.sampled else 0) | (_RANDOM if self.random else 0)

    def fields(self) -> Fields:
        """What is sent to whoever is asked next."""
        said = f"00-{self.trace}-{self.span}-{self.flags:02x}".encode()
        return ((TRACEPARENT, said), (TRACESTATE, self.state)) if self.state else ((TRACEPARENT, said),)


def context_of(fields: Fields) -> TraceContext | None:
    """The place that a request's fields name; None where they name none, or wrongly: then a trace begins anew (section 4.3)."""
    given = [value for name, value in fields if name.lower() == TRACEPARENT]
    found = _parent(given[0].strip(b" \t")) if len(given) == 1 else None
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    # Of a later version its first four parts are what they are in this one.
    if version == b"ff" or (version == b"00" and more is not None):
        return None
    if not trace.strip(b"0") or not span.strip(b"0"):
        return None
    state = state_of([value for name, value in fields if name.lower() == TRACESTATE])
    marks = int(flags, 16)
    return TraceContext(trace.decode(), span.decode(), bool(marks & _SAMPLED), state, bool(marks & _RANDOM))


def state_of(values: list[bytes]) -> bytes:
    """The members of all `tracestate` fields as one; empty where one is none, or twice, or there are too many (section 3.3.1)."""
    members = [one for value in values for part in value.split(b",") if (one := part.strip(b" \t"))]
    names = {one.partition(b"=")[0] for one in members}
    joined = b",".join(members)
    if len(members) > _MOST_MEMBERS or len(names) != len(members) or len(joined) > _LONGEST_STATE:
        return b""
    return joined if all(map(_member, members)) else b""


def only_context(fields: Fields) -> Fields:
    """The fields of a trace."""
    return tuple(field for field in fields if field[0].lower() in NAMES)


def without_context(fields: Fields) -> Fields:
    """The fields but those of a trace."""
    return tuple(field for field in fields if field[0].lower() not in NAMES)
