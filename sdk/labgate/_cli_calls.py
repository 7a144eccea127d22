"""What do `labgate methods`, `labgate call` and `labgate explain` print?"""

from __future__ import annotations

import json

from labgate._cli_shown import complain, connected, print_result, write_result
from labgate._codec import rows_of, to_json_text
from labgate.errors import GateUnreachable, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from labgate._client import Client
    from labgate._method import Method

COMMANDS = {
    "methods": "list what you may call",
    "call": "call a method",
    "explain": "say what would happen to a call and why, without making it",
}
_READERS: dict[object, Any] = {"integer": int, "number": float}
_TRUTH = {"true": True, "false": False}


def add(commands: Any) -> list[Any]:
    """The parsers of these commands."""
    parsers = {name: commands.add_parser(name, help=text) for name, text in COMMANDS.items()}
    parsers["methods"].add_argument(
        "pattern", nargs="?", help="a glob for the name, or a text in the name or the summary"
    )
    for name in ("call", "explain"):
        parsers[name].add_argument("method", help="its whole name, like jobs.get_job")
        parsers[name].add_argument(
            "arguments",
            nargs="*",
            metavar="NAME=VALUE",
            help="an argument; NAME:=JSON for one that is no text",
        )
    text = "write the result there: bytes as they are, an array as a .npy file, all else as JSON"
    parsers["call"].add_argument("-o", dest="output", metavar="FILE", help=text)
    return list(parsers.values())


def run(given: argparse.Namespace, *, for_people: bool) -> None:
    """Carry one of them out."""
    import labgate

    lab = connected(given)
    if given.command == "methods":
        try:
            labgate.refresh(lab)
        except GateUnreachable as error:
            complain(f"{error.message}: this is the list of last time")
        _print_methods(lab, given.pattern, for_people=for_people)
        return
    arguments = keywords(lab, given.method, given.arguments)
    if given.command == "explain":
        found = labgate.explain(lab, given.method, **arguments)
        print(found if for_people else to_json_text(found))
        return
    result = rows_of(_function(lab, given.method)(**arguments))
    if given.output is not None:
        write_result(result, given.output)
    else:
        print_result(result, for_people=for_people)


def keywords(lab: Client, name: str, arguments: list[str]) -> dict[str, Any]:
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


def _function(lab: Client, name: str) -> Any:
    """The method's function; what stands for tables here is the method behind them."""
    found = lab[name]
    return getattr(found, "__wrapped__", found)


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
