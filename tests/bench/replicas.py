"""What do callers notice when Redis is lost, and how soon is a purge at one gate effective at the other? Under load, of a cluster.

Two gates of two workers behind HAProxy, as docker-compose.yml has them, with a real Redis. The callers call at a rate, not as fast as
they can: what is measured is how long they wait, beside all that shares the machine with them.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from bench_lab import HERE, table

if str(HERE.parent / "cluster") not in sys.path:
    sys.path.insert(0, str(HERE.parent / "cluster"))

CALLERS = 8
EVERY = 0.02
"""Seconds from one call of a caller to its next."""
WINDOW = 5.0
"""Seconds before and after the loss that are compared."""
PURGES = 40


class Call(NamedTuple):
    """A call: when it began, how long it took, and whether it was answered."""

    began: float
    seconds: float
    answered: bool


class Crowd:
    """Callers that read what is stored, or write, at a rate, as long as this is open."""

    def __init__(self, cluster: Any, *, writes: bool) -> None:
        self._cluster = cluster
        self._writes = writes
        self._over = threading.Event()
        self.calls: list[Call] = []
        self._threads = [threading.Thread(target=self._work, args=(at,)) for at in range(CALLERS)]

    def __enter__(self) -> Crowd:
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for one in self._threads:
            one.join()

    def _work(self, number: int) -> None:
        with self._cluster.line() as line:
            due = time.monotonic() + EVERY * number / CALLERS
            count = 0
            while not self._over.wait(max(0.0, due - time.monotonic())):
                due = max(due + EVERY, time.monotonic())
                began = time.monotonic()
                try:
                    if self._writes:
                        line.call("lab.put", f"bench-{number}-{count}")
                    else:
                        line.call("lab.get")
                    answered = True
                except (OSError, AssertionError):
                    answered = False
                self.calls.append(Call(began, time.monotonic() - began, answered))
                count += 1

    def between(self, start: float, end: float) -> list[Call]:
        """The calls that began then."""
        return [one for one in self.calls if start <= one.began < end]


def quantile(calls: Sequence[Call], part: float) -> float:
    """The milliseconds within which this part of them was answered."""
    known = sorted(one.seconds for one in calls)
    return 1000 * known[max(0, ceil(part * len(known)) - 1)] if known else 0.0


def run(runs: int) -> None:
    """Print the tables."""
    from cluster_lab import clustered, until

    with tempfile.TemporaryDirectory() as folder, clustered(Path(folder)) as cluster:
        rows = [("calls", "before: p50, p99 ms", "5 s after Redis is killed", "ratio of p99", "not answered")]
        for kind, writes in (("reads that are stored", False), ("writes", True)):
            found = [_lost(cluster, until, writes=writes) for _ in range(runs)]
            before, after, failed = (list(one) for one in zip(*found, strict=True))
            halves = [statistics.median(each[at] for each in one) for one in (before, after) for at in (0, 1)]
            ratio = statistics.median(b[1] / a[1] for a, b in zip(before, after, strict=True))
            cells = (f"{halves[0]:.2f}, {halves[1]:.2f}", f"{halves[2]:.2f}, {halves[3]:.2f}")
            rows.append((kind, *cells, f"{ratio:.2f}", str(sum(failed))))
        table(
            f"Redis is lost: {CALLERS} callers, {CALLERS / EVERY:.0f} calls a second, two gates of two workers",
            rows,
        )
        seconds = _purged(cluster, until)
        shown = (f"{1000 * statistics.median(seconds):.1f}", f"{1000 * max(seconds):.1f}")
        table(
            f"A write at one gate ends what is stored at the other, under the same load ({PURGES} times)",
            [("median, ms", "longest, ms", "wanted"), (*shown, "2,000")],
        )


def _lost(
    cluster: Any, until: Callable[..., Any], *, writes: bool
) -> tuple[tuple[float, float], tuple[float, float], int]:
    until(cluster.agreed)
    with Crowd(cluster, writes=writes) as crowd:
        time.sleep(1.0)
        start = time.monotonic()
        time.sleep(WINDOW)
        lost = time.monotonic()
        cluster.redis.kill()
        time.sleep(WINDOW)
        end = time.monotonic()
    cluster.redis.start()
    until(cluster.agreed)
    before, after = crowd.between(start, lost), crowd.between(lost, end)
    failed = sum(not one.answered for one in crowd.calls)
    return (
        (quantile(before, 0.5), quantile(before, 0.99)),
        (quantile(after, 0.5), quantile(after, 0.99)),
        failed,
    )


def _purged(cluster: Any, until: Callable[..., Any]) -> list[float]:
    """Seconds from the answer to a write at one gate until the other one reads what was written."""
    until(cluster.agreed)
    seconds = []
    with Crowd(cluster, writes=False), cluster.line("one") as one, cluster.line("two") as two:
        for at in range(PURGES):
            two.call("lab.get")  # it is stored there
            value = one.call("lab.put", f"purge-{at}")
            written = time.monotonic()
            until(lambda value=value: two.call("lab.get") >= value)
            seconds.append(time.monotonic() - written)
            time.sleep(0.05)
    return seconds
