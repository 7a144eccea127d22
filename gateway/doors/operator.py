"""What do those who run the gate see and do, on a listener of their own?"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
import orjson

from gateway.core.faults import BadRequest, UnsupportedMediaType
from gateway.core.listing import Change
from gateway.core.switches import Switches, Wish, wish_of
from gateway.doors.asked import Asked
from gateway.wire.answer import Answer
from gateway.wire.body import read_body

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
        return _json(await self._status())


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
        return _json(self._switches.shown(self._services))

    async def _change(self, asked: Asked) -> None:
        # A page can have a browser send other types without asking the gate first.
        if asked.request.content_type != "application/json":
            raise UnsupportedMediaType("Switches are changed by `Content-Type: application/json`.")
        body = await read_body(asked.request, _LARGEST)
        try:
            said = orjson.loads(body)
        except ValueError as error:
            raise BadRequest(f"The body is no JSON: {error}.") from error
        wish = wish_of(said, self._services)
        for one in await self._do(wish, asked.principal.subject, self._wall()):
            who = (asked.principal.subject, asked.principal.issuer)
            log.warning("%s, by %r of %r", one, *who, extra={"request_id": asked.id})


def _json(value: object) -> Answer:
    body = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return Answer(200, None, ((b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store")), body)
