"""Is a request sent once more, after how long, and how many of all requests may that be?"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from gateway.core.reply import Fields

RECENT: Final = 10.0
"""Seconds of traffic of which retries are a part."""
FLOOR: Final = 0.5
"""Retries that are granted each second whatever the traffic: a service that is rarely asked gets them too."""
MOST_WAIT: Final = 5.0
"""Seconds of a `Retry-After` that are waited for; who says more has it told to the caller."""

_BASE: Final = 0.025
_MOST: Final = 1.0
_ASKS_TO_WAIT: Final = frozenset((429, 503))
_JSON_RPC: Final = b'"jsonrpc"'


class Retries(Struct, frozen=True):
    """How often one request is sent again at most, and what part of the recent requests may be such.

    `idempotent` = also what changes something, where it is known that twice is as good as once.
    """

    attempts: int = 1
    budget: float = 0.2
    idempotent: bool = False


ONE_RETRY: Final = Retries()


class Budget(Struct, frozen=True):
    """How many retries may be made at `since`, when `requests` had been sent."""

    tokens: float = RECENT * FLOOR
    requests: int = 0
    since: float = 0.0


def refilled(budget: Budget, share: float, requests: int, now: float) -> Budget:
    """The budget as it is now, after so many requests: of what is older than `RECENT` nothing is left."""
    passed = max(0.0, now - budget.since)
    sent = max(0, requests - budget.requests)
    part = min(1.0, RECENT / passed) if passed else 1.0
    kept = budget.tokens * max(0.0, 1.0 - passed / RECENT)
    return Budget(kept + FLOOR * min(passed, RECENT) + share * sent * part, requests, now)


def spent(budget: Budget, share: float, requests: int, now: float) -> tuple[Budget, bool]:
    """The budget after one more retry was wanted, and whether it may be made."""
    there = refilled(budget, share, requests, now)
    if there.tokens < 1.0:
        return there, False
    return Budget(there.tokens - 1.0, requests, now), True


def delay(attempt: int, draw: float) -> float:
    """Seconds before the attempt, of which the first is 1; `draw` is a random number from 0 to 1, that not all come at once."""
    return float(min(_BASE * 2.0 ** min(attempt - 1, 16), _MOST) * (0.5 + draw))


def asks_to_wait(status: int, fields: Fields, body: bytes) -> bool:
    """Whether an answer says when to ask again; a JSON-RPC error is an answer, whatever its status."""
    if status not in _ASKS_TO_WAIT or _JSON_RPC in body:
        return False
    return any(name.lower() == b"retry-after" for name, _ in fields)


def wait_for(fields: Fields, left: float) -> float | None:
    """The seconds that such an answer asks to wait for, None where that is more than there is time for."""
    said = next((value for name, value in fields if name.lower() == b"retry-after"), b"").strip()
    if not said.isdigit() or len(said) > 9:
        return None
    seconds = float(said)
    return seconds if seconds <= MOST_WAIT and seconds < left / 2 else None
