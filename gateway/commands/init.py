"""How does a lab come to its first settings file? By asking its services what they are."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from gateway.commands.options import add_config, config_path
from gateway.settings import SettingsError, examine, load
from gateway.settings.beginning import Found, named, written

_NAME: Final = re.compile(r"([a-z][a-z0-9_]*)=(.+)", re.DOTALL)
_PROBE: Final = """\
listen: 127.0.0.1:0
operator: {listen: 127.0.0.1:0}
state_dir: state
telemetry: {access_log: "off"}
shutdown_seconds: 1s
services:
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated init [NAME=]URL… [--timeout T] [--force] [--config FILE]`."""
    text = "the address of a service, with a name for it or without: cryosparc=http://127.0.0.1:39002"
    parser.add_argument("addresses", metavar="[NAME=]URL", nargs="*", help=text)
    text = "how many seconds each service has to say what it is (default: 10)"
    parser.add_argument("--timeout", metavar="SECONDS", type=_seconds, default=10.0, help=text)
    parser.add_argument("--force", action="store_true", help="write over a file that is there")
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """0 when the file is written, 1 when it cannot be, 2 when no service is named."""
    path = config_path(args.config, os.environ)
    if path.exists() and not args.force:
        return _no(f"{path} is there already (fix: --force writes over it, --config FILE names another)")
    addresses = args.addresses or _asked()
    if not addresses:
        _no("name the services: labgated init cryosparc=http://127.0.0.1:39002 http://dvid:8000")
        return 2
    try:
        services = _names(asyncio.run(_probed(addresses, args.timeout)), addresses)
    except SettingsError as error:
        for problem in (one for one in error.problems if one.level == "error"):
            print(f"{problem.text} (fix: {problem.fix})", file=sys.stderr)
        return _no("no file is written")
    except ValueError as error:
        return _no(str(error))
    try:
        _write(path, written(services), force=args.force)
    except SettingsError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return _no("no file is written")
    except OSError as error:
        return _no(f"{path} cannot be written: {error.strerror}")
    for one in services:
        told = f"{one.dialect}, {len(one.names)} methods" if one.dialect else f"no answer: {one.why}"
        print(f"{one.name:<16} {one.url}  {told}")
    print(f"{path} is written; next: labgated check, labgated serve")
    return 0


def _no(text: str) -> int:
    print(f"labgated init: {text}", file=sys.stderr)
    return 1


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 600:
        raise argparse.ArgumentTypeError("give a number of seconds between 0 and 600")
    return seconds


def _asked() -> list[str]:
    """The addresses, from somebody who sits before a terminal; else none."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return []
    print("Where are the lab's services? One address a line, as NAME=URL or URL; an empty line ends.")
    found = []
    while line := sys.stdin.readline().strip():
        found.append(line)
    return found


def _split(address: str) -> tuple[str | None, str]:
    match = _NAME.fullmatch(address)
    return (match[1], match[2]) if match else (None, address)


def _names(found: Sequence[Found], addresses: Sequence[str]) -> list[Found]:
    """Each service with its name: the one given, else one that fits. Raises ValueError for a name that is given twice."""
    given = [_split(address)[0] for address in addresses]
    taken = [name for name in given if name is not None]
    if len(set(taken)) < len(taken):
        raise ValueError("each service needs a name of its own")
    services = []
    for i, (name, one) in enumerate(zip(given, found, strict=True)):
        if name is None:
            name = named(one.url, one.dialect, taken)
            taken.append(name)
        services.append(replace(one, name=name, why=one.why.replace(f"'s{i}'", repr(name))))
    return services


async def _probed(addresses: Sequence[str], seconds: float) -> list[Found]:
    """What the services say of themselves to a gate that nobody calls. Raises SettingsError."""
    from gateway.app import running

    urls = [_split(address)[1] for address in addresses]
    lines = [
        f"  s{i}: {{url: {json.dumps(url)}, mount: /s{i}, describe_timeout: {seconds}}}\n"
        for i, url in enumerate(urls)
    ]
    with tempfile.TemporaryDirectory(prefix="labgated-init-") as folder:
        file = Path(folder) / "probe.yaml"
        file.write_text(_PROBE + "".join(lines), encoding="utf-8")
        settings = load(file, {})
        logging.disable()  # what is found is told otherwise
        try:
            async with running(settings) as gate:
                await gate.discovery.refresh()  # it returns when all have answered, or have not
                health, catalog = gate.discovery.health(), gate.discovery.current
        finally:
            logging.disable(logging.NOTSET)
    found = []
    for i, url in enumerate(urls):
        state, offer = health[f"s{i}"], catalog.offer(f"s{i}")
        description = None if offer is None else offer.description
        if description is None:
            found.append(Found("", url, why=state.why or "it says nothing that the gate understands"))
            continue
        path = description.address if state.dialect == "jsonrpc" else None
        names = tuple(sorted(one.name for one in description.methods))
        found.append(Found("", url, state.dialect, description.convention, description.version, names, path))
    return found


def _write(path: Path, text: str, *, force: bool) -> None:
    """Write the file, if it can be served. Raises SettingsError, or OSError: also where it is there meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".labgated-init-", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        settings, problems = examine(draft, os.environ)
        if settings is None:
            raise SettingsError(problems)
        if force:
            draft.replace(path)
        else:
            path.hardlink_to(draft)  # unlike a move it never takes the place of a file
    finally:
        draft.unlink(missing_ok=True)
