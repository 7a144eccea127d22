"""What do those who run the gate see? `/-/metrics` and `/-/status`, on the operator's own listener."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from gateway.doors.asked import Asked
from gateway.wire.answer import Answer


class MetricsDoor:
    """The metrics in Prometheus's text format."""

    def __init__(self, text: Callable[[], bytes]) -> None:
        self._text = text

    async def answer(self, asked: Asked) -> Answer:
        """All numbers, now."""
        kind = b"text/plain; version=0.0.4; charset=utf-8"
        return Answer(200, None, ((b"Content-Type", kind), (b"Cache-Control", b"no-store")), self._text())


class StatusDoor:
    """The gate's state as JSON: services, catalog, cache, connections."""

    def __init__(self, status: Callable[[], Mapping[str, Any]]) -> None:
        self._status = status

    async def answer(self, asked: Asked) -> Answer:
        """The state, now."""
        body = orjson.dumps(self._status(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        return Answer(
            200, None, ((b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store")), body
        )
