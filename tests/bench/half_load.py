"""How long do one in a hundred cached calls take when the server has half of what it can carry, beside nginx?"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

from bench_lab import HERE, LOAD_CORE, lab, post
from relay_calls import call
from side_by_side import Contender, Row, compared, posts

_SHORT = 0.01
"""The part of a run that the load may be behind its schedule at the end."""


class Latency(NamedTuple):
    """Of one run: microseconds, and whether they are the server's rather than the load's own."""

    p50: float
    p99: float
    late_p99: float
    """How late the load itself was."""
    kept_up: bool


def tail(seconds: float, runs: int) -> list[Row]:
    """Each at half of its own load, and both at half of the smaller one."""
    with lab() as here:
        mine, theirs = call("bench.get_00000", ["J42"]), call("get_00000", ["J42"])
        for _ in range(2):
            post(here.gate, mine.encode(), here.token)
            post(here.nginx("cached"), theirs.encode())
        most = compared(
            runs,
            gate=Contender(here.pid, posts(here.gate, mine, token=here.token, seconds=seconds)),
            nginx=Contender(here.nginx_pid, posts(here.nginx("cached"), theirs, seconds=seconds)),
        )
        half_gate, half_nginx = most["gate"].rate / 2, most["nginx"].rate / 2
        same = min(half_gate, half_nginx)

        def gate(rate: float) -> Callable[[], Latency]:
            return lambda: once(here.gate_port, "/rpc", mine, here.token, rate, seconds)

        def nginx(rate: float) -> Callable[[], Latency]:
            return lambda: once(here.nginx_port, "/cached", theirs, "", rate, seconds)

        own = _medians(runs, gate(half_gate), nginx(half_nginx))
        alike = _medians(runs, gate(same), nginx(same))
    return [
        _row("each at half of its load", half_gate, half_nginx, *own),
        _row("both at half of the smaller load", same, same, *alike),
    ]


def once(
    port: int, path: str, body: str, token: str, rate: float, seconds: float, *, connections: int = 32
) -> Latency:
    """One run of the load in a process of its own."""
    command = (sys.executable, str(HERE / "open_loop.py"), str(port), path, f"{rate:.0f}", f"{seconds:g}")
    done = subprocess.run(
        ["taskset", "-c", str(LOAD_CORE), *command],
        env=os.environ | {"BENCH_BODY": body, "BENCH_TOKEN": token, "BENCH_CONNECTIONS": str(connections)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    on_time = told["behind"] <= told["seconds"] * _SHORT * 1e6 and told["late_p99"] <= told["p99"] / 2
    return Latency(told["p50"], told["p99"], told["late_p99"], on_time)


def _medians(runs: int, *measures: Callable[[], Latency]) -> list[Latency]:
    """The medians of each, taken in turn; the load kept up if it did in most of the runs."""
    seen: list[list[Latency]] = [[] for _ in measures]
    for _ in range(runs):
        for found, measure in zip(seen, measures, strict=True):
            found.append(measure())
    return [
        Latency(
            statistics.median(one.p50 for one in found),
            statistics.median(one.p99 for one in found),
            statistics.median(one.late_p99 for one in found),
            sum(one.kept_up for one in found) * 2 > runs,
        )
        for found in seen
    ]


def _row(work: str, gate_rate: float, nginx_rate: float, gate: Latency, nginx: Latency) -> Row:
    return Row(
        f"p99 of cached calls, open loop, {work}",
        _told(gate, gate_rate),
        "nginx proxy_cache",
        _told(nginx, nginx_rate),
        f"{gate.p99 / nginx.p99:.2f}",
        "at most 1.5",
    )


def _told(found: Latency, rate: float) -> str:
    """The latencies at a rate, and how far they are to be believed."""
    load = f"the load itself was late by {found.late_p99:,.0f} us"
    doubt = load if found.kept_up else f"THE LOAD DID NOT KEEP UP: {load}"
    return f"{found.p99:,.0f} us (median {found.p50:,.0f} us) at {rate:,.0f} /s; {doubt}"
