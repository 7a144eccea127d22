"""`./dev bench [calls|mounts|cache|access|telemetry|catalog|sdk|map|anchors|clients|volumes|dvid|identity|held|sources|shared|capacity|balanced|replicas|console]…`: the benchmarks, as Markdown tables; ratios are taken in one run."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import cache_table

HERE = Path(__file__).parent

BENCHES: dict[str, Callable[[Namespace], object]] = {
    "calls": lambda asked: _module("relay_calls").run(asked.seconds, asked.runs),
    "mounts": lambda asked: _module("mount_passing").run(asked.seconds, asked.runs, asked.stream_mib),
    "cache": lambda asked: cache_table.run(asked.seconds, asked.runs, asked.only),
    "access": lambda asked: _module("access_checks").run(asked.seconds, asked.runs),
    "telemetry": lambda asked: _module("telemetry_costs").run(asked.seconds, asked.runs),
    "catalog": lambda _: _module("catalog_lists").run(),
    "sdk": lambda _: _budgets(),
    "map": lambda asked: _module("mapped_calls").run(asked.runs),
    "anchors": lambda asked: _module("anchors").run(asked.runs),
    "clients": lambda asked: _module("clients").run(asked.runs),
    "volumes": lambda asked: _module("volume_reads").run(asked.runs),
    "dvid": lambda asked: _module("dvid_cutouts").run(asked.runs),
    "identity": lambda _: _module("identity_costs").run(),
    "held": lambda asked: _module("held").run(asked.seconds, asked.runs),
    "sources": lambda asked: _module("sources").run(asked.runs),
    "shared": lambda asked: _module("shared_answers").run(asked.runs),
    "capacity": lambda asked: _module("capacity").run(asked.seconds),
    "balanced": lambda asked: _module("balanced").run(asked.seconds, asked.runs),
    "replicas": lambda asked: _module("replicas").run(asked.runs),
    "console": lambda asked: _module("console_paint").run(asked.runs),
}


def _budgets() -> None:
    """What is over its budget is told in its row; the other benchmarks are run all the same."""
    ended = subprocess.run([sys.executable, str(HERE / "sdk_budgets.py")], check=False)
    if ended.returncode not in (0, 1):
        raise SystemExit(ended.returncode)


def _module(name: str) -> Any:
    """What one benchmark needs is imported when it is run."""
    return import_module(name)


def main() -> int:
    """Run what is asked for; everything without arguments."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument(
        "what",
        nargs="*",
        choices=[*BENCHES, []],
        default=[],
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of load for each figure and run")
    parser.add_argument("--runs", type=int, default=5, help="the median of so many is printed")
    parser.add_argument("--stream-mib", type=int, default=1024, help="up and down at once through a mount")
    parser.add_argument("--only", action="append", default=[], metavar="ROW", help="of the cache's table")
    args = parser.parse_args()
    unknown = set(args.only).difference(cache_table.ROWS)
    if unknown:
        parser.error(f"no row {', '.join(sorted(unknown))}; there are: {', '.join(cache_table.ROWS)}")
    print(
        f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, median of {args.runs} runs of {args.seconds:g} s"
    )
    for name, bench in BENCHES.items():
        if not args.what or name in args.what:
            bench(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
