"""What does `labgate request` send, and where does the reply go?"""

from __future__ import annotations

import sys
from contextlib import ExitStack

from labgate._cli_shown import connected
from labgate._names import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from labgate._response import RawResponse

COMMANDS = {"request": "send a plain HTTP request to a service"}


def add(commands: Any) -> list[Any]:
    """The parser of this command."""
    request = commands.add_parser("request", help=COMMANDS["request"])
    request.add_argument("service", help="its name; `-` for a path of the gate itself")
    request.add_argument("path", help="the path below the service's mount, a query with it or not")
    request.add_argument("-X", dest="verb", metavar="VERB", help="the HTTP verb (default: GET, with -d POST)")
    request.add_argument("-d", dest="data", metavar="TEXT", help="the body; @FILE sends a file, @- the input")
    request.add_argument("-H", dest="headers", metavar="'K: V'", action="append", help="a header field")
    request.add_argument(
        "-o", dest="output", metavar="FILE", help="write the body there (default: the output)"
    )
    return [request]


def run(given: argparse.Namespace, *, for_people: bool) -> None:
    """Send it."""
    from labgate._request import Asking

    verb = given.verb or ("GET" if given.data is None else "POST")
    session: Any = connected(given)._session  # noqa: SLF001
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
