"""What do several workers say of themselves, taken together?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

Labels = tuple[tuple[str, str], ...]

SHARED: Final = "shared"
"""The name under which a part of a status lists what of it all workers have in common, and is not summed."""

_APART: Final = "workers"
_NOT_SUMMED: Final = frozenset(("uptime_seconds", "since", "asked", "methods", "left_out", "epoch"))
_LASTING: Final = frozenset(("counter", "histogram"))
_EARLIEST: Final = frozenset(("process_start_time_seconds",))


class Family(Struct, frozen=True, array_like=True):
    """A metric of Prometheus with its samples: their names, labels and values.

    `alike` = it says of every worker the same, as which version runs: it is not summed, and the least counts where they
    disagree.
    """

    name: str
    kind: str
    text: str
    alike: bool
    samples: tuple[tuple[str, Labels, float], ...]


def total(workers: Iterable[Sequence[Family]]) -> list[Family]:
    """All families, in the order of the first worker that has them, with the sum of each sample."""
    heads: dict[str, Family] = {}
    values: dict[str, dict[tuple[str, Labels], float]] = {}
    for families in workers:
        for family in families:
            heads.setdefault(family.name, family)
            found = values.setdefault(family.name, {})
            for name, labels, value in family.samples:
                before = found.get((name, labels))
                found[name, labels] = value if before is None else _joined(family, before, value)
    return [
        Family(
            one.name, one.kind, one.text, one.alike, tuple((*at, value) for at, value in values[name].items())
        )
        for name, one in heads.items()
    ]


def _joined(family: Family, one: float, other: float) -> float:
    return min(one, other) if family.alike or family.name in _EARLIEST else one + other


def lasting(families: Sequence[Family]) -> list[Family]:
    """What of a worker's numbers stays true when it has ended: what was counted, and not how it stood."""
    return [one for one in families if one.kind in _LASTING and not one.alike]


def status_of_all(statuses: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One status of the shape of each: numbers are summed, rows of `workers` stand together.

    Texts, lists, and numbers about something that is not each worker's own are those of the first; where one of them
    drains, all do.
    """
    first, *others = statuses
    summed: dict[str, Any] = dict(first)
    for other in others:
        summed = _both(summed, other)
    return summed


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(one)
    common = one.get(SHARED, ())
    for name, value in other.items():
        if name in common:
            continue
        mine = found.get(name)
        if mine is None:
            found.setdefault(name, value)
        elif name == _APART and isinstance(mine, list):
            found[name] = [*mine, *value]
        elif isinstance(mine, Mapping) and isinstance(value, Mapping):
            found[name] = _both(mine, value)
        elif name == "draining":
            found[name] = mine or value
        elif _is_number(mine) and _is_number(value) and name not in _NOT_SUMMED:
            found[name] = mine + value
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
