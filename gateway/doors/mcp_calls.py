"""How is a call of an agent's carried out? Through the relay, as any other: identity, policies, cache, limits and audit hold for it."""

from __future__ import annotations

from collections.abc import Callable

from gateway.audited import refused_call
from gateway.core.cache_status import outcome
from gateway.core.call import Call, Params
from gateway.core.faults import Fault
from gateway.core.method import Method
from gateway.core.ports import Observer
from gateway.core.reply import Reply
from gateway.doors.asked import Asked, demand, patience
from gateway.doors.plain import as_taken
from gateway.relay import Relay


class Carrier:
    """Carries out single calls, and counts them."""

    def __init__(
        self,
        relay: Relay,
        observer: Observer,
        *,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """`wall` tells seconds since 1970, `monotonic` those of the event loop."""
        self.relay = relay
        self.observer = observer
        self.wall = wall
        self.monotonic = monotonic

    async def carried(self, method: Method, raw: bytes | None, asked: Asked) -> Reply:
        """The reply to one call, which is counted. Raises faults."""
        started = self.monotonic()
        asked.visit.method = method.qualified
        call: Call | None = None
        try:
            call = self._call(method, raw, asked)
            reply = await self.relay.answer(call)
        except Fault as fault:
            if call is not None:
                self.refused(call, fault)
            seconds = self.monotonic() - started
            self.observer.called(method, fault.name, seconds, who=asked.principal)
            raise
        made, seconds = reply.composed, self.monotonic() - started
        size = len(reply.body.data) if made is None else made.length
        if call.account is not None:
            call.account.spend(size, self.wall())
        ended = outcome(reply) if reply.kind == "result" else "error"
        self.observer.called(method, ended, seconds, size, reply.verdict, asked.principal)
        asked.replied(reply)
        return reply

    def refused(self, call: Call, fault: Fault) -> None:
        """Write down a call that was refused, if it was."""
        refused_call(self.relay.auditor, call, fault)

    def _call(self, method: Method, raw: bytes | None, asked: Asked) -> Call:
        # What the view was made of may have been replaced meanwhile.
        found = self.relay.find(method.name, asked.datastack, asked.principal)
        timeout = self.relay.routes[found.service].service.timeout
        now = self.monotonic()
        return Call(
            id=asked.id,
            principal=asked.principal,
            method=found,
            ask=Params(None if raw is None else as_taken(found, raw)),
            deadline=now + min(timeout, patience(asked.request)),
            demand=demand(asked.request),
            account=asked.charged_to(self.relay.account(asked.principal, found, asked.client)),
            client=asked.client,
        )
