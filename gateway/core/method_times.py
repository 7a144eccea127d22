"""How long do the calls of each method take? Counts of a while, put together and told as rows that can be sorted.

A row of cells is what is known of one name: the seconds of its calls, how they ended, and how many took how long, by buckets
that never change. Rows add up: those of several whiles, of several processes, of all methods of a service.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias, TypeVar, get_args

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from gateway.core.cache_counts import FROM_CACHE

T = TypeVar("T", str, int)
Cells: TypeAlias = npt.NDArray[np.floating[Any]]
By: TypeAlias = Literal["method", "service"]
Sort: TypeAlias = Literal["name", "calls", "failed", "cached", "p50", "p99"]
BYS: Final[tuple[By, ...]] = get_args(By)
SORTS: Final[tuple[Sort, ...]] = get_args(Sort)

BOUNDS: Final = (
    0.0001, 0.00015, 0.00025, 0.00035, 0.0005, 0.0007,
    0.001, 0.0015, 0.0025, 0.0035, 0.005, 0.007,
    0.01, 0.015, 0.025, 0.035, 0.05, 0.07,
    0.1, 0.15, 0.25, 0.35, 0.5, 0.7,
    1.0, 1.5, 2.5, 3.5, 5.0, 7.0,
    10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 150.0, 300.0,
)  # fmt: skip
"""Upper bounds of the buckets, in seconds; all of `durations.BOUNDS` are among them."""

SECONDS: Final = 0
CACHED: Final = 1
FAILED: Final = 2
OTHERS: Final = 3
"""Calls that a service answered, or for which the cache was not asked."""
BUCKETS: Final = 4
WIDTH: Final = BUCKETS + len(BOUNDS) + 1
"""One bucket more than there are bounds, for what took longer than all of them."""

_ANSWERED: Final = frozenset(("miss", "pass"))
_UPPER: Final = np.array((*BOUNDS, BOUNDS[-1]))
_LOWER: Final = np.array((0.0, *BOUNDS))


class Times(Struct, frozen=True):
    """A row of cells for each name; no name stands there twice."""

    names: Sequence[str]
    cells: Cells


def ended_as(outcome: str) -> int:
    """The cell in which a call counts that has ended so: see `core.ports.Observer.called`."""
    return CACHED if outcome in FROM_CACHE else OTHERS if outcome in _ANSWERED else FAILED


def together(parts: Sequence[Times]) -> Times:
    """One row for each name that is in any of them."""
    places: dict[str, int] = {}
    indices = [[places.setdefault(name, len(places)) for name in part.names] for part in parts]
    cells = np.zeros((len(places), WIDTH))
    for index, part in zip(indices, parts, strict=True):
        cells[np.array(index, np.intp)] += part.cells
    return Times(list(places), cells)


def sums(names: Sequence[T], cells: Cells) -> tuple[list[T], Cells]:
    """One row for each name, where several rows may be of one."""
    places: dict[T, int] = {}
    index = np.array([places.setdefault(name, len(places)) for name in names], np.intp)
    if not places:
        return [], cells
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(len(places)))
    return list(places), np.add.reduceat(cells[order], starts, axis=0)


def by_service(times: Times) -> Times:
    """One row for each service: no service has a dot in its name, and every method has."""
    return Times(*sums([name.partition(".")[0] for name in times.names], times.cells))


def quantile(cells: Cells, part: float) -> npt.NDArray[np.float64]:
    """The seconds within which this part of the calls of each row ended (0.99: all but the slowest hundredth).

    Calls within a bucket are told as if they were spread evenly over it. No row may be without calls.
    """
    counts = cells[:, BUCKETS:]
    upto = np.cumsum(counts, axis=1, dtype=np.float64)
    rank = np.ceil(upto[:, -1] * part)
    at = np.argmax(upto >= rank[:, None], axis=1)
    rows = np.arange(len(at))
    inside = counts[rows, at].astype(np.float64)
    share = (rank - (upto[rows, at] - inside) - 0.5) / inside
    found: npt.NDArray[np.float64] = _LOWER[at] + (_UPPER[at] - _LOWER[at]) * share
    return found


class Wish(Struct, frozen=True):
    """Which rows somebody wants to see: those with all words of `find` in their names, at most `limit` of them."""

    by: By = "method"
    find: str = ""
    sort: Sort = "calls"
    descending: bool = True
    limit: int = 100


def told(times: Times, wish: Wish) -> dict[str, Any]:
    """The rows that somebody wants to see, how many there are, and all of them in one."""
    times = by_service(times) if wish.by == "service" else times
    called = times.cells[:, BUCKETS:].sum(axis=1) > 0
    words = wish.find.casefold().split()
    chosen = [
        at
        for at, name in enumerate(times.names)
        if called[at] and all(word in name.casefold() for word in words)
    ]
    cells, names = times.cells[chosen], [times.names[at] for at in chosen]
    columns = _columns(cells)
    order = _order(names, columns, wish)[: wish.limit]
    whole = _columns(cells.sum(axis=0, keepdims=True)) if chosen else None
    return {
        "by": wish.by,
        "found": len(names),
        "all": None if whole is None else next(_rows(whole, [0])),
        "rows": [{wish.by: names[at], **row} for at, row in zip(order, _rows(columns, order), strict=True)],
    }


def _columns(cells: Cells) -> dict[str, npt.NDArray[np.float64]]:
    """What can be told of each row, and sorted by."""
    calls = np.asarray(cells[:, BUCKETS:].sum(axis=1, dtype=np.float64))
    share = cells[:, CACHED] / np.maximum(calls, 1.0)
    return {
        "calls": calls,
        "failed": np.asarray(cells[:, FAILED], np.float64),
        "cached": np.asarray(share, np.float64),
        "p50": quantile(cells, 0.5),
        "p99": quantile(cells, 0.99),
        "seconds": np.asarray(cells[:, SECONDS], np.float64),
    }


def _order(names: Sequence[str], columns: dict[str, npt.NDArray[np.float64]], wish: Wish) -> list[int]:
    """The rows in the order that is wanted; those that are alike come by their names."""
    by_name = sorted(range(len(names)), key=names.__getitem__)
    if wish.sort == "name":
        return by_name[::-1] if wish.descending else by_name
    values = columns[wish.sort]
    return sorted(by_name, key=lambda at: -values[at] if wish.descending else values[at])


def _rows(columns: dict[str, npt.NDArray[np.float64]], which: Sequence[int]) -> Iterator[dict[str, Any]]:
    for at in which:
        yield {
            "calls": int(columns["calls"][at]),
            "failed": int(columns["failed"][at]),
            "cached": round(float(columns["cached"][at]), 4),
            "p50": float(f"{columns['p50'][at]:.3g}"),
            "p99": float(f"{columns['p99'][at]:.3g}"),
            "seconds": round(float(columns["seconds"][at]), 6),
        }
