"""Which names of upstreams may be advertised, and which name did a caller mean?"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

MAX_NAME: Final = 256
"""Characters of an upstream's method name; longer ones are left out."""

_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_INTROSPECTION = ("rpc.", "system.", "JSONRPC.")

_LONGEST_GUESS: Final = 64
_GUESSES: Final = 3
_NEIGHBOURS: Final = 100
_SHOWN: Final = 80


def is_fit(name: object) -> bool:
    """Whether a name can stand in lists, logs and policies: a text without controls, not too long."""
    return isinstance(name, str) and 0 < len(name) <= MAX_NAME and _UNFIT.search(name) is None


def is_introspection(name: str) -> bool:
    """Whether a method is about the server (`rpc.discover`, `system.multicall`) and not one of its services.

    The gate answers such methods itself, and what calls others by name would evade its policies.
    """
    return name.startswith(_INTROSPECTION)


def shown(text: str) -> str:
    """A caller's text as messages quote it: short, on one line, printable."""
    cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return cut if cut.isprintable() else ascii(cut)


def alike(name: str, known: Sequence[str], start: int = 0) -> list[str]:
    """At most three of the sorted names `known` that `name` may be a misspelling of, the nearest first.

    The first `start` characters, which all of them share, do not count. Of many names only the neighbours in the
    alphabet are compared: a wrong name must not cost more than a call.
    """
    if len(name) > _LONGEST_GUESS:
        return []
    if len(known) > 2 * _NEIGHBOURS:
        at = bisect_left(known, name)
        known = known[max(0, at - _NEIGHBOURS) : at + _NEIGHBOURS]
    rests = [one[start:] for one in known if len(one) <= _LONGEST_GUESS]
    return [name[:start] + rest for rest in get_close_matches(name[start:], rests, _GUESSES)]
