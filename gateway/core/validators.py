"""Is what somebody has still what there is (RFC 9110 sections 8.8 and 13, RFC 9111 section 4.3)?"""

from __future__ import annotations

import re
from typing import Final

from gateway.core.http_dates import seconds_of, year_of
from gateway.core.http_fields import first, values, without
from gateway.core.passing import HOP_BY_HOP, connection_names
from gateway.core.reply import Fields
from gateway.core.verdict import HttpHead

_etag = re.compile(rb'(?:W/)?"[!#-~\x80-\xff]*"')
_list_of_etags = re.compile(rb'[ \t,]*((?:W/)?"[!#-~\x80-\xff]*")[ \t]*(?=,|$)')

CONDITIONS: Final = frozenset((b"if-none-match", b"if-modified-since"))
"""The preconditions that a cache answers; the others are for the service alone."""

IN_304: Final = frozenset(
    (
        b"cache-control",
        b"cdn-cache-control",
        b"content-location",
        b"date",
        b"etag",
        b"expires",
        b"vary",
        b"last-modified",
    )
)
"""What a 304 tells of the reply that it stands for (RFC 9110 section 15.4.5)."""

KEPT: Final = HOP_BY_HOP | {
    b"content-length",
    b"content-encoding",
    b"content-range",
    b"set-cookie",
    b"age",
    b"x-request-id",
}
"""What a 304 never changes of a stored reply: what belongs to a connection, to the body that is stored, or to one reply."""

_STRONG_AFTER: Final = 60
"""Seconds after the last change from which on its date tells versions apart (RFC 9110 section 8.8.2.2)."""


def etag_of(fields: Fields) -> bytes | None:
    """The entity tag of a reply, None where there is not exactly one that is one."""
    found = values(fields, b"etag")
    return found[0] if len(found) == 1 and _etag.fullmatch(found[0]) else None


def changed_at(fields: Fields, now: float) -> int | None:
    """When it was last changed by its Last-Modified, None where it says none."""
    said = first(fields, b"last-modified")
    return None if said is None else seconds_of(said, year_of(now))


def weakly_equal(one: bytes, other: bytes) -> bool:
    """Whether two entity tags mean the same for all purposes but parts."""
    return one.removeprefix(b"W/") == other.removeprefix(b"W/")


def strongly_equal(one: bytes, other: bytes) -> bool:
    """Whether two entity tags mean the same bytes."""
    return one == other and not one.startswith(b"W/")


def etags(value: bytes) -> list[bytes] | None:
    """The entity tags of an If-None-Match, `*` for any; None where it is not to be read."""
    if value.strip(b" \t") == b"*":
        return [b"*"]
    found: list[bytes] = []
    at = 0
    while at < len(value):
        one = _list_of_etags.match(value, at)
        if one is None:
            return found if not value[at:].strip(b" \t,") and found else None
        found.append(one[1])
        at = one.end()
    return found or None


def has_validator(fields: Fields, now: float) -> bool:
    """Whether the service can be asked if this reply still holds."""
    return etag_of(fields) is not None or changed_at(fields, now) is not None


def conditions(stored: Fields, asked: Fields, now: float) -> Fields:
    """The request's fields as they ask the service whether the stored reply still holds.

    The caller's own entity tags stay beside the stored one, so that what they have is not sent to them again.
    """
    tag, since = etag_of(stored), first(stored, b"last-modified")
    kept = without(asked, CONDITIONS)
    if tag is not None:
        others = others_asked(stored, asked)
        kept = (*kept, (b"If-None-Match", b", ".join((*others, tag))))
    if since is not None and seconds_of(since, year_of(now)) is not None:
        kept = (*kept, (b"If-Modified-Since", since))
    return kept


def others_asked(stored: Fields, asked: Fields) -> list[bytes]:
    """The caller's entity tags that `conditions` asks about beside the stored one."""
    tag, own = etag_of(stored), values(asked, b"if-none-match")
    if tag is None or not own:
        return []
    return [one for one in etags(b", ".join(own)) or () if one != b"*" and not weakly_equal(one, tag)]


def confirms(stored: Fields, told: Fields, *, alone: bool) -> bool:
    """Whether a 304 with these fields speaks of the stored reply (RFC 9111 section 4.3.4).

    `alone` = nothing but the stored reply's own validators was asked about: then it can mean no other.
    """
    tag, mine = etag_of(told), etag_of(stored)
    if tag is not None and mine is not None:
        return tag == mine or (weakly_equal(tag, mine) and (tag[:1] == b"W" or mine[:1] == b"W"))
    if tag is not None:
        return False
    since, changed = first(told, b"last-modified"), first(stored, b"last-modified")
    if since is not None and changed is not None and since != changed:
        return False
    return alone or (since is not None and since == changed)


def freshened(stored: Fields, told: Fields) -> Fields:
    """The stored reply's fields with those of a newer reply that has the same body (RFC 9111 section 3.2).

    Each stays where it was; what was not there comes last.
    """
    kept = KEPT | connection_names(told)
    new: dict[bytes, list[tuple[bytes, bytes]]] = {}
    for field in told:
        name = field[0].lower()
        if name not in kept:
            new.setdefault(name, []).append(field)
    changed = frozenset(new)
    made: list[tuple[bytes, bytes]] = []
    for field in stored:
        name = field[0].lower()
        made += new.pop(name, ()) if name in changed else (field,)
    return (*made, *(field for fields in new.values() for field in fields))


def same_body(stored: HttpHead, length: int, told: Fields, now: float) -> bool:
    """Whether the reply to a HEAD speaks of the stored reply to a GET (RFC 9111 section 4.3.5)."""
    said = first(told, b"content-length")
    if said is not None and said != b"%d" % length:
        return False
    tag, mine = etag_of(told), etag_of(stored.fields)
    if tag != mine:
        return False
    return changed_at(told, now) == changed_at(stored.fields, now)


def is_unchanged(asked: Fields, head: HttpHead, received: float) -> bool:
    """Whether the caller has what is stored, so that a 304 is the answer (RFC 9111 section 4.3.2)."""
    if not 200 <= head.status < 300:
        return False
    said = values(asked, b"if-none-match")
    if said:
        if len(said) == 1 and said == values(head.fields, b"etag"):
            return True  # some services leave the quotes out, and compare the text as it stands
        known = etags(b", ".join(said)) or []
        tag = etag_of(head.fields)
        return b"*" in known or (tag is not None and any(weakly_equal(one, tag) for one in known))
    dates = values(asked, b"if-modified-since")
    if len(dates) != 1:
        return False
    year = year_of(received)
    since = seconds_of(dates[0], year)
    changed = first(head.fields, b"last-modified") or first(head.fields, b"date")
    at = None if changed is None else seconds_of(changed, year)
    return since is not None and at is not None and at <= since


def may_be_part_of(asked: Fields, head: HttpHead, now: float) -> bool:
    """Whether a caller's If-Range, if there is one, means what is stored (RFC 9110 section 13.1.5)."""
    said = values(asked, b"if-range")
    if not said:
        return True
    if len(said) > 1:
        return False
    tag = etag_of(head.fields)
    if _etag.fullmatch(said[0]):
        return tag is not None and strongly_equal(said[0], tag)
    changed = first(head.fields, b"last-modified")
    date = first(head.fields, b"date")
    if changed is None or changed != said[0] or date is None:
        return False
    year = year_of(now)
    at, made = seconds_of(changed, year), seconds_of(date, year)
    return at is not None and made is not None and made - at >= _STRONG_AFTER
