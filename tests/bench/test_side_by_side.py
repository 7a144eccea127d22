"""Is the processor time of a server that of all its processes?"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

PARENT = (
    "import subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', 'print(flush=True); input()'], stdout=subprocess.PIPE)\n"
    "child.stdout.readline(); print(child.pid, flush=True); child.wait()\n"
)


@pytest.fixture
def side_by_side(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, which finds its neighbours as it does when it is run."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("side_by_side")


@pytest.fixture
def parent() -> Iterator[tuple[int, int]]:
    """A process and its child."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        assert process.stdin is not None
        process.stdin.close()


def test_all_that_descend_from_a_process_count_for_it(
    side_by_side: ModuleType, parent: tuple[int, int]
) -> None:
    first, child = parent
    assert side_by_side.family(first) == [first, child]
    assert {first, child} <= set(side_by_side.family(os.getpid()))
    both = side_by_side.cpu_seconds(first)
    assert both >= side_by_side.cpu_seconds(child) >= 0


def test_pinning_a_process_pins_its_children(side_by_side: ModuleType, parent: tuple[int, int]) -> None:
    core = min(os.sched_getaffinity(0))
    side_by_side.pin(parent[0], {core})
    assert [os.sched_getaffinity(pid) for pid in parent] == [{core}, {core}]


def test_a_row_is_above_one_where_the_gate_is_ahead(side_by_side: ModuleType) -> None:
    gate, other = side_by_side.Figure(rate=200.0, cpu=5.0), side_by_side.Figure(rate=100.0, cpu=10.0)
    row = side_by_side.row("work", gate, "other", other, "1")
    assert (row.ratio, row.cpu_ratio) == ("2.00", "2.00")
    assert len(row) == len(side_by_side.HEAD)
