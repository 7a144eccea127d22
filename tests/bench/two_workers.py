"""Do two worker processes cost more for a call than one, and how much more do they carry?"""

from __future__ import annotations

import os
import sys
import time

from bench_lab import LOAD_CORE, SERVER_CORE, Lab, lab, post
from relay_calls import call
from side_by_side import Contender, Figure, Row, compared, cpu_seconds, family, pin, posts

_BOTH = {SERVER_CORE, LOAD_CORE}
_MANY = 4
"""Cores from which on the load need not share one with a worker."""
_A_WHILE, _PATIENCE = 0.1, 20.0
"""Seconds of processor time that each worker must have had, and within how many."""


def cached(seconds: float, runs: int) -> list[Row]:
    """Cached calls: by processor time on one core for both, by the clock on two cores."""
    body = call("bench.get_00000", ["J42"])
    cores = {0, 1} if (os.cpu_count() or 1) >= _MANY else _BOTH
    with lab(with_nginx=False) as one, lab(with_nginx=False, more="workers: 2\n") as two:
        _warm_each(one, body)
        _warm_each(two, body)
        contenders = {
            "one": Contender(one.pid, posts(one.gate, body, token=one.token, seconds=seconds)),
            "two": Contender(two.pid, posts(two.gate, body, token=two.token, seconds=seconds)),
        }
        same = compared(runs, **contenders)
        pin(two.pid, cores)
        apart = compared(runs, **contenders)
    return [_by_cpu(same), _by_clock(apart)]


def _by_cpu(found: dict[str, Figure]) -> Row:
    one, two = found["one"], found["two"]
    return Row(
        "two workers, processor time of a cached call (both on one core)",
        f"{two.rate:,.0f} /s",
        "one worker",
        f"{one.rate:,.0f} /s",
        f"{two.rate / one.rate:.2f}",
        "CPU time at most 1.05 times",
        f"{two.cpu:,.2f}",
        f"{one.cpu:,.2f}",
        f"{one.cpu / two.cpu:.2f} ({two.cpu / one.cpu:.2f} times the time)",
    )


def _by_clock(found: dict[str, Figure]) -> Row:
    one, two = found["one"], found["two"]
    cores = os.cpu_count() or 1
    note = "" if cores >= _MANY else f"; these {cores} cores carry the load as well, so it cannot be had here"
    return Row(
        "two workers, cached calls (each on a core)",
        f"{two.rate:,.0f} /s",
        "one worker",
        f"{one.rate:,.0f} /s",
        f"{two.rate / one.rate:.2f}",
        f"1.8 where cores allow{note}",
        f"{two.cpu:,.2f}",
        f"{one.cpu:,.2f}",
        f"{one.cpu / two.cpu:.2f}",
    )


def _warm_each(here: Lab, body: str) -> None:
    """Load until every worker has answered for a while, so that each has the reply in its own memory."""
    assert b"completed" in post(here.gate, body.encode(), here.token)
    load = posts(here.gate, body, token=here.token, seconds=1)
    latest = time.monotonic() + _PATIENCE
    workers = family(here.pid)[1:] or [here.pid]  # the first of several is the supervisor
    before = {pid: cpu_seconds(pid) for pid in workers}
    while any(cpu_seconds(pid) - spent < _A_WHILE for pid, spent in before.items()):
        if time.monotonic() > latest:
            sys.exit("not every worker is given calls")
        load()
