"""Which command does `labgated` run?"""

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from importlib import metadata

from gateway.commands import COMMANDS

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Version(argparse.Action):
    """Prints the installed version; it is looked up only when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"labgated {metadata.version('labgate-gateway')}")
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status. `argv` is without the program's name."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    # Only the chosen command is imported: `token` need not wait for what `serve` needs.
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    parser = argparse.ArgumentParser(prog="labgated", description="One gate to all of a lab's services.")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and end")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    run = None
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if name == chosen:
            module = importlib.import_module(f"gateway.commands.{name}")
            module.add_arguments(command)
            run = module.run
    args = parser.parse_args(arguments)
    if run is None:  # argparse has refused every word that is no command
        parser.error("no such command")
    try:
        status = int(run(args))
        if sys.stdout is not None:  # as it is where it was closed before
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has gone
        _leave_unsaid()
        return 1
    except OSError as error:
        if error.errno not in _NO_ROOM or error.filename is not None:
            raise
        _leave_unsaid()
        print(f"labgated {args.command}: its output cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _leave_unsaid() -> None:
    """Drop what cannot be written: the interpreter would try it once more at its end, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
