"""Which service takes calls again?"""

import argparse

from gateway.commands.cordon import add_arguments, cordoned

__all__ = ["add_arguments", "run"]


def run(args: argparse.Namespace) -> int:
    """0 when it is so, 1 when it cannot be done; why stands on stderr."""
    return cordoned(args, out=False)
