"""May the reply to a request be stored, for how long does it serve, and for whom (RFC 9111 section 3)?"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from gateway.core.cache_control import MOST_SECONDS, ReplyControl, reply_control
from gateway.core.call import Demand
from gateway.core.heads import BODILESS_STATUSES
from gateway.core.http_dates import written
from gateway.core.http_fields import first, values, without
from gateway.core.http_freshness import Heuristic, date_of, initial_age, lifetime
from gateway.core.method import CacheRule
from gateway.core.passing import HOP_BY_HOP, NOT_FOR_CALLERS, WITH_A_PLACE, connection_names
from gateway.core.reply import Fields
from gateway.core.validators import has_validator
from gateway.core.vary import MOST_NAMES, PRINCIPAL, names_of, variant
from gateway.core.verdict import Entry, HttpHead, Miss

BY_THE_REPLY: Final = CacheRule(fresh=0.0, share="everyone")
"""Stands for the rule of requests through a mount that no rule of the operator's speaks of: the reply says it itself."""

VERBS: Final = frozenset(("GET", "HEAD", "QUERY"))
"""The verbs whose replies may serve others (RFC 9110 section 9.2.3, RFC 10008 section 2.7)."""

UNDERSTOOD: Final = frozenset(
    (200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 421, 451, 500, 501, 502, 503, 504)
)
"""Statuses whose meaning for a cache is known here: what `must-understand` asks about."""

_OF_ONE_REQUEST: Final = frozenset((206, 304, 412, 416))
"""Statuses of replies that stand for a part, or for a condition that their request made."""

_DROPPED: Final = HOP_BY_HOP | {b"age", b"content-length", b"x-request-id"}
_CHANGED: Final = NOT_FOR_CALLERS | WITH_A_PLACE


class Exchange(Struct, frozen=True):
    """What storing must know of a request beside its key, and when its reply came (seconds since 1970).

    `credential` = it carries the caller's own credentials for the service. `special` = it asks for a part or makes a
    condition, so that only a 200 is the whole.
    """

    demand: Demand
    credential: bool
    special: bool
    requested: float
    received: float


class Storing(Struct, frozen=True):
    """How a reply is to be stored: its fields as they are kept, and what an `Entry` says of time.

    `vary` are the names by which it was chosen; `private` = it is for its own principal alone.
    """

    fields: Fields
    aged: int
    fresh_until: float
    refresh_until: float
    stale_until: float
    validate: bool
    strict: bool
    vary: frozenset[bytes]
    private: bool


def storing(
    rule: CacheRule, exchange: Exchange, status: int, fields: Fields, heuristic: Heuristic
) -> Storing | str:
    """How the reply is stored, or why it is not. An operator's rule speaks of 200 alone."""
    control = reply_control(fields)
    ruled = rule is not BY_THE_REPLY and status == 200
    why = _why_never(exchange, status, fields) or (
        _against_the_rule(rule, control) if ruled else _against_the_reply(exchange, status, control)
    )
    if why is not None:
        return why
    vary = names_of(fields)
    if isinstance(vary, str):
        return vary
    times = (
        _by_rule(rule, control, fields, exchange)
        if ruled
        else _by_reply(control, status, fields, exchange, heuristic)
    )
    if isinstance(times, str):
        return times
    aged, fresh, refresh, stale = times
    return Storing(
        _stored_fields(fields, control, exchange.received),
        aged,
        fresh,
        refresh,
        stale,
        validate=not ruled and control.no_cache,
        strict=control.strict if not ruled else _is_strict(rule, control),
        vary=vary,
        private=rule is BY_THE_REPLY and not (control.public or control.s_maxage is not None),
    )


def _why_never(exchange: Exchange, status: int, fields: Fields) -> str | None:
    if exchange.demand.no_store:
        return "the caller said no-store"
    if status < 200 or status in _OF_ONE_REQUEST or (exchange.special and status != 200):
        return f"status {status}"
    return "it sets a cookie" if values(fields, b"set-cookie") else None


def _against_the_rule(rule: CacheRule, control: ReplyControl) -> str | None:
    if rule.fresh <= 0:
        return "no rule keeps it"
    if rule.force:
        return None
    if control.no_store:
        return "no-store"
    return "private" if control.private and rule.share != "nobody" else None


def _against_the_reply(exchange: Exchange, status: int, control: ReplyControl) -> str | None:
    """What forbids a shared cache to store (RFC 9111 sections 3 and 3.5)."""
    if control.must_understand and status not in UNDERSTOOD:
        return "its status is not understood"
    if control.no_store and not control.must_understand:
        return "no-store"
    if control.private:
        return "private"
    shares = control.public or control.s_maxage is not None or control.must_revalidate
    if exchange.credential and not shares:
        return "a credential for the upstream"
    return None


