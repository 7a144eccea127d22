"""Which of a service's replicas is asked first, and which after it?"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

from gateway.core.balance import by_key, by_load
from gateway.upstreams.replica import Replica


class Choice:
    """The replicas of one service, of which the less busy of two is asked; `only` is the one that is alone."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self.replicas = replicas
        self.only = replicas[0] if len(replicas) == 1 else None
        self._names = [replica.address.encode() for replica in replicas]
        self._turn = 0

    def order(self, key: bytes | None = None, tried: Sequence[Replica] = ()) -> Sequence[Replica]:
        """All replicas, the one that is asked first before the others; those tried already come last.

        With a key it is the same one for the same key. Until `went` is told, it is the same one's turn.
        """
        replicas = self.replicas
        if self.only is not None:
            return replicas
        now = asyncio.get_running_loop().time()
        out = [one.out(now) for one in replicas]
        if key is not None:
            found = by_key(key, self._names, out)
        else:
            draw = random.random()  # noqa: S311 - whom it meets is no secret
            found = by_load([one.load for one in replicas], out, self._turn, draw)
        order = [replicas[one] for one in found]
        return sorted(order, key=lambda one: one in tried) if tried else order

    def went(self) -> None:
        """A request is sent: the next one's turn is another replica's."""
        self._turn += 1

    # for status

    @property
    def connections(self) -> int:
        """Connections that there are now."""
        return sum(len(replica.pool) for replica in self.replicas)

    @property
    def opened(self) -> int:
        """Connections made so far."""
        return sum(replica.pool.opened for replica in self.replicas)

    @property
    def reused(self) -> int:
        """Requests so far that were sent on a connection which had carried others."""
        return sum(replica.pool.reused for replica in self.replicas)

    @property
    def sent(self) -> int:
        """Requests so far."""
        return self.opened + self.reused

    @property
    def ejections(self) -> int:
        """How often so far a replica was found to be one that is asked after the others."""
        return sum(replica.ejections for replica in self.replicas)

    def rows(self) -> dict[str, dict[str, Any]]:
        """Each replica by its address, as an operator sees it."""
        now = asyncio.get_running_loop().time()
        return {
            one.address: {"state": one.state(now), "in_flight": one.load, "ejections": one.ejections}
            for one in self.replicas
        }
