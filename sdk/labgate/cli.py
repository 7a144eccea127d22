"""How are a lab's services called from the command line? `labgate methods`, `labgate call`, `labgate explain`, `labgate request`, and some for your own account.

Exit codes: 0 done, 1 the call failed, 2 it was written wrongly, 3 the gate cannot be reached, 4 the gate does not let
this caller, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from labgate import _cli_account
from labgate._codec import rows_of, to_json_text
from labgate._names import printable
from labgate.errors import (
    DeadlineExceeded,
    Error,
    Forbidden,
    GateUnreachable,
    NotFound,
    SetupError,
    Unauthenticated,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn, TextIO

    from labgate._client import Client
    from labgate._method import Method
    from labgate._response import RawResponse

_MOST_COLUMNS = 8
_WIDEST_CELL = 40
_READERS: dict[object, Any] = {"integer": int, "number": float}
_TRUTH = {"true": True, "false": False}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is returned. Errors are one line on stderr."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.version:
        import labgate

        print(f"labgate {labgate.__version__}")
        return 0
    if given.command is None:
        parser.error("name a command")
    try:
        return _run(given)
    except BrokenPipeError:
        # `| head` has read enough. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except Error as error:
        _complain(str(error))
        return _exit_code(error)
    except (TypeError, ValueError) as error:
        _complain(str(error))
        return 2
    except OSError as error:
        _complain(f"{error.filename or 'a file'}: {error.strerror or error}")
        return 2


def _run(given: argparse.Namespace) -> int:
    import labgate

    timeout = {} if given.timeout is None else {"timeout": given.timeout}
    lab = labgate.connect(given.url, datastack=given.datastack, **timeout)
    for_people = sys.stdout.isatty() and not given.json
    if for_people and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Unicode shows a mark instead of failing
    if given.command == "methods":
        try:
            labgate.refresh(lab)
        except GateUnreachable as error:
            _complain(f"{error.message}: this is the list of last time")
        _print_methods(lab, given.pattern, for_people=for_people)
    elif given.command == "explain":
        found = labgate.explain(lab, given.method, **_keywords(lab, given.method, given.arguments))
        print(found if for_people else to_json_text(found))
    elif given.command == "request":
        _request(lab, given, for_people=for_people)
    elif given.command in _cli_account.COMMANDS:
        _cli_account.run(lab, given, for_people=for_people)
    else:
        arguments = _keywords(lab, given.method, given.arguments)
        result = _function(lab, given.method)(**arguments)
        _print_result(rows_of(result), sys.stdout, for_people=for_people)
    sys.stdout.flush()
    return 0


class _Parser(argparse.ArgumentParser):
    """A parser that complains in one line, too."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end."""
        _complain(f"{message} (see {self.prog} --help)")
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="labgate", description="Call a lab's services through its gate.")
    parser.add_argument("--version", action="store_true", help="print the version and end")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    methods = commands.add_parser("methods", help="list what you may call")
    methods.add_argument(
        "pattern", nargs="?", help="a glob for the name, or a text in the name or the summary"
    )
    call = commands.add_parser("call", help="call a method")
    text = "say what would happen to a call and why, without making it"
    explain = commands.add_parser("explain", help=text)
    for command in (call, explain):
        command.add_argument("method", help="its whole name, like jobs.get_job")
        command.add_argument(
            "arguments",
            nargs="*",
            metavar="NAME=VALUE",
            help="an argument; NAME:=JSON for one that is no text",
        )
    request = commands.add_parser("request", help="send a plain HTTP request to a service")
    request.add_argument("service", help="its name; `-` for a path of the gate itself")
    request.add_argument("path", help="the path below the service's mount, a query with it or not")
    request.add_argument("-X", dest="verb", metavar="VERB", help="the HTTP verb (default: GET, with -d POST)")
    request.add_argument("-d", dest="data", metavar="TEXT", help="the body; @FILE sends a file, @- the input")
    request.add_argument("-H", dest="headers", metavar="'K: V'", action="append", help="a header field")
    request.add_argument(
        "-o", dest="output", metavar="FILE", help="write the body there (default: the output)"
    )
    for command in (methods, call, explain, request, *_cli_account.add(commands)):
        command.add_argument("--url", metavar="URL", help="the gate's address (default: LABGATE_URL)")
        command.add_argument("--datastack", metavar="D", help="adds the services of this datastack")
        command.add_argument(
            "--timeout", type=float, metavar="SECONDS", help="for the whole call (default: 300)"
        )
        command.add_argument("--json", action="store_true", help="JSON on a terminal, too")
    return parser


def _function(lab: Client, name: str) -> Any:
    """The method's function; what stands for tables here is the method behind them."""
    found = lab[name]
    return getattr(found, "__wrapped__", found)


