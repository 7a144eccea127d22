"""How long do the calls of each method take? `GET /-/methods`: rows of the last minutes, those that somebody wants to see."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from gateway.core.faults import BadRequest
from gateway.core.method_times import BYS, SORTS, Wish
from gateway.core.naming import shown
from gateway.doors.asked import Asked
from gateway.doors.operators_json import json_answer
from gateway.wire.answer import Answer

USUAL: Final = 300.0
"""Seconds that are told of where nobody says."""
LONGEST: Final = 900.0
MOST: Final = 20_000
"""Rows that may be asked for."""

_KNOWN: Final = ("since", "by", "find", "sort", "order", "limit")

AskTimes = Callable[[float, Wish], Awaitable[dict[str, Any]]]


class MethodTimesDoor:
    """Calls, failures, the share from the cache, and within which time half of the calls, and 99 of 100, had ended."""

    def __init__(self, ask: AskTimes) -> None:
        """`ask` tells of so many last seconds, of all workers."""
        self._ask = ask

    async def answer(self, asked: Asked) -> Answer:
        """The rows."""
        query = asked.request.rel_url.query
        if unknown := [name for name in query if name not in _KNOWN]:
            raise BadRequest(f"There is no {shown(unknown[0])} to ask for here, only {', '.join(_KNOWN)}.")
        return json_answer(await self._ask(_seconds(query.get("since")), _wish(query)))


def _seconds(said: str | None) -> float:
    try:
        found = USUAL if said is None else float(said)
    except ValueError:
        found = math.nan
    if not 0 < found <= LONGEST:
        raise BadRequest(f"`since` is how many seconds back, at most {LONGEST:.0f}.")
    return found


def _wish(query: Mapping[str, str]) -> Wish:
    by = next((one for one in BYS if one == query.get("by", "method")), None)
    if by is None:
        raise BadRequest(f"`by` is one of {', '.join(BYS)}.")
    sort = next((one for one in SORTS if one == query.get("sort", "calls")), None)
    if sort is None:
        raise BadRequest(f"`sort` is one of {', '.join(SORTS)}.")
    order = query.get("order", "asc" if sort == "name" else "desc")
    if order not in ("asc", "desc"):
        raise BadRequest("`order` is asc or desc.")
    limit = query.get("limit", "100")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 9 and 0 < int(limit) <= MOST):
        raise BadRequest(f"limit={shown(limit)} is no number from 1 to {MOST}.")
    return Wish(by, query.get("find", ""), sort, order == "desc", int(limit))
