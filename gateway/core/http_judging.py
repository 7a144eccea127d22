"""What is a stored HTTP reply worth to a request (RFC 9111 section 4)?"""

from __future__ import annotations

from msgspec import Struct

from gateway.core.call import Demand
from gateway.core.method import CacheRule
from gateway.core.verdict import Entry, Hit, Miss, Stale, Verdict


class Found(Struct, frozen=True):
    """What memory has for a request.

    `entry` is a stored reply that may hold still, and about which the service can be asked. `spare` is one that answers
    if the service fails. `refresh` = the stale reply serves, and a newer one is to be fetched beside.
    """

    verdict: Verdict
    entry: Entry | None = None
    spare: Entry | None = None
    refresh: bool = False


def judge_http(
    rule: CacheRule,
    key: bytes,
    entry: Entry | None,
    demand: Demand,
    *,
    epoch: int,
    generations: tuple[int, ...],
    now: float,
) -> Found:
    """What the stored reply under the key, if any, is worth at `now` (seconds since 1970)."""

    def miss(why: str, entry: Entry | None = None, spare: Entry | None = None) -> Found:
        return Found(Miss(key, generations, epoch, rule, why), entry, spare)

    if entry is None or entry.head is None:
        return miss("not stored")
    if entry.epoch != epoch or entry.generations != generations:
        return miss("invalidated")
    # A clock that was set back makes entries come from the future; they are fresh by no measure.
    if now < entry.stored - 1:
        return miss("from the future")
    left = entry.fresh_until - now
    spare = entry if left <= 0 and now < entry.stale_until else None
    if demand.max_age is not None and (
        demand.max_age < 0 or now - entry.stored + entry.aged > demand.max_age
    ):
        return miss("older than asked for", entry, spare if demand.max_age > 0 else None)
    if entry.validate:
        return miss("to be validated", entry)
    if left > 0 and left >= demand.min_fresh:
        return Found(Hit(entry))
    if demand.min_fresh > 0:
        return miss("older than asked for", entry, spare)
    if demand.max_stale is not None and not entry.strict and -left <= demand.max_stale:
        return Found(Stale(entry, key, generations, epoch, rule, "asked for"))
    if now < entry.refresh_until:
        return Found(Stale(entry, key, generations, epoch, rule, "expired"), entry, refresh=True)
    return miss("expired", entry, spare)
