"""What operators are told of the traffic, from metrics."""

from gateway.core.sums import Family
from gateway.core.traffic import told_traffic


def family(name: str, *samples: tuple[str, dict[str, str], float]) -> Family:
    return Family(
        name,
        "counter",
        "",
        False,
        tuple((one, tuple(labels.items()), value) for one, labels, value in samples),
    )


CALLS = family(
    "labgate_calls",
    ("labgate_calls_total", {"service": "a", "method": "a.x", "outcome": "hit"}, 3.0),
    ("labgate_calls_total", {"service": "a", "method": "a.x", "outcome": "miss"}, 1.0),
    ("labgate_calls_total", {"service": "b", "method": "b.y", "outcome": "UpstreamUnreachable"}, 2.0),
)
BYTES = family(
    "labgate_call_bytes",
    ("labgate_call_bytes_total", {"service": "a", "method": "a.x", "outcome": "hit"}, 300.0),
)
TIMES = family(
    "labgate_call_duration_seconds",
    ("labgate_call_duration_seconds_bucket", {"service": "a", "le": "0.001"}, 1.0),
    ("labgate_call_duration_seconds_bucket", {"service": "a", "le": "+Inf"}, 4.0),
    ("labgate_call_duration_seconds_sum", {"service": "a"}, 0.25),
)


def test_calls_and_bytes_are_told_by_method_and_in_all() -> None:
    said = told_traffic([CALLS, BYTES], 1.0)
    assert said["methods"]["a.x"]["calls"] == {"hit": 3, "stale": 0, "miss": 1, "pass": 0, "failed": 0}
    assert said["methods"]["a.x"]["bytes"] == {"cache": 300, "upstream": 0}
    assert said["methods"]["b.y"]["calls"]["failed"] == 2
    assert (said["hit_ratio"], said["calls"]["failed"], said["bytes"]["cache"]) == (0.75, 2, 300)


def test_durations_are_cumulated_counts_by_bound_and_the_last_bound_is_null() -> None:
    assert told_traffic([TIMES], 1.0)["services"] == {
        "a": {"seconds": 0.25, "durations": [[0.001, 1], [None, 4]]}
    }


def test_what_is_under_way_is_summed_over_services_and_requests_are_told_by_class() -> None:
    said = told_traffic(
        [
            family(
                "labgate_upstream_in_flight",
                ("labgate_upstream_in_flight", {"service": "a"}, 2.0),
                ("labgate_upstream_in_flight", {"service": "b"}, 1.0),
            ),
            family(
                "labgate_requests",
                ("labgate_requests_total", {"door": "rpc", "status": "200"}, 5.0),
                ("labgate_requests_total", {"door": "mount", "status": "206"}, 1.0),
                ("labgate_requests_total", {"door": "rpc", "status": "401"}, 2.0),
            ),
        ],
        12.34567,
    )
    assert (said["time"], said["in_flight"], said["requests"]) == (12.346, 3, {"2xx": 6, "4xx": 2})


def test_a_gate_that_has_done_nothing_has_counts_of_nothing() -> None:
    said = told_traffic([], 0.0)
    assert (said["methods"], said["services"], said["requests"], said["hit_ratio"], said["connections"]) == (
        {},
        {},
        {},
        None,
        0,
    )
