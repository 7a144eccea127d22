"""How are upstreams spoken to that say nothing of themselves?"""

from __future__ import annotations

from gateway.core.call import Call
from gateway.core.faults import UnknownMethod
from gateway.core.method import HttpBinding, Method
from gateway.core.ports import Dialect, Messenger
from gateway.core.reply import Reply
from gateway.core.service import Description, Service
from gateway.core.upstream import Upstream


class ListedDialect:
    """The dialect `listed`: the methods are those that the operator's rules name, and none is asked for.

    Calls are carried out as the dialect `jsonrpc` does, at the service's `rpc_path`; those of a method whose rule says
    `http`, as the dialect `openapi` does, below the service's address.
    """

    kind = "listed"

    def __init__(self, jsonrpc: Dialect, openapi: Dialect) -> None:
        self._jsonrpc = jsonrpc
        self._openapi = openapi

    async def describe(self, service: Service, upstream: Upstream, deadline: float) -> Description:  # noqa: ARG002 - a port
        """Nothing of the upstream's own, and no question to it."""
        return Description(methods=(), convention=self.kind, address="", rpc_path=service.rpc_path)

    async def perform(self, call: Call, service: Service, address: str, upstream: Upstream) -> Reply:
        """Carry one call out. Raises UnknownMethod for JSON-RPC to a service without `rpc_path`, which takes none."""
        if isinstance(call.method.binding, HttpBinding):
            return await self._openapi.perform(call, service, address, upstream)
        if service.rpc_path is None:
            raise UnknownMethod(
                f"The service {service.qualified!r} has no `rpc_path` in the gate's configuration, so its methods "
                "cannot be called."
            )
        return await self._jsonrpc.perform(call, service, service.rpc_path, upstream)

    def messenger(self, method: Method, service: Service, address: str) -> tuple[Messenger, str] | None:  # noqa: ARG002 - a port
        """As the dialect that carries calls of the method out."""
        if isinstance(method.binding, HttpBinding) or service.rpc_path is None:
            return None
        return self._jsonrpc.messenger(method, service, service.rpc_path)
