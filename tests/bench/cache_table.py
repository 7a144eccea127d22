"""What does the cache do, beside what a lab would put there otherwise? One table, all ratios taken in one run."""

from __future__ import annotations

import sys
from collections.abc import Callable

import cached_calls
import cached_files
import cached_gets
import half_load
import two_workers
import uncached_calls
from bench_lab import table
from side_by_side import HEAD, Row

ROWS: dict[str, Callable[[float, int], list[Row]]] = {
    "same-bytes": cached_calls.same_bytes,
    "warm-set": cached_calls.warm_set,
    "get": cached_gets.small,
    "uncached": uncached_calls.small,
    "batch": cached_calls.batch,
    "file": cached_files.from_disk,
    "stored": cached_files.stored_on_the_way,
    "workers": two_workers.cached,
    "tail": half_load.tail,
}


def run(seconds: float, runs: int, only: list[str]) -> None:
    """Print the table, or some rows of it."""
    rows: list[tuple[str, ...]] = [HEAD]
    for name in only or ROWS:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        rows += ROWS[name](seconds, runs)
    table(
        "The cache, one core for the server, 32 connections, token, policies and metrics on, access log off",
        rows,
    )
