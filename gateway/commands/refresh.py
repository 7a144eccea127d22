"""What do the services offer now?"""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from gateway.commands.operating import add_operator, asked
from gateway.commands.tables import plain

_SECONDS = 60.0
"""Services are asked side by side, and the slow ones are given up after 30 s."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated refresh [SERVICE]`."""
    text = "only this one; of a datastack's own: DATASTACK/NAME (default: all)"
    parser.add_argument("service", metavar="SERVICE", nargs="?", help=text)
    add_operator(parser)


def run(args: argparse.Namespace) -> int:
    """Prints what has changed; 1 when the gate cannot be asked, or a service did not answer it."""
    query = f"?{urlencode({'service': args.service})}" if args.service else ""
    found = asked(args, "POST", f"/-/refresh{query}", seconds=_SECONDS)
    if found is None:
        return 1
    for line in _lines(found):
        print(plain(line))
    return 1 if any(one["why"] for one in found.values()) else 0


def _lines(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, one in sorted(found.items()):
        told = [f"{word} {', '.join(one[word])}" for word in ("added", "changed", "removed") if one[word]]
        yield f"{name}: {'; '.join(told) or ('nothing new' if not one['why'] else 'no answer')}"
        if one["why"]:
            yield f"{name}: did not answer: {one['why']}"
