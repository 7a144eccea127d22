"""Which service is drained, disabled, or takes calls again?"""

import argparse
import re
import sys
import time
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.commands.operating import add_operator, asked

_STATES: Final = {"drain": "drained", "disable": "disabled", "enable": "enabled"}
_SPAN = re.compile(r"(\d{1,6})(s|m|h|d)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_CLOCK = re.compile(r"\d{1,2}:\d{2}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated service NAME drain|disable|enable [--message TEXT] [--until WHEN]`."""
    parser.add_argument("service", metavar="SERVICE", help="its name; of a datastack's own: DATASTACK/NAME")
    text = "drain: what is stored goes on to be served; disable: nobody gets anything; enable: it takes calls"
    parser.add_argument("deed", metavar="drain|disable|enable", choices=tuple(_STATES), help=text)
    parser.add_argument("--message", metavar="TEXT", default="", help="what callers are told")
    text = "when it will be back: 18:30, 2026-12-24T08:00, 2h; callers are told, and `enable` ends it"
    parser.add_argument("--until", metavar="WHEN", default=None, help=text)
    add_operator(parser)


def run(args: argparse.Namespace) -> int:
    """0 when it is so, 1 when it cannot be done; why stands on stderr."""
    said: dict[str, Any] = {"service": args.service, "state": _STATES[args.deed]}
    if args.message:
        said["message"] = args.message
    if args.until is not None:
        until = moment(args.until, time.time())
        if until is None:
            print(
                f"labgated service: --until {args.until!r} is no moment: write 18:30, 2026-12-24T08:00 or 2h",
                file=sys.stderr,
            )
            return 1
        said["until"] = until
    found = asked(args, "POST", "/-/services", said)
    if found is None:
        return 1
    print(f"{args.service} is {found[args.service]['state']}")
    return 0


def moment(text: str, now: float) -> float | None:
    """What somebody means by a time, in seconds since 1970; a time of the day is the next one. None = nobody can tell."""
    span = _SPAN.fullmatch(text)
    if span:
        return now + int(span[1]) * _SECONDS[span[2]]
    try:
        if not _CLOCK.fullmatch(text):
            return datetime.fromisoformat(text).timestamp()
        hour, minute = map(int, text.split(":"))
        today = datetime.fromtimestamp(now)  # noqa: DTZ006 - people write the time of their own clock
        found = today.replace(hour=hour, minute=minute, second=0, microsecond=0)
    except (ValueError, OverflowError):
        return None
    return (found if found.timestamp() > now else found + timedelta(days=1)).timestamp()
