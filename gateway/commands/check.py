"""Is a settings file fit to be served, and what would be served?"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.commands.options import add_config, config_path
from gateway.settings import Problem, Service, Settings, examine
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
    """`labgated check [--json] [--config FILE | FILE]`."""
    parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help="the settings file, like --config")
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")


def run(args: argparse.Namespace) -> int:
    """Prints every problem and a summary; 0 if the file can be served, warnings or not, 1 if not, 2 on misuse."""
    if args.file and args.config and args.file != args.config:
        print("labgated check: give one file, as FILE or as --config FILE", file=sys.stderr)
        return 2
    path = config_path(args.config or args.file, os.environ)
    settings, problems = examine(path, os.environ, lambda found: file_problems(found, time.time()))
    if args.json:
        print(json.dumps(_report(path, settings, problems), ensure_ascii=False, indent=2))
    else:
        print("\n".join(_lines(path, settings, problems)))
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


def _report(path: Path, settings: Settings | None, problems: tuple[Problem, ...]) -> dict[str, Any]:
    return {
        "file": str(path),
        "ok": settings is not None,
        "problems": [problem.as_dict() for problem in problems],
        "serves": _served(settings) if settings else None,
    }


def _served(settings: Settings) -> dict[str, Any]:
    """What will be served, without anything secret."""
    tokens = ["local tokens"] if settings.identity.local_tokens else []
    tokens += [f"JWTs of {issuer.issuer!r}" for issuer in settings.identity.issuers]
    tokens += ["certificates of callers"] if settings.identity.certificates else []
    tokens += ["anonymous callers"] if settings.identity.anonymous else []
    return {
        "listens": [f"{_scheme(settings.tls)}://{settings.listen}"],
        "operators": [f"{_scheme(settings.operator.tls)}://{settings.operator.listen}"],
        "identity": tokens,
        "policies": len(settings.policies),
        "services": [_service(name, service) for name, service in settings.services.items()],
        "datastacks": [
            _service(f"{datastack}/{name}", service)
            for datastack, section in settings.datastacks.items()
            for name, service in section.services.items()
        ],
    }


def _scheme(tls: Tls | None) -> str:
    return "http" if tls is None else "https"


def _service(name: str, service: Service) -> str:
    return f"{name} ({service.dialect}, {' '.join(map(str, service.url))}, {_counted(len(service.methods), 'rule')})"
