"""What goes on? From the metrics of all workers to counts that a page can take differences of."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from gateway.core.cache_counts import counted, told
from gateway.core.sums import Family

Samples = Sequence[tuple[str, Any, float]]

_CALLS: Final = "labgate_calls_total"
_BYTES: Final = "labgate_call_bytes_total"
_TIMES: Final = "labgate_call_duration_seconds"
_REQUESTS: Final = "labgate_requests_total"
_NOW: Final = {
    "labgate_connections": "connections",
    "labgate_flights": "flights",
    "labgate_upstream_in_flight": "in_flight",
    "labgate_upstream_waiting": "waiting",
}
"""Numbers of this moment, summed over services."""


def told_traffic(families: Sequence[Family], now: float) -> dict[str, Any]:
    """Calls and bytes of each method, how long the calls of each service took, and what is under way; all counts only grow.

    `now` is seconds since 1970. `durations` are, for each service, pairs of an upper bound in seconds and how many calls took
    no longer; null is the bound that everything is below.
    """
    by_name = {family.name: family for family in families}
    samples: dict[str, Samples] = {name: one.samples for name, one in by_name.items()}
    moment = {said: _sum(samples.get(name, ())) for name, said in _NOW.items()}
    return {
        "time": round(now, 3),
        **moment,
        "requests": _requests(samples.get("labgate_requests", ())),
        "services": _durations(samples.get(_TIMES, ())),
        **told(_methods(samples)),
    }


def _sum(samples: Samples) -> int:
    return round(sum(value for *_, value in samples))


def _of(samples: Samples, wanted: str) -> Iterator[tuple[dict[str, str], float]]:
    for name, labels, value in samples:
        if name == wanted:
            yield dict(labels), value


def _requests(samples: Samples) -> dict[str, int]:
    """HTTP requests by the class of their status: `2xx`."""
    found: Counter[str] = Counter()
    for labels, value in _of(samples, _REQUESTS):
        found[f"{labels.get('status', '?')[:1]}xx"] += round(value)
    return dict(sorted(found.items()))


def _methods(samples: dict[str, Samples]) -> dict[str, dict[str, Any]]:
    ended: defaultdict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for family, wanted, is_size in (("labgate_calls", _CALLS, False), ("labgate_call_bytes", _BYTES, True)):
        for labels, value in _of(samples.get(family, ()), wanted):
            method, outcome = labels.get("method", ""), labels.get("outcome", "")
            count, size = ended[method].get(outcome, (0, 0))
            added = (count, size + round(value)) if is_size else (count + round(value), size)
            ended[method][outcome] = added
    return {method: counted(one) for method, one in ended.items()}


def _durations(samples: Samples) -> dict[str, Any]:
    buckets: defaultdict[str, Counter[str]] = defaultdict(Counter)
    seconds: Counter[str] = Counter()
    for labels, value in _of(samples, f"{_TIMES}_bucket"):
        buckets[labels["service"]][labels["le"]] += round(value)
    for labels, value in _of(samples, f"{_TIMES}_sum"):
        seconds[labels["service"]] += value  # type: ignore[assignment]
    return {
        service: {
            "seconds": round(seconds[service], 6),
            "durations": [
                [None if bound == "+Inf" else float(bound), count] for bound, count in found.items()
            ],
        }
        for service, found in sorted(buckets.items())
    }
