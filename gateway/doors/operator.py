"""What do those who run the gate see and do? `/-/metrics`, `/-/status`, `/-/refresh`, on their own listener."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import orjson

from gateway.core.faults import BadRequest
from gateway.core.listing import Change
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
        return _json(self._status())


class RefreshDoor:
    """Asks the services again what they offer, and says what has changed."""

    def __init__(self, refresh: Callable[[str | None], Awaitable[Mapping[str, Change]]]) -> None:
        self._refresh = refresh

    async def answer(self, asked: Asked) -> Answer:
        """What was added, changed and removed in `?service=NAME`, or in every service."""
        service = asked.request.rel_url.query.get("service")
        try:
            changes = await self._refresh(service)
        except LookupError as error:
            raise BadRequest(f"No service is called {service!r}; /-/status lists those there are.") from error
        return _json(msgspec.to_builtins(changes))


def _json(value: object) -> Answer:
    body = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return Answer(200, None, ((b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store")), body)
