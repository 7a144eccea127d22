"""What is a process to the others, if there are none?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Any

from gateway.core.sums import Family
from gateway.core.switches import Switches, Wish
from gateway.workers.member import Work


class Alone:
    """The one process of a gate without workers: like a `Member`, and what it says of all it says of itself."""

    place = (1, 1)
    leads = True
    sockets = None
    """It listens by itself."""

    def __init__(self) -> None:
        self.switches = Switches()
        # Unlike any other gate's in front of or behind this one (RFC 9110 section 7.6.3).
        self.pseudonym = b"labgate-%b" % token_hex(6).encode()
        self._work: Work

    def serve(self, work: Work) -> None:
        """Have this asked when somebody wants to know."""
        self._work = work

    def own(self, name: bytes, service: str) -> None:
        """Nobody else needs to know of cookies."""

    def tell_health(self, service: str, sick: Sequence[bool]) -> None:
        """Nobody else needs to know how replicas are."""

    def patience(self, connections: int) -> float:  # noqa: ARG002 - asked as a Member is
        """Nobody else could take them."""
        return 0.0

    def absent(self) -> None:
        """Nobody waits for it."""

    async def switch(self, wish: Wish, by: str, now: float) -> Sequence[str]:
        """Do as wished; what changed by it, in words."""
        done = self.switches.change(wish, by, now)
        self._work.switched(wish)
        return done

    async def status(self) -> Mapping[str, Any]:
        """How it stands."""
        return self._work.status()

    async def numbers(self) -> Sequence[Family]:
        """What it has counted."""
        return self._work.numbers()
