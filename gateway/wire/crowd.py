"""Who is let in, where many callers come at once?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import Enum
from ipaddress import IPv6Address

from gateway.wire.limits import Limits


class Welcome(Enum):
    """What becomes of a new connection."""

    SERVED = "its requests are answered"
    FULL = "it is told that all connections are taken"
    CROWDED = "it is told that its own address has too many"
    TURNED_AWAY = "it is closed unread"


class Crowd:
    """The connections that there are, in all and by the address that they come from.

    A tenth more than may be served are let in to be told why not. Whoever has a network of IPv6 has more addresses than
    could be counted: there the first 64 bits count, which are one customer's.
    """

    __slots__ = ("_by_place", "_exempt", "_limits", "count")

    def __init__(self, limits: Limits, exempt: Callable[[str], bool] | None = None) -> None:
        """`exempt` says of an address that many callers share it: a proxy in front of the gate."""
        self._limits = limits
        self._exempt = exempt
        self._by_place: Counter[str] = Counter()
        self.count = 0

    def enter(self, address: str) -> Welcome:
        """Another connection is there, until it leaves."""
        most, most_each = self._limits.connections, self._limits.connections_per_address
        taken, self.count = self.count, self.count + 1
        mine = 0
        if self._counts(address):
            place = place_of(address)
            mine = self._by_place[place]
            self._by_place[place] = mine + 1
        if taken >= most + _more(most) or (mine and mine >= most_each + _more(most_each)):
            return Welcome.TURNED_AWAY
        if taken >= most:
            return Welcome.FULL
        return Welcome.CROWDED if mine and mine >= most_each else Welcome.SERVED

    def leave(self, address: str) -> None:
        """A connection has gone."""
        self.count -= 1
        if self._counts(address):
            place = place_of(address)
            self._by_place[place] -= 1
            if not self._by_place[place]:
                del self._by_place[place]

    def _counts(self, address: str) -> bool:
        if not address or not self._limits.connections_per_address:
            return False
        return self._exempt is None or not self._exempt(address)


def place_of(address: str) -> str:
    """What an address is counted by: itself, or the network that it is in."""
    if ":" not in address:
        return address
    found = IPv6Address(address)
    mapped = found.ipv4_mapped
    return str(mapped) if mapped is not None else found.packed[:8].hex()


def _more(most: int) -> int:
    return max(1, most // 10)
