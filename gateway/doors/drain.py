"""How do operators have the whole gate end?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from gateway.doors.asked import Asked
from gateway.doors.operators_json import json_answer, json_body
from gateway.wire.answer import Answer

_MOST: Final = 4096


class DrainDoor:
    """`POST /-/drain`: the gate takes no more calls, lets those under way end, and ends, as it does on SIGTERM."""

    def __init__(self, drain: Callable[[str], Awaitable[None]], seconds: float) -> None:
        """`seconds` is how long that takes at most."""
        self._drain = drain
        self._seconds = seconds

    async def answer(self, asked: Asked) -> Answer:
        """How long it may take."""
        await json_body(asked, _MOST, "The gate is drained")
        await self._drain(asked.principal.subject)
        return json_answer({"draining": True, "seconds": self._seconds})
