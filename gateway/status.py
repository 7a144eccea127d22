"""What can be said of a running gate, to operators as JSON and to Prometheus as numbers?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

from msgspec import to_builtins

from gateway.core.durations import Durations
from gateway.core.service import Service
from gateway.core.switches import Switches
from gateway.discovery import Discovery
from gateway.settings import Address

Read: TypeAlias = Callable[[], Iterable[tuple[tuple[str, ...], float]]]

Buckets: TypeAlias = tuple[Sequence[float], Sequence[int], float]
ReadEach: TypeAlias = Callable[[], Iterable[tuple[tuple[str, ...], Buckets]]]

_SERVICE: Final = ("service",)
_REPLICA: Final = ("service", "replica")

_LOAD: Final = (
    ("in_flight", "gauge", "upstream_in_flight", "Requests that are at the service."),
    ("waiting", "gauge", "upstream_waiting", "Requests that wait for their turn at the service."),
    ("connections", "gauge", "upstream_connections", "Connections to the service."),
    ("opened", "counter", "upstream_connections_opened", "Connections made to the service."),
    ("reused", "counter", "upstream_connections_reused", "Requests sent on a connection that had carried others."),
    ("failures", "counter", "upstream_failures", "Requests to the service that got no answer."),
    ("retries", "counter", "upstream_retries", "Requests to the service that were sent once more."),
    ("hedges", "counter", "upstream_hedges", "Calls that were made a second time beside the first."),
    ("ejections", "counter", "upstream_ejections", "How often a replica was found to be one that is asked after the others."),
    ("refused", "counter", "upstream_refused", "Requests that were not sent, because the breaker was open."),
    ("left_alone", "gauge", "upstream_breaker_open", "Workers whose breaker lets nothing through to the service."),
)  # fmt: skip
"""What an upstream keeps count of: its attribute, and how it is published."""

_COUNTED: Final = (
    ("accepted", "connections_accepted", "Connections of callers that were accepted."),
    ("requests", "requests_received", "Requests whose head was taken."),
    ("broken_bodies", "broken_bodies", "Bodies of requests that stopped half way or had no clear end."),
    ("stuck", "stuck_connections", "Connections ended because their reader took nothing any more."),
    ("turned_away", "turned_away_connections", "Connections closed unread, because there were too many."),
    ("failed_handshakes", "failed_handshakes", "Connections on which no TLS came about."),
)
"""What a listener keeps count of: its attribute, and how it is published."""


class Numbers(Protocol):
    """Who publishes numbers, and reads them when somebody asks."""

    def gauge(
        self, name: str, text: str, labels: tuple[str, ...], read: Read, *, alike: bool = False
    ) -> None:
        """Publish numbers that go up and down; `alike` = every worker says the same."""

    def counter(self, name: str, text: str, labels: tuple[str, ...], read: Read) -> None:
        """Publish numbers that only grow."""

    def histograms(self, name: str, text: str, labels: tuple[str, ...], read: ReadEach) -> None:
        """Publish distributions."""


class Load(Protocol):
    """What a service's upstream keeps count of."""

    @property
    def in_flight(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def connections(self) -> int: ...
    @property
    def opened(self) -> int: ...
    @property
    def reused(self) -> int: ...
    @property
    def failures(self) -> int: ...
    @property
    def retries(self) -> int: ...
    @property
    def hedges(self) -> int: ...
    @property
    def ejections(self) -> int: ...
    @property
    def refused(self) -> int: ...
    @property
    def left_alone(self) -> int: ...
    @property
    def breaker(self) -> str: ...
    @property
    def replicas(self) -> Mapping[str, Mapping[str, Any]]: ...
    @property
    def durations(self) -> Mapping[str, Durations]: ...


class Counted(Protocol):
    """What a listener has counted so far."""

    accepted: int
    requests: int
    refused: Counter[str]
    broken_bodies: int
    stuck: int
    turned_away: int
    failed_handshakes: int


class Listener(Protocol):
    """One of the gate's listeners."""

    @property
    def connections(self) -> int: ...
    @property
    def counters(self) -> Counted: ...


_OF_EACH: Final = ("worker",)


def publish_worker(
    numbers: Numbers, number: int, connections: Callable[[], int], memory: Callable[[], int]
) -> None:
    """Have the numbers of each worker read, of the one that this process is."""
    worker = (str(number),)
    numbers.gauge(
        "worker_connections",
        "Connections of callers, of each worker.",
        _OF_EACH,
        lambda: [(worker, float(connections()))],
    )
    numbers.gauge(
        "worker_memory_bytes",
        "Bytes of memory of each worker.",
        _OF_EACH,
        lambda: [(worker, float(memory()))],
    )
    # The supervisor counts them; a process by itself replaces none.
    text = "Workers that were started in the place of one that ended."
    numbers.counter("worker_restarts", text, (), lambda: [((), 0.0)])


class Status:
    """Reads the parts of a running gate, and changes none. No secret is any part of what it says."""

    def __init__(
        self,
        listens: Mapping[str, Address],
        discovery: Discovery,
        services: Mapping[str, Service],
        upstreams: Mapping[str, Load],
        switches: Switches,
        listeners: Sequence[Listener],
    ) -> None:
        """`services`, `upstreams` and `listens` (ports of services' own) are by qualified names; what there is may change."""
        self._listens = listens
        self._discovery = discovery
        self._services = services
        self._upstreams = upstreams
        self._switches = switches
        self._listeners = listeners

    @property
    def connections(self) -> int:
        """Connections of callers, of all listeners."""
        return sum(one.connections for one in self._listeners)

    def services(self, wall: float, monotonic: float) -> dict[str, Any]:
        """Every service by its qualified name; times are seconds ago."""

        def ago(moment: float | None, now: float) -> float | None:
            return None if moment is None else round(max(0.0, now - moment), 1)

        told: dict[str, Any] = {}
        for name, health in self._discovery.health().items():
            cordon = self._switches.cordons.get(name)
            told[name] = {
                **to_builtins(health),
                "since": ago(health.since, monotonic),
                "asked": ago(health.asked, monotonic),
                "cordoned": cordon and {"by": cordon.by, "since": ago(cordon.since, wall)},
                "withdrawn": self._withdrawn(name),
                "mount": self._services[name].mount,
                "listen": str(self._listens[name]) if name in self._listens else None,
                **{attribute: getattr(self._upstreams[name], attribute) for attribute, *_ in _LOAD},
                "breaker": self._upstreams[name].breaker,
                "replicas": self._upstreams[name].replicas,
            }
        return told

    def _withdrawn(self, name: str) -> Any:
        one = self._switches.withdrawn.get(name)
        return None if one is None else {"state": one.state, "why": one.why()}

    def heads(self) -> dict[str, Any]:
        """What came in at all listeners together, and what of it was refused before any door."""
        counted = {attribute: self._sum(attribute) for attribute, *_ in _COUNTED}
        return {**counted, "refused": dict(sorted(self._refused().items()))}

    def publish(self, numbers: Numbers) -> None:
        """Have every number read whenever metrics are asked for."""
        self._publish_upstreams(numbers)
        self._publish_services(numbers)
        self._publish_switches(numbers)
        self._publish_listeners(numbers)

    def _publish_upstreams(self, numbers: Numbers) -> None:
        for attribute, kind, name, text in _LOAD:
            put = numbers.gauge if kind == "gauge" else numbers.counter
            put(name, text, _SERVICE, self._load(attribute))
        text = "Workers by which the replica is asked as the others are: it neither rests nor fails its health checks."
        numbers.gauge("upstream_replica_up", text, _REPLICA, self._replicas)
        text = "How long replicas took until an answer of theirs was whole; how many each of them gave is its share."
        numbers.histograms("upstream_duration_seconds", text, _REPLICA, self._durations)

    def _publish_services(self, numbers: Numbers) -> None:
        """What every worker says of them alike, but for how often each has asked them."""
        text = "How often the service was asked what it offers, by whether it answered."
        numbers.counter("discoveries", text, ("service", "outcome"), self._discovery.questions)
        text = "Whether the service answered when it was last asked what it offers."
        numbers.gauge("service_up", text, _SERVICE, self._up, alike=True)
        text = "Whether an operator took the service out of service."
        numbers.gauge("service_cordoned", text, _SERVICE, self._cordoned, alike=True)
        text = "Methods of the service in the catalog."
        numbers.gauge("catalog_methods", text, _SERVICE, self._methods, alike=True)

    def _publish_switches(self, numbers: Numbers) -> None:
        switches = self._switches
        numbers.gauge(
            "switch",
            "Whether the switch is on.",
            ("switch",),
            lambda: [(("cache",), float(switches.cache)), (("lanes",), float(switches.lanes))],
            alike=True,
        )

    def _publish_listeners(self, numbers: Numbers) -> None:
        for attribute, name, text in _COUNTED:
            numbers.counter(name, text, (), self._counted(attribute))
        text = "Heads of requests that were refused before any door, by reason."
        numbers.counter("refused_heads", text, ("reason",), self._refusals)
        numbers.gauge("connections", "Connections of callers.", (), lambda: [((), float(self.connections))])

    def _up(self) -> Iterator[tuple[tuple[str, ...], float]]:
        for name, one in self._discovery.health().items():
            yield (name,), float(not one.down)

    def _cordoned(self) -> Iterator[tuple[tuple[str, ...], float]]:
        for name in self._services:
            yield (name,), float(name in self._switches.cordons)

    def _methods(self) -> Iterator[tuple[tuple[str, ...], float]]:
        for name, one in self._discovery.current.listings.items():
            yield (name,), float(len(one.items))

    def _refusals(self) -> Iterator[tuple[tuple[str, ...], float]]:
        for reason, count in sorted(self._refused().items()):
            yield (reason,), float(count)

    def _replicas(self) -> Iterator[tuple[tuple[str, ...], float]]:
        for name, one in self._upstreams.items():
            for address, row in one.replicas.items():
                yield (name, address), float(row["state"] == "up")

    def _durations(self) -> Iterator[tuple[tuple[str, ...], Buckets]]:
        for name, one in self._upstreams.items():
            for address, durations in one.durations.items():
                yield (name, address), durations.read()

    def _load(self, attribute: str) -> Read:
        return lambda: [((name,), float(getattr(one, attribute))) for name, one in self._upstreams.items()]

    def _counted(self, attribute: str) -> Read:
        return lambda: [((), float(self._sum(attribute)))]

    def _sum(self, attribute: str) -> int:
        return sum(getattr(one.counters, attribute) for one in self._listeners)

    def _refused(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for one in self._listeners:
            total.update(one.counters.refused)
        return total
