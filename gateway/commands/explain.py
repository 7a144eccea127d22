"""What would happen to a call, and why?"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.commands.operating import add_operator, asked
from gateway.commands.tables import plain, told

_REQUEST = re.compile(r"(?:(?P<verb>[A-Z]+) )?(?P<path>/.*)", re.DOTALL)
_LISTS = {"group": "groups", "scope": "scopes"}
_TITLES = {
    "path_policy": "path policy",
    "policies_of_caller": "policies of caller",
    "void_by": "void by",
    "in_flight": "in flight",
}
_ABOVE = ("method", "outcome", "why")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated explain METHOD [NAME=VALUE …] [--as group:x]`, or `labgated explain "GET /files/images"`."""
    parser.add_argument(
        "what", metavar="METHOD", help='like jobs.get_job; or a request through a mount: "GET /files/images"'
    )
    text = "an argument; read as in a plain URL: as what the method takes, else as JSON where it is JSON"
    parser.add_argument("arguments", metavar="NAME=VALUE", nargs="*", help=text)
    parser.add_argument("--params", metavar="JSON", help="all params as they are written in the call")
    parser.add_argument("--datastack", metavar="D", help="adds the services of this datastack")
    text = "who would call: subject:S, group:G, scope:S (may be repeated) or anonymous; default: you"
    parser.add_argument("--as", metavar="WHO", dest="who", action="append", default=[], help=text)
    text = "a header field of the request through a mount (may be repeated)"
    parser.add_argument("--field", metavar="'K: V'", dest="fields", action="append", default=[], help=text)
    parser.add_argument("--json", action="store_true", help="everything, as one JSON object")
    add_operator(parser)


def run(args: argparse.Namespace) -> int:
    """0 when it was explained, also that the call would be refused; 1 if not, 2 if it was asked wrongly."""
    try:
        question = _question(args)
    except ValueError as error:
        print(f"labgated explain: {error}", file=sys.stderr)
        return 2
    found = asked(args, "POST", "/-/explain", question)
    if found is None:
        return 1
    print(json.dumps(found, ensure_ascii=False, indent=2) if args.json else "\n".join(_lines(args, found)))
    return 0


def _question(args: argparse.Namespace) -> bytes:
    """The question as JSON, the params in it as they were written. Raises `ValueError`."""
    said: dict[str, Any] = {}
    request = _REQUEST.fullmatch(args.what)
    if request is not None:
        said = {"verb": request["verb"] or "GET", "path": request["path"]}
    else:
        said["method"] = args.what
    for name, value in (
        ("arguments", dict(_pair(one, "=", "NAME=VALUE") for one in args.arguments)),
        ("fields", dict(_pair(one, ":", "'Name: value'") for one in args.fields)),
        ("datastack", args.datastack),
        ("as", _who(args.who)),
    ):
        if value:
            said[name] = value
    text = json.dumps(said).encode()
    if args.params is None:
        return text
    try:
        json.loads(args.params)
    except ValueError as error:
        raise ValueError(f"--params is no JSON: {error}") from error
    return b'%b,"params":%b}' % (text[:-1], args.params.encode("utf-8", "surrogateescape"))


def _pair(written: str, mark: str, form: str) -> tuple[str, str]:
    name, found, value = written.partition(mark)
    if not found or not name.strip():
        raise ValueError(f"{written!r} is not {form}")
    return name.strip(), value if mark == "=" else value.strip()


def _who(words: list[str]) -> dict[str, Any] | str | None:
    if "anonymous" in words:
        if len(words) > 1:
            raise ValueError("--as anonymous is nobody else: say it alone")
        return "anonymous"
    who: dict[str, Any] = {}
    for word in words:
        kind, colon, name = word.partition(":")
        if not colon or not name or kind not in ("subject", *_LISTS):
            raise ValueError(f"--as {word!r} is not subject:S, group:G, scope:S or anonymous")
        if kind == "subject":
            who["subject"] = name
        else:
            who.setdefault(_LISTS[kind], []).append(name)
    return who or None


def _lines(args: argparse.Namespace, found: Mapping[str, Any]) -> Iterator[str]:
    yield plain(f"{found['method'] or args.what}: {found['outcome']}, {found['why']}")
    rest = {_TITLES.get(name, name): value for name, value in found.items() if name not in _ABOVE}
    width = max(map(len, rest), default=0)
    for name, value in rest.items():
        yield f"  {name:<{width}}  {told(value)}"
