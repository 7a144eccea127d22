"""Whom does the gate take the caller for? `/-/whoami`, for anybody who may come in."""

from __future__ import annotations

import math

from gateway.doors.asked import Asked
from gateway.doors.operators_json import json_answer
from gateway.wire.answer import Answer


class WhoamiDoor:
    """Says what the caller's own credential means here; never the credential."""

    async def answer(self, asked: Asked) -> Answer:
        """The principal as JSON; `expires` is null where the credential has no end."""
        principal = asked.principal
        return json_answer(
            {
                "subject": principal.subject,
                "issuer": principal.issuer,
                "anonymous": principal.anonymous,
                "groups": principal.groups,
                "scopes": principal.scopes,
                "expires": principal.expires if math.isfinite(principal.expires) else None,
            }
        )
