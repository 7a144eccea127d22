"""The file of epoch and generations: one truth for all processes of a host, before and after a restart."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.verdict import Entry
from gateway.tiers.generations import slots
from gateway.tiers.shared_generations import SharedGenerations

ROOT = Path(__file__).parents[2]


def entry(*generations: int) -> Entry:
    return Entry(b"k", "result", b"1", 0.0, 1.0, 1.0, 0, generations)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "generations"


def test_a_bump_is_seen_by_everyone_who_has_the_file_and_only_for_its_name(path: Path) -> None:
    one, other = SharedGenerations(path), SharedGenerations(path)
    before = other.read(("tag:a", "tag:b"))
    one.bump(("tag:a",))
    after = other.read(("tag:a", "tag:b"))
    assert (after[0], after[1]) == (before[0] + 1, before[1])
    assert one.read(("tag:a", "tag:b")) == after
    one.close()
    other.close()


def test_of_two_groups_the_first_has_ended_for_everyone_before_the_second_does(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = SharedGenerations(path), SharedGenerations(path)
    names, seen = ("tag:a", "uri:b"), []
    begun, changes = other.read(names), other.changes

    def looked(group: tuple[str, ...]) -> tuple[int, ...]:
        if group == ("uri:b",):
            seen.append((other.read(names), other.changes > changes))
        return slots(group)

    monkeypatch.setattr("gateway.tiers.shared_generations.slots", looked)
    one.bump(("tag:a",), ("uri:b",))
    assert seen == [((begun[0] + 1, begun[1]), True)]
    assert other.read(names) == (begun[0] + 1, begun[1] + 1)
    one.close()
    other.close()


def test_the_epoch_is_one_for_everyone_and_only_rises(path: Path) -> None:
    one, other = SharedGenerations(path), SharedGenerations(path)
    before = one.epoch
    other.advance()
    one.advance()
    assert one.epoch == other.epoch == before + 2
    one.close()
    other.close()


def test_two_names_in_one_slot_are_bumped_once_so_that_every_bump_is_seen(path: Path) -> None:
    pair = next(
        (f"n{i}", f"n{j}")
        for i in range(200)
        for j in range(i + 1, 5000)
        if slots((f"n{i}",)) == slots((f"n{j}",))
    )
    generations = SharedGenerations(path)
    before = generations.read(pair)
    generations.bump(pair)
    generations.bump(())
    assert generations.read(pair) == tuple(count + 1 for count in before)
    generations.close()


def test_whatever_ends_anywhere_is_a_change_for_everyone(path: Path) -> None:
    one, other = SharedGenerations(path), SharedGenerations(path)
    seen = [one.changes]
    for end in (lambda: other.bump(("tag:a",)), other.advance, lambda: one.bump(("service:x",))):
        end()
        assert one.changes == other.changes
        seen.append(one.changes)
    assert seen == sorted(set(seen))
    one.bump(())
    assert one.changes == seen[-1]
    one.close()
    other.close()


def test_a_restart_keeps_the_counters_the_epoch_the_id_and_the_run(path: Path) -> None:
    before = SharedGenerations(path)
    before.bump(("tag:a",))
    before.advance()
    told = before.id, before.run, before.epoch, before.read(("tag:a",))
    before.close()
    after = SharedGenerations(path)
    assert (after.id, after.run, after.epoch, after.read(("tag:a",))) == told
    after.close()


BUMPER = """
import sys
from pathlib import Path
from gateway.tiers.shared_generations import SharedGenerations
generations = SharedGenerations(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    generations.bump(("tag:a", "tag:b"))
print("done", flush=True)
sys.stdin.read()
"""


def bumper(path: Path, times: int) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", BUMPER, str(path), str(times)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)


def test_no_bump_of_many_processes_is_lost_and_a_kill_loses_none_either(path: Path) -> None:
    here = SharedGenerations(path)
    before = here.read(("tag:a", "tag:b"))
    processes = [bumper(path, 3000) for _ in range(3)]
    for _ in range(1000):
        here.bump(("tag:a",))
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert here.read(("tag:a", "tag:b")) == (before[0] + 10_000, before[1] + 9000)
    run = here.run
    here.close()
    again = SharedGenerations(path)
    assert again.read(("tag:a", "tag:b")) == (before[0] + 10_000, before[1] + 9000)
    assert again.run == run
    again.close()


def test_a_clean_end_lets_every_entry_live_through_a_start_of_the_machine(path: Path) -> None:
    before = SharedGenerations(path, machine=b"monday")
    other = SharedGenerations(path, machine=b"monday")
    file, run = before.id, before.run
    before.close()
    other.close()
    after = SharedGenerations(path, machine=b"tuesday")
    assert after.holds(entry(1, 1, 1), file, run)
    after.close()


def test_a_machine_that_stopped_before_the_end_takes_tagged_entries_with_it_and_no_others(path: Path) -> None:
    before = SharedGenerations(path, machine=b"monday")
    other = SharedGenerations(path, machine=b"monday")
    file, run = before.id, before.run
    before.close()  # not the last: the other one never says that it ends
    fall(other)
    after = SharedGenerations(path, machine=b"tuesday")
    assert after.id == file
    assert not after.holds(entry(1, 1, 1), file, run)
    assert after.holds(entry(1, 1), file, run)
    assert after.holds(entry(1, 1, 1), file, after.run)
    fall(after)


def fall(generations: SharedGenerations) -> None:
    """What is left of a process without its end: the locks go, the flag stays as it was."""
    os.close(generations._users)
    os.close(generations._lock)


def test_where_no_kernel_says_which_run_it_is_only_a_clean_end_is_believed(path: Path) -> None:
    first = SharedGenerations(path, machine=b"")
    run = first.run
    second = SharedGenerations(path, machine=b"")  # beside a living one nothing is lost
    assert second.run == run
    fall(second)
    fall(first)
    third = SharedGenerations(path, machine=b"")
    assert third.run != run
    third.close()


def test_a_write_that_ends_after_the_close_still_counts_and_takes_the_clean_end_back(path: Path) -> None:
    late = SharedGenerations(path, machine=b"monday")
    run, before = late.run, late.read(("tag:a",))
    late.close()
    late.bump(("tag:a",))
    after = SharedGenerations(path, machine=b"tuesday")
    assert after.read(("tag:a",)) == (before[0] + 1,)
    assert after.run != run
    after.close()


@given(data=st.data())
def test_a_file_that_is_altered_in_its_head_or_cut_anywhere_is_made_anew(
    tmp_path_factory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("state") / "generations"
    before = SharedGenerations(path)
    before.bump(("tag:a",))
    file = before.id
    before.close()
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, 79))
        content[at] ^= data.draw(st.integers(1, 255))
    else:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    path.write_bytes(content)
    after = SharedGenerations(path)
    assert after.id != file
    assert after.read(("tag:a",)) == (0,)
    after.close()


def test_whoever_had_a_broken_file_mapped_agrees_with_nothing_from_before(path: Path) -> None:
    here = SharedGenerations(path)
    epoch, read = here.epoch, here.read(("tag:a",))
    with path.open("r+b") as file:
        file.write(b"rubbish")
    other = SharedGenerations(path)
    assert (here.id, here.epoch) == (other.id, other.epoch)
    assert (here.epoch, here.read(("tag:a",))) != (epoch, read)
    here.close()
    other.close()