def _keywords(lab: Client, name: str, arguments: list[str]) -> dict[str, Any]:
    """The arguments as they were typed, as those of the method's function."""
    from labgate._method import Method

    function = _function(lab, name)
    if not hasattr(function, "__func__"):
        raise NotFound(
            f"{name} is a namespace: name one of its methods", hint=f"See: labgate methods '{name}.*'"
        )
    link = lab._session.link  # noqa: SLF001
    method = Method(name, link.catalog.text(name))
    given = dict(_argument(text, method) for text in arguments)
    return given if method.open else method.named_for(given)


def _request(lab: Client, given: argparse.Namespace, *, for_people: bool) -> None:
    from contextlib import ExitStack

    from labgate._request import Asking

    verb = given.verb or ("GET" if given.data is None else "POST")
    session: Any = lab._session  # noqa: SLF001
    name = "" if given.service == "-" else given.service
    headers = dict(_field(text) for text in given.headers or ())
    asking = Asking((session, name), verb, given.path, query=None, headers=headers)
    with ExitStack() as opened:
        data: Any = given.data
        if data == "@-":
            data = sys.stdin.buffer
        elif data is not None and data.startswith("@"):
            data = opened.enter_context(open(data[1:], "rb"))
        elif data is not None:
            data = data.encode("utf-8", "surrogateescape")
        asking.carry(data)
        response = opened.enter_context(asking.open(raise_for_status=True))
        if given.output is not None:
            _write(response, given.output)
        elif for_people:
            _show(response)
        else:
            for piece in response:
                sys.stdout.buffer.write(piece)


def _write(response: RawResponse, path: str) -> None:
    from labgate._partfile import PartFile

    with PartFile(path, "") as part:
        part.restart(None)
        for piece in response:
            part.write(piece)
        part.finish()


def _show(response: RawResponse) -> None:
    text = response.text()
    if "\0" in text:
        raise ValueError("the reply is no text: write it to a file with -o FILE")
    print(printable(text, len(text), lines=True))


def _field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ValueError(f"{text!r} is no header: write 'Name: value'")
    return name.strip(), value.strip()


def _argument(text: str, method: Method) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or name in ("", ":"):
        raise ValueError(f"{text!r} is no argument: write NAME=TEXT or NAME:=JSON")
    if not name.endswith(":"):
        return name, _read(value, name, method)
    try:
        return name[:-1], json.loads(value)
    except ValueError as error:
        raise ValueError(f"{name[:-1]} is given as JSON, and is none: {error}") from error


def _read(value: str, name: str, method: Method) -> object:
    """Text as what the method says it takes there, where it says so and the text can be read as that."""
    kind = next((one.schema.get("type") for one in method.named if name in (one.wire, one.name)), None)
    if kind == "boolean":
        return _TRUTH.get(value.lower(), value)
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    try:
        return reader(value) if reader else value
    except ValueError:
        return value


def _print_methods(lab: Client, pattern: str | None, *, for_people: bool) -> None:
    import labgate

    found = labgate.methods(lab, pattern)
    if for_people:
        print(found)
        return
    for row in found:
        print(
            json.dumps(
                {field: getattr(row, field) for field in ("name", "signature", "summary", "safe", "down")}
            )
        )


def _print_result(result: Any, out: TextIO, *, for_people: bool) -> None:
    if not for_people:
        handle = hasattr(type(result), "about")
        out.write(to_json_text(result.about if handle else result) + "\n")
    elif isinstance(result, str):
        out.write(printable(result, len(result), lines=True) + "\n")
    elif _is_table(result):
        out.write(_table(result) + "\n")
    elif hasattr(result, "dtype"):
        out.write(f"{result!r}\n")
    else:
        text = to_json_text(result, indent=2)
        out.write(printable(text, len(text), lines=True) + "\n")


def _is_table(result: Any) -> bool:
    """Rows of one shape with simple cells."""
    return (
        isinstance(result, list)
        and bool(result)
        and all(isinstance(row, dict) and row.keys() == result[0].keys() for row in result)
        and 0 < len(result[0]) <= _MOST_COLUMNS
        and not any(isinstance(cell, (dict, list)) for row in result for cell in row.values())
    )


def _table(rows: list[dict[str, Any]]) -> str:
    names = list(rows[0])
    cells = [[_cell(name) for name in names], *([_cell(row[name]) for name in names] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(names))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def _cell(value: object) -> str:
    return printable(value if isinstance(value, str) else to_json_text(value), _WIDEST_CELL)


def _complain(text: str) -> None:
    print("labgate: " + " ".join(text.split()), file=sys.stderr)


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
