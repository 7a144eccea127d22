"""How do operators drain, disable and enable services?"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from gateway.core.withdrawals import Withdrawal, asked_for, told
from gateway.doors.asked import Asked
from gateway.doors.operators_json import json_answer, json_said
from gateway.wire.answer import Answer

_LARGEST: Final = 64 << 10

log = logging.getLogger("labgate.operator")


class ServicesDoor:
    """GET shows how every service stands, POST has one drained, disabled or enabled."""

    def __init__(
        self,
        services: Collection[str],
        withdrawn: Callable[[], Mapping[str, Withdrawal]],
        put: Callable[[str, Withdrawal], Awaitable[None]],
        wall: Callable[[], float],
    ) -> None:
        """`services` are qualified names; `put` has a withdrawal hold."""
        self._services = services
        self._withdrawn = withdrawn
        self._put = put
        self._wall = wall

    async def answer(self, asked: Asked) -> Answer:
        """How every service stands, after the change if there is one."""
        if asked.request.method == "POST":
            said = await json_said(asked, _LARGEST, "Services are drained, disabled and enabled")
            who = asked.principal
            name, one = asked_for(said, self._services, who.subject, self._wall())
            await self._put(name, one)
            log.warning(
                "service %s %s, by %r of %r",
                name,
                one.state,
                who.subject,
                who.issuer,
                extra={"request_id": asked.id},
            )
        return json_answer(told(self._services, self._withdrawn()))
