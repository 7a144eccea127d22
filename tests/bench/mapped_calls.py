"""How much sooner are 10,000 small calls done by `labgate.map` than by a loop? Both by the SDK, in one process, in turns."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import bench_lab

CALLS = 10_000
BUDGET = 5.0
KINDS = {
    "reads from memory, one for all": ("get_00000", lambda at: {"uid": f"J{at % 1000}"}),
    "reads that the service answers": ("get_00001", lambda at: {"uid": f"J{at}"}),
    "writes": ("get_00003", lambda at: {"uid": f"J{at}"}),
}


def run(runs: int, calls: int = CALLS) -> bool:
    """Print the table; whether every kind keeps the budget."""
    import labgate

    rows: list[tuple[str, ...]] = [
        (f"{calls:,} small calls", "loop, calls/s", "map, calls/s", "ratio", "budget")
    ]
    kept = True
    with bench_lab.lab(with_nginx=False) as here, tempfile.TemporaryDirectory() as folder:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {bench_lab.LOAD_CORE})
        address = f"http://127.0.0.1:{here.gate_port}"
        lab = labgate.connect(address, token=here.token, cache_dir=folder)
        for title, (name, item) in KINDS.items():
            method = lab[f"bench.{name}"]
            items = [item(at) for at in range(calls)]
            for one in items[:1000]:
                method(**one)
            loop, mapped = (
                _rate(partial(_loop, method, items), calls),
                _rate(partial(_mapped, method, items), calls),
            )
            median = bench_lab.median_of(runs, ("loop", loop), ("map", mapped))
            ratio = median["map"] / median["loop"]
            kept = kept and ratio >= BUDGET
            rows.append(
                (title, f"{median['loop']:,.0f}", f"{median['map']:,.0f}", f"{ratio:.1f}", f"{BUDGET:g}")
            )
    bench_lab.table("labgate.map against a loop", rows)
    return kept


def _loop(method: Any, items: list[dict[str, str]]) -> None:
    for one in items:
        method(**one)


def _mapped(method: Any, items: list[dict[str, str]]) -> None:
    import labgate

    count = sum(1 for _ in labgate.map(method, items))
    assert count == len(items)


def _rate(action: Callable[[], None], calls: int) -> Callable[[], float]:
    def measured() -> float:
        began = time.perf_counter()
        action()
        return calls / (time.perf_counter() - began)

    return measured


if __name__ == "__main__":
    raise SystemExit(0 if run(3) else 1)
