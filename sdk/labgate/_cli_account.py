"""What do `labgate status`, `labgate whoami`, `labgate link` and `labgate unlink` print?"""

from __future__ import annotations

import sys

from labgate._cli_shown import connected
from labgate._codec import to_json_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

COMMANDS = {
    "status": "say which services there are, and which are down",
    "whoami": "say whom the gate takes you for, and what you may do",
    "link": "let the gate keep your own token of a service; it is asked for unseen, or read from the input",
    "unlink": "let the gate forget your own token of a service",
}


def add(commands: Any) -> list[Any]:
    """The parsers of these commands."""
    parsers = {name: commands.add_parser(name, help=text) for name, text in COMMANDS.items()}
    for name in ("link", "unlink"):
        parsers[name].add_argument("service", help="its name in the gate's configuration")
    parsers["whoami"].add_argument("method", nargs="?", help="say whether you may call this, and why not")
    return list(parsers.values())


def run(given: argparse.Namespace, *, for_people: bool) -> None:
    """Carry one of them out."""
    import labgate

    lab = connected(given)
    if given.command == "status":
        found: Any = labgate.status(lab)
        services = [_members(one) for one in found]
        shown: Any = {"reached": found.reached, "down": list(found.down), "services": services}
    elif given.command == "whoami":
        found = labgate.whoami(lab, given.method)
        permission = None if found.permission is None else _members(found.permission)
        shown = {**_members(found), "permission": permission}
    elif given.command == "link":
        # A person is asked; in a pipe the token comes as the input, so that it never stands among the arguments.
        token = None if sys.stdin is None or sys.stdin.isatty() else sys.stdin.readline()
        found = labgate.link(lab, given.service, token)
        shown = {"service": given.service, "linked": True}
    else:
        was = labgate.unlink(lab, given.service)
        found = f"{given.service}: {'forgotten' if was else 'there was nothing to forget'}"
        shown = {"service": given.service, "forgotten": was}
    print(found if for_people else to_json_text(shown))


def _members(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}
