"""Metrics: bounded labels, right sums, Prometheus's own text."""

from prometheus_client.parser import text_string_to_metric_families

from gateway.core.durations import BOUNDS, Durations
from gateway.core.method import CacheRule, Method, RpcBinding
from gateway.core.ports import Visit
from gateway.core.verdict import Entry, Hit, Miss, Pass
from gateway.telemetry.families import rendered
from gateway.telemetry.metrics import Metrics

GET = Method("jobs.get", "jobs", RpcBinding("get"))
LOCAL = Method("roots.get", "minnie65/roots", RpcBinding("get"))


def made():
    lines = []
    return Metrics(lambda visit, now: lines.append((visit.id, now)), lambda: 7.0), lines


def families(metrics):
    return {one.name: one for one in text_string_to_metric_families(rendered(metrics.families()).decode())}


def samples(metrics):
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in families(metrics).values()
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
    metrics.gauge("flights", "Trips.", (), lambda: [((), number[0])])
    assert samples(metrics)["labgate_flights", ()] == 1
    number[0] = 5
    assert samples(metrics)["labgate_flights", ()] == 5


def test_what_others_count_is_published_with_its_labels_its_kind_and_its_help():
    metrics, _ = made()
    counts = {"jobs": 3.0, "minnie65/roots": 0.0}
    metrics.gauge("service_up", "Is it up?", ("service",), lambda: [((name,), 1.0) for name in counts])
    metrics.counter(
        "failures", "How many?", ("service",), lambda: [((name,), n) for name, n in counts.items()]
    )
    found = families(metrics)
    assert (found["labgate_service_up"].type, found["labgate_service_up"].documentation) == (
        "gauge",
        "Is it up?",
    )
    assert (found["labgate_failures"].type, found["labgate_failures"].documentation) == (
        "counter",
        "How many?",
    )
    told = samples(metrics)
    assert told["labgate_service_up", (("service", "jobs"),)] == 1
    assert told["labgate_failures_total", (("service", "jobs"),)] == 3
    assert told["labgate_failures_total", (("service", "minnie65/roots"),)] == 0


def test_the_bytes_of_mounts_are_counted_by_service_and_direction():
    metrics, _ = made()
    metrics.moved("files", 10, 0)
    metrics.moved("files", 5, 1 << 40)
    found = samples(metrics)
    for direction, count in (("received", 15), ("sent", 1 << 40)):
        labels = (("direction", direction), ("service", "files"))
        assert found["labgate_mount_bytes_total", labels] == count


def test_the_process_is_told_of_too():
    found = samples(made()[0])
    assert found["process_resident_memory_bytes", ()] > 0
    assert found["process_cpu_seconds_total", ()] > 0


def test_every_family_says_what_it_is_and_every_name_is_the_gates_or_the_process():
    metrics, _ = made()
    metrics.called(GET, "hit", 0.0)
    metrics.visited(Visit("a", "rpc", "POST", "/rpc", "::1", status=200))
    for name, family in families(metrics).items():
        assert family.documentation
        assert family.type in ("gauge", "counter", "histogram")
        assert name.startswith(("labgate_", "process_"))


def test_what_the_cache_did_is_counted_with_its_reason_and_a_hit_with_the_tier_that_had_it():
    metrics, _ = made()
    entry = Entry(b"k", "result", b"1", 0.0, 1.0, 1.0, 0, ())
    metrics.called(GET, "hit", 0.0, 1, Hit(entry))
    metrics.called(GET, "hit", 0.0, 1, Hit(entry, "disk"))
    metrics.called(GET, "error", 0.0, 1, Miss(b"k", (), 0, CacheRule(fresh=1.0), "expired"))
    metrics.passed(GET, "pass", 0.0, 200, 1, Pass("no rule"))
    metrics.called(GET, "DeadlineExceeded", 0.0)
    tally = metrics.tally(GET, "hit")
    tally.count += 3
    metrics.hits(GET).count += 4
    found = {
        (labels["verdict"], labels["reason"]): value
        for (name, pairs), value in samples(metrics).items()
        if name == "labgate_cache_verdicts_total" and (labels := dict(pairs))
    }
    assert found == {
        ("hit", "memory"): 8,
        ("hit", "disk"): 1,
        ("miss", "expired"): 1,
        ("pass", "no rule"): 1,
    }


def test_requests_through_mounts_are_counted_by_service_and_class_of_status_however_they_were_answered():
    metrics, _ = made()
    metrics.passed(GET, "miss", 0.0, 204, 0, Pass("no rule"))
    metrics.counted("mount", 404, "jobs")
    metrics.counted("mount", 400)  # it went to no service
    metrics.visited(Visit("a", "mount", "GET", "/jobs/1", "::1", status=206, service="jobs"))
    metrics.visited(Visit("b", "rpc", "POST", "/rpc", "::1", status=200))
    metrics.hits(GET).count += 2
    found = samples(metrics)
    for status, count in (("2xx", 4), ("4xx", 1)):
        assert found["labgate_mount_requests_total", (("service", "jobs"), ("status", status))] == count


def test_distributions_have_the_labels_of_whom_they_are():
    metrics, _ = made()
    one, other = Durations(), Durations()
    for seconds in (0.0005, 0.02, 400.0):
        one.note(seconds)
    metrics.histograms(
        "upstream_duration_seconds",
        "How long?",
        ("service", "replica"),
        lambda: [(("jobs", "http://a"), one.read()), (("jobs", "http://b"), other.read())],
    )
    found = samples(metrics)

    def of(part, replica, **more):
        labels = {"service": "jobs", "replica": replica, **more}
        return found[f"labgate_upstream_duration_seconds_{part}", tuple(sorted(labels.items()))]

    assert (of("count", "http://a"), of("count", "http://b")) == (3, 0)
    assert (of("bucket", "http://a", le="0.025"), of("bucket", "http://a", le="+Inf")) == (2, 3)
    assert of("sum", "http://a") == 400.0205
    assert one.count == 3


def test_a_method_that_is_called_after_the_metrics_were_asked_for_is_told_in_its_place():
    metrics, _ = made()
    metrics.called(LOCAL, "hit", 0.0)
    before = metrics.families()[0]
    metrics.called(GET, "hit", 0.0)
    metrics.called(LOCAL, "hit", 0.0)
    after = metrics.families()[0]
    assert [(dict(labels)["service"], count) for _, labels, count in before.samples] == [
        ("minnie65/roots", 1)
    ]
    assert [(dict(labels)["service"], count) for _, labels, count in after.samples] == [
        ("jobs", 1),
        ("minnie65/roots", 2),
    ]
