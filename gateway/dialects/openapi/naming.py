"""What are the operations of a document called?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from gateway.core.naming import is_introspection
from gateway.dialects.texts import unique

_MAX_NAME: Final = 128
_usable = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_function = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?")
_step = re.compile(r"\{([^{}]*)\}|([^{}]+)")
_word = re.compile(r"[A-Za-z0-9]+")


def names(operations: Sequence[tuple[str, str, Sequence[object]]]) -> list[str]:
    """A name for each (verb, path, names that the document gives), all of them different.

    The first of the given names that is one and that no other operation has in its place, else verb and path
    (`get_tiles_by_z`). The order of the document does not matter.
    """
    chosen = [""] * len(operations)
    taken: set[str] = set()
    for given in zip(*(given for _, _, given in operations), strict=True):
        counts = Counter(one for one in given if isinstance(one, str))
        for at, one in enumerate(given):
            if (
                isinstance(one, str)
                and not chosen[at]
                and counts[one] == 1
                and _is_usable(one)
                and one not in taken
            ):
                chosen[at] = one
        taken.update(filter(None, chosen))
    for at in sorted(range(len(operations)), key=lambda at: operations[at][1::-1]):
        if not chosen[at]:
            verb, path, _ = operations[at]
            chosen[at] = unique(spelled(verb, path), taken)
    return chosen


def dotted(summary: object) -> str | None:
    """A summary that is a function's name, or a namespace's and a function's; None for any other."""
    return summary if isinstance(summary, str) and _function.fullmatch(summary) else None


def spelled(verb: str, path: str) -> str:
    """Verb and path as a name: their words, with `by` before each parameter."""
    words = [verb.lower()]
    for parameter, literal in _step.findall(path):
        found = _word.findall(parameter or literal)
        words += ["by", *found] if parameter else found
    return "_".join(words if len(words) > 1 else [*words, "root"])[:_MAX_NAME]


def _is_usable(given: str) -> bool:
    return len(given) <= _MAX_NAME and _usable.fullmatch(given) is not None and not is_introspection(given)
