"""Who may do what? `GET /-/policies`: the policies as a matrix over services, and what of it a certain principal gets."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from gateway.core.claims import LOCAL
from gateway.core.faults import BadRequest
from gateway.core.naming import shown
from gateway.core.policy_matrix import of_principal, opened, told_policies
from gateway.core.principal import ANONYMOUS, Principal
from gateway.doors.asked import Asked
from gateway.doors.operators_json import json_answer
from gateway.relay import Relay
from gateway.wire.answer import Answer

_WHO: Final = ("subject", "issuer", "group", "scope", "anonymous")
_KNOWN: Final = (*_WHO, "service")


class PoliciesDoor:
    """Without a query the matrix alone; `?subject=S&group=G&scope=S` (or `anonymous=1`) asks for a principal, `service=NAME`
    for each of its methods.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    async def answer(self, asked: Asked) -> Answer:
        """The policies, what they open, and what a principal may do by them."""
        query = asked.request.rel_url.query
        stray = next((name for name in query if name not in _KNOWN), None)
        if stray is not None:
            raise BadRequest(f"{shown(stray)} is nothing to ask for here: there are {', '.join(_KNOWN)}.")
        catalog, policies = self._relay.catalog, self._relay.policies
        # With many methods and policies it takes a while: others have their turn meanwhile.
        services = await asyncio.to_thread(list, opened(policies.listed, catalog))
        told: dict[str, Any] = {"policies": told_policies(policies.listed), "services": services}
        service = query.get("service")
        if service is not None and service not in catalog.listings:
            raise BadRequest(f"No service is called {shown(service)}; /-/status lists those there are.")
        if any(name in query for name in _WHO):
            principal = ANONYMOUS if "anonymous" in query else _principal(asked)
            told["principal"] = of_principal(policies, catalog, principal, service)
        elif service is not None:
            raise BadRequest(
                "Say whom the methods are asked for: `subject`, `group`, `scope` or `anonymous`."
            )
        return json_answer(told)


def _principal(asked: Asked) -> Principal:
    query = asked.request.rel_url.query
    return Principal(
        subject=query.get("subject") or "somebody",
        issuer=query.get("issuer") or LOCAL,
        groups=tuple(query.getall("group", ())),
        scopes=tuple(query.getall("scope", ())),
    )
