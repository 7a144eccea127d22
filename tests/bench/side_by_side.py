"""How much does a server do in a second, and how much processor time does it take for that, beside another one?"""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench_lab import Lab, wrk_counts

_TICK = os.sysconf("SC_CLK_TCK")


class Load(NamedTuple):
    """What was done (calls, or MiB), and in how many seconds."""

    done: float
    seconds: float


class Figure(NamedTuple):
    """`rate` is a second, `cpu` the server's processor time for one, in microseconds."""

    rate: float
    cpu: float

    def told(self, unit: str) -> str:
        """The rate, and how busy the server was with it: one that waits for the load says nothing by the clock."""
        return f"{self.rate:,.0f} {unit} ({self.rate * self.cpu / 1e4:.0f} % busy)"


class Contender(NamedTuple):
    """A server by its process, and how it is loaded once."""

    pid: int
    load: Callable[[], Load]


class Row(NamedTuple):
    """A row of the table, as it is printed."""

    work: str
    mine: str
    yardstick: str
    theirs: str
    ratio: str
    wanted: str
    cpu_mine: str = ""
    cpu_theirs: str = ""
    cpu_ratio: str = ""


HEAD = Row(
    *("work", "gate", "beside", "it", "ratio", "wanted"),
    *("gate CPU us", "its CPU us", "ratio by CPU"),
)


def family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def cpu_seconds(pid: int) -> float:
    """The processor time of a process and all that descend from it, so far."""
    return sum(map(own_seconds, family(pid)))


def own_seconds(pid: int) -> float:
    """The processor time of one process so far, with its threads that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def pin(pid: int, cores: set[int]) -> None:
    """Let a process, its threads and all that descend from it run on these cores only."""
    for one in family(pid):
        for task in Path(f"/proc/{one}/task").iterdir():
            os.sched_setaffinity(int(task.name), cores)


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Let this process itself run on one core, as a client of what is measured."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def resident_mib(pid: int, line: str = "VmRSS") -> float:
    """The memory of a process in MiB, now; the most so far with the line `VmHWM`."""
    found = re.search(line + r":\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def measured(contender: Contender) -> Figure:
    """One run."""
    before = cpu_seconds(contender.pid)
    load = contender.load()
    return Figure(load.done / load.seconds, (cpu_seconds(contender.pid) - before) / load.done * 1e6)


def in_turns(runs: int, **contenders: Contender) -> dict[str, list[Figure]]:
    """Some runs of each, taken in turn so that a slow minute falls on all alike."""
    seen: dict[str, list[Figure]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, contender in contenders.items():
            seen[name].append(measured(contender))
    return seen


def median(figures: Iterable[Figure]) -> Figure:
    """The median of each."""
    return Figure(*map(statistics.median, zip(*figures, strict=True)))


def compared(runs: int, **contenders: Contender) -> dict[str, Figure]:
    """The medians of some runs in turns."""
    return {name: median(all_) for name, all_ in in_turns(runs, **contenders).items()}


def gates_beside(
    gates: Mapping[str, Lab], seconds: float, runs: int, body: str, script: str = "post.lua"
) -> dict[str, list[Figure]]:
    """The same load of POSTs on each of these gates in turns."""
    return in_turns(
        runs,
        **{
            name: Contender(
                here.pid, posts(here.gate, body, script=script, token=here.token, seconds=seconds)
            )
            for name, here in gates.items()
        },
    )


def row(work: str, mine: Figure, yardstick: str, theirs: Figure, wanted: str, unit: str = "/s") -> Row:
    """The row of two figures; both ratios are above 1 where the gate is ahead."""
    return Row(
        work,
        mine.told(unit),
        yardstick,
        theirs.told(unit),
        f"{mine.rate / theirs.rate:.2f}",
        wanted,
        f"{mine.cpu:,.2f}",
        f"{theirs.cpu:,.2f}",
        f"{theirs.cpu / mine.cpu:.2f}" if mine.cpu else "",
    )


def posts(
    url: str, body: str, *, script: str = "post.lua", token: str = "", seconds: float, connections: int = 32
) -> Callable[[], Load]:
    """A load of POSTs by wrk."""
    return lambda: Load(
        *wrk_counts(url, body, script=script, token=token, seconds=seconds, connections=connections)
    )


def gets(url: str, targets: str = "", *, token: str = "", seconds: float) -> Callable[[], Load]:
    """A load of GETs by wrk: all of the URL, or of these targets of its server with a number for each in place of @@."""
    script = "get_unique.lua" if targets else "get.lua"
    return lambda: Load(*wrk_counts(url, targets, script=script, token=token, seconds=seconds))


def times(count: float, load: Callable[[], Load]) -> Callable[[], Load]:
    """The same load, where each thing done counts as so many."""

    def counted() -> Load:
        done = load()
        return Load(done.done * count, done.seconds)

    return counted


def for_seconds(seconds: float, work: Callable[[], float]) -> Callable[[], Load]:
    """A load that does the work again until the time is over, at least once; the work says how much it did."""

    def load() -> Load:
        done, started = 0.0, time.perf_counter()
        while done == 0 or time.perf_counter() - started < seconds:
            done += work()
        return Load(done, time.perf_counter() - started)

    return load
