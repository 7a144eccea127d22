"""Whom does the gate take the caller for? `/-/whoami`, for anybody who may come in."""

from __future__ import annotations

import math

from gateway.core.deciding import speaking as speaking_of
from gateway.core.limits import in_words
from gateway.doors.asked import Asked
from gateway.doors.operators_json import json_answer
from gateway.relay import Relay
from gateway.wire.answer import Answer


class WhoamiDoor:
    """Says what the caller's own credential means here; never the credential."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    async def answer(self, asked: Asked) -> Answer:
        """The principal as JSON; `expires` is null where the credential has no end.

        `limits` are those that may count for their calls, by name: of a call, the first policy that allows it counts.
        """
        principal, relay = asked.principal, self._relay
        speaking = tuple(number - 1 for number in speaking_of(relay.policies.listed, principal))
        limits = () if relay.accounts is None else relay.accounts.told(speaking)
        return json_answer(
            {
                "subject": principal.subject,
                "issuer": principal.issuer,
                "anonymous": principal.anonymous,
                "groups": principal.groups,
                "scopes": principal.scopes,
                "expires": principal.expires if math.isfinite(principal.expires) else None,
                "limits": {one.name: in_words(one.limit) for one in limits},
            }
        )
