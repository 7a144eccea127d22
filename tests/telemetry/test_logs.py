"""Logs: a line for each thing that happened, which nothing that a caller sends can break or forge."""

import io
import json
import logging
import sys

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.ports import Visit
from gateway.telemetry.logs import JsonFormatter, access_log


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
    }


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
