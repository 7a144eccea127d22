"""Metrics: bounded labels, right sums, Prometheus's own text."""

from prometheus_client.parser import text_string_to_metric_families

from gateway.core.method import Method, RpcBinding
from gateway.core.ports import Visit
from gateway.telemetry.metrics import BOUNDS, Metrics

GET = Method("jobs.get", "jobs", RpcBinding("get"))
LOCAL = Method("roots.get", "minnie65/roots", RpcBinding("get"))


def made():
    lines = []
    return Metrics(lambda visit, now: lines.append((visit.id, now)), lambda: 7.0), lines


def samples(metrics):
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in families
        for one in family.samples
    }


def test_calls_are_counted_by_service_method_and_outcome_under_qualified_names():
    metrics, _ = made()
    for outcome in ("hit", "hit", "miss"):
        metrics.called(GET, outcome, 0.0)
    metrics.called(LOCAL, "hit", 0.0)
    found = samples(metrics)
    labels = (("method", "jobs.get"), ("outcome", "hit"), ("service", "jobs"))
    assert found["labgate_calls_total", labels] == 2
    labels = (("method", "minnie65/roots.get"), ("outcome", "hit"), ("service", "minnie65/roots"))
    assert found["labgate_calls_total", labels] == 1
    assert metrics.outcomes() == {"hit": 3, "miss": 1}


def test_durations_fall_into_buckets_whose_counts_add_up():
    metrics, _ = made()
    for seconds in (0.0, 0.001, 0.0011, 1000.0):
        metrics.called(GET, "miss", seconds)
    found = samples(metrics)

    def bucket(bound):
        return found["labgate_call_duration_seconds_bucket", (("le", bound), ("service", "jobs"))]

    assert [bucket("0.001"), bucket("0.0025"), bucket(str(BOUNDS[-1])), bucket("+Inf")] == [2, 3, 3, 4]
    assert found["labgate_call_duration_seconds_count", (("service", "jobs"),)] == 4
    assert found["labgate_call_duration_seconds_sum", (("service", "jobs"),)] == 0.001 + 0.0011 + 1000


def test_each_visit_is_counted_by_door_and_status_and_written_down():
    metrics, lines = made()
    metrics.visited(Visit("a", "rpc", "POST", "/rpc", "::1", status=200))
    metrics.visited(Visit("b", "rpc", "POST", "/rpc", "::1", status=401))
    found = samples(metrics)
    assert found["labgate_requests_total", (("door", "rpc"), ("status", "200"))] == 1
    assert found["labgate_requests_total", (("door", "rpc"), ("status", "401"))] == 1
    assert lines == [("a", 7.0), ("b", 7.0)]


def test_gauges_are_read_when_somebody_asks():
    metrics, _ = made()
    number = [1.0]
    metrics.gauge("flights", "Trips.", lambda: number[0])
    assert samples(metrics)["labgate_flights", ()] == 1
    number[0] = 5
    assert samples(metrics)["labgate_flights", ()] == 5
