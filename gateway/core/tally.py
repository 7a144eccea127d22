"""What has one process let somebody have, of which the other gates have not heard yet?

Gates tell each other by what they share: each says how much was spent and since when, and hears how much everybody owes.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from msgspec import Struct

MOST_UNTOLD: Final = 65_536
"""Accounts whose spending waits to be told; beyond them it is forgotten, and counts on this host alone."""
LONGEST: Final = 2_000_000_000
"""Nanoseconds for which spending waits at most: if nobody could be told by then, only what is owed of it still counts."""


class Share(Struct, frozen=True, gc=False):
    """What is told of a tally, in nanoseconds: `spent` since `age` ago; nobody owes more than `most`."""

    key: str
    age: int
    spent: int
    most: int


class Tally:
    """What one process has let one principal have by one rate, in the nanoseconds in which it comes back."""

    __slots__ = ("_book", "_since", "key", "most", "owed", "spent")

    def __init__(self, book: Book, key: str, most: int, owed: Callable[[int, int], int]) -> None:
        """`key` stands for it on every gate. `owed(now, heard)` takes note of what all owe, and tells what is owed then."""
        self._book = book
        self._since = 0
        self.key = key
        self.most = most
        self.owed = owed
        self.spent = 0

    def note(self, time: int, now: int) -> None:
        """So much was spent."""
        if not self.spent:
            if not time:
                return  # of which there are more than nanoseconds
            self._since = now
            self._book.add(self)
        self.spent += time

    def take(self, now: int) -> Share:
        """What is to be told; it counts as told from now on."""
        spent, age = self.spent, max(0, now - self._since)
        if age > LONGEST:  # nobody was there to hear it: what came back meanwhile is nobody's matter any more
            spent, age = min(spent, self.owed(now, 0)), 0
        self.spent = 0
        return Share(self.key, age, spent, self.most)

    def give_back(self, share: Share, now: int) -> None:
        """It was not heard after all."""
        if not self.spent:
            self._book.add(self)
        self._since = now - share.age
        self.spent += share.spent

    def hear(self, owed: int, now: int) -> None:
        """Everybody together owed so much at `now`, without what was spent since then."""
        self.owed(now, owed + self.spent)

    def forget(self) -> None:
        """Nobody hears it."""
        self.spent = 0


class Book:
    """The tallies of a process of which something is to be told."""

    def __init__(self, secret: bytes) -> None:
        """`secret` is what the gates have in common and nobody else knows: what tallies are called tells nobody whose they are."""
        self._secret = secret
        self.waiting: list[Tally] = []
        self.wake: Callable[[], None] = _nobody
        """Called when there is something to tell."""

    def key(self, *whose: str) -> str:
        """What stands for somebody, on every gate."""
        text = "\0".join(whose).encode("utf-8", "surrogatepass")
        return blake2b(text, digest_size=16, key=self._secret).hexdigest()

    def add(self, tally: Tally) -> None:
        """Something is to be told of this one."""
        if len(self.waiting) >= MOST_UNTOLD:
            for one in self.take():
                one.forget()
        self.waiting.append(tally)
        self.wake()

    def take(self) -> list[Tally]:
        """All of them; none waits then."""
        taken, self.waiting = self.waiting, []
        return taken


def _nobody() -> None:
    return None
