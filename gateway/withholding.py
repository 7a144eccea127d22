"""What follows in a gate when a service is drained, disabled, or takes calls again?"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, TypeAlias

from gateway.core.faults import Unavailable
from gateway.core.switches import Switches
from gateway.core.withdrawals import Withdrawal
from gateway.withdrawn import Withdrawn

log = logging.getLogger("labgate.services")

Mark: TypeAlias = Callable[[str, str | None, str], None]
"""Marks the methods of a service as down, and says why, and what its callers are told; None = they are not."""


class Held(Protocol):
    """The connections to a service."""

    def hold(self, refusal: Callable[[], Unavailable] | None) -> None:
        """Send no more requests of callers; None = as usual again."""


class Withholding:
    """Keeps the switches, the connections and the lists as the withdrawals say, which any process of the host may change."""

    def __init__(
        self,
        withdrawn: Withdrawn,
        switches: Switches,
        upstreams: Mapping[str, Held],
        mark: Mark,
        wall: Callable[[], float],
    ) -> None:
        """`upstreams` are by the services' qualified names, and change; `wall` tells seconds since 1970."""
        self._withdrawn = withdrawn
        self._switches = switches
        self._upstreams = upstreams
        self._mark = mark
        self._wall = wall
        self._done: dict[str, tuple[Withdrawal, Held]] = {}
        self.told: Callable[[], None] = _nobody
        """Called when there is something that other gates should hear."""

    def heed(self) -> None:
        """Do what is new; to be called several times a second."""
        if self._withdrawn.poll():
            self._switches.withdraw(self._withdrawn.found)
        found = self._switches.withdrawn
        if not (found or self._done):
            return
        for service in {*found, *self._done}:
            upstream, one = self._upstreams.get(service), found.get(service)
            if upstream is None:
                self._done.pop(service, None)
                continue
            wanted = None if one is None else (one, upstream)
            if self._done.get(service) == wanted:
                continue
            self._apply(service, upstream, one)

    def mark(self, service: str) -> None:
        """Have the lists say what holds of a service."""
        if service in self._upstreams:
            self._mark(service, self._switches.why(service), self._switches.notice(service))

    async def put(self, service: str, one: Withdrawal) -> None:
        """Have this hold of a service from now on: here at once, in other workers and gates a moment later. Raises `Unavailable`."""
        self._withdrawn.put(service, one)
        self._switches.withdraw(self._withdrawn.found)
        self.heed()
        self.told()

    def _apply(self, service: str, upstream: Held, one: Withdrawal | None) -> None:
        drained = one is not None and one.state == "drained"
        upstream.hold(partial(self._refusal, service) if drained else None)
        self.mark(service)
        if one is None:
            self._done.pop(service, None)
            log.info("service %s takes calls again", service)
        else:
            self._done[service] = (one, upstream)
            log.info("service %s takes no calls: %s", service, one.why())

    def _refusal(self, service: str) -> Unavailable:
        return self._switches.refusal(service, self._wall())


def _nobody() -> None:
    return None