def _by_rule(
    rule: CacheRule, control: ReplyControl, fields: Fields, exchange: Exchange
) -> tuple[int, float, float, float]:
    said = (first(fields, b"age") or b"").partition(b",")[0].strip(b" \t")
    age = min(int(said), MOST_SECONDS) if said.isdigit() and len(said) < 20 else 0
    fresh = exchange.received + rule.fresh
    stale = fresh + (0.0 if _is_strict(rule, control) else rule.stale)
    return age, fresh, stale, stale


def _is_strict(rule: CacheRule, control: ReplyControl) -> bool:
    """Whether the service forbids to use it stale, and the operator does not insist."""
    return not rule.force and (control.must_revalidate or control.proxy_revalidate)


def _by_reply(
    control: ReplyControl, status: int, fields: Fields, exchange: Exchange, heuristic: Heuristic
) -> tuple[int, float, float, float] | str:
    received = exchange.received
    can_validate = has_validator(fields, received)
    seconds = lifetime(control, status, fields, received, heuristic)
    if seconds is None:
        if not (control.no_cache and can_validate):
            return "no rule"
        seconds = 0.0
    age = initial_age(fields, exchange.requested, received)
    fresh = received + seconds - age
    refresh = stale = fresh
    if not control.strict:
        refresh += control.stale_while_revalidate or 0
        stale += max(control.stale_while_revalidate or 0, control.stale_if_error or 0)
    if control.no_cache:
        refresh = stale = received - 1
    if not can_validate and (control.no_cache or stale <= received):
        return "stale when it came" if not control.no_cache else "no-cache, and nothing to validate it by"
    return int(age), fresh, refresh, stale


def _stored_fields(fields: Fields, control: ReplyControl, received: float) -> Fields:
    """The fields without those of one connection or one reply, and with a Date (RFC 9110 section 6.6.1)."""
    kept = without(fields, _DROPPED | connection_names(fields) | control.unstored)
    return dated(kept, received)


def dated(fields: Fields, received: float) -> Fields:
    """The fields with a Date: that of their coming, where they have none that is one."""
    if date_of(fields, received) is not None:
        return fields
    return (*without(fields, frozenset((b"date",))), (b"Date", written(received)))


def head_of(status: int, reason: bytes, fields: Fields) -> HttpHead:
    """The head of a reply that is stored; `ready` where every caller gets the same lines."""
    ready = b""
    if status not in BODILESS_STATUSES and all(name.lower() not in _CHANGED for name, _ in fields):
        ready = b"HTTP/1.1 %d %b\r\n%b" % (status, reason, b"".join([b"%b: %b\r\n" % one for one in fields]))
    return HttpHead(status, reason, fields, ready)


class Place(Struct, frozen=True):
    """Where replies to a request lie: under `root`, or under it and what the request says in some fields.

    `person` is the part of a key that stands for the principal, `known` what is under the root already.
    """

    root: bytes
    person: bytes
    asked: Fields
    known: Entry | None = None
    chosen: frozenset[bytes] = frozenset()
    """Fields that the root holds already."""


def place_names(place: Place, how: Storing) -> tuple[bytes, ...]:
    """The names by which the reply is told from others under its root: those of before stay, as long as they are not too many."""
    before = place.known.vary if place.known is not None else ()
    own = (how.vary - place.chosen).union((PRINCIPAL,) if how.private else ())
    both = own.union(before)
    return tuple(sorted(both if len(both) <= 2 * MOST_NAMES else own))


def entries(
    how: Storing, place: Place, miss: Miss, head: HttpHead, body: bytes, received: float
) -> tuple[Entry, ...]:
    """What is stored for a reply: itself, and before it a signpost where its key depends on fields of the request."""
    names = place_names(place, how)
    key = variant(place.root, names, place.asked, place.person) if names else place.root
    reply = Entry(
        key=key,
        kind="http",
        body=body,
        stored=received,
        fresh_until=how.fresh_until,
        stale_until=how.stale_until,
        epoch=miss.epoch,
        generations=miss.generations,
        head=head,
        aged=how.aged,
        refresh_until=how.refresh_until,
        validate=how.validate,
        strict=how.strict,
        pin=miss.rule.pin,
    )
    if not names:
        return (reply,)
    until = max(how.fresh_until, how.stale_until, received)
    signpost = Entry(
        key=place.root,
        kind="http",
        body=b"",
        stored=received,
        fresh_until=until,
        stale_until=until,
        epoch=miss.epoch,
        generations=miss.generations,
        vary=names,
        pin=miss.rule.pin,
    )
    return (signpost, reply)
