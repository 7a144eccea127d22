"""Which service takes no calls from now on?"""

import argparse

from gateway.commands.operating import add_operator, asked


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated cordon SERVICE`."""
    parser.add_argument("service", metavar="SERVICE", help="its name; of a datastack's own: DATASTACK/NAME")
    add_operator(parser)


def run(args: argparse.Namespace) -> int:
    """0 when it is so, 1 when it cannot be done; why stands on stderr."""
    return cordoned(args, out=True)


def cordoned(args: argparse.Namespace, *, out: bool) -> int:
    """Take the service out of service, or back."""
    if asked(args, "POST", "/-/switches", {"cordon": {args.service: out}}) is None:
        return 1
    print(f"{args.service} takes {'no' if out else 'new'} calls")
    return 0
