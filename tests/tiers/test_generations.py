"""Generations: what a stored reply must still agree with."""

import subprocess
import sys

from gateway.tiers.generations import SLOTS, LocalGenerations, slots


def test_a_bump_changes_what_is_read_of_the_name_and_not_of_others():
    generations = LocalGenerations()
    before = generations.read(("tag:a", "tag:b"))
    generations.bump(("tag:a",))
    after = generations.read(("tag:a", "tag:b"))
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_bumping_nothing_changes_nothing():
    generations = LocalGenerations()
    before = generations.read(("tag:a",))
    generations.bump(())
    assert generations.read(("tag:a",)) == before


def test_two_names_in_one_slot_are_bumped_once_so_that_every_bump_is_seen():
    pair = next(
        (f"n{i}", f"n{j}")
        for i in range(200)
        for j in range(i + 1, 5000)
        if slots((f"n{i}",)) == slots((f"n{j}",))
    )
    generations = LocalGenerations()
    before = generations.read(pair)
    generations.bump(pair)
    assert generations.read(pair) == tuple(count + 1 for count in before)


def test_the_epoch_only_rises():
    generations = LocalGenerations()
    before = generations.epoch
    generations.advance()
    assert generations.epoch == before + 1


def test_names_hash_alike_in_every_process():
    code = "from gateway.tiers.generations import slots; print(slots(('tag:jobs', 'service:x')))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1
    assert all(0 <= slot < SLOTS for slot in slots(("tag:jobs", "service:x")))
