"""Is the cache, are the lanes to be used from now on?"""

import argparse

from gateway.commands.operating import add_operator, asked


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated switch lanes|cache on|off`."""
    text = "cache: answers from memory; lanes: the memo of requests that were seen before"
    parser.add_argument("name", metavar="NAME", choices=("lanes", "cache"), help=text)
    parser.add_argument("state", metavar="on|off", choices=("on", "off"), help="until the gate ends")
    add_operator(parser)


def run(args: argparse.Namespace) -> int:
    """0 when it is so, 1 when it cannot be done; why stands on stderr."""
    found = asked(args, "POST", "/-/switches", {args.name: args.state})
    if found is None:
        return 1
    print(f"{args.name} {found[args.name]}")
    return 0
