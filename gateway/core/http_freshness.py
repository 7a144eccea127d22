"""How old is a reply that comes over HTTP, and for how long is it fresh (RFC 9111 section 4.2)?"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from gateway.core.cache_control import MOST_SECONDS, ReplyControl
from gateway.core.http_dates import seconds_of, year_of
from gateway.core.http_fields import first, values
from gateway.core.reply import Fields

HEURISTIC_STATUSES: Final = frozenset((200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501))
"""Statuses whose replies may be fresh although nothing says so (RFC 9110 section 15.1); a part never is here."""

_SHARE: Final = 0.1
"""The part of the time since it was last changed for which a reply is taken to hold (RFC 9111 section 4.2.2)."""


class Heuristic(Struct, frozen=True):
    """Whether replies that say nothing of their freshness are fresh for a while, at most `most` seconds."""

    on: bool = False
    most: float = 86400.0


class HttpCache(Struct, frozen=True):
    """How the replies of one service are stored, where no rule of the operator's speaks of them.

    `on` = they say it themselves; else none is. `vary_on` are request fields (in lower case) by which its replies differ
    though it does not say so. Without `accept_encoding` they do not differ by that field, unless it says so.
    """

    on: bool = True
    heuristic: Heuristic = Heuristic()
    vary_on: tuple[bytes, ...] = ()
    accept_encoding: bool = True
    by_person: bool = False
    """Whether the service sees who asks: then what its replies let be shared is shared with nobody."""
    idle_cookies: frozenset[bytes] = frozenset()
    """Names of cookies that say nothing of who asks: replies are stored without them, and to whoever sends them."""
    secret_query: frozenset[bytes] = frozenset()
    """Names of parameters in the query of an address that are credentials: no key holds what they say."""


BY_ITS_REPLIES: Final = HttpCache()
"""Each reply says itself whether it is stored."""


def initial_age(fields: Fields, requested: float, received: float) -> float:
    """How old a reply was when it came, in seconds; its request left at `requested` (both seconds since 1970).

    By its Age field and the time that the exchange took, or by its Date, whichever is more. An Age that is no number is
    not looked at, and of several the first counts.
    """
    said = (first(fields, b"age") or b"").partition(b",")[0].strip(b" \t")
    age = 0
    if said.isdigit():
        age = min(int(said), MOST_SECONDS) if len(said.lstrip(b"0")) < 11 else MOST_SECONDS
    date = date_of(fields, received)
    apparent = max(0.0, received - date) if date is not None else 0.0
    # A Date has whole seconds: less than one is no age.
    return max(apparent if apparent >= 1 else 0.0, age + max(0.0, received - requested))


def date_of(fields: Fields, received: float) -> int | None:
    """When the reply was made by its Date, None where it says none."""
    said = first(fields, b"date")
    return None if said is None else seconds_of(said, year_of(received))


def lifetime(
    control: ReplyControl, status: int, fields: Fields, received: float, heuristic: Heuristic
) -> float | None:
    """For how many seconds from its making a reply is fresh; None where nothing says so.

    For a shared cache: `s-maxage`, then `max-age`, then Expires, then the heuristic, if there is one.
    """
    if control.s_maxage is not None:
        return float(control.s_maxage)
    if control.max_age is not None:
        return float(control.max_age)
    if not control.targeted and (expires := values(fields, b"expires")):
        return _until(expires, date_of(fields, received), received)
    if heuristic.on and (status in HEURISTIC_STATUSES or control.public) and not control.no_cache:
        changed = first(fields, b"last-modified")
        at = None if changed is None else seconds_of(changed, year_of(received))
        if at is not None:
            made = date_of(fields, received)
            return min(max(0.0, ((received if made is None else made) - at) * _SHARE), heuristic.most)
    return None


def _until(expires: list[bytes], date: int | None, received: float) -> float:
    """The freshness that Expires gives: none where it is no date, or where two of them differ."""
    if len(set(expires)) > 1:
        return 0.0
    at = seconds_of(expires[0], year_of(received))
    return 0.0 if at is None else max(0.0, at - (received if date is None else date))
