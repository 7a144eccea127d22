"""Who uses what? Calls are added up by person and method, and told by whatever is asked for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

from msgspec import Struct

from gateway.core.cache_counts import FROM_CACHE
from gateway.core.method import Method
from gateway.core.principal import Principal

By: TypeAlias = Literal["user", "group", "service", "method"]
BYS: Final[tuple[By, ...]] = get_args(By)

HOUR: Final = 3600
"""Seconds of what is added up."""
MOST_ROWS: Final = 20_000
"""Persons and methods that are told apart until they are written down; whoever comes then is one of `OTHERS`."""
OTHERS: Final = "(others)"
NO_GROUP: Final = "(no group)"

_ANSWERED: Final = (*FROM_CACHE, "miss", "pass")


class Person(Struct, frozen=True):
    """Whose calls they are; `groups` are those that they had when they called last."""

    subject: str
    issuer: str
    groups: tuple[str, ...] = ()


class Sums(Struct):
    """What somebody had of a method: calls, those that the cache answered and that failed; bytes of answers, and of those from
    the cache; trips to the service, and the seconds that these took.
    """

    calls: int = 0
    hits: int = 0
    failed: int = 0
    size: int = 0
    saved: int = 0
    trips: int = 0
    seconds: float = 0.0

    def add(self, other: Sums) -> None:
        """Both together."""
        self.calls += other.calls
        self.hits += other.hits
        self.failed += other.failed
        self.size += other.size
        self.saved += other.saved
        self.trips += other.trips
        self.seconds += other.seconds


class Use(Struct, frozen=True):
    """What one person had of one method in one hour, which began so many seconds after 1970."""

    hour: int
    person: Person
    service: str
    method: str
    sums: Sums


def person_of(principal: Principal) -> Person:
    """Whom calls of a principal are counted for."""
    return Person(principal.subject, principal.issuer, principal.groups)


class Uses:
    """What was used since it was last written down, in one process."""

    def __init__(self, most: int = MOST_ROWS) -> None:
        self._most = most
        self._sums: dict[tuple[Person, str, str], Sums] = {}

    def called(self, person: Person, method: Method, outcome: str, seconds: float, size: int) -> None:
        """One call has ended: see `core.ports.Observer.called`."""
        sums = self._of(person, method.service, method.qualified)
        sums.calls += 1
        sums.size += size
        if outcome in FROM_CACHE:
            sums.hits += 1
            sums.saved += size
        else:
            sums.failed += outcome not in _ANSWERED
            sums.trips += 1
            sums.seconds += seconds

    def hits(self, person: Person, service: str, method: str, count: int, size: int) -> None:
        """Memory has answered so many calls, with so many bytes in all."""
        self._of(person, service, method).add(Sums(count, count, 0, size, size))

    def _of(self, person: Person, service: str, method: str) -> Sums:
        which = (person, service, method)
        found = self._sums.get(which)
        if found is None:
            if len(self._sums) >= self._most:
                which = (Person(OTHERS, ""), service, method)
            found = self._sums.setdefault(which, Sums())
        return found

    def take(self, now: float) -> list[Use]:
        """What there is; it counts as written down from now on. `now` is in seconds since 1970."""
        taken, self._sums = self._sums, {}
        hour = int(now) // HOUR * HOUR
        return [Use(hour, *which, sums) for which, sums in taken.items()]

    def give_back(self, uses: Iterable[Use]) -> None:
        """It could not be written down."""
        for one in uses:
            self._of(one.person, one.service, one.method).add(one.sums)


def told(uses: Sequence[Use], by: By) -> list[dict[str, Any]]:
    """Rows of what was used, by whatever is asked for, those with most calls first.

    Whoever is in several groups counts for each of them. `seconds_saved` is what the hits would have taken, had each of them
    taken as long as the trips for its method did on average.
    """
    took: defaultdict[str, Sums] = defaultdict(Sums)
    for one in uses:
        took[one.method].add(one.sums)
    usual = {name: sums.seconds / sums.trips if sums.trips else 0.0 for name, sums in took.items()}
    rows: defaultdict[str, Sums] = defaultdict(Sums)
    people: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    spared: Counter[str] = Counter()
    for one in uses:
        for name in _names(one, by):
            rows[name].add(one.sums)
            people[name].add((one.person.subject, one.person.issuer))
            spared[name] += one.sums.hits * usual[one.method]  # type: ignore[assignment]
    found = [_row(by, name, sums, len(people[name]), float(spared[name])) for name, sums in rows.items()]
    return sorted(found, key=lambda row: (-row["calls"], row[by]))


def _names(use: Use, by: By) -> Sequence[str]:
    match by:
        case "user":
            return (use.person.subject,)
        case "group":
            return use.person.groups or (NO_GROUP,)
        case "service":
            return (use.service,)
        case "method":
            return (use.method,)


def _row(by: By, name: str, sums: Sums, people: int, spared: float) -> dict[str, Any]:
    return {
        by: name,
        "calls": sums.calls,
        "hits": sums.hits,
        "failed": sums.failed,
        "users": people,
        "bytes": sums.size,
        "bytes_saved": sums.saved,
        "seconds": round(sums.seconds, 3),
        "seconds_saved": round(spared, 3),
    }
