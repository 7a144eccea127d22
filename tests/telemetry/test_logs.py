"""Logs: a line for each thing that happened, which nothing that a caller sends can break or forge."""

import asyncio
import io
import json
import logging
import sys
from datetime import UTC, datetime, timedelta
from select import PIPE_BUF

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.ports import Visit
from gateway.telemetry.families import rendered
from gateway.telemetry.logs import JsonFormatter, access_log
from gateway.telemetry.metrics import Metrics


def written(style, *visits):
    """What is written of visits, each with the moment at which it ended."""

    async def write():
        log = access_log(style, stream)
        for visit, now in visits:
            log(visit, now)
        log.flush()

    stream = io.BytesIO()
    asyncio.run(write())
    return stream.getvalue()


def line_of(visit):
    return json.loads(written("json", (visit, 0.0)))


def visited(**more):
    return Visit("r1", "rpc", "POST", "/rpc", "127.0.0.1", status=200, **more)


def test_a_line_of_json_says_who_what_and_how_it_ended():
    line = line_of(visited(subject="ada", method="jobs.get", cache="hit", seconds=0.0123))
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
    line = line_of(visited(cache="miss", reason="expired", replica="http://a", trace="ab"))
    assert (line["cache"], line["reason"], line["replica"], line["trace"]) == (
        "miss",
        "expired",
        "http://a",
        "ab",
    )
    assert "policy" not in line, "nobody was judged"
    refused = visited(subject="ada", fault="Forbidden")
    assert line_of(refused)["policy"] == "refused"
    failed = visited(subject="ada", fault="UpstreamBroken")
    assert line_of(failed)["policy"] == "allowed"


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
    assert access_log("off", io.BytesIO()) is None


class Writes(io.RawIOBase):
    """A stream that keeps what it was given at once."""

    def __init__(self):
        self.given = []

    def writable(self):
        return True

    def write(self, data):
        self.given.append(bytes(data))
        return len(data)


def numbered(count):
    return [f"r{number}" for number in range(count)]


def ids(raw):
    return [json.loads(line)["request_id"] for line in b"".join(raw.given).splitlines()]


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


async def test_lines_of_a_moment_are_written_together_and_a_pipe_never_mixes_them_with_another_workers():
    raw = Writes()
    log = access_log("json", io.BufferedWriter(raw))
    for number in numbered(100):
        log(Visit(number, "rpc", "POST", "/rpc", "::1"), 0.0)
    assert raw.given == []
    log.flush()
    assert ids(raw) == numbered(100)
    assert 1 < len(raw.given) < 10
    assert all(piece.endswith(b"\n") and len(piece) <= PIPE_BUF for piece in raw.given)
    log(visited(subject="s" * 2 * PIPE_BUF), 0.0)
    log.flush()
    assert b"s" * 2 * PIPE_BUF in b"".join(raw.given), "a longer line is written all the same"


async def test_lines_are_written_a_moment_later_and_sooner_where_there_are_many():
    raw = Writes()
    log = access_log("json", io.BufferedWriter(raw))
    log(Visit("r0", "rpc", "POST", "/rpc", "::1"), 0.0)
    await until(lambda: ids(raw) == ["r0"])
    for number in numbered(2000):
        log(Visit(number, "rpc", "POST", "/rpc", "::1"), 0.0)
    assert len(ids(raw)) > 1000
    await until(lambda: ids(raw) == ["r0", *numbered(2000)])


async def test_a_log_that_nobody_reads_any_more_fails_no_request():
    tried = []

    class Broken(Writes):
        def write(self, data):
            tried.append(bytes(data))
            raise BrokenPipeError

    log = access_log("json", Broken())
    for number in numbered(2):
        log(Visit(number, "rpc", "POST", "/rpc", "::1"), 0.0)
        log.flush()
    assert [json.loads(line)["request_id"] for line in tried] == numbered(2), "each is tried once"


@given(st.lists(st.integers(0, 4_000_000_000_000), max_size=5))
def test_the_moment_is_told_to_the_millisecond_whatever_was_told_before(moments):
    lines = written("json", *((visited(), moment / 1000) for moment in moments)).splitlines()
    told = [datetime.fromisoformat(json.loads(line)["time"]) for line in lines]
    assert told == [datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=moment) for moment in moments]


ANY_TEXT = st.text(st.characters(), max_size=30)  # halves of surrogate pairs, too


@given(ANY_TEXT, ANY_TEXT, st.sampled_from(["json", "text"]))
def test_no_name_can_write_a_line_of_its_own(path, subject, style):
    text = written(style, (Visit("r1", "rpc", "GET", path, "::1", subject=subject), 0.0))
    assert text.endswith(b"\n")
    assert not any(byte < 0x20 for byte in text[:-1])


def test_what_lines_have_in_common_is_never_another_lines():
    stories = [
        visited(),
        visited(subject="ada"),
        visited(subject="ada", fault="Forbidden"),
        visited(cache="hit"),
    ]
    stories += [
        Visit("r2", "mount", "GET", "/rpc", "127.0.0.1", status=200),
        visited(entries=2),
        visited(trace="ab"),
    ]
    lines = [json.loads(line) for line in written("json", *((one, 0.0) for one in stories * 2)).splitlines()]
    alone = [line_of(one) for one in stories]
    assert lines == alone * 2
    assert len({json.dumps(one) for one in alone}) == len(stories)


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
