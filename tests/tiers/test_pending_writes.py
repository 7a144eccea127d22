"""Writes under way: what a killed process has left marked is ended by the next one, and nothing else is."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tiers.generations import slots
from gateway.tiers.pending_writes import PendingWrites
from tests.tiers.own_generations import OwnGenerations

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from pathlib import Path
from gateway.tiers.pending_writes import PendingWrites
writes = PendingWrites(Path(sys.argv[1]))
writes.mark(("tag:under way", "writes:jobs"))
writes.mark(("tag:over",))
writes.clear(("tag:over",))
print("marked", flush=True)
sys.stdin.read()
"""
NAMES = ("tag:under way", "writes:jobs", "tag:over", "tag:other")


def ended_by(writes: PendingWrites) -> set[str]:
    """Those of the names that what was left over has ended."""
    generations = OwnGenerations()
    before = generations.read(NAMES)
    writes.end_left_over(generations.bump)
    return {name for name, old, new in zip(NAMES, before, generations.read(NAMES), strict=True) if old != new}


@pytest.fixture
def writer(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"marked\n"
    yield process
    process.kill()
    process.communicate()


def test_what_was_under_way_in_a_killed_process_ends_once_and_nothing_else_does(tmp_path, writer) -> None:
    here = PendingWrites(tmp_path)
    assert ended_by(here) == set()  # it lives, and will end them itself
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert ended_by(here) == {"tag:under way", "writes:jobs"}
    assert ended_by(here) == set()
    here.close()


def test_who_is_killed_while_it_ends_them_leaves_them_to_the_next(tmp_path, writer) -> None:
    writer.send_signal(signal.SIGKILL)
    writer.communicate()

    def killed(names):
        raise KeyboardInterrupt

    one, other = PendingWrites(tmp_path), PendingWrites(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        one.end_left_over(killed)
    assert ended_by(other) == {"tag:under way", "writes:jobs"}
    one.close()
    other.close()


def test_an_end_with_nothing_under_way_leaves_no_file_and_one_with_something_its_marks(tmp_path) -> None:
    quiet, busy = PendingWrites(tmp_path), PendingWrites(tmp_path)
    busy.mark(("tag:under way",))
    quiet.close()
    busy.close()
    busy.close()
    assert len(list(tmp_path.glob("*.writes"))) == 1
    after = PendingWrites(tmp_path)
    assert ended_by(after) == {"tag:under way"}
    after.close()
    assert not list(tmp_path.glob("*.writes"))


@pytest.mark.parametrize("content", [b"", b"\x01" * 100])
def test_a_file_whose_process_was_killed_before_it_was_whole_says_nothing(tmp_path, content) -> None:
    here = PendingWrites(tmp_path)
    (tmp_path / f"{os.getpid()}-half.writes").write_bytes(content)
    assert here.end_left_over(lambda names: pytest.fail(str(names))) == 0
    here.close()
    assert not list(tmp_path.glob("*.writes"))


@given(deeds=st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=60))
def test_what_is_left_over_is_what_set_out_and_was_not_over(tmp_path_factory, deeds) -> None:
    folder, open_writes = tmp_path_factory.mktemp("writes"), Counter()
    writes = PendingWrites(folder)
    for number, sets_out in deeds:
        names = (f"tag:{number}", "writes:all")
        if sets_out:
            writes.mark(names)
            open_writes[number] += 1
        elif open_writes[number]:
            writes.clear(names)
            open_writes[number] -= 1
    writes.close()
    after, told = PendingWrites(folder), []
    after.end_left_over(told.extend)
    left = [f"tag:{number}" for number, count in open_writes.items() if count]
    assert set(slots(tuple(told))) == set(slots((*left, *(["writes:all"] if left else []))))
    after.close()
