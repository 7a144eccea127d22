"""How are a lab's services called from the command line? `labgate COMMAND`; each module of `GROUPS` has some commands.

Exit codes: 0 done, 1 the call failed, 2 it was written wrongly, 3 the gate cannot be reached, 4 the gate does not let
this caller, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys

from labgate import (
    _cli_account,
    _cli_browse,
    _cli_calls,
    _cli_completion,
    _cli_describe,
    _cli_login,
    _cli_request,
    _cli_types,
)
from labgate._cli_shown import complain
from labgate.errors import (
    DeadlineExceeded,
    Error,
    Forbidden,
    GateUnreachable,
    SetupError,
    Unauthenticated,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

GROUPS: tuple[Any, ...] = (
    _cli_calls,
    _cli_describe,
    _cli_browse,
    _cli_request,
    _cli_account,
    _cli_login,
    _cli_types,
    _cli_completion,
)
"""Modules with commands. Each has

- `COMMANDS`: what `--help` says of a command, by its name;
- `add(commands)`, which adds their parsers and returns those that speak to a gate: they get `--url` and its like, and
  `_cli_shown.connected(given)` is the client that these mean;
- `run(given, for_people=…)`, which carries `given.command` out and returns the exit code, None for 0. An `Error`, a
  `TypeError` or a `ValueError` becomes one line and its exit code here.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is returned. Errors are one line on stderr."""
    if sys.stdout is None:
        complain("its output is closed: there is nowhere to write to")
        return 2
    parser = command_parser()
    given = parser.parse_args(arguments)
    if given.command is None and not given.version:
        parser.error("name a command")
    try:
        return _run(given)
    except BrokenPipeError:
        _leave_unsaid()  # `| head` has read enough
        return 0
    except KeyboardInterrupt:
        return 130
    except Error as error:
        complain(str(error))
        return _exit_code(error)
    except (TypeError, ValueError) as error:
        complain(str(error))
        return 2
    except OSError as error:
        complain(f"{error.filename or 'the output, or a file'}: {error.strerror or error}")
        _leave_unsaid()
        return 2


def _leave_unsaid() -> None:
    """Drop what cannot be written: Python would try it once more at its end, complain, and end with 120."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(given: argparse.Namespace) -> int:
    if given.version:
        import labgate

        print(f"labgate {labgate.__version__}", flush=True)
        return 0
    for_people = sys.stdout.isatty() and not getattr(given, "json", False)
    if for_people and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Unicode shows a mark instead of failing
    group = next(group for group in GROUPS if given.command in group.COMMANDS)
    code: int | None = group.run(given, for_people=for_people)
    sys.stdout.flush()
    return code or 0


class _Parser(argparse.ArgumentParser):
    """A parser that complains in one line, too."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end."""
        complain(f"{message} (see {self.prog} --help)")
        raise SystemExit(2)


def command_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = _Parser(prog="labgate", description="Call a lab's services through its gate.")
    parser.add_argument("--version", action="store_true", help="print the version and end")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for group in GROUPS:
        for command in group.add(commands):
            command.add_argument("--url", metavar="URL", help="the gate's address (default: LABGATE_URL)")
            command.add_argument(
                "--profile", metavar="NAME", help="a gate of profiles.toml (default: LABGATE_PROFILE)"
            )
            command.add_argument("--datastack", metavar="D", help="adds the services of this datastack")
            command.add_argument(
                "--timeout", type=float, metavar="SECONDS", help="for the whole call (default: 300)"
            )
            command.add_argument("--json", action="store_true", help="JSON on a terminal, too")
    return parser


def _exit_code(error: Error) -> int:
    if isinstance(error, SetupError):
        return 2
    if isinstance(error, (Unauthenticated, Forbidden)):
        return 4
    if isinstance(error, GateUnreachable) or (
        isinstance(error, DeadlineExceeded) and error.http_status is None
    ):
        return 3
    return 1


if __name__ == "__main__":
    sys.exit(main())
