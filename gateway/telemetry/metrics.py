"""How much happened?"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.core.method import Method
from gateway.core.ports import Tally, Visit
from gateway.core.sums import Family

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the buckets of call durations, in seconds."""

Read: TypeAlias = Callable[[], Iterable[tuple[tuple[str, ...], float]]]
"""Reads a number that others keep: its value for each combination of labels."""

ReadBuckets: TypeAlias = Callable[[], tuple[Sequence[float], Sequence[int], float]]
"""Reads a distribution that others keep: its upper bounds, the count of each bucket and of the one beyond, and the sum."""


class _Kept(Struct, frozen=True):
    """A number that others keep."""

    family: type[GaugeMetricFamily] | type[CounterMetricFamily]
    text: str
    labels: tuple[str, ...]
    read: Read
    alike: bool = False


class Metrics(Collector):
    """Counts calls and requests in plain numbers; they become Prometheus's text only when somebody asks.

    Labels are bounded: services and methods are those of the configuration and the catalog, never what a caller sent.
    """

    def __init__(self, log: Callable[[Visit, float], None] | None, wall: Callable[[], float]) -> None:
        """`log` writes the access log, None = there is none; `wall` tells seconds since 1970."""
        self._log = log
        self._wall = wall
        self._calls: Counter[tuple[str, str, str]] = Counter()
        self._sizes: Counter[tuple[str, str, str]] = Counter()
        self._durations: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._moved: Counter[tuple[str, str]] = Counter()
        self._tallies: dict[tuple[str, str, str], Tally] = {}
        self._hits: dict[tuple[str, str], Tally] = {}
        self._request_tallies: dict[tuple[str, int], Tally] = {}
        self._kept: dict[str, _Kept] = {}
        self._distributions: dict[str, tuple[str, ReadBuckets]] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def called(self, method: Method, outcome: str, seconds: float, size: int = 0) -> None:
        """Count one call, and the bytes of its answer."""
        service = method.service
        which = (service, method.qualified, outcome)
        self._calls[which] += 1
        if size:
            self._sizes[which] += size
        buckets = self._durations.get(service)
        if buckets is None:
            buckets = self._durations[service] = [0] * (len(BOUNDS) + 1)
        buckets[bisect_left(BOUNDS, seconds)] += 1
        self._seconds[service] += seconds  # type: ignore[assignment]

    def visited(self, visit: Visit) -> None:
        """Count and write down one HTTP request."""
        self._requests[visit.door, visit.status] += 1
        if self._log is not None:
            self._log(visit, self._wall())

    @property
    def writes(self) -> bool:
        """Whether there is an access log."""
        return self._log is not None

    def passed(self, method: Method, outcome: str, seconds: float, status: int, sent: int) -> None:
        """Count one call, the HTTP request that it was, and the bytes of its answer."""
        self.called(method, outcome, seconds, sent)
        self.counted("mount", status)
        self._moved[method.service, "sent"] += sent

    def counted(self, door: str, status: int) -> None:
        """Count one HTTP request."""
        self._requests[door, status] += 1

    def tally(self, method: Method, outcome: str) -> Tally:
        """A place to count calls that memory answered; the requests that they came in are counted elsewhere."""
        return self._tallies.setdefault((method.service, method.qualified, outcome), Tally())

    def hits(self, method: Method) -> Tally:
        """A place to count requests through a mount, with the bytes of their answers, that memory answered with 200."""
        return self._hits.setdefault((method.service, method.qualified), Tally())

    def requests(self, door: str, status: int) -> Tally:
        """A place to count HTTP requests that nobody wants to have written down."""
        return self._request_tallies.setdefault((door, status), Tally())

    def _gather(self) -> None:
        """Add up what was counted elsewhere."""
        for (service, method), tally in self._hits.items():
            count, tally.count = tally.count, 0
            size, tally.size = tally.size, 0
            if count:
                self._count_hits(service, method, "hit", count, size)
                self._requests["mount", 200] += count
                self._moved[service, "sent"] += size
        for (service, method, outcome), tally in self._tallies.items():
            count, tally.count = tally.count, 0
            size, tally.size = tally.size, 0
            if count:
                self._count_hits(service, method, outcome, count, size)
        for (door, status), tally in self._request_tallies.items():
            count, tally.count = tally.count, 0
            if count:
                self._requests[door, status] += count

    def _count_hits(self, service: str, method: str, outcome: str, count: int, size: int) -> None:
        """Calls that memory answered took no time that could be measured."""
        self._calls[service, method, outcome] += count
        self._sizes[service, method, outcome] += size
        self._durations.setdefault(service, [0] * (len(BOUNDS) + 1))[0] += count

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
        self._distributions[name] = (text, read)

    def outcomes(self) -> Mapping[str, int]:
        """How many calls ended how, over all methods."""
        self._gather()
        total: Counter[str] = Counter()
        for (_, _, outcome), count in self._calls.items():
            total[outcome] += count
        return total

    def by_method(self) -> dict[str, dict[str, tuple[int, int]]]:
        """How many calls of each method (by its qualified name) ended how, and the bytes of their answers."""
        self._gather()
        found: dict[str, dict[str, tuple[int, int]]] = {}
        for which, count in self._calls.items():
            _, method, outcome = which
            found.setdefault(method, {})[outcome] = (count, self._sizes[which])
        return found

    def collect(self) -> Iterator[Metric]:
        """All metrics, in Prometheus's own shapes."""
        self._gather()
        calls = CounterMetricFamily(
            "labgate_calls", "Calls by how they ended.", labels=("service", "method", "outcome")
        )
        for labels, count in sorted(self._calls.items()):
            calls.add_metric(labels, count)
        yield calls
        sizes = CounterMetricFamily(
            "labgate_call_bytes",
            "Bytes of answers to calls, by how these ended.",
            labels=("service", "method", "outcome"),
        )
        for labels, count in sorted(self._sizes.items()):
            sizes.add_metric(labels, count)
        yield sizes
        requests = CounterMetricFamily(
            "labgate_requests", "HTTP requests answered.", labels=("door", "status")
        )
        for (door, status), count in sorted(self._requests.items()):
            requests.add_metric((door, str(status)), count)
        yield requests
        durations = HistogramMetricFamily(
            "labgate_call_duration_seconds", "How long calls took.", labels=("service",)
        )
        for service, buckets in sorted(self._durations.items()):
            durations.add_metric((service,), list(_cumulated(buckets)), self._seconds[service])
        yield durations
        moved = CounterMetricFamily(
            "labgate_mount_bytes",
            "Bytes of bodies that mounts received from callers and sent to them.",
            labels=("service", "direction"),
        )
        for place, count in sorted(self._moved.items()):
            moved.add_metric(place, count)
        yield moved
        for name, kept in self._kept.items():
            family = kept.family(f"labgate_{name}", kept.text, labels=kept.labels)
            for values, number in kept.read():
                family.add_metric(values, number)
            yield family
        for name, (text, read_buckets) in self._distributions.items():
            bounds, counts, seconds = read_buckets()
            distribution = HistogramMetricFamily(f"labgate_{name}", text, labels=())
            distribution.add_metric((), list(_cumulated(counts, bounds)), seconds)
            yield distribution

    def text(self) -> bytes:
        """Prometheus's text format, version 0.0.4."""
        return generate_latest(self._registry)

    def families(self) -> list[Family]:
        """All metrics as values, for sums over several workers."""
        alike = {f"labgate_{name}" for name, kept in self._kept.items() if kept.alike}
        return [_family(one, alike=one.name in alike) for one in self._registry.collect()]


def rendered(families: Iterable[Family]) -> bytes:
    """Such values in Prometheus's text format, version 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Fixed([_metric(one) for one in families]))
    return generate_latest(registry)


class _Fixed(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics


def _family(metric: Metric, *, alike: bool) -> Family:
    samples = ((one.name, tuple(one.labels.items()), float(one.value)) for one in metric.samples)
    return Family(metric.name, metric.type, metric.documentation, alike, tuple(samples))


def _metric(family: Family) -> Metric:
    metric = Metric(family.name, family.text, family.kind)
    for name, labels, value in family.samples:
        metric.add_sample(name, dict(labels), value)
    return metric


def _cumulated(buckets: Iterable[int], bounds: Sequence[float] = BOUNDS) -> Iterator[tuple[str, int]]:
    total = 0
    for bound, count in zip([*map(str, bounds), "+Inf"], buckets, strict=True):
        total += count
        yield bound, total
