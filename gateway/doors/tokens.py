"""Who has a token of the gate's, who gets one, and whose no longer holds? `/-/tokens`."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from gateway.core.faults import BadRequest
from gateway.core.token_wishes import TokenDesk, check_maker, wish_of
from gateway.doors.asked import Asked
from gateway.doors.operators_json import json_answer, json_said
from gateway.relay import Relay
from gateway.wire.answer import Answer

_LARGEST: Final = 64 << 10
"""Bytes of a wish."""

log = logging.getLogger("labgate.operator")


class TokensDoor:
    """`GET /-/tokens`: those that were made here, without the tokens; `POST` makes one, and shows it this once."""

    def __init__(self, desk: TokenDesk, relay: Relay) -> None:
        self._desk = desk
        self._relay = relay

    async def answer(self, asked: Asked) -> Answer:
        """All of them, or the new one."""
        if asked.request.method == "POST":
            return await self._made(asked)
        return json_answer({"tokens": await asyncio.to_thread(self._desk.all)})

    async def _made(self, asked: Asked) -> Answer:
        wish = wish_of(await json_said(asked, _LARGEST, "A token is asked for"))
        check_maker(self._relay.policies.listed, asked.principal, wish)
        token, row = await asyncio.to_thread(self._desk.make, wish)
        who = (asked.principal.subject, asked.principal.issuer)
        text = "token %s of %r was made, by %r of %r"
        log.warning(text, row["id"][:12], wish.subject, *who, extra={"request_id": asked.id})
        return json_answer({"token": token, **row})


class RevokeDoor:
    """`POST /-/tokens/revoke` with `{"id": ID}`, or the beginning of one: takes a token back, at once."""

    def __init__(self, desk: TokenDesk) -> None:
        self._desk = desk

    async def answer(self, asked: Asked) -> Answer:
        """What is known of it now."""
        said = await json_said(asked, _LARGEST, "Which token is taken back is said")
        given = said.get("id") if isinstance(said, dict) and said.keys() == {"id"} else None
        if not isinstance(given, str) or not given:
            raise BadRequest('Nothing was revoked: say which, {"id": ID}, as GET /-/tokens has it.')
        row = await asyncio.to_thread(self._desk.revoke, given)
        who = (asked.principal.subject, asked.principal.issuer)
        log.warning("token %s was revoked, by %r of %r", row["id"][:12], *who, extra={"request_id": asked.id})
        return json_answer(row)
