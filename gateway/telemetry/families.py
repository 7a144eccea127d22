"""How do numbers become metrics: values that can be summed over workers, and Prometheus's text?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, TypeAlias, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.core.durations import BOUNDS
from gateway.core.sums import Family, Labels

Place: TypeAlias = tuple[str, ...]
"""What one sample is about: a value for each of the metric's labels."""

_Place = TypeVar("_Place", bound=Place)

Buckets: TypeAlias = tuple[Sequence[float], Sequence[int], float]
"""A distribution: its upper bounds, the count of each bucket and of the one beyond, and the sum."""


class Counted(Generic[_Place]):
    """A metric that counts in places of which there are only ever more: they are put in order and named once."""

    def __init__(self, name: str, text: str, labels: Place) -> None:
        """`name` without the `labgate_` before it and the `_total` after it."""
        self._name = f"labgate_{name}"
        self._text = text
        self._labels = labels
        self._order: list[tuple[_Place, Labels]] = []

    def family(self, counts: Mapping[_Place, int]) -> Family:
        """The metric with these counts."""
        if len(counts) != len(self._order):
            self._order = [(place, tuple(zip(self._labels, place, strict=True))) for place in sorted(counts)]
        name = f"{self._name}_total"
        samples = [(name, labels, float(counts[place])) for place, labels in self._order]
        return Family(self._name, "counter", self._text, alike=False, samples=tuple(samples))


def distribution(name: str, text: str, labels: Place, read: Iterable[tuple[Place, Buckets]]) -> Family:
    """A distribution for each place; `name` without the `labgate_` before it."""
    made = HistogramMetricFamily(f"labgate_{name}", text, labels=labels)
    for place, (bounds, counts, total) in read:
        made.add_metric(place, _cumulated(counts, bounds), total)
    return family_of(made)


def family_of(metric: Metric, *, alike: bool = False) -> Family:
    """A metric in Prometheus's own shape as a value; `alike` = every worker says the same."""
    samples = ((one.name, tuple(one.labels.items()), float(one.value)) for one in metric.samples)
    return Family(metric.name, metric.type, metric.documentation, alike, tuple(samples))


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


def _metric(family: Family) -> Metric:
    metric = Metric(family.name, family.text, family.kind)
    for name, labels, value in family.samples:
        metric.add_sample(name, dict(labels), value)
    return metric


def _cumulated(buckets: Iterable[int], bounds: Sequence[float] = BOUNDS) -> list[tuple[str, int]]:
    total, found = 0, []
    for bound, count in zip([*map(str, bounds), "+Inf"], buckets, strict=True):
        total += count
        found.append((bound, total))
    return found
