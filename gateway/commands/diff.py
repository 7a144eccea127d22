"""What would a reload change?"""

import argparse

from gateway.commands.operating import add_operator, asked
from gateway.commands.reload import told


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated diff`."""
    add_operator(parser)


def run(args: argparse.Namespace) -> int:
    """0 when a reload would be taken, 1 when it would be refused or nobody can say.

    The gate compares its files as they are now with what it works by: no secret leaves it.
    """
    found = asked(args, "GET", "/-/reload")
    words = {"reloaded": "a reload would take this", "refused": "a reload would be refused"}
    return 1 if found is None else told(found, words)
