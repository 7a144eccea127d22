"""What does every request need on its way through a mount?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.core.forwarded import Proxies
from gateway.core.paths import Steps
from gateway.core.ports import Observer
from gateway.core.principal import Principal
from gateway.core.service import Service
from gateway.core.sites import Site
from gateway.doors.cookies import CookieOwners
from gateway.doors.entrance import Entrance
from gateway.outcomes import Outcomes
from gateway.relay import Relay


@dataclass(frozen=True, slots=True)
class MountLimits:
    """What a JSON-RPC body that comes through a mount may hold: bytes, entries of a batch, levels of nesting."""

    body: int
    batch: int
    depth: int


@dataclass(frozen=True, slots=True)
class MountTools:
    """The parts of the gate that a mounted request meets.

    `pseudonym` is the gate's in Via fields; `public_origin` stands in links that lead back to the gate, None = the origin
    that the caller used. `wall` tells seconds since 1970. `outcomes` are of calls that may be repeated. `site` says who changes what a service's answers would lead past
    the gate, None for most; `learn` is told what a caller was shown there. `vouch` is what the gate says of whose token is shown,
    in place of who vouches for tokens; None = it does not stand in. `own_port` = the listener carries nothing of the gate's.
    """

    relay: Relay
    entrance: Entrance
    observer: Observer
    proxies: Proxies
    cookies: CookieOwners
    limits: MountLimits
    pseudonym: bytes
    public_origin: bytes | None
    wall: Callable[[], float]
    outcomes: Outcomes
    site: Callable[[Service], Site | None] = lambda _: None
    learn: Callable[[Service, Steps, bytes, Principal], None] = lambda *_: None
    vouch: Callable[[str | None, Principal], bytes | None] | None = None
    own_port: bool = False
