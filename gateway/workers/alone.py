"""What is a process to the others, if there are none?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Any

from gateway.core.ending import Ending, end
from gateway.core.reloading import History, Reloading, asked
from gateway.core.sums import Family, lasting, total
from gateway.core.switches import Switches, Wish
from gateway.workers.member import Work


class Alone:
    """The one process of a gate without workers: like a `Member`, and what it says of all it says of itself.

    A gate that takes another's place has one of its own, which knows the one before: so what was counted stays counted,
    and what was switched off stays off.
    """

    place = (1, 1)
    leads = True
    sockets = None
    """It listens by itself."""

    def __init__(self, before: Alone | None = None, reloading: Reloading | None = None) -> None:
        """`reloading` is who takes the settings anew, None where nobody can."""
        self.switches: Switches = Switches() if before is None else before.switches
        # Unlike any other gate's in front of or behind this one (RFC 9110 section 7.6.3).
        self.pseudonym: bytes = b"labgate-%b" % token_hex(6).encode() if before is None else before.pseudonym
        self.reloading: Reloading | None = reloading if before is None else before.reloading
        self.ending: Ending | None = None if before is None else before.ending
        """Who has the process end; None where it is part of another program."""
        self._before = before
        self._unchanged = History(time.time())
        self._ended: Sequence[Family] = ()
        self._work: Work | None = None

    def serve(self, work: Work) -> None:
        """Have this asked when somebody wants to know; the cordons that there are, are told to it."""
        self._work = work
        work.switched(Wish(cordon=dict.fromkeys(self.switches.cordons, True)))

    def leave(self) -> None:
        """The gate has ended: what it counted stays true."""
        work, self._work = self._work, None
        if work is not None:
            self._ended = total([self._ended, lasting(work.numbers())])

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
        if self._work is not None:
            self._work.switched(wish)
        return done

    async def reload(self, by: str, *, only_look: bool) -> Mapping[str, Any]:
        """Take the settings anew, or say what that would do. Raises `Unavailable` where they came from no file."""
        return await asked(self.reloading, by, only_look=only_look)

    async def drain(self, by: str) -> None:
        """Have the gate end. Raises `Unavailable` where it is part of another program."""
        end(self.ending, by)

    async def status(self) -> Mapping[str, Any]:
        """How it stands."""
        found = {} if self._work is None else self._work.status()
        return found if self.reloading is None else {**found, "reload": self.reloading.shown()}

    async def numbers(self) -> Sequence[Family]:
        """What it has counted, and those before it."""
        own = (self._unchanged if self.reloading is None else self.reloading).families()
        now = () if self._work is None else self._work.numbers()
        return total([now, own, self.past()])

    async def lately(self, seconds: float) -> Sequence[Any]:
        """What it has counted of each method in so many last seconds, and so have those before it."""
        return [] if self._work is None else [await self._work.lately(seconds)]

    def past(self) -> Sequence[Family]:
        """What stays true of what those before this one have counted."""
        if self._before is None:
            return self._ended
        if not self._before.is_over:
            return total([self._before.counted(), self._ended])
        # Nothing of it need be kept but its numbers.
        self._ended, self._before = total([self._ended, self._before.counted()]), None
        return self._ended

    def counted(self) -> Sequence[Family]:
        """What stays true of what this one has counted, and those before it."""
        now = () if self._work is None else lasting(self._work.numbers())
        return total([now, self.past()])

    @property
    def is_over(self) -> bool:
        """Whether its gate has ended, and so have all before it."""
        return self._work is None and (self._before is None or self._before.is_over)
