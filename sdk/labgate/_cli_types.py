"""What do `labgate stubs`, `labgate lock` and `labgate freeze` write, and what do they say of it?"""

from __future__ import annotations

from labgate._cli_shown import connected
from labgate._codec import to_json_text
from labgate._names import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from labgate._changes import Changes
    from labgate._client import Client

COMMANDS = {
    "stubs": "write the types of the lab's methods for editors and type checkers",
    "lock": "pin what methods take and answer, so that a program can tell when they change",
    "freeze": "write a module of plain functions, as the methods are today",
}


def add(commands: Any) -> list[Any]:
    """The parsers of these commands."""
    parsers = {name: commands.add_parser(name, help=text) for name, text in COMMANDS.items()}
    stubs = parsers["stubs"]
    stubs.add_argument(
        "-o", dest="output", metavar="FOLDER", default="typings", help="where they go (default: typings)"
    )
    stubs.add_argument(
        "--with",
        dest="stacks",
        metavar="D",
        action="append",
        default=[],
        help="clients in this datastack have their local services, too; more than once for several",
    )
    stubs.add_argument(
        "--check", action="store_true", help="write nothing; exit code 1 when they are not up to date"
    )
    lock = parsers["lock"]
    lock.add_argument(
        "-o", dest="output", metavar="FILE", default="labgate.lock", help="the file (default: labgate.lock)"
    )
    freeze = parsers["freeze"]
    freeze.add_argument(
        "-o",
        dest="output",
        metavar="FILE",
        default="lab_client.py",
        help="the module's file (default: lab_client.py)",
    )
    freeze.add_argument(
        "--async",
        dest="awaited",
        action="store_true",
        help="write coroutine functions, for programs with an event loop",
    )
    for parser, text in ((lock, "pinned methods have changed"), (freeze, "the module would be another one")):
        parser.add_argument(
            "--methods",
            metavar="GLOB",
            action="append",
            help="the methods that the program uses (default: all); more than once for several",
        )
        parser.add_argument("--check", action="store_true", help=f"write nothing; exit code 1 when {text}")
    return list(parsers.values())


def run(given: argparse.Namespace, *, for_people: bool) -> int:
    """Carry one of them out."""
    lab = _up_to_date(given)
    carry_out = {"stubs": _stubs, "lock": _lock, "freeze": _freeze}[given.command]
    return carry_out(lab, given, for_people=for_people)


def _up_to_date(given: argparse.Namespace) -> Client:
    """A client that has asked for the list of today: what is written down is not the list of last week.

    Raises:
        Error: the gate does not give it.
    """
    import labgate

    lab = connected(given, lock="")  # the file may be the one that is to be written
    labgate.refresh(lab)
    return lab


def _stubs(lab: Client, given: argparse.Namespace, *, for_people: bool) -> int:
    import labgate

    changes = labgate.stubs(lab, given.output, datastacks=given.stacks, check=given.check)
    if not for_people:
        shown = {name: list(getattr(changes, name)) for name in changes.__slots__}
        print(to_json_text({"folder": given.output, "checked": given.check, **shown}))
    elif changes:
        print(_listed(changes, given.output))
    else:
        print(f"{given.output} is up to date")
    return 1 if given.check and changes else 0


def _lock(lab: Client, given: argparse.Namespace, *, for_people: bool) -> int:
    import labgate

    found = labgate.lock(lab, given.output, methods=given.methods or "*", check=given.check)
    if for_people:
        print(found if found or given.check else f"{given.output} is written")
    else:
        changes = {name: found[name] for name in found}
        print(to_json_text({"file": given.output, "checked": given.check, "changed": changes}))
    return 1 if given.check and found else 0


def _freeze(lab: Client, given: argparse.Namespace, *, for_people: bool) -> int:
    import labgate

    changed = labgate.freeze(
        lab, given.output, methods=given.methods or "*", check=given.check, awaited=given.awaited
    )
    if for_people:
        said = "would change" if given.check else "is written"
        print(f"{given.output} {said if changed else 'is up to date'}")
    else:
        print(to_json_text({"file": given.output, "checked": given.check, "changed": changed}))
    return 1 if given.check and changed else 0


def _listed(changes: Changes, where: str) -> str:
    marks = (("+", changes.added), ("~", changes.changed), ("-", changes.removed))
    lines = [f"{mark} {printable(name, 200)}" for mark, names in marks for name in names]
    counts = ", ".join(
        f"{len(names)} {kind}"
        for kind, (_, names) in zip(("new", "changed", "gone"), marks, strict=True)
        if names
    )
    return "\n".join([*lines, f"{where}: {counts}"])
