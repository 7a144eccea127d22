"""What does telemetry cost a call, by processor time? Gates that differ in this alone, side by side.

The first of them counts nothing at all, which no setting can have: `uncounted_gate.py`.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from bench_lab import HERE, lab, post, switch, table
from relay_calls import call
from side_by_side import Figure, gates_beside, median

_QUIET = 'access_log: "off"'
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "nothing is counted": {"program": (str(HERE / "uncounted_gate.py"),)},
    "metrics": {},
    "and usage, slow calls": {"telemetry": _QUIET + ", usage: on, slow: 5s"},
    "and 1 % traced": {"telemetry": _QUIET + ", otlp: {url: 'http://127.0.0.1:9', sample: 1%}"},
    "and the access log": {"telemetry": "access_log: json"},
}
"""Each of the last three has the metrics, too, which cannot be turned off. Nobody takes the traces: they are made and dropped."""


def run(seconds: float, runs: int) -> None:
    """Print the table."""
    hit, miss, write = (call(f"bench.get_0000{n}", ["@@"] if n else ["J42"]) for n in (0, 1, 3))
    with ExitStack() as ends:
        gates = {
            name: ends.enter_context(lab(with_nginx=False, **settings)) for name, settings in SETTINGS.items()
        }
        for here in gates.values():
            for body in (hit, miss, write):
                assert b"completed" in post(here.gate, body.encode(), here.token)
        found = {
            "front lane, cached": gates_beside(gates, seconds, runs, hit),
            "not cached": gates_beside(gates, seconds, runs, miss, "post_unique.lua"),
            "write": gates_beside(gates, seconds, runs, write, "post_unique.lua"),
        }
        for here in gates.values():
            switch(here, "off")
        found["parsed, cached"] = gates_beside(gates, seconds, runs, hit)
        found["parsed, not cached"] = gates_beside(gates, seconds, runs, miss, "post_unique.lua")
    rows = [("CPU us for a call", *SETTINGS)]
    rows += [(work, *_told(figures)) for work, figures in found.items()]
    table("Telemetry, one core for the server, 32 connections; beside a gate that counts nothing", rows)


def _told(figures: Mapping[str, list[Figure]]) -> list[str]:
    """Medians, and how much more it is: that is the median over the turns, within which the machine changes least."""
    bare, *others = figures.values()
    more = [
        statistics.median(one.cpu / base.cpu - 1 for one, base in zip(each, bare, strict=True))
        for each in others
    ]
    return [
        f"{median(bare).cpu:.1f}",
        *(f"{median(each).cpu:.1f} ({part:+.1%})" for each, part in zip(others, more, strict=True)),
    ]
