"""Who is let in at which listener: at that of callers, of operators, and at the ports of services?"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from gateway import assembly
from gateway.core.challenge import www_authenticate
from gateway.core.principal import Principal
from gateway.core.service import Service
from gateway.doors.entrance import Entrance
from gateway.identity.certificates import CertificatePrincipals
from gateway.identity.identities import Identities
from gateway.settings import Settings

LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
"""What a program on this machine calls it."""


class Entrances:
    """Makes the entrances of one gate, as its settings say."""

    def __init__(
        self,
        settings: Settings,
        identities: Identities,
        certificates: CertificatePrincipals | None,
        draining: Callable[[], bool],
        wall: Callable[[], float],
    ) -> None:
        """`certificates` says whom those stand for, None where they stand for nobody."""
        self._settings = settings
        self._identities = identities
        self._certificates = certificates
        self._draining = draining
        self._wall = wall

    def of_callers(self) -> Entrance:
        """Who is let in to call."""
        return self._of_callers(self._settings.hosts)

    def of_operators(self) -> Entrance:
        """Who is let in to operate: nobody by a cookie, and under no name that a page could have made its own."""
        listen = self._settings.operator.listen
        hosts: Collection[str] = ()
        if self._settings.hosts or listen.is_loopback:
            own = f"[{listen.host}]" if ":" in listen.host else listen.host
            hosts = (*self._settings.hosts, *LOOPBACK, own)
        return Entrance(
            self._identities,
            anonymous=self._settings.identity.anonymous,
            hosts=hosts,
            draining=self._draining,
            wall=self._wall,
            challenge=www_authenticate,
            certificates=self._certificates,
            own_traces=self._settings.telemetry.traceparent == "own",
        )

    def of_port(self, service: Service) -> Entrance | None:
        """Who is let in at a service's own port, where it says who comes without a token; else None: as callers are."""
        nobody = assembly.port_principals(self._settings).get(service.qualified)
        if nobody is None:
            return None
        # A page could have its own name lead to this machine; elsewhere nobody comes without a certificate.
        near = assembly.listeners(self._settings)[service.qualified].is_loopback
        return self._of_callers(self._settings.hosts or (LOOPBACK if near else ()), nobody)

    def _of_callers(self, hosts: Collection[str], nobody: Principal | None = None) -> Entrance:
        return Entrance(
            self._identities,
            anonymous=self._settings.identity.anonymous,
            hosts=hosts,
            draining=self._draining,
            wall=self._wall,
            challenge=partial(www_authenticate, scopes=self._settings.identity.scopes),
            token_name=assembly.token_name(self._settings),
            nobody=nobody,
            token_fields=assembly.token_fields(self._settings),
            certificates=self._certificates,
            own_traces=self._settings.telemetry.traceparent == "own",
        )
