"""Who gets a token of the gate's own, who has one, and whose no longer holds?"""

import argparse
import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pydantic_core import PydanticCustomError

from gateway.commands.options import add_config, config_path, settings_of
from gateway.core.claims import LOCAL
from gateway.core.faults import Unauthenticated
from gateway.core.vouching import token_id as opaque_id
from gateway.identity import ledger, state
from gateway.identity.api_keys import Uses, issue_key
from gateway.identity.errors import IdentityError
from gateway.identity.local import MAX_TTL, issue
from gateway.identity.signing import signing_keys
from gateway.identity.token_rows import date, described, kind, standing
from gateway.identity.tokens import opened
from gateway.settings.redis import Redis
from gateway.settings.values import seconds

TTL = 30 * 86400.0
"""Seconds that a token lasts unless `--ttl` says otherwise."""

_LONGEST_INPUT = 16384
_OPAQUE = re.compile(r"[A-Za-z0-9_~+/-]{16,}=*")
"""A token that says nothing of itself: a JWT has dots."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated token create | list | revoke`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    create = actions.add_parser("create", help="print a new token, and nothing else, on stdout")
    create.add_argument("--subject", metavar="S", required=True, help="whom the token speaks for")
    create.add_argument("--group", metavar="G", action="append", default=[], help="a group; may be repeated")
    create.add_argument("--scope", metavar="S", action="append", default=[], help="a scope; may be repeated")
    text = f"how long it holds: 90m, 12h, 30d (default: 30d, at most {MAX_TTL // 86400:.0f}d)"
    create.add_argument("--ttl", metavar="T", type=_ttl, default=TTL, help=text)
    text = "a key that says nothing of itself, instead of a signed token: short, and known to this gate alone"
    create.add_argument("--opaque", action="store_true", help=text)
    create.set_defaults(act=_create)

    listing = actions.add_parser(
        "list", help="show the tokens that were made here, never the tokens themselves"
    )
    listing.add_argument("--json", action="store_true", help="one JSON array instead of a table")
    listing.set_defaults(act=_list)

    revoke = actions.add_parser("revoke", help="take a token back, at once")
    text = "its id, the beginning of its id, or - for the token itself on stdin"
    revoke.add_argument("id", metavar="ID", help=text)
    revoke.set_defaults(act=_revoke)

    for action in (create, listing, revoke):
        add_config(action)


def run(args: argparse.Namespace) -> int:
    """0 when done, 1 when it cannot be done; why stands on stderr."""
    folder_and_keys = _state(args)
    if folder_and_keys is None:
        return 1
    act: Callable[[argparse.Namespace, Path, tuple[str, ...]], None] = args.act
    try:
        state.prepare(folder_and_keys[0])
        act(args, *folder_and_keys)
    except IdentityError as error:
        print(f"labgated token: {error}", file=sys.stderr)
        return 1
    return 0


def _state(args: argparse.Namespace) -> tuple[Path, tuple[str, ...]] | None:
    """The state folder and the signing keys of the settings; None when they cannot be used, which was said."""
    path = config_path(args.config, os.environ)
    if args.config is None and not os.environ.get("LABGATE_CONFIG") and not path.exists():
        folder = state.default_state_dir(os.environ)
        print(f"labgated token: there is no {path} here, so the state in {folder} is used", file=sys.stderr)
        args.redis = None
        return folder, ()
    settings = settings_of(args)
    if settings is None:
        return None
    args.redis = settings.cache.redis
    if not settings.identity.local_tokens:
        print(
            f"labgated token: {path} says `local_tokens: false`: the gate takes no such tokens",
            file=sys.stderr,
        )
        return None
    return settings.state_dir, tuple(key.get_secret_value() for key in settings.identity.signing_keys)


def _create(args: argparse.Namespace, folder: Path, pems: tuple[str, ...]) -> None:
    said = (args.subject, args.group, args.scope, args.ttl, time.time())
    if args.opaque:
        token, issued = issue_key(*said)
    else:
        token, issued = issue(signing_keys(folder, pems), *said)
    ledger.record_issued(folder, issued)
    print(token)
    made = "key" if args.opaque else "token"
    print(f"{made} {issued.id[:12]} of {issued.subject}, until {date(issued.expires)}", file=sys.stderr)


def _list(args: argparse.Namespace, folder: Path, _: tuple[str, ...]) -> None:
    revoked, used = ledger.all_revoked(folder), Uses(folder).all()
    now = time.time()
    issued = ledger.all_issued(folder)
    if args.json:
        print(json.dumps([described(token, revoked, used, now) for token in issued], indent=2))
        return
    table = [("ID", "SUBJECT", "KIND", "GROUPS", "SCOPES", "CREATED", "EXPIRES", "LAST USED", "STATE")]
    for token in issued:
        names = (",".join(token.groups) or "-", ",".join(token.scopes) or "-")
        last = date(used[token.id]) if token.id in used else "-"
        dates = (date(token.created), date(token.expires), last)
        table.append(
            (token.id[:12], token.subject, kind(token), *names, *dates, standing(token, revoked, now))
        )
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _revoke(args: argparse.Namespace, folder: Path, _: tuple[str, ...]) -> None:
    issued = ledger.all_issued(folder)
    token_id = (
        _id_within(sys.stdin.read(_LONGEST_INPUT)) if args.id == "-" else ledger.resolve(args.id, issued)
    )
    subject = next((f" of {token.subject}" for token in issued if token.id == token_id), "")
    if token_id in ledger.all_revoked(folder):
        print(f"{token_id}{subject} was revoked before")
        return
    ledger.record_revoked(folder, token_id, time.time())
    print(f"revoked {token_id}{subject}: gates with the state in {folder} refuse it within a second")
    if args.redis is not None:
        _announce(args.redis, token_id)


def _announce(redis: Redis, token_id: str) -> None:
    """Tell the gates of other hosts, and say which have heard."""
    from gateway.tiers.redis_announce import announce
    from gateway.tiers.redis_link import FAILURES, Place, why

    try:
        heard = asyncio.run(announce(Place(**redis.place()), redis.prefix, token_id, time.time()))
    except FAILURES as failure:
        text = "the gate of this host tells the others when redis is there"
        print(
            f"labgated token: no other host was told: redis at {redis.url}: {why(failure)}; {text}",
            file=sys.stderr,
        )
        return
    for name, has in sorted(heard.items()):
        print(f"{name} has {'heard' if has else 'not heard yet'}")
    if not heard:
        print("no gate is at redis now: each takes it over when it comes")


def _id_within(text: str) -> str:
    """The id of one of the gate's own tokens, or of one that says nothing of itself.

    Whether it still holds does not matter: it shall not.
    """
    if _OPAQUE.fullmatch(text.strip()):
        return opaque_id(text.strip())
    try:
        token = opened(text.strip())
    except Unauthenticated as fault:
        raise IdentityError(f"what came on stdin is no token: {fault.message}") from fault
    own = token.claims.get("jti")
    if token.issuer != LOCAL or not isinstance(own, str) or not own:
        raise IdentityError("the token on stdin was made by another issuer: revoke it there")
    return ledger.resolve(own, ())


def _ttl(text: str) -> float:
    try:
        value = seconds(text)
    except PydanticCustomError as error:
        raise argparse.ArgumentTypeError(f"{text!a} is no length of time: write 90m, 12h or 30d") from error
    if not 1 <= value <= MAX_TTL:
        raise argparse.ArgumentTypeError(f"a token lasts from 1s to {MAX_TTL // 86400:.0f}d, not {text}")
    return value
