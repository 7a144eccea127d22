"""`./dev bench [calls|mounts|cache|catalog|sdk|clients|volumes|dvid|sources]…`: the benchmarks, as Markdown tables; ratios are taken in one run."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import cache_table

ALL = ("calls", "mounts", "cache", "catalog", "sdk", "clients", "volumes", "dvid", "sources")


def main() -> int:
    """Run what is asked for; everything without arguments."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument(
        "what",
        nargs="*",
        choices=[*ALL, []],
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
    chosen = set(args.what or ALL)
    print(
        f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, median of {args.runs} runs of {args.seconds:g} s"
    )
    if "calls" in chosen:
        import relay_calls

        relay_calls.run(args.seconds, args.runs)
    if "mounts" in chosen:
        import mount_passing

        mount_passing.run(args.seconds, args.runs, args.stream_mib)
    if "cache" in chosen:
        cache_table.run(args.seconds, args.runs, args.only)
    if "catalog" in chosen:
        import catalog_lists

        catalog_lists.run()
    if "clients" in chosen:
        import clients

        clients.run(args.runs)
    if "volumes" in chosen:
        import volume_reads

        volume_reads.run(args.runs)
    if "dvid" in chosen:
        import dvid_cutouts

        dvid_cutouts.run(args.runs)
    if "sources" in chosen:
        import sources

        sources.run(args.runs)
    if "sdk" in chosen:
        script = Path(__file__).with_name("sdk_budgets.py")
        subprocess.run([sys.executable, str(script)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
