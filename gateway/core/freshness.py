"""May this entry answer this call at this time?"""

from __future__ import annotations

from gateway.core.call import Demand
from gateway.core.method import CacheRule, Method
from gateway.core.verdict import Entry, Hit, HttpHead, Miss, Pass, Stale, Verdict

COALESCE = CacheRule(fresh=0)
"""The rule of safe methods that have none: equal calls share a trip, nothing is stored."""


def rule_of(method: Method) -> CacheRule | Pass:
    """The rule by which a method's replies are shared and stored, or why they are not."""
    if method.assembled and method.safe:
        return ASSEMBLED
    return method.cache or COALESCE if method.safe else UNSAFE


UNSAFE = Pass("unsafe")
ASSEMBLED = Pass("assembled")
"""Its parts are stored, and not the whole."""


def judge(
    rule: CacheRule,
    key: bytes,
    entry: Entry | None,
    demand: Demand,
    *,
    epoch: int,
    generations: tuple[int, ...],
    now: float,
    lineage: tuple[str, ...] = (),
) -> Verdict:
    """What the stored entry, if any, is worth to a call at `now` (seconds since 1970).

    An entry of another epoch or generation is as good as none: a policy changed, a token was revoked, or a
    write ended since its trip began. `lineage` are the names whose counters `generations` are.
    """

    def miss(why: str) -> Miss:
        return Miss(key, generations, epoch, rule, why, lineage=lineage)

    if entry is None:
        return miss("no rule" if rule is COALESCE else "not stored")
    if entry.epoch != epoch or entry.generations != generations:
        return miss("invalidated")
    if demand.max_age is not None and now - entry.stored > demand.max_age:
        return miss("older than asked for")
    # A clock that was set back makes entries come from the future; they are fresh by no measure.
    if now < entry.stored - 1:
        return miss("from the future")
    if now < entry.fresh_until:
        return Hit(entry)
    if now < entry.stale_until:
        return Stale(entry, key, generations, epoch, rule, "expired", lineage=lineage)
    return miss("expired")


def serves(entry: Entry, epoch: int, generations: tuple[int, ...], now: float) -> bool:
    """Whether `judge` says Hit to a call that asks nothing of freshness: the quick question of the lanes."""
    return (
        entry.stored - 1 <= now < entry.fresh_until
        and entry.epoch == epoch
        and entry.generations == generations
    )


def kept(rule: CacheRule, kind: str, size: int) -> float | Pass:
    """For how many seconds a reply of this kind and size (bytes) is fresh, or why it is not stored."""
    if size > rule.max_size:
        return Pass("larger than the rule's max_size")
    if kind == "error":
        return rule.negative if rule.negative > 0 else Pass("an error, and the rule keeps none")
    return rule.fresh if rule.fresh > 0 else Pass("no rule keeps it")


def entry_of(
    miss: Miss | Stale, kind: str, body: bytes, now: float, head: HttpHead | None = None
) -> Entry | Pass:
    """The entry that a reply makes, or why none; `now` is when its trip ended, `head` that of an HTTP reply."""
    fresh = kept(miss.rule, kind, len(body))
    if isinstance(fresh, Pass):
        return fresh
    stale = 0.0 if kind == "error" else miss.rule.stale
    fresh_until = now + fresh
    return Entry(
        key=miss.key,
        kind="http" if head else "result" if kind == "result" else "error",
        body=body,
        stored=now,
        fresh_until=fresh_until,
        # The same object where it can be: there may be a million entries.
        stale_until=fresh_until + stale if stale else fresh_until,
        epoch=miss.epoch,
        generations=miss.generations,
        lineage=miss.lineage,
        head=head,
        aged=0 if head is None else _age_of(head),
        pin=miss.rule.pin,
    )


def _age_of(head: HttpHead) -> int:
    """What the Age field says (RFC 9111 section 5.1), 0 if it says nothing that can be read."""
    said = next((value for name, value in head.fields if name.lower() == b"age"), b"")
    return int(said) if said.isdigit() and len(said) < 11 else 0
