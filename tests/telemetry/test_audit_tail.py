"""The end of the audit log, as operators see it."""

import json

import pytest

from gateway.telemetry.audit_tail import MOST_BYTES, last_records


def test_the_newest_records_come_first_and_no_more_than_wanted(tmp_path) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_text("".join(json.dumps({"n": n}) + "\n" for n in range(10)))
    assert [one["n"] for one in last_records(file, 3)] == [9, 8, 7]
    assert len(last_records(file, 100)) == 10


def test_lines_that_are_torn_or_no_records_are_passed_over(tmp_path) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_bytes(b'{"n": 1}\n{"n": \n[1]\n\xff\n{"n": 2}\n{"n": 3')
    assert [one["n"] for one in last_records(file, 10)] == [2, 1]


def test_of_a_large_log_its_end_is_read(tmp_path) -> None:
    file = tmp_path / "audit.jsonl"
    line = json.dumps({"text": "x" * 1000}) + "\n"
    file.write_text(line * (MOST_BYTES // len(line) + 100) + '{"n": 1}\n')
    found = last_records(file, 1 << 20)
    assert found[0] == {"n": 1}
    assert len(found) * len(line) < MOST_BYTES + 2 * len(line)


def test_a_log_that_is_not_there_is_said(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        last_records(tmp_path / "none", 1)
