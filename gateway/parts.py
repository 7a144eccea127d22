"""Where do the parts come from that a reply is assembled of? Each is a call of its own, with its own rule, through the relay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from gateway.core.call import NO_DEMAND, Call
from gateway.core.principal import Principal
from gateway.core.reply import Reply
from gateway.core.service import Service
from gateway.core.verdict import Hit, Miss, Stale, Verdict

if TYPE_CHECKING:
    from gateway.relay import Relay


class RelayParts:
    """What a dialect may ask of the relay for a call that was admitted."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def permit(self, principal: Principal, service: Service, name: str) -> None:
        """Refuse the service's method of this name, within the service, if the principal may not call it. Raises Forbidden."""
        listing = self._relay.catalog.listings.get(service.qualified)
        item = None if listing is None else listing.items.get(f"{service.name}.{name}")
        if item is not None:
            self._relay.permit(principal, item.method)

    def judge(self, call: Call) -> Verdict:
        """What memory has for a part, now."""
        return self._relay.judge(call, self._relay.wall())

    def may_recall(self, missing: Miss) -> bool:
        """Whether farther tiers may have one that memory has not."""
        return self._relay.afar.may_have(missing, NO_DEMAND)

    async def recall(self, missing: Miss) -> Hit | None:
        """What the farther tiers have for one that memory has not, with its body in memory."""
        relay = self._relay
        found = await relay.afar.recall(missing, relay.wall())
        if not isinstance(found, Hit):
            return None
        read = await relay.store.in_memory(found.entry)
        return None if read is None else replace(found, entry=read)

    async def obtain(self, call: Call) -> Reply:
        """A part, from memory, a tier, somebody else's trip, or by a trip. Raises faults."""
        # The call that it is a part of was charged, and is under way.
        reply = await self._relay.obtain(replace(call, account=None) if call.account is not None else call)
        if isinstance(reply.verdict, Stale):
            self._relay.refresh(call, reply.verdict)
        return reply

    def keep(self, missing: Miss, body: bytes | memoryview) -> bool:
        """Store a part that came with others; whether it was."""
        return self._relay.keep_part(missing, body)
