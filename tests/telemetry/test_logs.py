"""Logs: a line for each thing that happened, which nothing that a caller sends can break or forge."""

import io
import json
import logging
import sys

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.ports import Visit
from gateway.telemetry.families import rendered
from gateway.telemetry.logs import JsonFormatter, access_log
from gateway.telemetry.metrics import Metrics


def written(style, visit):
    stream = io.BytesIO()
    access_log(style, stream)(visit, 0.0)
    return stream.getvalue()


def visited(**more):
    return Visit("r1", "rpc", "POST", "/rpc", "127.0.0.1", status=200, **more)


def test_a_line_of_json_says_who_what_and_how_it_ended():
    line = json.loads(written("json", visited(subject="ada", method="jobs.get", cache="hit", seconds=0.0123)))
    assert line == {
        "time": "1970-01-01T00:00:00.000+00:00",
        "request_id": "r1",
        "door": "rpc",
        "verb": "POST",
        "path": "/rpc",
        "status": 200,
        "ms": 12.3,
        "bytes": 0,
        "peer": "127.0.0.1",
        "subject": "ada",
        "method": "jobs.get",
        "cache": "hit",
        "policy": "allowed",
    }


def test_a_line_says_what_the_cache_and_the_policies_said_whom_it_went_to_and_which_trace_has_more():
    line = json.loads(
        written("json", visited(cache="miss", reason="expired", replica="http://a", trace="ab"))
    )
    assert (line["cache"], line["reason"], line["replica"], line["trace"]) == (
        "miss",
        "expired",
        "http://a",
        "ab",
    )
    assert "policy" not in line, "nobody was judged"
    refused = visited(subject="ada", fault="Forbidden")
    assert json.loads(written("json", refused))["policy"] == "refused"
    failed = visited(subject="ada", fault="UpstreamBroken")
    assert json.loads(written("json", failed))["policy"] == "allowed"


def test_a_slow_request_is_told_of_with_its_id_though_there_is_no_access_log(caplog):
    metrics = Metrics(None, lambda: 0.0)
    metrics.slow = 5.0
    metrics.visited(visited(method="jobs.get", cache="miss", seconds=5.0))
    metrics.visited(visited(seconds=4.9))
    metrics.visited(visited(seconds=90.0, wait=0.1))  # a stream that began soon
    metrics.visited(visited(seconds=90.0, wait=7.0, replica="http://a", fault="BrokenOff"))
    (first, second) = caplog.records
    assert first.getMessage() == "jobs.get took 5.00 s: 200, miss"
    assert second.getMessage() == "POST /rpc took 7.00 s at http://a: BrokenOff, no cache"
    assert {record.request_id for record in caplog.records} == {"r1"}
    assert b'labgate_slow_requests_total{door="rpc"} 2.0' in rendered(metrics.families())


def test_off_writes_nothing():
    assert written("off", visited()) == b""


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(["json", "text"]))
def test_no_name_can_write_a_line_of_its_own(path, subject, style):
    text = written(style, Visit("r1", "rpc", "GET", path, "::1", subject=subject))
    assert text.endswith(b"\n")
    assert not any(byte < 0x20 for byte in text[:-1])


def test_the_gates_own_log_carries_the_request_id_and_the_story():
    try:
        int("broken\nin two")
    except ValueError:
        record = logging.LogRecord("labgate", logging.ERROR, "x", 1, "it %s", ("failed",), sys.exc_info())
    record.request_id = "r7"
    text = JsonFormatter().format(record)
    line = json.loads(text)
    assert "\n" not in text
    assert (line["message"], line["level"], line["request_id"]) == ("it failed", "error", "r7")
    assert "broken" in line["exception"]
