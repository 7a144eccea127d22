"""How much happened?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import inf
from secrets import token_bytes
from time import time_ns
from typing import TypeAlias

from msgspec import Struct
from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from gateway.core.cache_status import WORDS
from gateway.core.durations import BOUNDS
from gateway.core.method import Method
from gateway.core.ports import Tally, Visit
from gateway.core.principal import Principal
from gateway.core.sums import Family
from gateway.core.tracing import Tracer
from gateway.core.usage import OTHERS, Person, Uses, person_of
from gateway.core.verdict import Hit, Verdict
from gateway.telemetry.families import Buckets, Counted, distribution, family_of
from gateway.telemetry.logs import told_slow
from gateway.telemetry.method_times import MethodTimes, Took

Read: TypeAlias = Callable[[], Iterable[tuple[tuple[str, ...], float]]]
"""Reads a number that others keep: its value for each combination of labels."""

ReadBuckets: TypeAlias = Callable[[], Buckets]
"""Reads a distribution that others keep."""

ReadEach: TypeAlias = Callable[[], Iterable[tuple[tuple[str, ...], Buckets]]]
"""Reads distributions that others keep: one for each combination of labels."""


MOST_TALLIES = 50_000
"""Places to count hits, of persons and methods, that are told apart."""


class _Kept(Struct, frozen=True):
    """A number that others keep."""

    family: type[GaugeMetricFamily] | type[CounterMetricFamily]
    text: str
    labels: tuple[str, ...]
    read: Read
    alike: bool = False


class _Shown:
    """How what is counted here is called in Prometheus."""

    def __init__(self) -> None:
        each, cache = ("service", "method", "outcome"), ("service", "verdict", "reason")
        self.calls: Counted[tuple[str, str, str]] = Counted("calls", "Calls by how they ended.", each)
        self.sizes: Counted[tuple[str, str, str]] = Counted(
            "call_bytes", "Bytes of answers to calls, by how these ended.", each
        )
        self.verdicts: Counted[tuple[str, str, str]] = Counted(
            "cache_verdicts",
            "What the cache did for calls, and why; of a hit, the tier that had the reply.",
            cache,
        )
        self.requests: Counted[tuple[str, str]] = Counted(
            "requests", "HTTP requests answered.", ("door", "status")
        )
        self.slow: Counted[tuple[str]] = Counted(
            "slow_requests", "HTTP requests that took at least as long as `telemetry.slow` says.", ("door",)
        )
        self.mounted: Counted[tuple[str, str]] = Counted(
            "mount_requests",
            "HTTP requests that came through a service's mount, by the class of their status.",
            ("service", "status"),
        )
        self.moved: Counted[tuple[str, str]] = Counted(
            "mount_bytes",
            "Bytes of bodies that mounts received from callers and sent to them.",
            ("service", "direction"),
        )


class Metrics:
    """Counts calls and requests in plain numbers; they become Prometheus's text only when somebody asks.

    Labels are bounded: services and methods are those of the configuration and the catalog, never what a caller sent.
    """

    def __init__(self, log: Callable[[Visit, float], None] | None, wall: Callable[[], float]) -> None:
        """`log` writes the access log, None = there is none; `wall` tells seconds since 1970."""
        self._log = log
        self._wall = wall
        self.tracer = Tracer(None, 0.0, time_ns, token_bytes)
        """Nothing is recorded, unless whoever puts the parts together says so."""
        self.uses: Uses | None = None
        """Who uses what; None = it is not kept."""
        self.slow = inf
        self._slow: Counter[str] = Counter()
        self._calls: Counter[tuple[str, str, str]] = Counter()
        self._sizes: Counter[tuple[str, str, str]] = Counter()
        self._verdicts: Counter[tuple[str, type[Verdict], str]] = Counter()
        self.times = MethodTimes()
        """How long calls took."""
        self._requests: Counter[tuple[str, int]] = Counter()
        self._statuses: Counter[tuple[str, int]] = Counter()
        self._moved: Counter[tuple[str, str]] = Counter()
        self._ended: dict[tuple[str, str, str, type[Verdict] | None, str], Took] = {}
        self._tallies: dict[tuple[str, str, str, Person | None], Tally] = {}
        self._hits: dict[tuple[str, str, Person | None], Tally] = {}
        self._request_tallies: dict[tuple[str, int], Tally] = {}
        self._kept: dict[str, _Kept] = {}
        self._distributions: dict[str, tuple[str, tuple[str, ...], ReadEach]] = {}
        self._shown = _Shown()
        self._process = ProcessCollector(registry=None)

    def called(
        self,
        method: Method,
        outcome: str,
        seconds: float,
        size: int = 0,
        verdict: Verdict | None = None,
        who: Principal | None = None,
    ) -> None:
        """Count one call, the bytes of its answer, and what the cache did for it."""
        service = method.service
        kind, why = None, ""
        if verdict is not None:
            kind = type(verdict)
            # As `reason` has it, without a call: every call is counted here.
            why = (verdict.tier or "memory") if isinstance(verdict, Hit) else verdict.why
        # One place for all that is told apart; it is added up when somebody asks.
        place = (service, method.qualified, outcome, kind, why)
        took = self._ended.get(place)
        if took is None:
            took = self._ended[place] = Took()
        took.note(seconds, size)
        if self.uses is not None and who is not None:
            self.uses.called(person_of(who), method, outcome, seconds, size)

    def visited(self, visit: Visit) -> None:
        """Count and write down one HTTP request."""
        self.counted(visit.door, visit.status, visit.service)
        if self._log is not None:
            self._log(visit, self._wall())
        waited = visit.seconds if visit.wait is None else visit.wait
        if waited >= self.slow:
            self._slow[visit.door] += 1
            told_slow(visit, waited)

    @property
    def writes(self) -> bool:
        """Whether there is an access log."""
        return self._log is not None

    def passed(
        self,
        method: Method,
        outcome: str,
        seconds: float,
        status: int,
        sent: int,
        verdict: Verdict,
        who: Principal | None = None,
        visit: Visit | None = None,
    ) -> None:
        """Count one call, the HTTP request that it was, and the bytes of its answer; write down the visit."""
        self.called(method, outcome, seconds, sent, verdict, who)
        self._moved[method.service, "sent"] += sent
        if visit is None:
            self.counted("mount", status, method.service)
        else:
            visit.status, visit.size, visit.seconds = status, sent, seconds
            self.visited(visit)

    def counted(self, door: str, status: int, service: str | None = None) -> None:
        """Count one HTTP request, and the service that it was for, where it came through a mount."""
        self._requests[door, status] += 1
        if service is not None:
            self._statuses[service, status // 100] += 1

    def tally(self, method: Method, outcome: str, who: Principal | None = None) -> Tally:
        """A place to count calls that memory answered; the requests that they came in are counted elsewhere."""
        place = (method.service, method.qualified, outcome, self._person(who, len(self._tallies)))
        return self._tallies.setdefault(place, Tally())

    def hits(self, method: Method, who: Principal | None = None) -> Tally:
        """A place to count requests through a mount, with the bytes of their answers, that memory answered with 200."""
        place = (method.service, method.qualified, self._person(who, len(self._hits)))
        return self._hits.setdefault(place, Tally())

    def _person(self, who: Principal | None, told_apart: int) -> Person | None:
        """Whose hits are counted apart: everybody's, where it is kept who uses what, up to so many."""
        if self.uses is None or who is None:
            return None
        return person_of(who) if told_apart < MOST_TALLIES else Person(OTHERS, "")

    def requests(self, door: str, status: int) -> Tally:
        """A place to count HTTP requests that nobody wants to have written down."""
        return self._request_tallies.setdefault((door, status), Tally())

    def gather(self) -> None:
        """Add up what was counted elsewhere."""
        self._gather_ended()
        for (service, method, person), tally in self._hits.items():
            count, tally.count = tally.count, 0
            size, tally.size = tally.size, 0
            if count:
                self._count_hits(service, method, "hit", count, size, person)
                self._requests["mount", 200] += count
                self._statuses[service, 2] += count
                self._moved[service, "sent"] += size
        for (service, method, outcome, person), tally in self._tallies.items():
            count, tally.count = tally.count, 0
            size, tally.size = tally.size, 0
            if count:
                self._count_hits(service, method, outcome, count, size, person)
        for (door, status), tally in self._request_tallies.items():
            count, tally.count = tally.count, 0
            if count:
                self._requests[door, status] += count

    def _gather_ended(self) -> None:
        for (service, method, outcome, kind, why), took in self._ended.items():
            if not took.count:
                continue
            self._calls[service, method, outcome] += took.count
            if took.size:
                self._sizes[service, method, outcome] += took.size
            if kind is not None:
                self._verdicts[service, kind, why] += took.count
            self.times.add(service, method, outcome, took)
            took.clear()

    def _count_hits(
        self, service: str, method: str, outcome: str, count: int, size: int, person: Person | None
    ) -> None:
        """Calls that memory answered took no time that could be measured."""
        self._calls[service, method, outcome] += count
        self._sizes[service, method, outcome] += size
        self._verdicts[service, Hit, "memory"] += count
        if self.uses is not None and person is not None:
            self.uses.hits(person, service, method, count, size)
        self.times.at_once(service, method, outcome, count)

    def moved(self, service: str, received: int, sent: int) -> None:
        """Count the bytes that went through a mount."""
        self._moved[service, "received"] += received
        self._moved[service, "sent"] += sent

    def gauge(
        self, name: str, text: str, labels: tuple[str, ...], read: Read, *, alike: bool = False
    ) -> None:
        """Publish numbers that go up and down; `name` without the `labgate_` before it.

        `alike` = every worker says the same, so that they are not summed over all.
        """
        self._kept[name] = _Kept(GaugeMetricFamily, text, labels, read, alike)

    def counter(self, name: str, text: str, labels: tuple[str, ...], read: Read) -> None:
        """Publish numbers that only grow; `name` without the `labgate_` before it and the `_total` after it."""
        self._kept[name] = _Kept(CounterMetricFamily, text, labels, read)

    def histogram(self, name: str, text: str, read: ReadBuckets) -> None:
        """Publish a distribution; `name` without the `labgate_` before it."""
        self._distributions[name] = (text, (), lambda: [((), read())])

    def histograms(self, name: str, text: str, labels: tuple[str, ...], read: ReadEach) -> None:
        """Publish a distribution for each combination of labels."""
        self._distributions[name] = (text, labels, read)

    def outcomes(self) -> Mapping[str, int]:
        """How many calls ended how, over all methods."""
        self.gather()
        total: Counter[str] = Counter()
        for (_, _, outcome), count in self._calls.items():
            total[outcome] += count
        return total

    def by_method(self) -> dict[str, dict[str, tuple[int, int]]]:
        """How many calls of each method (by its qualified name) ended how, and the bytes of their answers."""
        self.gather()
        found: dict[str, dict[str, tuple[int, int]]] = {}
        for which, count in self._calls.items():
            _, method, outcome = which
            found.setdefault(method, {})[outcome] = (count, self._sizes[which])
        return found

    def families(self) -> list[Family]:
        """All metrics, as values that can be summed over several workers."""
        self.gather()
        verdicts = {
            (service, WORDS[kind], why): count for (service, kind, why), count in self._verdicts.items()
        }
        lasted = [
            ((service,), (BOUNDS, each.buckets, each.seconds))
            for service, each in sorted(self.times.services().items())
        ]
        return [
            self._shown.calls.family(self._calls),
            self._shown.sizes.family(self._sizes),
            self._shown.verdicts.family(verdicts),
            *self._requests_families(),
            distribution("call_duration_seconds", "How long calls took.", ("service",), lasted),
            self._shown.moved.family(self._moved),
            *self._kept_families(),
            *map(family_of, self._process.collect()),
        ]

    def _requests_families(self) -> Iterator[Family]:
        yield self._shown.requests.family(
            {(door, str(status)): count for (door, status), count in self._requests.items()}
        )
        yield self._shown.slow.family({(door,): count for door, count in self._slow.items()})
        yield self._shown.mounted.family(
            {(service, f"{digit}xx"): count for (service, digit), count in self._statuses.items()}
        )

    def _kept_families(self) -> Iterator[Family]:
        """The numbers that others keep."""
        for name, kept in self._kept.items():
            metric = kept.family(f"labgate_{name}", kept.text, labels=kept.labels)
            for values, number in kept.read():
                metric.add_metric(values, number)
            yield family_of(metric, alike=kept.alike)
        for name, (text, labels, read_each) in self._distributions.items():
            yield distribution(name, text, labels, read_each())
