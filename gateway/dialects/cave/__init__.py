"""How are the services of a CAVE deployment understood, and spoken to?"""

from __future__ import annotations

from gateway.core.call import Call
from gateway.core.method import Method
from gateway.core.ports import Dialect, Messenger, Upstream
from gateway.core.reply import Reply
from gateway.core.service import Description, Service


class CaveDialect:
    """The dialect `cave`."""

    kind = "cave"

    def __init__(self, openapi: Dialect) -> None:
        self._openapi = openapi

    async def describe(self, service: Service, upstream: Upstream, deadline: float) -> Description:  # noqa: ARG002 - a port
        """What the service offers."""
        return Description(methods=(), convention=self.kind, address="")

    async def perform(self, call: Call, service: Service, address: str, upstream: Upstream) -> Reply:
        """Carry one call out."""
        return await self._openapi.perform(call, service, address, upstream)

    def messenger(self, method: Method, service: Service, address: str) -> tuple[Messenger, str] | None:
        """As `OpenApiDialect`."""
        return self._openapi.messenger(method, service, address)
