"""Where does aiohttp's client find a host? Where everything else does, and never where nothing may be sent."""

from __future__ import annotations

import socket

from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver

from gateway.core.outbound import allowed


class Resolver(ThreadedResolver):
    """The system's, without the addresses that are never connected to. A host that is an address is not asked about."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host. OSError if there is none."""
        found = await super().resolve(host, port, family)
        kept = set(allowed([one["host"] for one in found]))
        return [one for one in found if one["host"] in kept]
