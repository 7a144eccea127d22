"""Where does a request go whose path lies below a mount, or that comes to a service's own port?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.core.faults import Unavailable
from gateway.core.mounts import Mounts, mount_steps
from gateway.core.paths import Steps, located, rest_of
from gateway.core.places import Places, normal_origin
from gateway.core.service import Service
from gateway.core.upstream import Carrier
from gateway.doors.mount_tools import MountTools
from gateway.doors.way import Way

RPC_VERBS: Final = frozenset(("POST", "QUERY"))

_ROOT: Final = (b"",)


class Ways:
    """Finds the service of a request by its path, and how the service knows the path."""

    def __init__(
        self, tools: MountTools, carriers: Mapping[str, Carrier], mounts: Mounts, own: Service | None
    ) -> None:
        """`carriers` are by the services' qualified names; `own` is the one service of a port, or what brings those it has."""
        self._tools = tools
        self._relay = tools.relay
        self._carriers = carriers
        self._mounts = mounts
        self._own = own
        self._own_steps = () if own is None else mount_steps(judged_at(own))
        self._places: dict[str, tuple[Service, Places]] = {}

    def find(self, verb: str, target: bytes) -> tuple[Way, bytes] | None:
        """Where a request for this target goes, and its query; None if it is for nobody here. Raises `BadRequest`."""
        where = located(target, encoded_slash=True)
        own = self._own
        if own is not None and not own.entry:
            found: tuple[Service, int] | None = (own, 0)
        else:
            found = self._mounts.find(where.steps) or (None if own is None else (own, 0))
        if found is None:
            return None
        service, depth = found
        if not service.encoded_slash and b"%" in where.path:
            located(where.path)
        rest = rest_of(where.path, depth) if depth else where.path
        inner = where.steps[depth:] or _ROOT
        judged = self._own_steps + where.steps
        if service.common is not None and service.mount is not None:
            # Wherever it is reached, it is judged as the one service that it is.
            judged = mount_steps(service.mount) + inner
        if service.mount is not None and self._mounts.knows_by_another_path(where.steps[:depth], service):
            judged = mount_steps(service.mount) + inner
        return self.made(verb, service, judged, inner, rest), where.query

    def _placed(self, service: Service) -> Places:
        known = self._places.get(service.qualified)
        if known is None or known[0] is not service:
            known = self._places[service.qualified] = service, places_of(service, self._own)
        return known[1]

    def made(self, verb: str, service: Service, judged: Steps, inner: Steps, rest: bytes) -> Way:
        """The way of requests with this verb for this path of a service; see `Way`."""
        catalog, name = self._relay.catalog, service.qualified
        listing = catalog.listings.get(name)
        if listing is None:
            raise Unavailable(
                f"The service {name!r} is just becoming known: try again in a moment.", retry_after=1
            )
        way = Way(
            verb,
            service,
            listing,
            self._carriers[name],
            self._placed(service),
            catalog,
            judged,
            inner,
            rest,
        )
        route = self._relay.routes.get(name)
        if route is not None and route.inbound is not None and route.inbound.takes(service, verb, inner):
            way.inbound = route.inbound
        site = self._tools.site(service)
        if site is not None:
            way.site = site if site.moves(service, inner) else None
            way.asks_who = self._tools.vouch is not None and site.asks_who(service, verb, inner)
        rpc_path = listing.rpc_steps
        if rpc_path is not None:
            way.is_rpc = verb in RPC_VERBS and inner == rpc_path
            way.below_rpc = not way.is_rpc and _is_below(inner, rpc_path)
        return way


def judged_at(service: Service) -> str:
    """The path as which requests on a service's own port are judged."""
    return service.mount or f"/{service.name}"


def places_of(service: Service, own: Service | None = None) -> Places:
    """What leads back through the gate, of what a service says of its own addresses; `own` is the service of a port."""
    origins = set()
    base = b""
    # What shares a server with others speaks of the whole server's addresses.
    for url in (service.home,) if service.home else service.urls:
        scheme, _, rest = url.partition("://")
        host, slash, path = rest.rpartition("@")[2].partition("/")
        origins.add(normal_origin(f"{scheme}://{host}".encode("ascii", "replace")))
        base = base or (slash + path).rstrip("/").encode("ascii", "replace")
    if service.home:
        root = "" if own is None or own.mount in (None, "/") else own.mount or ""
        mount: str | None = service.home_mount.removeprefix(root)
    else:
        mount = "" if own is not None or service.mount in (None, "/") else service.mount
    return Places(frozenset(origins), base, (mount or "").encode("ascii"))


def _is_below(path: Steps, rpc_path: Steps) -> bool:
    """Whether the path is where JSON-RPC calls go, or below: there a request may call whatever its path says."""
    known = rpc_path if rpc_path[-1] else rpc_path[:-1]
    return path[: len(known)] == known
