"""Which service is reached below this path?"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.core.paths import Steps, steps
from gateway.core.service import Service

RESERVED = frozenset({b"rpc", b"mcp", b"openrpc.json", b"openapi.json", b"-", b".well-known"})
"""First steps of a path that belong to the gate itself, on ports that carry its own addresses."""


class Mounts:
    """The services by the paths they are mounted at; the longest one that a path begins with wins."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._services: dict[Steps, Service] = {
            mount_steps(service.mount): service for service in services if service.mount is not None
        }
        self._depths = sorted({len(mount) for mount in self._services}, reverse=True)

    def all_below(self, path: Steps) -> bool:
        """Whether whatever begins with the first step of this path belongs to one service, mounted there."""
        firsts = [mount for mount in self._services if mount[:1] == path[:1]]
        return firsts == [path[:1]]

    def __bool__(self) -> bool:
        return bool(self._services)

    def find(self, path: Steps) -> tuple[Service, int] | None:
        """The service, and how many steps of the path its mount takes; None for the gate's own and unknown paths."""
        if path[0] in RESERVED:
            return None
        for depth in self._depths:
            if depth <= len(path):
                service = self._services.get(path[:depth])
                if service is not None:
                    return service, depth
        return None


def mount_steps(mount: str) -> Steps:
    """The steps of a mount's path; none for the root."""
    return () if mount == "/" else steps(mount.encode("ascii"))
