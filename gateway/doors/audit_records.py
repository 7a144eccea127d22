"""Who changed what, and who was refused? `GET /-/audit`: the last records of this host's audit log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from gateway.core.faults import BadRequest
from gateway.core.naming import shown
from gateway.doors.asked import Asked
from gateway.doors.operators_json import json_answer
from gateway.wire.answer import Answer

SHOWN: Final = 100
"""How many records are shown where nobody says."""
MOST: Final = 2000
"""How many may be asked for."""

Tail = Callable[[int], list[dict[str, Any]]]
"""Reads so many records, the newest first; raises OSError."""


class AuditDoor:
    """`?limit=N` says how many; the newest come first."""

    def __init__(self, tail: Tail | None, why_not: str) -> None:
        """`tail` None = no file is kept, and `why_not` says so."""
        self._tail = tail
        self._why_not = why_not

    async def answer(self, asked: Asked) -> Answer:
        """The records; none, with the reason, where there is no file that could be read."""
        query = asked.request.rel_url.query
        written = query.get("limit", str(SHOWN))
        if any(name != "limit" for name in query):
            raise BadRequest("There is nothing to ask for here but `limit`.")
        if not (written.isascii() and written.isdigit() and len(written) < 9 and 0 < int(written) <= MOST):
            raise BadRequest(f"limit={shown(written)} is no number from 1 to {MOST}.")
        if self._tail is None:
            return json_answer({"records": [], "why_none": self._why_not})
        try:
            records = await asyncio.to_thread(self._tail, int(written))
        except FileNotFoundError:
            records = []
        except OSError as error:
            return json_answer(
                {"records": [], "why_none": f"The audit log cannot be read: {error.strerror}."}
            )
        return json_answer({"records": records, "why_none": None})
