"""What do `labgate login`, `labgate logout`, `labgate profiles` and `labgate doctor` print?"""

from __future__ import annotations

import sys

from labgate._codec import to_json_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

COMMANDS = {
    "login": "log in at the gate, or keep a token for it",
    "logout": "give up the login or the stored token of the gate",
    "profiles": "list the gates that have names",
    "doctor": "look at all that is needed to work with the gate, and say what to do",
}


def add(commands: Any) -> list[Any]:
    """The parsers of these commands; those that are about a gate are returned."""
    parsers = {name: commands.add_parser(name, help=text) for name, text in COMMANDS.items()}
    for name in ("login", "logout", "doctor"):
        parsers[name].add_argument("gate", nargs="?", metavar="URL", help="the gate's address, as --url")
    login = parsers["login"]
    login.add_argument(
        "--paste", action="store_true", help="keep a token: the one of the input, or asked for"
    )
    login.add_argument(
        "--account",
        metavar="NAME",
        help="log in as an account of its own, whose secret is the input, or asked for",
    )
    login.add_argument("--issuer", metavar="URL", help="where to log in, if the gate names several servers")
    login.add_argument(
        "--also-at",
        metavar="HOST",
        action="append",
        default=[],
        help="a further host at which that server's endpoints may be",
    )
    login.add_argument("--ca-file", metavar="FILE", help="certificates that are trusted beside the system's")
    profiles = parsers.pop("profiles")
    profiles.add_argument("--json", action="store_true", help="JSON on a terminal, too")
    return list(parsers.values())


def run(given: argparse.Namespace, *, for_people: bool) -> int:
    """Carry one of them out; the exit code is returned."""
    import labgate

    if given.command == "profiles":
        _profiles(for_people=for_people)
        return 0
    lab = given.gate or given.url
    timeout = {} if given.timeout is None else {"timeout": given.timeout}
    if given.command == "doctor":
        found = labgate.doctor(lab, profile=given.profile, datastack=given.datastack, **timeout)
        print(found if for_people else to_json_text(found.members()))
        return 0 if found.ok else 1
    if given.command == "logout":
        was = labgate.logout(lab, profile=given.profile, **timeout)
        text = "logged out" if was else "there was no login"
        print(text if for_people else to_json_text({"forgotten": was}))
        return 0
    reads = given.paste or given.account is not None
    line = sys.stdin.readline() if reads and sys.stdin is not None and not sys.stdin.isatty() else None
    me = labgate.login(
        lab,
        token=line if given.account is None else None,
        account=given.account,
        secret=line if given.account is not None else None,
        profile=given.profile,
        paste=given.paste,
        issuer=given.issuer,
        hosts=given.also_at,
        ca_file=given.ca_file,
        **timeout,
    )
    said = {name: getattr(me, name) for name in ("subject", "issuer", "groups", "scopes", "expires")}
    print(me if for_people else to_json_text(said))
    return 0


def _profiles(*, for_people: bool) -> None:
    from labgate._profiles import Profile, profiles_path, read_profiles

    found = [Profile(name, said) for name, said in read_profiles().items()]
    if not for_people:
        rows = [{name: getattr(one, name) for name in one.__slots__} for one in found]
        print(to_json_text(sorted(rows, key=lambda row: str(row["name"]))))
    elif not found:
        print(f"none: `labgate login URL --profile NAME` writes one into {profiles_path()}")
    else:
        width = max(len(one.name) for one in found)
        for one in sorted(found, key=lambda one: one.name):
            print(f"{one.name:<{width}}  {one.url}" + (f"  {one.datastack}" if one.datastack else ""))
