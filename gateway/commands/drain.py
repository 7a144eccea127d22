"""How is a gate ended that runs, on another host perhaps?"""

import argparse
import sys
import time
from http.client import HTTPException
from typing import Final

from gateway.commands.operating import NoAnswerError, add_operator, asked, connection_to, operator_address

_LOOK_SECONDS: Final = 0.2
_LATER_SECONDS: Final = 10.0
"""What a process takes beyond its own limits, to end."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated drain [--wait]`."""
    add_operator(parser)
    parser.add_argument("--wait", action="store_true", help="return when the gate has ended")


def run(args: argparse.Namespace) -> int:
    """0 when the gate drains, with `--wait` when it has ended; 1 when it does not; why stands on stderr."""
    found = asked(args, "POST", "/-/drain", {})
    if found is None:
        return 1
    seconds = found["seconds"]
    print(f"the gate takes no more calls, and ends within {seconds:g} s", flush=True)
    if not args.wait:
        return 0
    where = operator_address(args)
    if where is None or not _ends(where[0], seconds + _LATER_SECONDS):
        print("labgated drain: the gate has not ended: its log says what it waits for", file=sys.stderr)
        return 1
    print("it has ended")
    return 0


def _ends(url: str, seconds: float) -> bool:
    """Whether nobody answers any more before so many seconds are over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not _answers(url):
            return True
        time.sleep(_LOOK_SECONDS)
    return False


def _answers(url: str) -> bool:
    try:
        connection, base = connection_to(url, _LATER_SECONDS)
        try:
            connection.request("GET", f"{base}/-/healthy")
            connection.getresponse().read()
        finally:
            connection.close()
    except (OSError, HTTPException, NoAnswerError):
        return False
    return True
