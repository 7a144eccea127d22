"""What do those who run the gate see and do, on a listener of their own?"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from gateway.core.faults import BadRequest
from gateway.core.listing import Change
from gateway.core.switches import Switches, Wish, wish_of
from gateway.doors.asked import Asked
from gateway.doors.operators_json import json_answer, json_said
from gateway.wire.answer import Answer

_LARGEST: Final = 1 << 20
"""Bytes of a request that changes switches."""

log = logging.getLogger("labgate.operator")


class MetricsDoor:
    """The metrics in Prometheus's text format."""

    def __init__(self, text: Callable[[], Awaitable[bytes]]) -> None:
        self._text = text

    async def answer(self, asked: Asked) -> Answer:
        """All numbers, now."""
        kind = b"text/plain; version=0.0.4; charset=utf-8"
        return Answer(
            200, None, ((b"Content-Type", kind), (b"Cache-Control", b"no-store")), await self._text()
        )


class StatusDoor:
    """The gate's state as JSON: services, catalog, cache, connections."""

    def __init__(self, status: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
        self._status = status

    async def answer(self, asked: Asked) -> Answer:
        """The state, now."""
        return json_answer(await self._status())


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
        return json_answer(msgspec.to_builtins(changes))


class SwitchesDoor:
    """What operators switch while the gate runs: GET shows how it stands, POST changes what its body names."""

    def __init__(
        self,
        switches: Switches,
        services: Collection[str],
        change: Callable[[Wish, str, float], Awaitable[Sequence[str]]],
        wall: Callable[[], float],
    ) -> None:
        """`services` are qualified names; `change` does what somebody wishes, in every worker, and says what it was."""
        self._switches = switches
        self._services = services
        self._do = change
        self._wall = wall

    async def answer(self, asked: Asked) -> Answer:
        """How everything stands, after the change if there is one."""
        if asked.request.method == "POST":
            await self._change(asked)
        return json_answer(self._switches.shown(self._services))

    async def _change(self, asked: Asked) -> None:
        wish = wish_of(await json_said(asked, _LARGEST, "Switches are changed"), self._services)
        for one in await self._do(wish, asked.principal.subject, self._wall()):
            who = (asked.principal.subject, asked.principal.issuer)
            log.warning("%s, by %r of %r", one, *who, extra={"request_id": asked.id})
