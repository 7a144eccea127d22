"""Who uses what, at a running gate?"""

import argparse
import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.commands.operating import add_operator, asked
from gateway.commands.options import duration
from gateway.commands.tables import plain, size, span, table
from gateway.core.usage import BYS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated usage [--by user|group|service|method] [--since 7d] [--csv]`."""
    text = "what the rows are of (default: user); whoever is in several groups counts for each"
    parser.add_argument("--by", choices=BYS, default="user", help=text)
    text = "how far back: 90min, 24h, 7d (the default), as far as `telemetry.usage` keeps it"
    parser.add_argument("--since", metavar="TIME", type=duration, default="7d", help=text)
    parser.add_argument("--csv", action="store_true", help="comma-separated, with numbers as they are")
    add_operator(parser)


def run(args: argparse.Namespace) -> int:
    """Prints a row for each; 0 if there is a gate to tell it, 1 if not."""
    found = asked(args, "GET", f"/-/usage?by={args.by}&since={args.since:.0f}")
    if found is None:
        return 1
    rows = found["rows"]
    if args.csv:
        _write(args.by, rows)
    elif rows:
        print("\n".join(_lines(args.by, rows)))
    else:
        print("nobody has called anything in that time")
    return 0


def _write(by: str, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = (by, "calls", "hits", "failed", "users", "bytes", "bytes_saved", "seconds", "seconds_saved")
    written = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    written.writeheader()
    for row in rows:
        # Spreadsheets carry out what begins so.
        name = f"'{row[by]}" if str(row[by]).startswith(("=", "+", "-", "@")) else row[by]
        written.writerow({**row, by: name})


def _lines(by: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    head = (by.upper(), "CALLS", "CACHED", "FAILED", "USERS", "BYTES", "SAVED", "TIME", "TIME SAVED")
    return table([head, *(_row(by, row) for row in rows)])


def _row(by: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    cached = f"{100 * row['hits'] / row['calls']:.0f} %" if row["calls"] else "-"
    counts = (str(row["calls"]), cached, str(row["failed"]), str(row["users"]))
    sizes = (size(row["bytes"]), size(row["bytes_saved"]))
    times = (span(row["seconds"]), span(row["seconds_saved"]))
    return (plain(str(row[by])), *counts, *sizes, *times)
