"""Which members does a JSON-RPC message in JSON have, as the bytes that were sent?"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from msgspec import MsgspecError

from gateway.core import scanner

QUOTE: Final = b'"'[0]
OPENERS: Final = frozenset(b"[{")
ID_STARTS: Final = frozenset(b'"-0123456789')
UNUSUAL: Final = (MsgspecError, ValueError, RecursionError)
"""What is raised of a text that may still be fine."""

_LARGE: Final = 4096


def pick(raw: bytes, names: Sequence[str], max_depth: int) -> tuple[dict[str, bytes], set[str]]:
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


def quoting_outside(body: bytes, spans: Iterable[bytes]) -> tuple[int, int]:
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


def is_id(token: bytes) -> bool:
    """Whether this JSON token is a string, a number or null."""
    return (token[0] in ID_STARTS and token != b"-Infinity") or token == b"null"


def text_of(token: bytes | None) -> str | None:
    """The text of a JSON string token; None when it is no string."""
    return scanner.decoded(token) if token is not None and token[0] == QUOTE else None
