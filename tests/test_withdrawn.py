"""Laws of the file of withdrawals: every process of the host knows it, it outlives them, and nothing breaks it."""

import threading

import pytest

from gateway.core.faults import Unavailable
from gateway.core.withdrawals import Withdrawal
from gateway.withdrawn import FILE, Withdrawn
from gateway.withdrawn_elsewhere import SharedWithdrawn

ONE = Withdrawal("drained", "ada", 1.0, "new disks", 7.0)
OTHER = Withdrawal("disabled", "bob", 2.0)


def test_what_one_puts_down_the_others_see_when_they_look_and_so_does_who_comes_later(tmp_path):
    mine, other = Withdrawn(tmp_path), Withdrawn(tmp_path)
    assert not other.poll()
    mine.put("jobs", ONE)
    assert mine.found == {"jobs": ONE}
    assert other.poll()
    assert not other.poll()
    other.put("files", OTHER)
    assert mine.poll()
    assert mine.found == {"jobs": ONE, "files": OTHER}
    late = Withdrawn(tmp_path)
    assert late.poll()
    assert late.found == mine.found
    late.put("jobs", Withdrawal("enabled", "ada", 3.0))
    assert mine.poll()
    assert mine.found == {"files": OTHER}


def test_many_at_once_lose_nothing(tmp_path):
    def put(number):
        for at in range(20):
            Withdrawn(tmp_path).put(f"s{number}_{at}", ONE)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    found = Withdrawn(tmp_path)
    found.poll()
    assert len(found.found) == 80
    assert {file.name for file in tmp_path.iterdir()} == {FILE, f"{FILE}.lock"}


def test_a_broken_file_brings_no_service_back(tmp_path, caplog):
    mine = Withdrawn(tmp_path)
    mine.put("jobs", ONE)
    (tmp_path / FILE).write_text('{"jobs": ')
    assert not mine.poll()
    assert mine.found == {"jobs": ONE}
    assert "cannot be read" in caplog.text
    mine.put("files", OTHER)
    assert mine.found == {"jobs": ONE, "files": OTHER}


def test_where_nothing_can_be_written_nothing_has_changed(tmp_path):
    mine = Withdrawn(tmp_path / "gone")
    with pytest.raises(Unavailable, match="Nothing was changed"):
        mine.put("jobs", ONE)
    assert mine.found == {}


def test_of_what_two_hosts_say_of_a_service_the_newer_holds_also_that_it_takes_calls_again(tmp_path):
    here, there = (Withdrawn(tmp_path / name) for name in ("here", "there"))
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    here.put("jobs", ONE)
    there.add(here.all())
    assert there.found == {}, "who looks is to find that it is new"
    assert there.poll()
    assert there.found == {"jobs": ONE}
    there.put("jobs", Withdrawal("enabled", "bob", 9.0))
    here.add(there.all())
    assert here.poll()
    assert here.found == there.found == {}
    there.add({"jobs": ONE})
    assert not there.poll(), "it was said before"


def test_what_another_gate_says_that_cannot_be_read_is_passed_over_and_what_is_newer_here_is_told(tmp_path):
    mine = Withdrawn(tmp_path)
    mine.put("jobs", ONE)
    mine.put("files", OTHER)
    shared = SharedWithdrawn(mine)
    told = dict(shared.told())
    older = told["jobs"].replace('"since":1.0', '"since":0.5')
    assert shared.heard({"jobs": older, "files": "?", "more": '{"state":"gone"}'}) == ["jobs", "files"]
    assert mine.found == {"jobs": ONE, "files": OTHER}
    assert shared.heard(told) == []
    newer = told["jobs"].replace('"since":1.0', '"since":5.0')
    assert shared.heard({"jobs": newer}) == []
    assert mine.poll()
    assert mine.found["jobs"].since == 5.0
