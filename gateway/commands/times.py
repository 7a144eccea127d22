"""How long do the calls of each method take, at a running gate?"""

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from gateway.commands.operating import add_operator, asked
from gateway.commands.options import duration
from gateway.commands.tables import moment, plain, table
from gateway.core.method_times import BYS, SORTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated times [WORD …] [--by method|service] [--since 5min] [--sort p99] [--limit 20] [--json]`."""
    text = "only names with all of these in them, in capitals or not"
    parser.add_argument("words", nargs="*", metavar="WORD", help=text)
    parser.add_argument(
        "--by", choices=BYS, default="method", help="what the rows are of (default: %(default)s)"
    )
    text = "how far back: 60s, 5min (the default), at most 15min"
    parser.add_argument("--since", metavar="TIME", type=duration, default="5min", help=text)
    text = "what comes first: most calls (the default), the slowest, …; names from a to z"
    parser.add_argument("--sort", choices=SORTS, default="calls", help=text)
    text = "how many rows at most (default: %(default)s)"
    parser.add_argument("--limit", type=int, metavar="N", default=20, help=text)
    parser.add_argument("--json", action="store_true", help="as one JSON object, with times in seconds")
    add_operator(parser)


def run(args: argparse.Namespace) -> int:
    """Prints a row for each; 0 if there is a gate to tell it, 1 if not."""
    wish = {"by": args.by, "find": " ".join(args.words), "sort": args.sort, "limit": args.limit}
    found = asked(args, "GET", f"/-/methods?{urlencode({**wish, 'since': args.since})}")
    if found is None:
        return 1
    if args.json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    elif found["rows"]:
        print("\n".join(_lines(args.by, found)))
    else:
        print(f"nobody has called {'such a ' + args.by if args.words else 'anything'} in that time")
    return 0


def _lines(by: str, found: Mapping[str, Any]) -> Iterator[str]:
    rows = found["rows"]
    shown = [_row(plain(str(row[by])), row) for row in rows]
    if len(rows) > 1 or found["found"] > 1:
        shown.append(_row("all", found["all"]))
    yield from table([(by.upper(), "CALLS", "FAILED", "CACHED", "HALF WITHIN", "99 % WITHIN"), *shown])
    if (more := found["found"] - len(rows)) > 0:
        yield f"and {more} more: --limit says how many are shown, a WORD which"


def _row(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    counts = (str(row["calls"]), str(row["failed"]), f"{100 * row['cached']:.0f} %")
    return (name, *counts, moment(row["p50"]), moment(row["p99"]))
