"""Who uses what? `GET /-/usage?by=user&since=SECONDS`, for operators."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any, Final

from gateway.core.faults import BadRequest, NoSuchAddress, Unavailable
from gateway.core.usage import BYS, By
from gateway.doors.asked import Asked
from gateway.doors.operators_json import json_answer
from gateway.wire.answer import Answer

_WEEK: Final = 7 * 86400.0
Ask = Callable[[By, float], Awaitable[list[dict[str, Any]]]]


class UsageDoor:
    """Rows by user, group, service or method, of the last so many seconds; whole hours count."""

    def __init__(self, ask: Ask | None, wall: Callable[[], float]) -> None:
        """`ask` None = nothing is kept. `wall` tells seconds since 1970."""
        self._ask = ask
        self._wall = wall

    async def answer(self, asked: Asked) -> Answer:
        """The rows, those with most calls first."""
        if self._ask is None:
            raise NoSuchAddress(
                "It is not kept who uses what: `telemetry: {usage: 90d}` in the settings begins it."
            )
        query = asked.request.rel_url.query
        by = next((one for one in BYS if one == query.get("by", "user")), None)
        if by is None:
            raise BadRequest(f"`by` is one of {', '.join(BYS)}.")
        since = self._wall() - _seconds(query.get("since"))
        try:
            rows = await self._ask(by, since)
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"It cannot be read who uses what: {error}.") from error
        return json_answer({"by": by, "since": round(since), "rows": rows})


def _seconds(said: str | None) -> float:
    if said is None:
        return _WEEK
    try:
        found = float(said)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise BadRequest("`since` is how many seconds back, like 604800 for a week.")
    return found
