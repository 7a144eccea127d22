"""What do we tell the caller about the cache's part in a reply? (RFC 9211)"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from gateway.core.reply import Reply
from gateway.core.verdict import Entry, Hit, Miss, Pass, Stale, Verdict

NAME = "labgate"
_EVER = 1e12

_FORWARDED = {
    "expired": "stale",
    "invalidated": "stale",
    "to be validated": "stale",
    "older than asked for": "request",
    "the caller said no-store": "request",
    "no reply for these fields": "vary-miss",
    "unsafe": "method",
}
"""Our reasons as RFC 9211's `fwd` tokens; a reason that is not here is a plain `miss`, or a `bypass`."""


def cache_status(reply: Reply, now: float) -> str:
    """The `Cache-Status` of one reply: hit or forwarded, for how long yet, and why."""
    verdict = reply.verdict
    if isinstance(verdict, Hit):
        return hit_status(verdict.entry, verdict.tier, now)
    if isinstance(verdict, Stale):
        # Through a mount a stale reply serves only when there is no other.
        doing = "the service cannot be reached" if reply.kind == "http" else "refreshing"
        return stale_status(verdict.entry, f"{verdict.why}, {doing}", now)
    return _usual(verdict.why, isinstance(verdict, Miss), reply.stored, reply.collapsed)


def trip_status(
    verdict: Miss | Pass, *, stored: bool, collapsed: bool, status: int | None, ttl: int | None
) -> str:
    """The `Cache-Status` of a reply that was fetched, or confirmed, through a mount.

    `status` is the service's, where it was asked about a stored reply; `ttl` for how many seconds the reply serves yet.
    """
    return _fetched(verdict.why, isinstance(verdict, Miss), stored, collapsed, status, ttl)


def _fetched(
    why: str,
    missed: bool,
    stored: bool,
    collapsed: bool,
    status: int | None = None,
    ttl: int | None = None,
) -> str:
    parts = [NAME, f"fwd={_FORWARDED.get(why, 'miss' if missed else 'bypass')}"]
    if status is not None:
        parts.append(f"fwd-status={status}")
    if ttl is not None:
        parts.append(f"ttl={ttl}")
    if stored:
        parts.append("stored")
    if collapsed:
        parts.append("collapsed")
    parts.append(f'detail="{why}"')
    return "; ".join(parts)


_usual = lru_cache(1024)(_fetched)
"""Without status and ttl there are a handful of texts, said again with every call."""


def hit_status(entry: Entry, tier: str, now: float) -> str:
    """The `Cache-Status` of a stored reply that is fresh; `tier` is the farther tier that it was found in, empty for memory."""
    told = f'; detail="{tier}"' if tier else ""
    return f"{NAME}; hit; ttl={ttl(entry, now)}{told}"


def stale_status(entry: Entry, why: str, now: float) -> str:
    """The `Cache-Status` of a stored reply that serves though it is stale, and why it does."""
    return f'{NAME}; hit; ttl={ttl(entry, now)}; detail="{why}"'


WORDS = {Hit: "hit", Stale: "stale", Miss: "miss", Pass: "pass"}
"""What each kind of verdict is called in logs and metrics."""
_RANKS = {Hit: 0, Stale: 1, Miss: 2, Pass: 3}


def outcome(reply: Reply) -> str:
    """The reply's verdict in one word."""
    return in_a_word(reply.verdict)


def in_a_word(verdict: Verdict) -> str:
    """The verdict for logs and metrics: `hit`, `stale`, `miss` or `pass`."""
    return WORDS[type(verdict)]


def reason(verdict: Verdict) -> str:
    """Why the verdict is so, for metrics: a few words of the gate's own. Of a hit, where the reply was found."""
    return (verdict.tier or "memory") if isinstance(verdict, Hit) else verdict.why


def worst(replies: Iterable[Reply]) -> Reply | None:
    """The reply of a batch that the cache helped least: its status stands for the whole."""
    return max(replies, key=_rank, default=None)


def _rank(reply: Reply) -> int:
    return _RANKS[type(reply.verdict)]


def age(reply: Reply, now: float) -> int | None:
    """Seconds since the entry that answered was stored (RFC 9111 section 5.1), None if none did."""
    verdict = reply.verdict
    if not isinstance(verdict, Hit | Stale):
        return None
    return age_of(verdict.entry, now)


def age_of(entry: Entry, now: float) -> int:
    """The same of an entry. Whole seconds of the clock count, so that it is one number for the length of each."""
    age = int(now) - int(entry.stored)
    return age + entry.aged if age > 0 else entry.aged


def ttl(entry: Entry, now: float) -> int:
    """For how many seconds the entry is fresh yet, counted likewise; negative for a stale one."""
    until = entry.fresh_until
    return int(min(_EVER, until)) - int(now)
