"""Is a service asked at this moment, may a request be sent to it once more, and what is counted of both?"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from gateway.core import breaker, retrying
from gateway.core.faults import Unavailable
from gateway.core.service import Service

log = logging.getLogger("labgate.upstreams")

_ALMOST: Final = 0.9
"""Waiting for a turn takes some of a call's time."""

Turned = Callable[[str, str | None], None]
"""Who is told that a service (by its qualified name) is left alone from now on, and why; None = it is asked again."""


class Missed(Protocol):
    """One replica, as far as the guard looks at it."""

    def missed(self, now: float) -> None:
        """A request to it failed."""

    def rest(self, now: float) -> None:
        """It took no connection."""

    def answered(self) -> None:
        """It answered."""

    @property
    def troubled(self) -> bool:
        """Whether its last request failed."""


class Guard:
    """A service's breaker and its budget of retries, and whether it is held. `shut` = nobody passes without asking `enter`.

    As long as `alert` is False nothing has failed lately, and nobody needs to tell that a request was answered.
    """

    def __init__(self, service: Service, replicas: Sequence[Missed], turned: Turned) -> None:
        self.shut = False
        self.is_open = False
        """Whether the breaker lets nothing pass, or one request alone."""
        self._held: Callable[[], Unavailable] | None = None
        self.alert = False
        self.retries = 0
        """Requests so far that were sent once more."""
        self.hedges = 0
        """Calls so far that were made a second time beside the first."""
        self.refused = 0
        """Requests so far that were not sent, because the service is left alone."""
        self._name = service.qualified
        self._within = service.within
        self._rule = service.breaker
        self._retries = service.retries
        self._replicas = replicas
        self._turned = turned
        self._breaker: breaker.Breaker = breaker.NEVER
        self._budget = retrying.Budget()

    @property
    def state(self) -> str:
        """The breaker's state: `closed`, `open`, `half-open`."""
        return breaker.name(self._breaker)

    # --- whether it is asked

    def enter(self, now: float) -> None:
        """A request wants to go. Raises `Unavailable`."""
        if self._held is not None:
            self.refused += 1
            raise self._held()
        if not self.shut or self._rule is None:
            return
        entered = breaker.enter(self._breaker, self._rule, now)
        if entered is None:
            self.refused += 1
            raise self._refusal(now)
        self._breaker = entered

    def hold(self, refusal: Callable[[], Unavailable] | None) -> None:
        """Let nothing pass, and say this to whoever wants to; None = as usual again. What is under way goes on."""
        self._held = refusal
        self.shut = self.is_open or refusal is not None

    def _refusal(self, now: float) -> Unavailable:
        wait = 0.0 if self._rule is None else breaker.seconds_shut(self._breaker, self._rule, now)
        return Unavailable(
            f"The service {self._name!r} is not asked at present, because too many requests to it have failed; "
            "call again in a moment.",
            retry_after=max(1, math.ceil(wait)),
        )

    # --- what became of a request

    def failed(self, now: float, why: str, replica: Missed | None = None) -> None:
        """It got no answer, or one that says that the service is down. Without a replica, none could be reached."""
        self.alert = True
        if replica is not None:
            replica.missed(now)
        if self._rule is not None:
            self._become(breaker.failed(self._breaker, self._rule, now), why)

    def unreached(self, now: float, replica: Missed) -> None:
        """The replica took no connection; others may."""
        replica.rest(now)
        self.alert = True

    def succeeded(self, now: float, replica: Missed) -> None:
        """It was answered."""
        if not self.alert:
            return
        replica.answered()
        if self._rule is not None:
            self._become(breaker.succeeded(self._breaker, self._rule, now))
        self.alert = self._breaker is not breaker.NEVER or any(one.troubled for one in self._replicas)

    def late(self, now: float, seconds: float, replica: Missed) -> bool:
        """There was no answer within so many seconds: that says something of the service if it is as long as it may take.

        Whether it is: who gives a service less time than it has by its settings says nothing of it.
        """
        if seconds < _ALMOST * self._within:
            return False
        self.failed(now, f"no answer within {seconds:.3g} s", replica)
        return True

    def abandoned(self, now: float) -> None:
        """It ended, and nothing can be said of the service."""
        if self.is_open:
            self._become(breaker.abandoned(self._breaker, now))

    def _become(self, state: breaker.Breaker, why: str = "") -> None:
        self._breaker = state
        shut = not isinstance(state, breaker.Closed)
        if isinstance(state, breaker.Open) and not self.is_open:
            log.warning("service %s is not asked for a while, too many requests failed: %s", self._name, why)
            self._turned(self._name, f"too many requests to it failed: {why}")
        elif self.is_open and not shut:
            log.info("service %s answers again", self._name)
            self._turned(self._name, None)
        self.is_open = shut
        self.shut = shut or self._held is not None

    # --- once more

    @property
    def attempts(self) -> int:
        """How often one request may be sent again."""
        return self._retries.attempts

    def spend(self, requests: int, now: float, *, hedge: bool = False) -> bool:
        """Whether one more retry (or hedge) may be made, after so many requests; it is counted then."""
        # What is sent again is no reason for more of that.
        first = requests - self.retries - self.hedges
        self._budget, may = retrying.spent(self._budget, self._retries.budget, first, now)
        if hedge:
            self.hedges += may
        else:
            self.retries += may
        return may
