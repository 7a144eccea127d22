"""How does a gate that runs fare?"""

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.commands.operating import add_operator, asked
from gateway.commands.services import for_so_long, shown
from gateway.commands.tables import plain as _plain
from gateway.commands.tables import size as _size
from gateway.commands.tables import span as _span
from gateway.commands.tables import table as _table

_WORKERS = ("WORKER", "PID", "UP", "CALLS", "CONNECTIONS", "MEMORY")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated status [--json]`."""
    add_operator(parser)
    parser.add_argument("--json", action="store_true", help="everything, as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Prints the state of the gate and its services; 0 if there is a gate to tell it, 1 if not."""
    status = asked(args, "GET", "/-/status")
    if status is None:
        return 1
    print(json.dumps(status, ensure_ascii=False, indent=2) if args.json else "\n".join(_lines(status)))
    return 0


def _lines(status: Mapping[str, Any]) -> Iterator[str]:
    switches, cache, calls = status["switches"], status["cache"], status["cache"]["calls"]
    draining = ", draining" if status["draining"] else ""
    yield f"labgate {status['version']}, up {_span(status['uptime_seconds'])}{draining}"
    size = f"{_size(cache['bytes'])} of {_size(cache['limit'])}"
    yield f"cache {switches['cache']}, {cache['entries']} entries, {size}; lanes {switches['lanes']}"
    if (redis := cache.get("tiers", {}).get("redis")) is not None:
        yield _plain(_redis(redis))
    yield "calls " + (", ".join(f"{count} {ended}" for ended, count in sorted(calls.items())) or "none yet")
    yield f"trips under way: {status['flights']}, connections: {status['connections']}"
    yield from _workers(status)
    yield ""
    yield from shown(status["services"])
    yield from map(_plain, status["catalog"]["warnings"])


def _workers(status: Mapping[str, Any]) -> Iterator[str]:
    """Who they are, if there are several; the one that asks the services is marked."""
    workers = status.get("workers", [])
    if len(workers) < 2:
        return
    yield ""
    yield from _table([_WORKERS, *map(_worker, workers)])
    if restarts := status["restarts"]:
        yield f"started in the place of one that ended: {restarts}"
    if len({one["catalog"] for one in workers}) > 1:
        yield "the workers do not know the same of the services at this moment"


def _worker(one: Mapping[str, Any]) -> tuple[str, ...]:
    number = f"{one['worker']}{' (asks)' if one['asks'] else ''}"
    cells = (number, one["pid"], _span(one["up_seconds"]), one["calls"], one["connections"])
    return (*map(str, cells), _size(one["memory"]))


def _redis(redis: Mapping[str, Any]) -> str:
    behind = [name for name, messages in redis["replicas"].items() if messages]
    said = f"{redis['hits']} hits, {redis['misses']} misses, {redis['unsent']} ends not sent"
    if not redis["connected"]:
        return f"redis away{for_so_long(redis['since'])}: {redis.get('why', 'it is asked again')}; {said}"
    late = f" ({', '.join(behind)} behind)" if behind else ""
    return f"redis shared by {len(redis['replicas'])} gates{late}, {said}"
