"""Whom does the gate take the caller for, and what may they do? `/-/whoami`, for anybody who may come in."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gateway.core.deciding import permit
from gateway.core.deciding import speaking as speaking_of
from gateway.core.entitled import permission, policies_of
from gateway.core.faults import Fault, Forbidden, Unavailable
from gateway.core.limits import in_words
from gateway.doors.asked import Asked
from gateway.doors.operators_json import json_answer
from gateway.relay import Relay
from gateway.wire.answer import Answer


class WhoamiDoor:
    """Says what the caller's own credential means here; never the credential."""

    def __init__(self, relay: Relay, wall: Callable[[], float]) -> None:
        """`wall` tells seconds since 1970."""
        self._relay = relay
        self._wall = wall

    async def answer(self, asked: Asked) -> Answer:
        """The principal as JSON; `expires` is null where the credential has no end.

        `policies` are those that speak of them. `limits` are those that may count for their calls, by name: of a call, the
        first policy that allows it counts; `left` is what is left of them now. With `?method=NAME`, `permission` says
        whether they may call that one, by which policy, or why not. `gate` is the gate's version. Raises `UnknownMethod` and its like.
        """
        principal, relay = asked.principal, self._relay
        listed = relay.policies.listed
        speaking = tuple(number - 1 for number in speaking_of(listed, principal))
        said: dict[str, Any] = {
            "subject": principal.subject,
            "issuer": principal.issuer,
            "anonymous": principal.anonymous,
            "groups": principal.groups,
            "scopes": principal.scopes,
            "expires": principal.expires if math.isfinite(principal.expires) else None,
            "policies": policies_of(listed, principal),
            "limits": {},
            "left": {},
            "gate": relay.catalog.release,
        }
        if relay.accounts is not None:
            said["limits"] = {one.name: in_words(one.limit) for one in relay.accounts.told(speaking)}
            said["left"] = relay.accounts.left(principal, asked.client, speaking, self._wall())
        name = asked.request.rel_url.query.get("method")
        if name:
            said["permission"] = self._permission(name, asked)
        return json_answer(said)

    def _permission(self, name: str, asked: Asked) -> dict[str, Any]:
        relay, principal = self._relay, asked.principal
        method = relay.find(name, asked.datastack, principal)
        refusal: Fault | None = None
        try:
            relay.permit(principal, method)
        except (Forbidden, Unavailable) as fault:
            refusal = fault
        return permission(
            method.qualified, permit(relay.policies.listed, principal, method.qualified), refusal
        )
