"""How do operators have the settings taken anew, and see what that would do?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from gateway.core.faults import UnsupportedMediaType
from gateway.doors.asked import Asked
from gateway.doors.operators_json import json_answer
from gateway.wire.answer import Answer


class Reload(Protocol):
    """Takes the settings of the whole gate anew, or says what that would do."""

    async def __call__(self, by: str, *, only_look: bool) -> Mapping[str, Any]: ...


class ReloadDoor:
    """`POST /-/reload` takes the settings anew, GET says what that would change. A refusal is an answer like any other."""

    def __init__(self, reload: Reload) -> None:
        self._reload = reload

    async def answer(self, asked: Asked) -> Answer:
        """What became of it: the outcome, the differences, and the problems if the settings were refused."""
        writes = asked.request.method == "POST"
        if writes and asked.request.content_type != "application/json":
            # A page can have a browser send other types without asking the gate first.
            raise UnsupportedMediaType("The settings are taken anew by `Content-Type: application/json`.")
        return json_answer(await self._reload(asked.principal.subject, only_look=not writes))
