"""Is a service asked at all, after what became of the requests before?

A breaker is one of three values. It is `Closed` as long as requests are answered; `Open` for a while when too many were not,
and then `HalfOpen`, when one request goes to see. What a caller did wrong is never counted: see `says_down`.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from msgspec import Struct

LONGEST: Final = 8
"""A service that stays down is left alone for longer each time: twice as long, at most so many times as long."""

_DOWN: Final = frozenset((502, 503, 504))
_JSON_RPC: Final = b'"jsonrpc"'


class BreakerRule(Struct, frozen=True):
    """When it opens, and for how long.

    It opens when, within `window` seconds, at least `failures` requests failed and they are at least the part `ratio` of all.
    The first probe goes after `open` seconds.
    """

    failures: int = 10
    ratio: float = 0.5
    window: float = 30.0
    open: float = 5.0


class Closed(Struct, frozen=True):
    """Requests go. The window begins with a failure, at `since`; `NEVER` failed is the usual state."""

    since: float = 0.0
    failures: int = 0
    successes: int = 0


class Open(Struct, frozen=True):
    """No request goes before `until`; it is so for the `times`-th time in a row."""

    until: float
    times: int = 1


class HalfOpen(Struct, frozen=True):
    """One request went to see, at `since`, after the breaker was open `times` times in a row."""

    since: float
    times: int


USUAL: Final = BreakerRule()

Breaker: TypeAlias = Closed | Open | HalfOpen

NEVER: Final = Closed()


def says_down(status: int, body: bytes) -> bool:
    """Whether an answer says that the service is down: a JSON-RPC error is an answer, whatever its status."""
    return status in _DOWN and _JSON_RPC not in body


def enter(breaker: Breaker, rule: BreakerRule, now: float) -> HalfOpen | Closed | None:
    """The state in which a request goes; None if it does not.

    A probe of which nothing is heard for as long as the breaker was open is given up for another.
    """
    match breaker:
        case Closed():
            return breaker
        case Open(until, times):
            return HalfOpen(now, times) if now >= until else None
        case HalfOpen(since, times):
            return HalfOpen(now, times) if now >= since + pause(rule, times) else None


def failed(breaker: Breaker, rule: BreakerRule, now: float) -> Breaker:
    """A request got no answer, or one that says that the service is down."""
    match breaker:
        case Open():  # it had left before
            return breaker
        case HalfOpen(_, times):
            return Open(now + pause(rule, times + 1), times + 1)
    if not breaker.failures or now >= breaker.since + rule.window:
        breaker = Closed(now)
    failures = breaker.failures + 1
    if failures >= rule.failures and failures >= rule.ratio * (failures + breaker.successes):
        return Open(now + pause(rule, 1))
    return Closed(breaker.since, failures, breaker.successes)


def succeeded(breaker: Breaker, rule: BreakerRule, now: float) -> Breaker:
    """A request was answered."""
    match breaker:
        case Open():  # it had left before
            return breaker
        case HalfOpen():
            return NEVER
    if not breaker.failures or now >= breaker.since + rule.window:
        return NEVER
    return Closed(breaker.since, breaker.failures, breaker.successes + 1)


def abandoned(breaker: Breaker, now: float) -> Breaker:
    """A request ended about which nothing can be said: its caller went away. If it was the probe, the next one may go."""
    return Open(now, breaker.times) if isinstance(breaker, HalfOpen) else breaker


def pause(rule: BreakerRule, times: int) -> float:
    """For how many seconds the breaker is open when it opens the `times`-th time in a row."""
    return rule.open * min(2.0 ** min(times - 1, 32), LONGEST)


def seconds_shut(breaker: Breaker, rule: BreakerRule, now: float) -> float:
    """In how many seconds a request may go; 0 where it may now."""
    match breaker:
        case Open(until):
            return max(0.0, until - now)
        case HalfOpen(since, times):
            return max(0.0, since + pause(rule, times) - now)
    return 0.0


def name(breaker: Breaker) -> str:
    """What it is called in status: `closed`, `open`, `half-open`."""
    return {Closed: "closed", Open: "open", HalfOpen: "half-open"}[type(breaker)]
