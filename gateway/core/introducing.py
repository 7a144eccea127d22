"""How is a service told who asks, and what of the gate's making goes with its requests?"""

from __future__ import annotations

from hashlib import blake2b
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from gateway.core.principal import Principal
from gateway.core.reply import Fields
from gateway.core.service import Service
from gateway.core.upstream import Answer, Request, Upstream
from gateway.core.vouching import bearer_fields


class Introduction(Struct, frozen=True):
    """What goes with the requests of one caller to one service: a token, and fields that say who asks."""

    bearer: str | None = None
    fields: Fields = ()

    def added(self, fields: Fields) -> Fields:
        """A caller's fields with these; the token only where they hold no Authorization for the service."""
        if any(name.lower() == b"authorization" for name, _ in fields):
            return (*fields, *self.fields)
        return (*fields, *bearer_fields(self.bearer), *self.fields)


NOTHING = Introduction()


class Introducer(Protocol):
    """Who introduces callers to services; both raise the fault of a caller who cannot be."""

    def at_hand(self, service: Service, principal: Principal) -> Introduction | None:
        """The introduction, if nobody has to be asked for it."""

    async def obtain(self, service: Service, principal: Principal) -> Introduction:
        """The introduction. Raises `Unavailable` too."""


class Nobody:
    """An introducer of a gate whose services are told nothing."""

    def at_hand(self, service: Service, principal: Principal) -> Introduction | None:  # noqa: ARG002 - a port
        """See `Introducer`."""
        return NOTHING

    async def obtain(self, service: Service, principal: Principal) -> Introduction:  # noqa: ARG002 - a port
        """See `Introducer`."""
        return NOTHING


class WithFields:
    """An upstream, each of whose requests carries these fields too."""

    def __init__(self, upstream: Upstream, fields: Fields) -> None:
        self._upstream = upstream
        self._fields = fields

    async def exchange(self, request: Request) -> Answer:
        """See `Upstream`."""
        return await self._upstream.exchange(replace(request, fields=(*request.fields, *self._fields)))


def with_rights(principal: Principal) -> Principal:
    """The principal with a mark that differs where their groups or scopes do: services that see these may answer differently."""
    digest = blake2b(digest_size=8)
    for kind in (principal.groups, principal.scopes):
        for name in sorted(kind):
            digest.update(b"%d:" % len(raw := name.encode("utf-8", "surrogatepass")) + raw)
        digest.update(b";")
    return replace(principal, rights=digest.digest())
