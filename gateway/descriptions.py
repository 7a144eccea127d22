"""What does a service answer when it is asked what it offers, and in which dialect?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from gateway.core.faults import (
    DeadlineExceeded,
    Fault,
    Unavailable,
    UpstreamBroken,
    UpstreamUnreachable,
)
from gateway.core.listing import Listing, Offer
from gateway.core.ports import Dialect
from gateway.core.service import Description, Service
from gateway.watch import Watch, listing_of

# The dialect's own deadline comes first, and says more.
_PATIENCE: Final = 1.1

_PLAIN: Final = "listed"
_NAMED_ONLY: Final = frozenset({"cave"})
"""Dialects that are spoken where the settings say so: what they understand are several services at once."""
_MISTAKE: Final = "the gate could not use its description; the gate's log tells more"

log = logging.getLogger(__name__)


class Agreement(Protocol):
    """What the replicas of this gate have agreed on."""

    async def settle(
        self, service: Service, description: Description, dialect: str, *, force: bool
    ) -> tuple[Description, str]:
        """What to advertise of a service that has just described itself so; `force` = an operator asked."""

    def turned(self, service: str) -> None:
        """A service went down, or came back."""


class Descriptions:
    """Asks a service to describe itself, in each of its dialects until one understands it.

    `monotonic` gives the time by which deadlines are set, in seconds. `with_token` gives the gate's own token to a
    service for which it is asked for elsewhere. `agreement` is with the replicas, if there are any.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        with_token: Callable[[Service], Awaitable[Service]] | None,
        agreement: Agreement | None = None,
    ) -> None:
        self._agreement = agreement
        self._monotonic = monotonic
        self._with_token = with_token

    async def attempt(self, watch: Watch) -> tuple[Listing, str | None]:
        """The service's listing after one question, and why there was no answer."""
        adopted, watch.adopted = watch.adopted, None
        if adopted is not None and not watch.asking:
            offer = replace(watch.offer, description=adopted[0], dialect=adopted[1])
            return await listing_of(offer, watch.listing), offer.why
        try:
            description, kind = await self._describe(watch)
            if self._agreement is not None:
                force = bool(watch.asking)
                description, kind = await self._agreement.settle(
                    watch.service, description, kind, force=force
                )
            return await listing_of(Offer(watch.service, description, dialect=kind), watch.listing), None
        except Unavailable as fault:
            # The gate's own calls fill the queue: that says nothing of the service.
            return watch.listing, fault.message
        except Fault as fault:
            why = fault.message
        except Exception:
            # A mistake of ours must not end the watch over a service.
            why = _MISTAKE
            if watch.offer.why != why:
                log.exception("service %s: its description could not be used", watch.service.qualified)
        return await listing_of(replace(watch.offer, down=True, why=why), watch.listing), why

    async def _describe(self, watch: Watch) -> tuple[Description, str]:
        """The description, and the kind of the dialect that understood the service."""
        service, known = watch.service, watch.offer.dialect
        faults: list[Fault] = []
        dialects = sorted(watch.dialects, key=lambda one: one.kind != known or one.kind == _PLAIN)
        if known not in ("", _PLAIN):
            # What described itself once has not become a plain service because it does not answer as it did.
            dialects = [one for one in dialects if one.kind != _PLAIN or len(dialects) == 1]
        for dialect in dialects:
            deadline = self._monotonic() + service.describe_timeout
            try:
                async with asyncio.timeout(service.describe_timeout * _PATIENCE):
                    asking = service if dialect.kind == _PLAIN else await self._equipped(service)
                    return await dialect.describe(asking, watch.upstream, deadline), dialect.kind
            except UpstreamUnreachable:
                raise
            except TimeoutError:
                faults.append(
                    DeadlineExceeded(
                        f"service {service.qualified}: no description within {service.describe_timeout:g} s"
                    )
                )
            except Fault as fault:
                faults.append(fault)
        if len(faults) == 1:
            raise faults[0]
        raise UpstreamBroken(
            "; ".join(fault.message for fault in faults) or f"no dialect for {service.qualified}"
        )

    async def _equipped(self, service: Service) -> Service:
        """The service with the token that the gate asks it with."""
        if self._with_token is None:
            return service
        try:
            return await self._with_token(service)
        except Unavailable as fault:
            raise UpstreamBroken(fault.message) from fault


def candidates(service: Service, dialects: Mapping[str, Dialect]) -> Sequence[Dialect]:
    """The dialects that a service may speak, in the order in which they are tried."""
    if service.dialect != "auto":
        return [dialects[service.dialect]]
    # Whatever is asked in it, `listed` answers with what the operator wrote down: so it comes last, and only where
    # there is something to reach without a description.
    plain = service.mount is not None or service.has_port
    kinds = dialects.keys() - _NAMED_ONLY - (set() if plain else {_PLAIN})
    return [dialect for kind, dialect in dialects.items() if kind in kinds]
