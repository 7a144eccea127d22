"""Which service is reached below this path?"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from gateway.core.paths import Steps, steps
from gateway.core.service import Service

RESERVED = frozenset({b"rpc", b"mcp", b"openrpc.json", b"openapi.json", b"-", b".well-known"})
"""First steps of a path that belong to the gate itself, on ports that carry its own addresses."""


class Junction:
    """A path that several services are reached below: two neighbouring steps of what follows tell which is meant.

    What names none of them, like a question for a version, is for the first one.
    """

    def __init__(self) -> None:
        self._services: dict[str, Service] = {}
        self._signs: dict[tuple[bytes, bytes], Service] = {}

    def put(self, service: Service) -> None:
        """Lead to this service too; one that has the same signs already goes on having them."""
        self._services[service.qualified] = service
        self._order()

    def drop(self, name: str) -> bool:
        """Lead to the service of this qualified name no more; whether there is none left."""
        self._services.pop(name, None)
        self._order()
        return not self._services

    def _order(self) -> None:
        self._services = dict(sorted(self._services.items()))
        signs: dict[tuple[bytes, bytes], Service] = {}
        for service in self._services.values():
            for sign in service.signs:
                signs.setdefault(sign, service)
        self._signs = signs

    def choose(self, inner: Steps) -> Service:
        """The service that is meant by the steps below the junction."""
        for sign in pairwise(inner):
            service = self._signs.get(sign)
            if service is not None:
                return service
        return next(iter(self._services.values()))


class Mounts:
    """The services by the paths they are mounted at; the longest one that a path begins with wins.

    With `below`, paths are those of a port that carries what is mounted below this one, and nothing of the gate's own.
    """

    def __init__(
        self, services: Iterable[Service], below: str | None = None, doors: Iterable[str] = ()
    ) -> None:
        """`doors` are paths of the gate's own, which are as good as a service's mount: what lies below is nobody else's."""
        self._below = () if below is None else mount_steps(below)
        self._reserved = RESERVED if below is None else frozenset[bytes]()
        self._services: dict[Steps, Service] = {}
        self._others: dict[Steps, Service] = {}
        """The services by their further paths; a path that is some service's own is nobody else's."""
        self._junctions: dict[Steps, Junction] = {}
        self._doors = frozenset(map(mount_steps, doors))
        self._depths: list[int] = []
        for service in services:
            self.put(service)

    def put(self, service: Service) -> None:
        """Lead to this service too."""
        if service.mount is not None:
            self._services[self._relative(service.mount)] = service
        for other in service.mount_aliases:
            self._others.setdefault(self._relative(other), service)
        if service.common is not None:
            self._junctions.setdefault(self._relative(service.common), Junction()).put(service)
        self._measure()

    def drop(self, service: Service) -> None:
        """Lead to this service no more."""
        if service.mount is not None:
            self._services.pop(self._relative(service.mount), None)
        self._others = {path: one for path, one in self._others.items() if one is not service}
        if service.common is not None:
            at = self._relative(service.common)
            junction = self._junctions.get(at)
            if junction is not None and junction.drop(service.qualified):
                del self._junctions[at]
        self._measure()

    def _relative(self, mount: str) -> Steps:
        path = mount_steps(mount)
        return path[len(self._below) :] if path[: len(self._below)] == self._below else path

    def _measure(self) -> None:
        self._depths = sorted(
            {len(mount) for mount in (*self._services, *self._others, *self._junctions, *self._doors)},
            reverse=True,
        )

    def all_below(self, path: Steps) -> bool:
        """Whether whatever begins with the first step of this path belongs to one service, mounted there."""
        every = (*self._services, *self._others, *self._junctions, *self._doors)
        firsts = [mount for mount in every if mount[:1] == path[:1]]
        return firsts == [path[:1]] and path[:1] in self._services

    def __bool__(self) -> bool:
        return bool(self._services or self._junctions)

    def find(self, path: Steps) -> tuple[Service, int] | None:
        """The service, and how many steps of the path its mount takes; None for the gate's own and unknown paths."""
        if path[0] in self._reserved:
            return None
        for depth in self._depths:
            if depth <= len(path):
                service = self._services.get(path[:depth])
                if service is not None:
                    return service, depth
                junction = self._junctions.get(path[:depth])
                if junction is not None:
                    return junction.choose(path[depth:]), depth
                if path[:depth] in self._doors:
                    return None
                service = self._others.get(path[:depth])
                if service is not None:
                    return service, depth
        return None

    def knows_by_another_path(self, path: Steps, service: Service) -> bool:
        """Whether the path is none that the service is mounted at, but a further one of its."""
        return self._others.get(path) is service and self._services.get(path) is not service


def mount_steps(mount: str) -> Steps:
    """The steps of a mount's path; none for the root."""
    return () if mount == "/" else steps(mount.encode("ascii"))
