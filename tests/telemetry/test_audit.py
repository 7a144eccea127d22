"""The audit log: a line for each record, in a file that may be full or moved away, written beside the event loop."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Event

import pytest

from gateway.core.audit import Record
from gateway.core.faults import Unavailable
from gateway.core.principal import Bearer, Principal
from gateway.telemetry.audit import AuditLog

ADA = Principal("ada", "labgate", ("lab",), ("em.read",), token_id="t1", bearer=Bearer("secret"))


def record(number: int = 1, **more) -> Record:
    return Record(
        **{"kind": "write", "id": f"r{number}", "principal": ADA, "client": "10.0.0.1", "outcome": "ok"}
        | more
    )


class Clock:
    """A clock that a test moves on."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def logs(tmp_path):
    made = []

    def log(file: Path | None = None, **how) -> AuditLog:
        how = {"wall": lambda: 0.0, "monotonic": Clock(), "again": 0.01} | how
        made.append(AuditLog(file or tmp_path / "audit.jsonl", **how))
        made[-1].start()
        return made[-1]

    yield log
    for one in made:
        one.close()


def lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_bytes().splitlines() if line]


def test_a_line_says_who_what_and_how_it_ended_and_holds_no_credential(logs, tmp_path):
    log = logs()
    log.write(
        record(
            method="jobs.put",
            service="jobs",
            code=-32004,
            outcome="DeadlineExceeded",
            seconds=0.25,
            heard=False,
        )
    )
    log.write(Record("refusal", "r2", None, "10.0.0.2", "Unauthenticated", request="POST /rpc", status=401))
    log.close()
    text = (tmp_path / "audit.jsonl").read_text()
    assert lines(tmp_path / "audit.jsonl") == [
        {
            "time": "1970-01-01T00:00:00.000+00:00",
            "kind": "write",
            "request_id": "r1",
            "subject": "ada",
            "issuer": "labgate",
            "client": "10.0.0.1",
            "outcome": "DeadlineExceeded",
            "groups": ["lab"],
            "token_id": "t1",
            "method": "jobs.put",
            "service": "jobs",
            "code": -32004,
            "ms": 250.0,
            "bytes": 0,
            "caller_gone": True,
        },
        {
            "time": "1970-01-01T00:00:00.000+00:00",
            "kind": "refusal",
            "request_id": "r2",
            "subject": None,
            "issuer": None,
            "client": "10.0.0.2",
            "outcome": "Unauthenticated",
            "request": "POST /rpc",
            "status": 401,
        },
    ]
    assert "secret" not in text
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_nothing_that_a_caller_sends_breaks_a_line_or_makes_one(logs, tmp_path):
    log = logs()
    odd = "a\nb\u2028\ud800\x00"
    log.write(record(method=odd, params=(odd,)))
    log.write(record(2))
    log.close()
    first, second = lines(tmp_path / "audit.jsonl")
    assert first["method"].startswith("a\nb")
    assert second["request_id"] == "r2"


def test_two_processes_append_whole_lines_to_one_file(logs, tmp_path):
    one, two = logs(), logs()
    for number in range(200):
        (one if number % 2 else two).write(record(number))
    one.close()
    two.close()
    assert {line["request_id"] for line in lines(tmp_path / "audit.jsonl")} == {f"r{n}" for n in range(200)}


def test_a_file_that_was_moved_away_is_made_anew_and_the_old_one_is_left_alone(logs, tmp_path):
    clock, file = Clock(), tmp_path / "audit.jsonl"
    log = logs(monotonic=clock)
    log.write(record(1))
    while log.written < 1:
        Event().wait(0.001)
    file.rename(tmp_path / "audit.1")
    clock.now += 2
    log.write(record(2))
    log.close()
    assert [line["request_id"] for line in lines(tmp_path / "audit.1")] == ["r1"]
    assert [line["request_id"] for line in lines(file)] == ["r2"]


def test_what_cannot_be_written_keeps_nobody_waiting_and_is_counted_and_said_in_the_log(
    logs, tmp_path, caplog
):
    folder = tmp_path / "later"
    log = logs(folder / "audit.jsonl", most=3)
    for number in range(10):
        log.write(record(number))
    assert log.lost >= 6
    lost = log.lost
    log.check()
    assert "No such file" in caplog.text
    folder.mkdir()
    while not log.written:
        Event().wait(0.01)
    log.close()
    said = lines(folder / "audit.jsonl")
    assert [line["request_id"] for line in said if line["kind"] == "write"] == [
        f"r{n}" for n in range(10 - lost)
    ]
    assert [line["records"] for line in said if line["kind"] == "lost"] == [lost]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is Linux's")
def test_with_required_no_write_is_let_through_while_the_disk_is_full(logs, tmp_path):
    file = tmp_path / "full"
    file.symlink_to("/dev/full")
    log, other = logs(file, required=True), logs(file)
    for one in (log, other):
        one.check()
        one.write(record())
        while not one.trouble:
            Event().wait(0.001)
    with pytest.raises(Unavailable, match="No space left on device"):
        log.check()
    other.check()
    file.unlink()
    while log.trouble:
        Event().wait(0.01)
    log.check()
    log.close()
    assert {line["request_id"] for line in lines(file)} == {"r1"}


def test_a_line_that_a_full_disk_has_torn_is_ended_before_it_is_written_again(logs, tmp_path, monkeypatch):
    log = logs()
    writing, torn = os.write, []

    def write(handle, data):
        if handle == log._handle and not torn:
            torn.append(data)
            return writing(handle, data[:10])
        return writing(handle, data)

    monkeypatch.setattr("gateway.telemetry.audit.os.write", write)
    log.write(record())
    while not log.written:
        Event().wait(0.01)
    log.close()
    first, second = (tmp_path / "audit.jsonl").read_bytes().splitlines()
    assert first == torn[0][:10]
    assert json.loads(second)["request_id"] == "r1"


def test_it_may_be_written_to_stderr(capfd):
    log = AuditLog(None, wall=lambda: 0.0, monotonic=Clock())
    log.start()
    log.write(record())
    log.close()
    assert json.loads(capfd.readouterr().err)["request_id"] == "r1"
