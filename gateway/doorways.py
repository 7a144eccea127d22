"""Which doors are there, at which addresses, and who is let in? The second half of `app`: what callers meet of its parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

from gateway import assembly
from gateway.agents import agents_places
from gateway.assembly import CALLERS, OPERATORS
from gateway.core.forwarded import Proxies
from gateway.descriptors import raised
from gateway.doors.front import FrontDoor
from gateway.doors.mount import MountDoor
from gateway.doors.reception import Place, Reception
from gateway.doors.rpc_lane import RpcLane
from gateway.entrances import Entrances
from gateway.identity.certificates import CertificatePrincipals
from gateway.operator_doors import OperatorDoors
from gateway.settings import Address, SocketFile
from gateway.wire.crowd import Crowd
from gateway.wire.limits import Limits
from gateway.wire.server import Server
from gateway.workers.listeners import open_all

OPERATORS_CONNECTIONS: Final = 200
"""Connections to the operator's door, of each worker."""


class Doorways(OperatorDoors):
    """The doors of a gate, and the listeners that lead to them; `Gate` has the parts, and opens them last."""

    def patience(self) -> float:
        """For how many seconds a new connection is left to other workers, which have fewer."""
        raise NotImplementedError

    async def open_doors(self) -> None:
        """Listen: for callers, for operators, and for the services with a port of their own."""
        self._callers_limits = Limits(**assembly.caller_limits(self.settings, self.member.place, raised()))
        # Operators have room of their own: they come when everything else is taken.
        most = min(OPERATORS_CONNECTIONS, self._callers_limits.connections)
        self._operators_limits = dataclasses.replace(
            self._callers_limits, connections=most, connections_per_address=0
        )
        self.crowd = Crowd(self._callers_limits, Proxies(self.settings.trusted_proxies).trusts)
        rules = assembly.certificate_names(self.settings)
        self.certificates = None if rules is None else CertificatePrincipals(rules)
        self.entrances = Entrances(
            self.settings, self.identities, self.certificates, lambda: self.draining, self.wall
        )
        self.entrance = self.entrances.of_callers()
        self.proxies = Proxies(self.settings.trusted_proxies)
        self._open_sockets()
        addresses = assembly.addresses(self.settings)
        agents = agents_places(
            self.settings,
            self.relay,
            self._rpc_limits,
            self.metrics,
            self._origin_of,
            self.wall,
            self.monotonic,
        )
        places = self._public() | agents | self._sources()
        self.address = await self._listen(places, addresses, CALLERS, self._mount_door())
        self.operator_address = await self._listen(self._operator(), addresses, OPERATORS)
        for name in assembly.listeners(self.settings):
            door = self._mount_door(self.estate.services[name])
            self.service_addresses[name] = await self._listen({}, addresses, name, door)

    def _lane(self) -> RpcLane:
        """The short way of calls to a listener."""
        return RpcLane(
            self.rpc_door(),
            self.relay,
            self.entrance,
            self.metrics,
            self._rpc_limits,
            pseudonym=self.member.pseudonym,
            proxies=self.proxies,
            wall=self.wall,
        )

    async def _listen(
        self,
        places: Mapping[str, list[Place]],
        addresses: Mapping[str, Address | SocketFile],
        name: str,
        mounts: MountDoor | None = None,
    ) -> tuple[str, int]:
        """Listen at the address of this name, or on the sockets of it that all workers share."""
        operators = name == OPERATORS
        entrance = self.entrances.of_operators() if operators else self.entrance
        pseudonym, origin = self.member.pseudonym, self._origin_of
        reception = Reception(
            places, self.relay, entrance, self.metrics, pseudonym, origin, self.proxies, guarded=operators
        )
        limits = self._operators_limits if operators else self._callers_limits
        server = Server(
            reception.receive,
            limits,
            clock=self.wall,
            # Every request of operators' passes the reception: it is there that pages are told apart.
            host=None if operators else FrontDoor(self._lane() if "/rpc" in places else None, mounts),
            crowd=None if operators else self.crowd,
            tls=self.secured.listener(name),
            by_certificate=self.certificates is not None and self.secured.asks(name),
        )
        self.stack.push_async_callback(server.close)
        self.servers.append(server)
        self.named_servers[name] = server
        if self.before is not None:
            return self.bound[name]
        if self.member.sockets is None:
            own = await open_all({name: assembly.place(self.settings, addresses[name])})
            bound = [server.listen(one) for one in own[name]]
        else:
            bound = [server.listen(one, self.patience) for one in self.member.sockets[name]]
        self.bound[name] = bound[0]
        return bound[0]
