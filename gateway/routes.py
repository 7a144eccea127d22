"""How is each service spoken to, and which way do its calls go?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.core.assembling import Inbound
from gateway.core.catalog import Catalog
from gateway.core.ports import Dialect, Route
from gateway.dialects.cave import CaveDialect
from gateway.dialects.dvid import DvidDialect
from gateway.dialects.intake import IntakeDialect
from gateway.dialects.jsonrpc import JsonRpcDialect
from gateway.dialects.listed import ListedDialect
from gateway.dialects.mcp import McpDialect
from gateway.dialects.openapi import OpenApiDialect
from gateway.upstreams.replicas import HttpUpstream


def dialects(public: Callable[[], str], wall: Callable[[], float], secret: bytes) -> Mapping[str, Dialect]:
    """The dialects, in the order in which they are asked where a service's is `auto`; `public` is the origin of callers.

    `secret` is known to this gate and its replicas alone.
    """
    jsonrpc, openapi = JsonRpcDialect(), OpenApiDialect()
    return {
        "jsonrpc": jsonrpc,
        "openapi": openapi,
        "dvid": DvidDialect(wall),
        "intake": IntakeDialect(secret),
        "mcp": McpDialect(),
        "listed": ListedDialect(jsonrpc, openapi),
        "cave": CaveDialect(openapi, public),
    }


def routes(
    catalog: Catalog, dialects: Mapping[str, Dialect], upstreams: Mapping[str, HttpUpstream]
) -> dict[str, Route]:
    """How each service that has described itself is called."""
    return {
        name: Route(
            offer.service,
            dialects[offer.dialect],
            offer.description.address,
            upstream,
            # Which replica a call goes to that has to go to a certain one is not for a connection at hand to say.
            None if offer.service.sticky and len(offer.service.urls) > 1 else upstream,
            dialect if isinstance(dialect := dialects[offer.dialect], Inbound) else None,
            upstream.aim,
        )
        for name, upstream in upstreams.items()
        if (offer := catalog.offer(name)) is not None and offer.description is not None
    }
