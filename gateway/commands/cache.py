"""What does the cache hold and do, what shall it hold, and what shall it forget?"""

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from gateway.commands import warming
from gateway.commands.operating import add_operator, asked
from gateway.commands.tables import plain, size, span, table, told

_CALLS = ("METHOD", "HITS", "STALE", "MISSES", "PASSED", "FAILED", "RATIO", "FROM CACHE", "FROM SERVICE")
_ENTRIES = ("METHOD", "STATE", "AGE", "FRESH FOR", "SIZE", "FOR", "CALLED WITH", "KEY")
_WIDEST = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated cache stats | show | purge | warm`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    stats = actions.add_parser("stats", help="how full it is, and how much it helped each method")
    stats.set_defaults(act=_stats)

    show = actions.add_parser("show", help="the entries in memory that were used last, without their bodies")
    show.add_argument("key", metavar="KEY", nargs="?", help="one entry, by its key")
    show.add_argument("--method", metavar="GLOB", help="those of these methods")
    show.add_argument("--limit", metavar="N", help="at most so many (default: 50)")
    show.set_defaults(act=_show)

    purge = actions.add_parser("purge", help="have it forget")
    what = purge.add_mutually_exclusive_group(required=True)
    what.add_argument("--method", metavar="GLOB", help="what these methods have brought: 'jobs.get_*'")
    what.add_argument(
        "--service", metavar="NAME", help="what this service has; of a datastack: DATASTACK/NAME"
    )
    what.add_argument("--tag", metavar="TAG", help="what has this tag")
    what.add_argument("--key", metavar="HEX", help="one entry, by its key")
    what.add_argument("--all", action="store_true", help="everything")
    purge.set_defaults(act=_purge)

    warm = actions.add_parser(
        "warm", help="make many calls, so that their replies are there when they are wanted"
    )
    warming.add_arguments(warm)
    warm.set_defaults(act=warming.run)

    for action in (stats, show):
        action.add_argument("--json", action="store_true", help="everything, as one JSON object")
    for action in (stats, show, purge, warm):
        add_operator(action)


def run(args: argparse.Namespace) -> int:
    """0 when it is done, 1 when it cannot be; why stands on stderr."""
    status: int = args.act(args)
    return status


def _stats(args: argparse.Namespace) -> int:
    found = asked(args, "GET", "/-/cache")
    return _shown(args, found, _stats_lines)


def _show(args: argparse.Namespace) -> int:
    query = {name: getattr(args, name) for name in ("key", "method", "limit") if getattr(args, name)}
    found = asked(args, "GET", f"/-/cache/entries?{urlencode(query)}")
    if found is not None and args.key is not None and not args.json and found["entries"]:
        (entry,) = found["entries"]
        width = max(map(len, entry))
        print("\n".join(f"{name:<{width}}  {told(value)}" for name, value in entry.items()))
        return 0
    return _shown(args, found, _entry_lines)


def _purge(args: argparse.Namespace) -> int:
    kinds = ("method", "service", "tag", "key", "all")
    # An empty text is for the gate to refuse.
    kind = next(one for one in kinds if getattr(args, one) not in (None, False))
    found = asked(args, "POST", "/-/cache/purge", {kind: getattr(args, kind)})
    if found is None:
        return 1
    if "dropped" in found:
        print("forgotten" if found["dropped"] else "nothing was stored under this key in memory")
    elif kind == "all":
        print("everything that was stored serves no more")
    for name in found["ended"]:
        print(plain(f"what was stored of {name.replace(':', ' ', 1)} serves no more"))
    if found["count"] > len(found["ended"]):
        print(f"and of {found['count'] - len(found['ended'])} more")
    return 0


def _shown(args: argparse.Namespace, found: Any, lines: Any) -> int:
    if found is None:
        return 1
    print(json.dumps(found, ensure_ascii=False, indent=2) if args.json else "\n".join(lines(found)))
    return 0


def _stats_lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"cache {found['switch']}"
    for name, tier in found["tiers"].items():
        rest = {key: value for key, value in tier.items() if key not in ("entries", "bytes", "limit")}
        limit = f" of {size(tier['limit'])}" if tier.get("limit") is not None else ""
        sizes = f"{tier.get('entries', '?')} entries, {size(tier.get('bytes', 0))}{limit}"
        yield plain(f"{name}: {sizes}; {told(rest)}")
    yield ""
    yield from table(
        [_CALLS, *(_counts(name, one) for name, one in found["methods"].items()), _counts("all", found)]
    )


def _counts(name: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    calls = [str(one["calls"][ended]) for ended in ("hit", "stale", "miss", "pass", "failed")]
    ratio = "-" if one["hit_ratio"] is None else f"{one['hit_ratio']:.1%}"
    return (plain(name), *calls, ratio, size(one["bytes"]["cache"]), size(one["bytes"]["upstream"]))


def _entry_lines(found: Mapping[str, Any]) -> Iterator[str]:
    if not found["entries"]:
        yield f"no such entry in memory, of {found['stored']} there"
        return
    yield from table([_ENTRIES, *map(_entry, found["entries"])])
    more = found["stored"] - len(found["entries"])
    if more > 0:
        yield f"{more} more are stored"


def _entry(one: Mapping[str, Any]) -> tuple[str, ...]:
    whom = one.get("for")
    who = whom if isinstance(whom, str) else whom.get("subject") or whom.get("right") if whom else "?"
    what = one.get("params") or one.get("path") or "-"
    state = f"{one['state']}{', pinned' if one['pinned'] else ''}"
    times = (span(one["age"]), span(one["ttl"]) if one["ttl"] > 0 else "-")
    cells = (one["method"] or "?", state, *times, size(one["size"]), who, told(what)[:_WIDEST], one["key"])
    return tuple(plain(str(cell)) for cell in cells)
