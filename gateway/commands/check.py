"""Is a settings file fit to be served, and what would be served?"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway import assembly
from gateway.commands.options import add_config, config_path
from gateway.core.limits import in_words
from gateway.core.policy import NONE
from gateway.core.principal import ANONYMOUS, Principal
from gateway.settings import Problem, Service, Settings, SocketFile, examine
from gateway.settings.tls import Tls
from gateway.tls import file_problems

_BEGINNING = """\
To begin with, write a file like this one (config/lab.yaml shows every key):

    services:
      jobs: {url: "http://127.0.0.1:39002"}
    policies:
      - {to: [authenticated], allow: ["*"]}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated check [--json] [--as WHO]… [--config FILE | FILE]`."""
    parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help="the settings file, like --config")
    add_config(parser)
    parser.add_argument(
        "--as",
        dest="who",
        metavar="WHO",
        action="append",
        default=[],
        type=_word,
        help="also tell what such a caller may do, and how much: subject:S, group:G, scope:S, anonymous; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")


def run(args: argparse.Namespace) -> int:
    """Prints every problem and a summary; 0 if the file can be served, warnings or not, 1 if not, 2 on misuse."""
    if args.file and args.config and args.file != args.config:
        print("labgated check: give one file, as FILE or as --config FILE", file=sys.stderr)
        return 2
    path = config_path(args.config or args.file, os.environ)
    settings, problems = examine(path, os.environ, lambda found: file_problems(found, time.time()))
    if args.json:
        print(json.dumps(_report(path, settings, problems, args.who), ensure_ascii=False, indent=2))
    else:
        print("\n".join([*_lines(path, settings, problems), *_told(settings, args.who)]))
    return 0 if settings else 1


def _lines(path: Path, settings: Settings | None, problems: tuple[Problem, ...]) -> Iterator[str]:
    yield from map(str, problems)
    if settings is None and not path.exists():
        yield _BEGINNING
    if settings is not None:
        served = _served(settings)
        for title, value in served.items():
            yield f"{title:<11} {', '.join(value) if isinstance(value, list) else value}"
    errors = sum(problem.level == "error" for problem in problems)
    warnings = len(problems) - errors
    verdict = "can be served" if settings else "cannot be served"
    yield f"{path}: {verdict}: {_counted(errors, 'error')}, {_counted(warnings, 'warning')}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _word(text: str) -> str:
    kind, colon, name = text.partition(":")
    fits = text == "anonymous" or (kind in ("subject", "group", "scope") and colon and name)
    if not fits:
        raise argparse.ArgumentTypeError(f"{text!r} is not subject:S, group:G, scope:S or anonymous")
    return text


def _principal(who: list[str]) -> Principal:
    """Somebody with these groups and scopes; `anonymous` alone is nobody that is known."""
    if "anonymous" in who:
        return ANONYMOUS
    said: dict[str, list[str]] = {"subject": [], "group": [], "scope": []}
    for word in who:
        kind, _, name = word.partition(":")
        said[kind].append(name)
    subject = said["subject"][-1] if said["subject"] else "somebody"
    return Principal(subject, "labgate", tuple(said["group"]), tuple(said["scope"]))


def _access(settings: Settings, who: list[str]) -> dict[str, Any]:
    """What such a caller may do, by the policies in their order: the first that allows a call counts."""
    policies, limits = assembly.policies(settings), assembly.limits(settings)
    listed, speaking = policies.listed, policies.access(_principal(who)).key[0]
    of_all = limits.get(NONE)
    return {
        "who": who,
        "limits": None if of_all is None else in_words(of_all.limit),
        "policies": [
            {
                "number": at + 1,
                "allow": list(listed[at].allow),
                "operate": listed[at].operate,
                "limits": in_words(limits[at].limit) if at in limits else None,
            }
            for at in speaking
        ],
    }


def _told(settings: Settings | None, who: list[str]) -> Iterator[str]:
    if settings is None or not who:
        return
    access = _access(settings, who)
    yield f"{' '.join(who)}: the first of these policies that allows a call counts"
    for one in access["policies"]:
        operates = ["operates"] if one["operate"] else []
        yield f"  policy {one['number']}: {'; '.join([' '.join(one['allow']), *operates, *_limits(one['limits'])])}"
    if access["limits"]:
        yield f"  over all: {'; '.join(_limits(access['limits']))}"


def _limits(limits: dict[str, Any] | None) -> list[str]:
    return [f"{name} {value}" for name, value in (limits or {}).items()]


def _report(
    path: Path, settings: Settings | None, problems: tuple[Problem, ...], who: list[str]
) -> dict[str, Any]:
    access = {"access": _access(settings, who)} if settings and who else {}
    return {
        "file": str(path),
        "ok": settings is not None,
        "problems": [problem.as_dict() for problem in problems],
        "serves": _served(settings) if settings else None,
        **access,
    }


def _callers(settings: Settings) -> str:
    """Where callers come in; a Unix-domain socket is no URL."""
    listen = settings.listen
    return str(listen) if isinstance(listen, SocketFile) else f"{_scheme(settings.tls)}://{listen}"


def _served(settings: Settings) -> dict[str, Any]:
    """What will be served, without anything secret."""
    tokens = ["local tokens"] if settings.identity.local_tokens else []
    tokens += [f"JWTs of {issuer.issuer!r}" for issuer in settings.identity.issuers]
    tokens += [f"tokens that {str(one.url)!r} knows" for one in settings.identity.introspection]
    tokens += ["certificates of callers"] if settings.identity.certificates else []
    tokens += ["anonymous callers"] if settings.identity.anonymous else []
    return {
        "listens": [_callers(settings)],
        "operators": [f"{_scheme(settings.operator.tls)}://{settings.operator.listen}"],
        "identity": tokens,
        "policies": len(settings.policies),
        "services": [_service(name, service) for name, service in settings.services.items()],
        "datastacks": [
            _service(f"{datastack}/{name}", service)
            for datastack, section in settings.datastacks.items()
            for name, service in section.services.items()
        ],
    } | _sources(settings)


def _sources(settings: Settings) -> dict[str, Any]:
    section = settings.sources
    if section is None:
        return {}
    return {"sources": [f"{section.mount}: {name} ({one.method})" for name, one in section.entries.items()]}


def _scheme(tls: Tls | None) -> str:
    return "http" if tls is None else "https"


def _service(name: str, service: Service) -> str:
    return f"{name} ({service.dialect}, {' '.join(map(str, service.url))}, {_counted(len(service.methods), 'rule')})"
