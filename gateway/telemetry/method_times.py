"""How long have the calls of each method taken, since it was last asked? A call adds to a list; the lists are added up later."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict
from typing import Final

import numpy as np
from msgspec import Struct, field

from gateway.core.durations import BOUNDS as COARSE
from gateway.core.durations import Durations
from gateway.core.method_times import BOUNDS, BUCKETS, SECONDS, WIDTH, Cells, Times, ended_as, sums

MOST: Final = 20_000
"""Methods that are told apart; calls of more count for the others of their service."""
_OTHERS: Final = "(others)"
_EMPTY: Final = array("d", bytes(8 * WIDTH))
_STARTS: Final = [0, *(BOUNDS.index(bound) + 1 for bound in COARSE)]
"""Where the buckets begin that services are told by, among those of methods."""


class Took(Struct):
    """How often something has happened since it was last gathered, the bytes of it, and how often it took how long."""

    count: int = 0
    size: int = 0
    seconds: float = 0.0
    buckets: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))

    def note(self, seconds: float, size: int) -> None:
        """Once more."""
        self.count += 1
        self.size += size
        self.seconds += seconds
        self.buckets[bisect_left(BOUNDS, seconds)] += 1

    def clear(self) -> None:
        """It was gathered."""
        self.count = self.size = 0
        self.seconds = 0.0
        self.buckets.clear()


class MethodTimes:
    """What one gate of one process has counted. `take` begins anew, but for what the services' calls took in all."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._cells = array("d")
        self._places: dict[str, int] = {}
        """Which row is a method's, by its qualified name."""
        self._names: list[str] = []
        self._services: list[str] = []
        self._before: dict[str, Durations] = {}

    def add(self, service: str, method: str, outcome: str, took: Took) -> None:
        """Calls that ended so."""
        cells, first = self._cells, self._place(service, method) * WIDTH
        cells[first + SECONDS] += took.seconds
        cells[first + ended_as(outcome)] += took.count
        first += BUCKETS
        for bucket, count in took.buckets.items():
            cells[first + bucket] += count

    def at_once(self, service: str, method: str, outcome: str, count: int) -> None:
        """So many calls ended so, and took no time that could be measured."""
        first = self._place(service, method) * WIDTH
        self._cells[first + ended_as(outcome)] += count
        self._cells[first + BUCKETS] += count

    def _place(self, service: str, method: str) -> int:
        place = self._places.get(method)
        if place is not None:
            return place
        others = f"{service}.{_OTHERS}"
        if len(self._names) >= self._most and method != others:
            return self._place(service, others)
        place = self._places[method] = len(self._names)
        self._cells.extend(_EMPTY)
        self._names.append(method)
        self._services.append(service)
        return place

    def told(self) -> Times:
        """The rows of those that were called since `take`."""
        cells = self._rows()
        called = np.flatnonzero(cells[:, BUCKETS:].any(axis=1))
        return Times([self._names[at] for at in called.tolist()], cells[called])

    def take(self) -> Times:
        """The same; they count as told from now on."""
        told = self.told()
        self._before = self.services()
        self._rows()[:] = 0.0
        return told

    def services(self) -> dict[str, Durations]:
        """How long the calls of each service have taken since the beginning, by the coarser bounds of `core.durations`."""
        services, cells = sums(self._services, self._rows())
        coarse = np.add.reduceat(cells[:, BUCKETS:], _STARTS, axis=1)
        found = {}
        for service, counts, row in zip(services, coarse, cells, strict=True):
            now = found[service] = Durations()
            before = self._before.get(service, now)
            now.buckets = [int(count) + old for count, old in zip(counts, before.buckets, strict=True)]
            now.seconds = float(row[SECONDS]) + before.seconds
        return found

    def _rows(self) -> Cells:
        """The cells, a row for each method. They cannot grow while somebody holds this."""
        return np.frombuffer(self._cells).reshape(-1, WIDTH)
