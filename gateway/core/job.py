"""How far is a job, as a result tells of it, and when is it asked again?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from msgspec import Struct

FIRST: Final = 1.0
MOST: Final = 10.0
"""Seconds from one question to the next: at first, and at most while nothing changes."""
_GROWTH: Final = 1.25


class Progress(Struct, frozen=True):
    """What a result says of a job.

    `state` is its state as text, None where none is said; `part` is how much of it is done, from 0 to 1, None where that is
    not said. `over` = it has come to its end, `failed` = in vain.
    """

    state: str | None = None
    part: float | None = None
    over: bool = False
    failed: bool = False


def progress_of(told: Mapping[str, Any], result: bytes) -> Progress:
    """What the result says, by what its method's rule says of it (`job`: see `settings.jobs`)."""
    try:
        found = orjson.loads(result)
    except ValueError:  # what JSON cannot say, or not to everybody, says nothing of a job
        return Progress()
    state = _member(found, told.get("status"))
    text = None if state is None or isinstance(state, dict | list) else _text(state)
    failed = text is not None and text in told.get("failed", ())
    over = failed or (text is not None and text in told["done"])
    return Progress(text, _part(told, found), over, failed)


def _text(state: Any) -> str:
    return state if isinstance(state, str) else str(state)


def _part(told: Mapping[str, Any], found: Any) -> float | None:
    where = told.get("progress")
    if where is None:
        return None
    number = _member(found, where)
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    part = number / told.get("of", 1)
    return min(1.0, max(0.0, part)) if part == part else None


def _member(found: Any, path: str | None) -> Any:
    for name in path.split(".") if path else ():
        found = found.get(name) if isinstance(found, dict) else None
    return found


def pause(same: int) -> float:
    """Seconds until it is asked again, after so many answers that said nothing new."""
    return min(FIRST * _GROWTH ** min(same, 40), MOST)
