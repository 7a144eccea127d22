"""What of an upstream's texts can be told to everybody?"""

from __future__ import annotations

import inspect
import math
import re
from typing import Final

MAX_SUMMARY: Final = 2_000
MAX_TEXT: Final = 20_000

_unsayable = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
VALUES: Final = frozenset(("default", "const", "enum", "example", "examples"))
"""The members of a schema that hold values, which are told as they are or not at all."""
_LARGEST: Final = 2**64
_SMALLEST: Final = -(2**63)

_surrogate = re.compile("[\ud800-\udfff]")


def text(value: object, limit: int = MAX_TEXT) -> str:
    """A text without control characters, lone surrogates and the indentation of docstrings; empty for anything else."""
    if not isinstance(value, str):
        return ""
    # The indentation goes first and counts too, hence twice the limit.
    clean = _unsayable.sub("\N{REPLACEMENT CHARACTER}", value[: 2 * limit].replace("\r\n", "\n"))
    clean = inspect.cleandoc(clean).strip()
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def sayable(name: str) -> str:
    """The name with a replacement for what no UTF-8 can say."""
    return _surrogate.sub("\N{REPLACEMENT CHARACTER}", name)


class UnsayableError(ValueError):
    """A number that no writer of ours can say: NaN, infinite, 1e400, or an integer of more than 64 bits."""


def number(value: float) -> float:
    """The number. Raises `UnsayableError`: null in its place would say something else."""
    if not (_SMALLEST <= value < _LARGEST if isinstance(value, int) else math.isfinite(value)):
        raise UnsayableError
    return value


def unique(name: str, taken: set[str]) -> str:
    """The name, or the first of `name_2`, `name_3`, … that is not taken; it is taken then."""
    chosen, number = name, 1
    while chosen in taken:
        number += 1
        chosen = f"{name}_{number}"
    taken.add(chosen)
    return chosen
