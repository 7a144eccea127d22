"""What does one limit let one principal have, and where is it kept?"""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import Final, TypeAlias

from gateway.core.charging import Meters
from gateway.core.limits import Limit, Named
from gateway.core.rates import MOST_OWED, SECOND, Rate
from gateway.core.tally import Book, Tally

BYTES: Final = "-bytes"
"""What a limit's name ends with where it is one of bytes."""

Kept: TypeAlias = "MutableSequence[int] | memoryview[int]"


class Meter:
    """What one limit lets one principal have: the row `at`, as long as the table's `keys` have its `key` there."""

    __slots__ = ("at", "key", "keys", "limit", "name", "table", "whose")

    def __init__(self, table: Meters, named: Named, whose: tuple[str, ...]) -> None:
        self.table = table
        self.name = named.name
        self.limit: Limit = named.limit
        self.whose = (repr(named), *whose)
        self.keys = table.keys
        self.key = table.key(*self.whose)
        self.at = 0

    def row(self) -> int:
        """Where it is kept."""
        row = self.at
        if self.keys[row] != self.key:
            row = self.at = self.table.row(self.key)
        return row


class Quota:
    """One rate of a meter, of calls or of bytes; `kept` are the moments at which all will be there again, by row."""

    __slots__ = (
        "burst",
        "count",
        "kept",
        "limit",
        "meter",
        "most",
        "name",
        "one",
        "rate",
        "row",
        "span",
        "tally",
        "window",
    )

    def __init__(self, meter: Meter, rate: Rate, kept: Kept, suffix: str, book: Book | None) -> None:
        """With a book, what is spent here is told to the other gates."""
        self.limit = meter.name
        self.name = meter.name + suffix
        self.meter = meter
        self.row = meter.row
        self.rate = rate
        self.count, self.window, self.burst = rate.count, rate.window, rate.burst
        self.span, self.one = rate.span, rate.one
        self.kept = kept
        # What several gates have let somebody have before they heard of each other is paid off, too.
        owes_others = book is not None or suffix == BYTES
        self.most = MOST_OWED * rate.span if owes_others else rate.span
        self.tally = None
        if book is not None:
            self.tally = Tally(book, book.key(suffix, *meter.whose), self.most, self._owed)

    def due(self, now: int) -> int:
        """What is kept; a clock that was set back leaves nobody without their calls for long."""
        row = self.row()
        due = self.kept[row]
        if due > now + self.most:
            due = self.kept[row] = now + self.most
        return due

    def told(self, now: int, ahead: int = 0) -> tuple[int, int]:
        """How much is left, and after how many whole seconds all of it is there again; `ahead` nanoseconds of it are charged but not had."""
        owed = self.kept[self.row()] - ahead - now
        if owed <= 0:
            return self.burst, 0
        left = (self.span - owed) * self.count // self.window
        return max(0, left), -(-owed // SECOND)

    def _owed(self, now: int, heard: int) -> int:
        due = self.kept[self.row()] = max(self.due(now), now + heard)
        return max(0, due - now)
