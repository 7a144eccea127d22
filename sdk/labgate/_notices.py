"""What did a service say beside its answer? The `Warning` field (RFC 7234 section 5.5), as services really write it."""

from __future__ import annotations

import re
import warnings

from labgate._names import callers_level
from labgate.errors import ServiceWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labgate._wire import Response

_LONGEST = 16 * 1024
# A number and who says it. The words follow, in quotes; CAVE's services leave the closing one out.
_START = re.compile(r'(?:^|,)\s*([1-9][0-9]{2})\s+[^\s",]+\s+"')
_OF_CACHES = range(110, 114)  # Cache-Status tells these better


def warn_of_notices(response: Response, method: str) -> None:
    """Pass on what the service said beside its answer, each notice as a Python warning."""
    for code, text in notices_of(response.text(b"warning") or ""):
        warnings.warn(ServiceWarning(method, text, code), stacklevel=callers_level())


def notices_of(field: str) -> list[tuple[int | None, str]]:
    """Number and words of each notice; a field of another form is one notice without a number."""
    field = field[:_LONGEST]
    starts = list(_START.finditer(field))
    if not starts:
        return [(None, words)] if (words := _words(field)) else []
    ends = [start.start() for start in starts[1:]] + [len(field)]
    found = [
        (int(start[1]), _words(field[start.end() : end])) for start, end in zip(starts, ends, strict=True)
    ]
    return [(code, words) for code, words in found if words and code not in _OF_CACHES]


def _words(text: str) -> str:
    """The words without the closing quote, and without the date that may follow it."""
    found = re.match(r'((?:[^"\\]|\\.)*)"', text, re.DOTALL)
    said = re.sub(r"\\(.)", r"\1", found[1]) if found else text
    return " ".join(said.split())
