"""Which services has a gate that runs, and how do they fare?"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.commands.operating import add_operator, asked
from gateway.commands.tables import plain as _plain
from gateway.commands.tables import span as _span
from gateway.commands.tables import table as _table

_HEAD = ("SERVICE", "STATE", "METHODS", "DIALECT", "VERSION", "ASKED", "CALLS", "WAITING", "FAILED", "AT")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated services [NAME …] [--json]`."""
    parser.add_argument(
        "services", nargs="*", metavar="SERVICE", help="these only; of a datastack's own: DATASTACK/NAME"
    )
    add_operator(parser)
    parser.add_argument("--json", action="store_true", help="all that is known of them, as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Prints how the services fare; 0 if all of them take calls, 1 if one does not, or there is nobody to tell it."""
    status = asked(args, "GET", "/-/status")
    if status is None:
        return 1
    services: dict[str, Any] = status["services"]
    if unknown := [name for name in args.services if name not in services]:
        there = ", ".join(sorted(services)) or "none"
        print(f"labgated services: there is no {', '.join(unknown)}; there are: {there}", file=sys.stderr)
        return 1
    wanted = {name: services[name] for name in args.services} or services
    print(json.dumps(wanted, ensure_ascii=False, indent=2) if args.json else "\n".join(shown(wanted)))
    return int(any(_is_away(one) for one in wanted.values()))


def shown(services: Mapping[str, Any]) -> Iterator[str]:
    """A table of services, and what is wrong with each."""
    yield from _table([_HEAD, *(_row(name, one) for name, one in services.items())])
    for name, one in services.items():
        if one["down"]:
            yield _plain(f"{name}: down{for_so_long(one['since'])}: {one['why']}")
        if one["left_alone"]:
            yield _plain(
                f"{name}: calls are refused, because too many failed: its breaker is {one['breaker']}"
            )
        for address, replica in one["replicas"].items():
            if replica["state"] != "up":
                yield _plain(f"{name}: {address} is {replica['state']}")
        if one["withdrawn"]:
            yield _plain(f"{name}: {one['withdrawn']['why']}")
        if one["cordoned"]:
            since, by = one["cordoned"]["since"], one["cordoned"]["by"]
            yield _plain(f"{name}: cordoned{for_so_long(since)}, by {by}")


def _is_away(one: Mapping[str, Any]) -> bool:
    return bool(one["down"] or one["left_alone"] or one["withdrawn"] or one["cordoned"])


def _row(name: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    states = ["down" if one["down"] else "up", *(["cordoned"] if one["cordoned"] else [])]
    states += [one["withdrawn"]["state"]] if one["withdrawn"] else []
    states += ["left alone"] if one["left_alone"] else []
    asked_ = "never" if one["asked"] is None else f"{_span(one['asked'])} ago"
    cells = (name, ", ".join(states), one["methods"], one["dialect"], one["version"], asked_)
    load = (one["in_flight"], one["waiting"], one["failures"])
    places = " ".join(filter(None, (one["mount"], one["listen"])))
    return tuple(_plain(str(cell)) or "-" for cell in (*cells, *load, places))


def for_so_long(seconds: float | None) -> str:
    """Words for a time in seconds, none where it is not known."""
    return "" if seconds is None else f" for {_span(seconds)}"
